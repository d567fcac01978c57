"""
The bridges of which every stream is on course, played together.

A bridge is **steady** while all its streams are rows of the table. As long as
what comes is what was expected, a whole slot of bridges goes through each stage
at once. The first thing that is not sends its bridge back to the plain path,
with all that it needs to go on as if it had never been away; when all goes as
it should again, the bridge comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..plan import Address
from .batch import PacketBuffer
from .bridge import Bridge
from .composition import Played
from .course import Course
from .settings import MediaSettings
from .stages import Arrivals, decoded, expected, keep, side_by_side
from .table import LINE_OCTETS, MIN_PACKET_OCTETS, ROOM_OCTETS, Rows, StreamTable
from .timeline import UNITS_PER_SECOND


class SteadyBridge:
    """A bridge in the table."""

    def __init__(self, bridge: Bridge, table: StreamTable, rows: Mapping[int, int]) -> None:
        """:param rows: the row of each stream by its index, in the order of playing."""
        self.bridge = bridge
        self.rows = rows
        self.indexes = tuple(rows)
        self.numbers = tuple(rows.values())
        self.direct = bridge.takes_interleaved(self.indexes)
        "Its consumers take the rows side by side, as they are."
        self.octets = bridge.chunk_samples(8000)
        "Of a chunk of one stream."
        self._table = table

    @property
    def steady(self) -> bool:
        """Whether it is still in the table."""
        return bool(self.numbers)

    def settle(self) -> None:
        """Tell the streams what came, as for statistics."""
        for row in self.numbers:
            self._table.settle(row)

    def release(self) -> None:
        """Back to the plain path."""
        numbers, self.numbers = self.numbers, ()
        for row in numbers:
            self._table.release(row, self.bridge.played)
        self.bridge.left_steady()


class SteadyPlane:
    """All steady bridges of a process."""

    def __init__(self, settings: MediaSettings) -> None:
        self.table = StreamTable()
        self.buffer = PacketBuffer(settings.max_batch_packets, settings.max_datagram_octets)
        self._max_catch_up = settings.max_catch_up
        self._far = int(settings.reanchor_s * UNITS_PER_SECOND)
        self._able = (
            settings.max_batch_packets > 0
            and settings.max_pending_packets * MIN_PACKET_OCTETS >= LINE_OCTETS
        )
        self._ahead_octets = 8 * (settings.jitter_ms + 200)

    def adopt(self, bridge: Bridge, name: Callable[[Address], bytes | None]) -> SteadyBridge | None:
        """
        Take a bridge into the table, if all goes as it should in it.

        :param name: an address as the system has it; None where that cannot be told.
        """
        courses = bridge.courses() if self._able else None
        if courses is None:
            return None
        chunk = bridge.chunk_samples(8000)
        names = {index: name(course.source) for index, course in courses.items()}
        if not all(self._fits(course, chunk) for course in courses.values()):
            return None
        known = {index: octets for index, octets in names.items() if octets is not None}
        if len(known) < len(courses):
            return None
        rows = {
            index: self.table.adopt(bridge.streams[index], course, known[index])
            for index, course in courses.items()
        }
        steady = SteadyBridge(bridge, self.table, rows)
        bridge.enter_steady(steady)
        return steady

    def _fits(self, course: Course, chunk: int) -> bool:
        """Whether the packets of a stream, and what waits of them, have room."""
        run = course.run
        if run.rate != 8000 or run.packet_octets < MIN_PACKET_OCTETS:
            return False
        if 12 + run.packet_octets > self.buffer.max_octets:
            return False
        return len(run.octets) + chunk + self._ahead_octets <= ROOM_OCTETS

    def step(
        self, group: Sequence[SteadyBridge], counts: Sequence[int], now: float
    ) -> list[SteadyBridge]:
        """
        Take what lies in the buffer, and play what is due. A bridge for which
        anything unexpected came is given back: it is steady no more, nothing was
        taken of its packets, nothing played. Others leave for other reasons, with
        all that came; they are to be looked after by their own
        :meth:`.bridge.Bridge.expire`.

        :param counts: how many packets came for each stream of each bridge.
        """
        rows = np.array([row for one in group for row in one.numbers], dtype=np.intp)
        came = expected(self.table, self.buffer, rows, np.array(counts, dtype=np.intp), self._far)
        odd: list[SteadyBridge] = []
        if not came.good.all():
            group, odd, came = self._sort_out(group, came)
        over = keep(self.table, self.buffer, came) if group else []
        if over:
            self._follow_drift(group, over)
        self._play([one for one in group if one.steady], now)
        return odd

    def _sort_out(
        self, group: Sequence[SteadyBridge], came: Arrivals
    ) -> tuple[list[SteadyBridge], list[SteadyBridge], Arrivals]:
        """Those whose packets are all as expected, and those of which one is not."""
        expected_of = came.good.tolist()
        good: list[SteadyBridge] = []
        odd: list[SteadyBridge] = []
        chosen: list[bool] = []
        at = 0
        for one in group:
            width = len(one.numbers)
            whole = all(expected_of[at : at + width])
            chosen += [whole] * width
            at += width
            if whole:
                good.append(one)
            else:
                odd.append(one)
                one.release()
        return good, odd, came.only(np.array(chosen, dtype=np.bool_))

    def _follow_drift(self, group: Iterable[SteadyBridge], over: list[int]) -> None:
        """A stream that is to be moved along the timeline is not steady while it moves."""
        for one in group:
            if not set(over).isdisjoint(one.numbers) and any(
                stream.drift is not None and stream.drift.slips
                for stream in one.bridge.streams.values()
            ):
                one.release()

    # --- playing ---

    def _play(self, group: list[SteadyBridge], now: float) -> None:
        """Chunk after chunk, for all that are due."""
        for _ in range(self._max_catch_up):
            by_shape: dict[tuple[int, int], list[SteadyBridge]] = {}
            for one in group:
                if one.bridge.deadline <= now:
                    shape = one.octets, len(one.numbers) if one.direct else 0
                    by_shape.setdefault(shape, []).append(one)
            group = []
            for (octets, width), alike in by_shape.items():
                group += self._play_alike(alike, octets, width)
            if not group:
                break

    def _play_alike(self, group: list[SteadyBridge], octets: int, width: int) -> list[SteadyBridge]:
        """One chunk of bridges of one shape; gives those that had it."""
        rows = np.array([row for one in group for row in one.numbers], dtype=np.intp)
        table = self.table
        missing = table.fill[rows] - table.lead[rows] < octets
        if missing.any():
            group, rows = self._complete(group, rows[missing])
        if not group:
            return []
        samples = decoded(table, rows, octets)
        if width:
            together = side_by_side(samples, width)
            for one, interleaved in zip(group, together, strict=True):
                one.bridge.play_interleaved(interleaved.tobytes())
            return group
        at = 0
        for one in group:
            lasts = one.bridge.chunk
            played = {
                index: Played(8000, samples[at + number], (), lasts)
                for number, index in enumerate(one.indexes)
            }
            at += len(one.indexes)
            one.bridge.play_whole(played)
        return group

    def _complete(
        self, group: list[SteadyBridge], missing: Rows
    ) -> tuple[list[SteadyBridge], Rows]:
        """Those of which the whole chunk is here; the others leave."""
        lacking = set(missing.tolist())
        whole = [one for one in group if lacking.isdisjoint(one.numbers)]
        for one in group:
            if not lacking.isdisjoint(one.numbers):
                one.release()
        rows = [row for one in whole for row in one.numbers]
        return whole, np.array(rows, dtype=np.intp)
