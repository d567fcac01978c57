"""
What a source says of its own clock in sender reports
(:rfc:`3550#section-6.4.1`): which RTP timestamp belongs to which wall-clock time.

Many say nonsense: a wall clock of 0, timestamps of another stream, or of the last
packet before a long silence. So a report is believed only where it agrees with
the one before it, by the wall clock, by timestamps and by arrival; one that does
not takes the belief away from all, until two agree again, and after some such
nothing more is believed of this source.
"""

from __future__ import annotations

_TOLERANCE_S = 0.005
_RATE_TOLERANCE = 1e-3
"What clocks may differ by, and more."
_ARRIVAL_TOLERANCE_S = 0.5
"Reports are held up like anything else, and are read when there is time."
_MAX_DOUBTS = 3


class SenderClock:
    """The clock of one source; its timestamps are extended."""

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.believed: tuple[float, int] | None = None
        "Seconds since 1900, and the timestamp of that moment."
        self._last: tuple[float, int, float] | None = None
        self._doubts = 0

    def receive(self, ntp: int, timestamp: int, received_at: float) -> None:
        """
        A report came.

        :param ntp: 64 bits: seconds since 1900 and a fraction.
        """
        wallclock = ntp / (1 << 32)
        before, self._last = self._last, (wallclock, timestamp, received_at)
        if self._doubts >= _MAX_DOUBTS or (before is None and ntp):
            return
        if ntp and before is not None and self._agree(before, self._last):
            self.believed = wallclock, timestamp
        else:
            self.believed = None
            self._doubts += 1

    def doubt(self) -> None:
        """What it says cannot be, for a reason that others know."""
        self.believed = None
        self._doubts += 1

    def _agree(self, before: tuple[float, int, float], after: tuple[float, int, float]) -> bool:
        """Whether as much time passed on each clock."""
        by_wallclock = after[0] - before[0]
        by_timestamp = (after[1] - before[1]) / self.clock_rate
        by_arrival = after[2] - before[2]
        tolerance = _TOLERANCE_S + _RATE_TOLERANCE * abs(by_arrival)
        return (
            by_wallclock > 0
            and abs(by_wallclock - by_timestamp) <= tolerance
            and abs(by_wallclock - by_arrival) <= tolerance + _ARRIVAL_TOLERANCE_S
        )
