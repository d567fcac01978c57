"""
The one tick that sends the packets of all streams of all simulated calls.

Each stream hangs in the slot of a wheel in which its next packet is due, so
that a tick touches only the streams that have something to send. The number of
a tick comes from the monotonic clock: ticks that a stall skipped are made up
for, and the time of a packet is never later than its own by more than a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from .outgoing import PacedStream


class Pacer:
    """Sends the packets of any number of streams, each at its time."""

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, monotonic: Callable[[], float], tick_s: float = 0.005
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._tick_s = tick_s
        self._wheel: dict[int, list[PacedStream]] = {}
        self._reached = 0
        "The last tick that was done."
        self._call: IDelayedCall | None = None
        self.worst_delay_s = 0.0
        "How late a tick came at most: a measure of how far the machine kept up."

    def now(self) -> float:
        """Monotonic seconds."""
        return self._monotonic()

    def add(self, stream: PacedStream) -> None:
        """Send this stream's packets from its epoch on."""
        if self._call is None:
            self._reached = floor(self._monotonic() / self._tick_s)
        self._hang(stream, stream.epoch)
        self._arm()

    def stop(self) -> None:
        """Send nothing any more. It may be stopped twice."""
        self._wheel.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _hang(self, stream: PacedStream, due: float) -> None:
        tick = max(ceil(due / self._tick_s - 1e-6), self._reached + 1)
        self._wheel.setdefault(tick, []).append(stream)

    def _arm(self) -> None:
        if self._call is None and self._wheel:
            wait_s = (self._reached + 1) * self._tick_s - self._monotonic()
            self._call = self._clock.callLater(max(0.0, wait_s), self._tick)

    def _tick(self) -> None:
        self._call = None
        now = self._monotonic()
        current = floor(now / self._tick_s + 1e-6)
        self.worst_delay_s = max(self.worst_delay_s, now - (self._reached + 1) * self._tick_s)
        first, self._reached = self._reached + 1, max(self._reached, current)
        for tick in range(first, current + 1):
            for stream in self._wheel.pop(tick, ()):
                stream.begin(self._reached * self._tick_s)
                self._send(stream, now)
        self._arm()

    def _send(self, stream: PacedStream, now: float) -> None:
        try:
            due = stream.send_due(now)
        except Exception:  # noqa: BLE001 - one faulty stream must not stop the others
            self._log.failure("a simulated stream failed and is not sent any more")
        else:
            if due is not None:
                self._hang(stream, due)
