"""
The streams that are on course, as columns: one row a stream.

A row holds what its next packet is to look like, the octets that wait to be
played, and what was counted since the stream came here. Of a packet that looks
otherwise it knows nothing: the stream goes back to the plain path.

The octets of a row lie in a line, ``lead`` to ``fill``; when the line is full
they are moved to its beginning, once in many chunks. The sample after ``lead``
belongs to the place up to which the bridge has played::

    base       lead            fill         base + room
    │ … before │ waits         │            │
               └ ahead ┘ decoded already (G.722 only)

Lines of all rows lie in one store, each as long as about a second of its codec.
A line that is free is used again for another of its length.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..audio.samples import NO_SAMPLES, Samples
from .course import Course, Progressed, Run
from .forms import FORMS
from .stream import Stream

LINE_OCTETS = 8192
"Lines are a multiple of this."
MAX_LINE_OCTETS = 16 * LINE_OCTETS
"A second of the widest there is, linear samples at 48 kHz, and some more."
PAST_MS = 50
"Of what was played, so much is kept: what is lost next is concealed with it."
NEVER = np.iinfo(np.int64).max
NOBODY = 0
"The row that stands for streams that have none: it expects nothing."
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
    "protected": "?",
    # … where it belongs, …
    "place": "i8",
    "lasts": "i8",
    "ticks": "i8",
    "octets": "i8",
    "opened_at": "f8",
    # … what waits, …
    "form": "i1",
    "base": "i8",
    "room": "i8",
    "past": "i8",
    "chunk": "i8",
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
    "most": "i8",
    "until": "i8",
}


def line_octets(octets: int) -> int:
    """How long a line is in which so many octets have room."""
    return -(-octets // LINE_OCTETS) * LINE_OCTETS


class Past(NamedTuple):
    """What is remembered of what was played of a row."""

    last_sample: int
    before: Samples


class StreamTable:
    """Columns that grow as streams come; a row that is free is used again."""

    first: NDArray[np.uint32]
    sequence: NDArray[np.int64]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    length: NDArray[np.uint32]
    "Of a packet as it is sent."
    dropped: NDArray[np.uint32]
    protected: NDArray[np.bool_]
    "By SRTP."
    place: NDArray[np.int64]
    "Of the next packet: the end of what waits."
    lasts: NDArray[np.int64]
    "Units of a packet."
    ticks: NDArray[np.int64]
    "Of the RTP clock, of a packet."
    octets: NDArray[np.int64]
    "Of a payload."
    opened_at: NDArray[np.float64]
    form: NDArray[np.int8]
    base: NDArray[np.int64]
    "Where the line begins in the store."
    room: NDArray[np.int64]
    "Octets of the line."
    past: NDArray[np.int64]
    "Octets of what was played that are kept."
    chunk: NDArray[np.int64]
    "Octets that are played at a time."
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
    "The least delay of the window of the drift, and the greatest."
    most: NDArray[np.int64]
    until: NDArray[np.int64]

    def __init__(self, rows: int = _FIRST_ROWS) -> None:
        self.streams: list[Stream | None] = [None] * rows
        self.courses: list[Course | None] = [None] * rows
        "As they were when the streams came."
        self.ahead: list[Samples] = [NO_SAMPLES] * rows
        "What is decoded of a line, and waits."
        self.before: list[Samples] = [NO_SAMPLES] * rows
        "What was played of a line that cannot be decoded again."
        self.names: NDArray[np.uint64] = np.zeros((rows, 4), dtype=np.uint64)
        self.store: NDArray[np.uint8] = np.zeros(rows * LINE_OCTETS, dtype=np.uint8)
        self._used = 0
        "Of the store."
        for name, kind in _COLUMNS.items():
            setattr(self, name, np.zeros(rows, dtype=kind))
        self._free = list(range(rows - 1, NOBODY, -1))
        self._lines: dict[int, list[int]] = {}
        "Where lines of each length are free."
        self._windows: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.streams) - len(self._free) - 1

    def windows(self, octets: int) -> NDArray[np.uint8]:
        """Every span of so many octets in the store, by where it begins: views that overlap."""
        known = self._windows.get(octets)
        if known is None:
            known = np.lib.stride_tricks.as_strided(
                self.store, (len(self.store) - octets + 1, octets), (1, 1), writeable=True
            )
            self._windows[octets] = known
        return known

    def line(self, row: int, begin: int, end: int) -> NDArray[np.uint8]:
        """A part of the line of a row, as it lies there."""
        base = int(self.base[row])
        return self.store[base + begin : base + end]

    # --- coming and going ---

    def adopt(
        self, stream: Stream, course: Course, name: bytes, chunk_samples: int, room: int
    ) -> int:
        """
        A row for a stream.

        :param name: where its source sends from, as the system has it.
        :param room: octets of its line (:func:`line_octets`).
        """
        if not self._free:
            self._grow()
        row, run = self._free.pop(), course.run
        form, rate = FORMS[run.form], run.decoder.rate
        self.streams[row], self.courses[row] = stream, course
        self.ahead[row], self.before[row] = run.ahead, NO_SAMPLES
        self.names[row] = np.frombuffer(name, dtype=np.uint64)
        growth = course.protection.growth_octets if course.protection is not None else 0
        values = {
            "first": _VERSION | course.payload_type << 16,
            "sequence": run.sequence + 1,
            "timestamp": course.timestamp & 0xFFFFFFFF,
            "ssrc": course.ssrc,
            "length": 12 + run.packet_octets + growth,
            "dropped": course.dropped,
            "protected": course.protection is not None,
            "place": run.end,
            "lasts": run.lasts,
            "ticks": run.ticks,
            "octets": run.packet_octets,
            "opened_at": course.opened_at,
            "form": run.form,
            "base": self._take_line(room),
            "room": room,
            "past": form.octets_of(past_samples(rate)) if form.decoded is not None else 0,
            "chunk": form.octets_of(chunk_samples),
            "lead": 0,
            "fill": len(run.octets),
            "last_sample": run.last_sample,
            "taken": 0,
            "arrived_at": course.arrived_at,
            "spacing": run.ticks / course.clock_rate,
            "jitter_s": course.jitter_s,
            "max_jitter_s": course.max_jitter_s,
            "least": NEVER if course.least is None else course.least,
            "most": -NEVER if course.most is None else course.most,
            "until": course.until,
        }
        for column, value in values.items():
            getattr(self, column)[row] = value
        self.line(row, 0, len(run.octets))[:] = np.frombuffer(run.octets, dtype=np.uint8)
        return row

    def settle(self, row: int) -> None:
        """Tell a stream what came since the last time."""
        stream, taken = self.streams[row], int(self.taken[row])
        least, most = int(self.least[row]), int(self.most[row])
        if stream is None:
            return
        stream.progress(
            Progressed(
                packets=taken,
                octets=taken * int(self.octets[row]),
                ticks=taken * int(self.ticks[row]),
                arrived_at=float(self.arrived_at[row]),
                jitter_s=float(self.jitter_s[row]),
                max_jitter_s=float(self.max_jitter_s[row]),
                least=None if least == NEVER else least,
                most=None if most == -NEVER else most,
            )
        )
        self.taken[row] = 0

    def release(self, row: int, played: int) -> None:
        """A stream takes back all that is its own; the row is free."""
        self.settle(row)
        stream, course = self.streams[row], self.courses[row]
        if stream is not None and course is not None:
            stream.take_back(played, self._run(row, course.run))
        self.streams[row] = self.courses[row] = None
        self.ahead[row] = self.before[row] = NO_SAMPLES
        self._lines[int(self.room[row])].append(int(self.base[row]))
        self._free.append(row)

    def remembered(self, row: int) -> Past:
        """What is remembered of a row now."""
        return Past(int(self.last_sample[row]), self.before[row])

    def unplay(self, row: int, samples: Samples | None, past: Past) -> None:
        """What was decoded last of a row was not played after all; before it there was this."""
        self.lead[row] -= self.chunk[row]
        self.last_sample[row], self.before[row] = past
        if samples is not None and FORMS[self.form[row]].decoded is None:
            self.ahead[row] = np.concatenate((samples, self.ahead[row]))

    def _run(self, row: int, run: Run) -> Run:
        """What waits in a row now, and what was played of it."""
        lead, fill = int(self.lead[row]), int(self.fill[row])
        decoded = FORMS[run.form].decoded
        before = self.before[row]
        if decoded is not None:
            before = decoded(self.line(row, max(lead - int(self.past[row]), 0), lead))
        return run._replace(
            octets=self.line(row, lead, fill).tobytes(),
            sequence=int(self.sequence[row]) - 1,
            end=int(self.place[row]),
            last_sample=int(self.last_sample[row]),
            ahead=self.ahead[row],
            before=before,
        )

    # --- room ---

    def make_room(self, rows: Rows) -> None:
        """Move what waits in some rows, and the past before it, to the beginning of their lines."""
        for row in rows.tolist():
            lead, fill = int(self.lead[row]), int(self.fill[row])
            past = min(lead, int(self.past[row]))
            kept = self.line(row, lead - past, fill).copy()
            self.line(row, 0, len(kept))[:] = kept
            self.lead[row], self.fill[row] = past, len(kept)

    def _take_line(self, room: int) -> int:
        """Where a line of a length is free."""
        free = self._lines.setdefault(room, [])
        if free:
            return free.pop()
        while self._used + room > len(self.store):
            self.store = _twice(self.store)
            self._windows.clear()
        base, self._used = self._used, self._used + room
        return base

    def _grow(self) -> None:
        """Twice as many rows."""
        rows = len(self.streams)
        for column in _COLUMNS:
            setattr(self, column, _twice(getattr(self, column)))
        self.names = _twice(self.names)
        self.streams += [None] * rows
        self.courses += [None] * rows
        self.ahead += [NO_SAMPLES] * rows
        self.before += [NO_SAMPLES] * rows
        self._free = list(range(2 * rows - 1, rows - 1, -1))


def past_samples(rate: int) -> int:
    """An even number of samples, which are a little more than concealment ever wants."""
    return rate * PAST_MS // 2000 * 2


def _twice(column: NDArray[_T]) -> NDArray[_T]:
    return np.concatenate([column, np.zeros_like(column)])
