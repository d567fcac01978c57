"""
The steady bridges of a slot, stepped together.

All their sockets are read into one buffer, then each stage runs once for all of
them (:mod:`twisted_siprec.bridge.steady`). A bridge for which something
unexpected came steps by itself instead, with the datagrams that were read for
it; it joins again when all goes as it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

from twisted.logger import Logger

from ...bridge.settings import MediaSettings
from ...bridge.steady import SteadyBridge, SteadyPlane
from ...rtp.datagram import Datagram
from .live_bridge import LiveBridge
from .recvmmsg import MAX_RUN, HandReading, KernelReading, Reading, source_address, source_name
from .rtp_port import Monotonic

_STEPS_ALONE = 2
"So many chunks a bridge steps by itself before it joins, so that none only comes and goes."

Proceed = Callable[[float], None]


class Convoy:
    """
    Whatever bridges of a process go together.

    :param kernel: the ports are sockets, and the system has ``recvmmsg``.
    """

    _log = Logger()

    def __init__(self, settings: MediaSettings, monotonic: Monotonic, kernel: bool) -> None:
        self._plane = SteadyPlane(settings)
        self._buffer = buffer = self._plane.buffer
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
            # Those that leave on the way have no rows afterwards.
            steady = [live.steady for live in group if live.steady is not None]
            odd = self._step_together(steady, counts, now)
            yield from self._what_is_left(group, counts, odd)

    def _read(self, lives: Sequence[LiveBridge]) -> list[list[int]]:
        """
        What came on each stream, for as many bridges as there is room for in the
        buffer, but for one at least.
        """
        buffer, reading = self._buffer, self._reading
        reading.begin()
        counts: list[list[int]] = []
        for live in lives:
            pairs = live.steady_pairs
            if counts and buffer.packets - buffer.used < MAX_RUN * len(pairs):
                break
            before = buffer.used
            try:
                counts.append([reading.read(pair) for pair in pairs])
            except Exception:  # noqa: BLE001 - it will fail by itself, and be lost without the others
                self._log.failure("{bridge}: reading failed", bridge=live.bridge)
                buffer.used = before
                live.core.leave_steady()
                counts.append([])
        reading.end()
        return counts

    def _step_together(
        self, group: list[SteadyBridge], counts: list[list[int]], now: float
    ) -> list[SteadyBridge]:
        try:
            return self._plane.step(group, list(chain.from_iterable(counts)), now)
        except Exception:  # noqa: BLE001 - no mistake in this may cost a call
            self._log.failure("stepping {count} bridges together failed", count=len(group))
            for steady in group:
                steady.release()
            return group

    def _what_is_left(
        self, group: Sequence[LiveBridge], counts: list[list[int]], odd: list[SteadyBridge]
    ) -> Iterator[tuple[LiveBridge, Proceed]]:
        """Most only hand over what was played."""
        if not odd:
            for live in group:
                yield live, live.proceed if live.is_steady else live.step
            return
        left = list(zip(group, self._datagrams(group, counts, odd), strict=True))
        for live, datagrams in left:
            if datagrams is not None:
                yield live, partial(live.step_with, datagrams)
            else:
                yield live, live.proceed if live.is_steady else live.step

    def _datagrams(
        self, group: Sequence[LiveBridge], counts: list[list[int]], odd: list[SteadyBridge]
    ) -> list[dict[int, list[Datagram]] | None]:
        """What was read for those that step by themselves, before the buffer is used again."""
        at = 0
        each: list[dict[int, list[Datagram]] | None] = []
        for live, numbers in zip(group, counts, strict=True):
            steady = live.steady
            if steady is None or steady not in odd:
                at += sum(numbers)
                each.append(None)
                continue
            datagrams: dict[int, list[Datagram]] = {}
            for index, number in zip(steady.indexes, numbers, strict=True):
                datagrams[index] = [self._datagram(one) for one in range(at, at + number)]
                at += number
            each.append(datagrams)
        return each

    def _datagram(self, at: int) -> Datagram:
        buffer = self._buffer
        source = source_address(buffer.name(at))
        arrived_at, dropped = float(buffer.arrived_at[at]), int(buffer.dropped[at])
        return Datagram(buffer.payload(at), source, arrived_at, dropped)
