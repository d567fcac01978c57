"""
The streams that are on course, as columns: one row a stream.

A row holds what its next packet is to look like, the octets that wait to be
played, and what was counted since the stream came here. Of a packet that looks
otherwise it knows nothing: the stream goes back to the plain path.

The octets of a row lie in a line, ``lead`` to ``fill``; when the line is full
they are moved to its beginning, once in many chunks. The sample after ``lead``
belongs to the place up to which the bridge has played.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .course import Course, Progressed, Run
from .stream import Stream

LINE_OCTETS = 8192
PAST_OCTETS = 400
"Of what was played, so much is kept: what is lost next is concealed with it."
ROOM_OCTETS = LINE_OCTETS - PAST_OCTETS
"Nearly a second of G.711: more than that waits for nobody on course."
MIN_PACKET_OCTETS = 40
NEVER = np.iinfo(np.int64).max
LAWS = ("PCMU", "PCMA")
_VERSION = 0x80000000
_FIRST_ROWS = 64

Rows = NDArray[np.intp]
_T = TypeVar("_T", bound=np.generic)

_COLUMNS: dict[str, str] = {
    # What is expected: the header's first word but for the sequence number, …
    "first": "u4",
    "sequence": "i8",
    "timestamp": "u4",
    "ssrc": "u4",
    "length": "u4",
    "dropped": "u4",
    # … where it belongs, …
    "place": "i8",
    "lasts": "i8",
    "octets": "i8",
    "opened_at": "f8",
    # … what waits, …
    "law": "i1",
    "lead": "i8",
    "fill": "i8",
    "last_sample": "i2",
    # … and what was seen.
    "taken": "i8",
    "arrived_at": "f8",
    "spacing": "f8",
    "jitter_s": "f8",
    "max_jitter_s": "f8",
    "least": "i8",
    "until": "i8",
}


class StreamTable:
    """Columns that grow as streams come; a row that is free is used again."""

    first: NDArray[np.uint32]
    sequence: NDArray[np.int64]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    length: NDArray[np.uint32]
    dropped: NDArray[np.uint32]
    place: NDArray[np.int64]
    "Of the next packet: the end of what waits."
    lasts: NDArray[np.int64]
    "Units of a packet."
    octets: NDArray[np.int64]
    "Of a payload; in G.711 they are the RTP clock's ticks as well."
    opened_at: NDArray[np.float64]
    law: NDArray[np.int8]
    lead: NDArray[np.int64]
    fill: NDArray[np.int64]
    last_sample: NDArray[np.int16]
    taken: NDArray[np.int64]
    arrived_at: NDArray[np.float64]
    spacing: NDArray[np.float64]
    "Seconds from packet to packet, by the source's clock."
    jitter_s: NDArray[np.float64]
    max_jitter_s: NDArray[np.float64]
    least: NDArray[np.int64]
    until: NDArray[np.int64]

    def __init__(self, rows: int = _FIRST_ROWS) -> None:
        self.streams: list[Stream | None] = [None] * rows
        self.names: NDArray[np.uint64] = np.zeros((rows, 4), dtype=np.uint64)
        self.line: NDArray[np.uint8] = np.zeros((rows, LINE_OCTETS), dtype=np.uint8)
        for name, kind in _COLUMNS.items():
            setattr(self, name, np.zeros(rows, dtype=kind))
        self._free = list(range(rows - 1, -1, -1))
        self._windows: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.streams) - len(self._free)

    def windows(self, octets: int) -> NDArray[np.uint8]:
        """Every span of so many octets in all lines, by where it begins: views that overlap."""
        known = self._windows.get(octets)
        if known is None:
            flat = self.line.reshape(-1)
            known = np.lib.stride_tricks.as_strided(
                flat, (len(flat) - octets + 1, octets), (1, 1), writeable=True
            )
            self._windows[octets] = known
        return known

    # --- coming and going ---

    def adopt(self, stream: Stream, course: Course, name: bytes) -> int:
        """A row for a stream; ``name`` is where its source sends from, as the system has it."""
        if not self._free:
            self._grow()
        row, run = self._free.pop(), course.run
        self.streams[row] = stream
        self.names[row] = np.frombuffer(name, dtype=np.uint64)
        values = {
            "first": _VERSION | course.payload_type << 16,
            "sequence": run.sequence + 1,
            "timestamp": course.timestamp & 0xFFFFFFFF,
            "ssrc": course.ssrc,
            "length": 12 + run.packet_octets,
            "dropped": course.dropped,
            "place": run.end,
            "lasts": run.packet_octets * course.tick,
            "octets": run.packet_octets,
            "opened_at": course.opened_at,
            "law": LAWS.index(run.law),
            "lead": 0,
            "fill": len(run.octets),
            "last_sample": run.last_sample,
            "taken": 0,
            "arrived_at": course.arrived_at,
            "spacing": run.packet_octets / run.rate,
            "jitter_s": course.jitter_s,
            "max_jitter_s": course.max_jitter_s,
            "least": NEVER if course.least is None else course.least,
            "until": course.until,
        }
        for column, value in values.items():
            getattr(self, column)[row] = value
        self.line[row, : len(run.octets)] = np.frombuffer(run.octets, dtype=np.uint8)
        return row

    def settle(self, row: int) -> None:
        """Tell a stream what came since the last time."""
        stream, least = self.streams[row], int(self.least[row])
        if stream is None:
            return
        stream.progress(
            Progressed(
                packets=int(self.taken[row]),
                packet_octets=int(self.octets[row]),
                arrived_at=float(self.arrived_at[row]),
                jitter_s=float(self.jitter_s[row]),
                max_jitter_s=float(self.max_jitter_s[row]),
                least=None if least == NEVER else least,
            )
        )
        self.taken[row] = 0

    def release(self, row: int, played: int) -> None:
        """A stream takes back all that is its own; the row is free."""
        self.settle(row)
        stream, law = self.streams[row], LAWS[self.law[row]]
        octets, lead = int(self.octets[row]), int(self.lead[row])
        run = Run(
            law=law,
            rate=round(octets / float(self.spacing[row])),
            packet_octets=octets,
            octets=self.line[row, lead : self.fill[row]].tobytes(),
            sequence=int(self.sequence[row]) - 1,
            end=int(self.place[row]),
            last_sample=int(self.last_sample[row]),
            before=self.line[row, max(lead - PAST_OCTETS, 0) : lead].tobytes(),
        )
        if stream is not None:
            stream.take_back(played, run)
        self.streams[row] = None
        self._free.append(row)

    # --- room ---

    def make_room(self, rows: Rows) -> None:
        """Move what waits in some rows, and the past before it, to the beginning of their lines."""
        for row in rows.tolist():
            lead, fill = int(self.lead[row]), int(self.fill[row])
            past = min(lead, PAST_OCTETS)
            kept = self.line[row, lead - past : fill].copy()
            self.line[row, : len(kept)] = kept
            self.lead[row], self.fill[row] = past, len(kept)

    def _grow(self) -> None:
        """Twice as many rows."""
        rows = len(self.streams)
        for column in _COLUMNS:
            setattr(self, column, _twice(getattr(self, column)))
        self.names, self.line = _twice(self.names), _twice(self.line)
        self.streams += [None] * rows
        self._free = list(range(2 * rows - 1, rows - 1, -1))
        self._windows.clear()


def _twice(column: NDArray[_T]) -> NDArray[_T]:
    return np.concatenate([column, np.zeros_like(column)])
