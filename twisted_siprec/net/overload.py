"""
How late the event loop is, and what that means for new calls.

A server that has too much to do answers everything late, and the recordings that
it has suffer with the new one. Past a limit it is better to say 503 to new calls,
upon which an SRC tries another recorder (:rfc:`7245#section-3.2.6`).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

EVERY_S = 0.1
_SMOOTHING = 0.3
"How much the last measurement counts: one stall alone is no overload."


class Overload:
    """
    Measures by how much a timer is missed, and tells when that is too much and
    when it is well again (at half of the limit).

    :param limit_s: how late the loop may be; 0 for any time.
    :param tell: is told True when it is too late, False when it is no longer.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, limit_s: float, tell: Callable[[bool], None]) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._tell = tell
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self.lateness_s = 0.0
        "Smoothed."
        self.overloaded = False
        self._observers: list[Callable[[float], None]] = []

    def watch(self, observe: Callable[[float], None]) -> None:
        """Every measurement from now on goes to ``observe`` too, in seconds."""
        self._observers.append(observe)

    def start(self) -> None:
        """Measure from now on."""
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Measure no more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def change(self, limit_s: float) -> None:
        """From now on this limit holds."""
        self._limit_s = limit_s
        self._judge()

    def _arm(self) -> None:
        self._due = self._clock.seconds() + EVERY_S
        self._timer = self._clock.callLater(EVERY_S, self._measure)

    def _measure(self) -> None:
        late_s = max(0.0, self._clock.seconds() - self._due)
        for observe in self._observers:
            observe(late_s)
        self.lateness_s += _SMOOTHING * (late_s - self.lateness_s)
        self._judge()
        self._arm()

    def _judge(self) -> None:
        limit_s = self._limit_s / 2 if self.overloaded else self._limit_s
        overloaded = bool(self._limit_s) and self.lateness_s > limit_s
        if overloaded is self.overloaded:
            return
        self.overloaded = overloaded
        if overloaded:
            self._log.warn(
                "the event loop is {late_ms} ms late: new calls are refused (limits.lateness_ms)",
                late_ms=round(self.lateness_s * 1000),
            )
        else:
            self._log.info("the event loop is in time again: new calls are taken")
        self._tell(overloaded)
