"""
The steady bridges of a slot, stepped together.

All their sockets are read into one buffer, then each stage runs once for all of
them (:mod:`twisted_siprec.bridge.steady`). A stream for which something
unexpected came gets its datagrams one by one, beside the others of its bridge;
it joins them again when all goes as it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from twisted.logger import Logger

from ...bridge.settings import MediaSettings
from ...bridge.steady import SteadyBridge, SteadyPlane
from ...bridge.table import NOBODY
from ...rtp.datagram import Datagram
from .live_bridge import LiveBridge
from .recvmmsg import MAX_RUN, HandReading, KernelReading, Reading, source_address, source_name
from .rtp_port import Monotonic

_STEPS_ALONE = 1
"So many chunks a bridge steps by itself before it joins."

Proceed = Callable[[float], None]


class Convoy:
    """
    Whatever bridges of a process go together.

    :param kernel: the ports are sockets, and the system has ``recvmmsg``.
    :param captured: somebody may want to have what the kernel put into the buffer.
    """

    _log = Logger()

    def __init__(
        self,
        settings: MediaSettings,
        monotonic: Monotonic,
        kernel: bool,
        captured: bool = False,
    ) -> None:
        self._plane = SteadyPlane(settings)
        self._max_drain = settings.max_drain
        self._buffer = buffer = self._plane.buffer
        self._captured = captured and kernel
        self._reading: Reading = KernelReading(buffer, monotonic) if kernel else HandReading(buffer)

    def __len__(self) -> int:
        """How many streams go in it."""
        return len(self._plane.table)

    def invite(self, live: LiveBridge) -> None:
        """A bridge that steps by itself joins, if all goes as it should in it."""
        if live.steps_alone >= _STEPS_ALONE:
            live.join(self._plane.adopt(live.core, source_name))

    def step(self, lives: Sequence[LiveBridge], now: float) -> Iterator[tuple[LiveBridge, Proceed]]:
        """
        Read the sockets of steady bridges, and play what is due. Gives what is
        left to do for each; it may raise, and concerns no other one.
        """
        at = 0
        while at < len(lives):
            counts = self._read(lives[at:])
            group = lives[at : at + len(counts)]
            at += len(counts)
            if self._captured:
                self._show(group, counts)
            self._step_together(group, counts, now)
            for live, proceed in self._what_is_left(group, counts):
                yield live, proceed
                steady = live.steady
                if steady is not None and steady.steady and not steady.whole:
                    self._plane.widen(steady, source_name)

    def _read(self, lives: Sequence[LiveBridge]) -> list[list[int]]:
        """
        What came on each stream, for as many bridges as there is room for in the
        buffer, but for one at least.
        """
        buffer, reading = self._buffer, self._reading
        reading.begin()
        counts: list[list[int]] = []
        for live in lives:
            if not live.is_steady:
                # What was done for another one was to this one, too.
                counts.append([])
                continue
            pairs = live.steady_pairs
            if counts and buffer.packets - buffer.used < MAX_RUN * len(pairs):
                break
            before = buffer.used
            try:
                counts.append(reading.read_all(pairs))
            except Exception:  # noqa: BLE001 - it will fail by itself, and be lost without the others
                self._log.failure("{bridge}: reading failed", bridge=live.bridge)
                buffer.used = before
                live.core.leave_steady()
                counts.append([])
        reading.end()
        return counts

    def _show(self, group: Sequence[LiveBridge], counts: Sequence[Sequence[int]]) -> None:
        """What was read, to those who write it down."""
        first = 0
        for live, numbers in zip(group, counts, strict=True):
            if live.capture is not None:
                live.capture.rows(self._buffer, first, numbers, live.steady_pairs)
            first += sum(numbers)

    def _step_together(
        self, group: Sequence[LiveBridge], counts: list[list[int]], now: float
    ) -> None:
        together = [live.steady for live in group if live.steady is not None and live.is_steady]
        try:
            self._plane.step(together, list(chain.from_iterable(counts)), now)
        except Exception:  # noqa: BLE001 - no mistake in this may cost a call
            self._log.failure("stepping {count} bridges together failed", count=len(together))
            for steady in together:
                steady.release()

    def _what_is_left(
        self, group: Sequence[LiveBridge], counts: list[list[int]]
    ) -> list[tuple[LiveBridge, Proceed]]:
        """Most only hand over what was played."""
        first = 0
        left: list[tuple[LiveBridge, Proceed]] = []
        for live, numbers in zip(group, counts, strict=True):
            steady = live.steady
            if steady is None or not numbers:
                left.append((live, live.step))
            elif steady.whole:
                left.append((live, live.proceed))
            else:
                came = self._datagrams(steady, numbers, first)
                left.append((live, partial(self._go_on, live, came)))
            first += sum(numbers)
        return left

    def _datagrams(
        self, steady: SteadyBridge, numbers: Sequence[int], first: int
    ) -> dict[int, list[Datagram]]:
        """What was read for streams that have no rows, before the buffer is used again."""
        came: dict[int, list[Datagram]] = {}
        for seat, number in zip(steady.seats, numbers, strict=True):
            if seat.row == NOBODY and not seat.has_all:
                came[seat.index] = self._buffer.datagrams(first, number, source_address)
            seat.has_all = False
            first += number
        return came

    def _go_on(self, live: LiveBridge, came: Mapping[int, list[Datagram]], now: float) -> None:
        """The streams of a bridge that have no rows step by themselves."""
        steady = live.steady
        if steady is None or not steady.steady:
            live.step_with(came, now)
            return
        taken: dict[int, list[Datagram]] = {}
        for index, pair in zip(steady.indexes, live.steady_pairs, strict=True):
            if index in came:
                taken[index] = pair.sort(came[index])
                if len(came[index]) == MAX_RUN:
                    taken[index] += pair.drain(self._max_drain)
        steady.go_on(taken, now)
        live.proceed(now)
