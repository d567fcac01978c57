"""
The bridges of which streams are on course, played together.

A bridge that is **steady** is read and stepped together with others. Each of its
streams that goes as it should is a row of the table, and goes through each stage
with all other rows. One of which something else came leaves the table, with all
that it needs to go on as if it had never been away, and takes the plain path
beside the others of its bridge; when all goes as it should again, mostly after a
chunk or two, it comes back. So does one that is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ..plan import Address
from ..rtp.datagram import Datagram
from .batch import PacketBuffer
from .bridge import Bridge
from .composition import Played
from .course import Course
from .forms import FORMS
from .settings import MediaSettings
from .stages import Arrivals, decoded, expected, keep, side_by_side, unprotect
from .table import (
    LINE_OCTETS,
    MAX_LINE_OCTETS,
    NOBODY,
    Past,
    Rows,
    StreamTable,
    line_octets,
    past_samples,
)
from .timeline import UNITS_PER_SECOND, units_per_sample

NameOf = Callable[[Address], bytes | None]
"An address as the system has it; None where that cannot be told."

_SHORT_CHUNKS = 4
"Whoever stays for less waits twice as long before the next time, …"
_MAX_PATIENCE = 16
"… but no longer than so many chunks."
STALL_S = 4
"""Lines have room for what comes while the process stands still for nearly so long: what
makes up for it together costs a tenth of what it would one by one, so that a server with
many calls is not left behind for good."""


class _Seat:
    """A stream of a steady bridge: its row, or when it may have one."""

    __slots__ = (
        "has_all",
        "index",
        "past",
        "patience",
        "rate",
        "row",
        "samples",
        "since",
        "wait",
    )

    def __init__(self, index: int) -> None:
        self.index = index
        self.row = NOBODY
        self.rate = self.samples = 0
        "Hz, and samples of a chunk, while it has a row."
        self.since = 0
        "The place from which on it has it."
        self.past: Past | None = None
        "Before the chunk that is decoded, and waits."
        self.has_all = False
        "It has lost its row with all that came of it in this step."
        self.patience = 1
        self.wait = 0
        "Chunks until it may come back."


class SteadyBridge:
    """A bridge that steps together with others."""

    def __init__(self, bridge: Bridge, table: StreamTable) -> None:
        self.bridge = bridge
        self.indexes = bridge.order()
        "Its streams, in the order of playing."
        self.seats = tuple(_Seat(index) for index in self.indexes)
        self.played: dict[int, Played] | None = None
        "The next chunk of the rows, while it waits for that of the other streams."
        self.steady = True
        "Whether it still steps together with others."
        self.whole = False
        "All streams are rows."
        self.side_by_side = False
        "And its consumers take the rows side by side, as they are."
        self.outlets: tuple[tuple[int, int], ...] = ()
        "Theirs, then: :attr:`.consumers.Alike.outlets`."
        self.rows = (NOBODY,) * len(self.seats)
        "The row of each stream."
        self._table = table

    def settle(self) -> None:
        """Tell the streams what came, as for statistics."""
        for seat in self.seats:
            if seat.row != NOBODY:
                self._table.settle(seat.row)

    def release(self) -> None:
        """Back to the plain path, with all streams."""
        self._unplay()
        for seat in self.seats:
            self._let_go(seat)
        self.whole = self.side_by_side = self.steady = False
        self.bridge.left_steady()

    def part(self, seat: _Seat, has_all: bool) -> None:
        """One stream takes the plain path."""
        seat.has_all = has_all
        stayed = (self.bridge.played - seat.since) // self.bridge.chunk
        seat.patience = min(2 * seat.patience, _MAX_PATIENCE) if stayed < _SHORT_CHUNKS else 1
        seat.wait = seat.patience - 1
        self._let_go(seat)
        self.whole = self.side_by_side = False

    def _let_go(self, seat: _Seat) -> None:
        row, seat.row = seat.row, NOBODY
        if row != NOBODY:
            self.rows = tuple([each.row for each in self.seats])
            self._table.release(row, self.bridge.played)

    def seat(self, seat: _Seat, course: Course, name: bytes, room: int) -> None:
        """A stream comes (back) into the table."""
        bridge = self.bridge
        seat.rate = course.run.decoder.rate
        seat.samples = bridge.chunk_samples(seat.rate)
        stream = bridge.streams[seat.index]
        seat.row = self._table.adopt(stream, course, name, seat.samples, room)
        seat.since = bridge.played
        self.rows = tuple([each.row for each in self.seats])
        self.whole = all(each.row != NOBODY for each in self.seats)
        alike = self.whole and all(each.rate == seat.rate for each in self.seats)
        self.side_by_side = alike and bridge.takes_interleaved(self.indexes, seat.rate)
        self.outlets = bridge.outlets if self.side_by_side else ()

    def go_on(self, came: Mapping[int, Sequence[Datagram]], now: float) -> None:
        """The streams that have no rows take what came, and the chunk is played."""
        bridge = self.bridge
        bridge.receive_beside(came)
        if bridge.deadline > now:
            # For what came late, all wait a little longer from now on.
            self._unplay()
        elif self.played is not None:
            played, self.played = self.played, None
            bridge.play_beside(played, now)
        if bridge.deadline <= now:
            bridge.expire(now)
        else:
            bridge.look_beside([seat.index for seat in self.seats if seat.row == NOBODY], now)

    def _unplay(self) -> None:
        """The chunk that waits is not played now."""
        played, self.played = self.played, None
        for seat in self.seats:
            past, seat.past = seat.past, None
            if past is not None and seat.row != NOBODY and played and seat.index in played:
                self._table.unplay(seat.row, played[seat.index].samples, past)


class SteadyPlane:
    """All steady bridges of a process."""

    def __init__(self, settings: MediaSettings) -> None:
        self.table = StreamTable()
        self.buffer = PacketBuffer(settings.max_batch_packets, settings.max_datagram_octets)
        self._max_catch_up = settings.max_catch_up
        self._max_pending = settings.max_pending_packets
        self._far = int(settings.reanchor_s * UNITS_PER_SECOND)
        self._able = settings.max_batch_packets > 0
        self._ahead_ms = max(settings.jitter_ms, settings.jitter_max_ms) + 200

    def adopt(self, bridge: Bridge, name: NameOf) -> SteadyBridge | None:
        """Take a bridge in, if all goes as it should in one of its streams at least."""
        if not self._able or not bridge.may_be_steady:
            return None
        steady = SteadyBridge(bridge, self.table)
        self.widen(steady, name)
        if not any(steady.rows):
            return None
        bridge.enter_steady(steady)
        return steady

    def widen(self, steady: SteadyBridge, name: NameOf) -> None:
        """Take the streams into the table that are not there, and may be."""
        for seat in steady.seats:
            if seat.row != NOBODY:
                continue
            if seat.wait:
                seat.wait -= 1
                continue
            course = steady.bridge.course(seat.index)
            if course is None:
                continue
            room, named = self._room(course, steady.bridge.chunk), name(course.source)
            if room is not None and named is not None:
                steady.seat(seat, course, named, room)

    def _room(self, course: Course, chunk: int) -> int | None:
        """How long a line is that a stream needs; None where it cannot have one."""
        run = course.run
        form, rate = FORMS[run.form], run.decoder.rate
        samples, rest = divmod(chunk, units_per_sample(rate))
        if rest or samples % 2:
            return None
        growth = course.protection.growth_octets if course.protection is not None else 0
        if 12 + run.packet_octets + growth > self.buffer.max_octets:
            return None
        ahead = samples + past_samples(rate) + rate * self._ahead_ms // 1000
        room = line_octets(max(len(run.octets) + form.octets_of(ahead), form.octets_of(rate)))
        most = min(MAX_LINE_OCTETS, run.packet_octets * self._max_pending)
        if room > most:
            return None
        stalled = line_octets(form.octets_of(rate * STALL_S))
        return max(room, min(stalled, most // LINE_OCTETS * LINE_OCTETS))

    def step(self, group: Sequence[SteadyBridge], counts: Sequence[int], now: float) -> None:
        """
        Take what lies in the buffer for the rows, and play what is due. A stream of
        which anything unexpected came has no row afterwards: nothing was taken of
        its packets. Where the next chunk waits for such streams
        (:attr:`SteadyBridge.played`), :meth:`SteadyBridge.go_on` is to follow.

        :param counts: how many packets came for each stream of each bridge.
        """
        table, buffer = self.table, self.buffer
        rows = _rows(group)
        came = expected(table, buffer, rows, np.array(counts, dtype=np.intp), self._far)
        unprotect(table, buffer, came)
        if not came.good.all():
            self._part(group, came)
            came = came.only(came.good)
        over = keep(table, buffer, came)
        if over:
            self._follow_drift(group, over)
        self._play(group, now)

    def _part(self, group: Iterable[SteadyBridge], came: Arrivals) -> None:
        """The streams of which something else came leave."""
        good = iter(came.good.tolist())
        for one in group:
            for seat in one.seats:
                if not next(good) and seat.row != NOBODY:
                    one.part(seat, has_all=False)

    def _follow_drift(self, group: Iterable[SteadyBridge], over: list[int]) -> None:
        """A stream that is to be moved along the timeline has no row while it moves."""
        for one in group:
            for seat in one.seats:
                if seat.row in over:
                    drift = one.bridge.streams[seat.index].drift
                    if drift is not None and drift.slips:
                        one.part(seat, has_all=True)

    # --- playing ---

    def _play(self, group: Sequence[SteadyBridge], now: float) -> None:
        """Chunk after chunk, for all that are due; those of which streams are missing, one."""
        for _ in range(self._max_catch_up):
            group = [one for one in group if one.played is None and one.bridge.deadline <= now]
            if not group:
                break
            self._part_lacking(group)
            alike: dict[tuple[int, int], list[SteadyBridge]] = {}
            other: list[SteadyBridge] = []
            for one in group:
                if one.side_by_side:
                    shape = one.seats[0].samples, len(one.seats)
                    alike.setdefault(shape, []).append(one)
                else:
                    other.append(one)
            for (samples, width), bridges in alike.items():
                self._play_alike(bridges, samples, width)
            if other:
                self._play_apart(other, now)

    def _part_lacking(self, group: list[SteadyBridge]) -> None:
        """The streams of which the whole chunk is not here leave."""
        table = self.table
        rows = _rows(group)
        lacking = (table.fill[rows] - table.lead[rows] < table.chunk[rows]).tolist()
        if True not in lacking:
            return
        lacks = iter(lacking)
        for one in group:
            for seat in one.seats:
                if next(lacks):
                    one.part(seat, has_all=True)

    def _play_alike(self, group: list[SteadyBridge], samples: int, width: int) -> None:
        """One chunk of bridges of one shape, side by side."""
        together = side_by_side(decoded(self.table, _rows(group), samples), width)
        for one, interleaved in zip(group, together, strict=True):
            one.bridge.play_interleaved(interleaved.tobytes(), samples, one.outlets)

    def _play_apart(self, group: list[SteadyBridge], now: float) -> None:
        """One chunk of each row, for bridges that do something else with them."""
        by_length: dict[int, list[tuple[dict[int, Played], _Seat, int]]] = {}
        for one in group:
            played = one.played = {}
            for seat in one.seats:
                if seat.row != NOBODY:
                    seat.past = None if one.whole else self.table.remembered(seat.row)
                    seated = by_length.setdefault(seat.samples, [])
                    seated.append((played, seat, one.bridge.chunk))
        for samples, seated in by_length.items():
            rows = np.array([seat.row for _, seat, _ in seated], dtype=np.intp)
            apart = decoded(self.table, rows, samples)
            for (played, seat, lasts), own in zip(seated, apart, strict=True):
                played[seat.index] = Played(seat.rate, own, (), lasts)
        for one in group:
            if one.whole and one.played is not None:
                played, one.played = one.played, None
                one.bridge.play_beside(played, now)


def _rows(group: Iterable[SteadyBridge]) -> Rows:
    """The rows of bridges, one bridge after the other."""
    return np.array([row for one in group for row in one.rows], dtype=np.intp)
