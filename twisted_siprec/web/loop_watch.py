"""
How late the event loop is: a timer that says by how much it was missed. When it
is late, RTP is read late and SIP is answered late; it is the first thing to look
at on a server that is too small.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EVERY_S = 0.25


class LoopWatch:
    """
    Measures while it runs.

    :param observe: takes the seconds by which a timer was late.
    """

    def __init__(
        self, clock: IReactorTime, observe: Callable[[float], None], every_s: float = EVERY_S
    ) -> None:
        self._clock = clock
        self._observe = observe
        self._every_s = every_s
        self._timer: IDelayedCall | None = None
        self._due = 0.0

    def start(self) -> None:
        """Measure from now on."""
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Measure no more."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _arm(self) -> None:
        self._due = self._clock.seconds() + self._every_s
        self._timer = self._clock.callLater(self._every_s, self._look)

    def _look(self) -> None:
        self._observe(max(self._clock.seconds() - self._due, 0.0))
        self._arm()
