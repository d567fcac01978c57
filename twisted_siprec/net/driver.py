"""
The loop around a core: tell it something, do what it wants done, and wake it
when its next deadline has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

Output_co = TypeVar("Output_co", covariant=True)
Output = TypeVar("Output")
Result = TypeVar("Result")

AFTER_FAULT_S = 1.0
"A core that failed at its deadline is asked again after this, not at once and for ever."


class Core(Protocol[Output_co]):
    """What every core has besides its inputs."""

    def outputs(self) -> Iterable[Output_co]:
        """All that is to be done since the last time, in order."""

    def next_deadline(self) -> float | None:
        """When :meth:`expire` wants to be called."""

    def expire(self, now: float) -> None:
        """Do what is due."""


class Driver(Generic[Output]):
    """
    Runs one core. An output whose doing tells the core something more is fine:
    what comes of that is done after it, in order.

    A fault while an output is done is logged and costs that output only; a
    fault at a deadline is logged and costs a second. The loop goes on.

    :param handle_output: does what the core wants done.
    """

    _log = Logger()

    def __init__(
        self, core: Core[Output], clock: IReactorTime, handle_output: Callable[[Output], None]
    ) -> None:
        self._core = core
        self._clock = clock
        self._handle_output = handle_output
        self._draining = False
        self._stopped = False
        self._timer: IDelayedCall | None = None
        self._armed_for = 0.0

    @property
    def now(self) -> float:
        """The time that the core is told."""
        return float(self._clock.seconds())

    def run(self, tell: Callable[..., Result], *arguments: object, **named: object) -> Result:
        """
        Call a method of the core with these arguments and the time, which is
        its last positional one, and do what it wants. What it raises, the
        caller gets.
        """
        try:
            return tell(*arguments, self.now, **named)
        finally:
            self._settle()

    def attempt(self, tell: Callable[..., object], *arguments: object) -> None:
        """The same for what comes from the network: what it raises is logged."""
        try:
            self.run(tell, *arguments)
        except Exception:  # noqa: BLE001 - the loop has to outlive our own mistakes
            self._log.failure("A fault in {core}", core=type(self._core).__name__)

    def stop(self) -> None:
        """Wake the core no more."""
        self._stopped = True
        self._disarm()

    def _settle(self, not_before: float = 0.0) -> None:
        """Do all that the core wants done, and set the timer."""
        if self._draining:
            return
        self._draining = True
        try:
            while outputs := list(self._core.outputs()):
                for output in outputs:
                    self._handle(output)
        finally:
            self._draining = False
        self._arm(not_before)

    def _handle(self, output: Output) -> None:
        try:
            self._handle_output(output)
        except Exception:  # noqa: BLE001 - the loop has to outlive our own mistakes
            self._log.failure("A fault while doing {output}", output=type(output).__name__)

    def _arm(self, not_before: float) -> None:
        deadline = None if self._stopped else self._core.next_deadline()
        if deadline is None:
            self._disarm()
            return
        deadline = max(deadline, not_before)
        delay = max(0.0, deadline - self.now)
        if self._timer is None:
            self._timer = self._clock.callLater(delay, self._expire)
        elif deadline != self._armed_for:
            self._timer.reset(delay)
        self._armed_for = deadline

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _expire(self) -> None:
        self._timer = None
        # The clock may be a rounding error short of the deadline it was set for.
        now = max(self.now, self._armed_for)
        not_before = 0.0
        try:
            self._core.expire(now)
        except Exception:  # noqa: BLE001 - the loop has to outlive our own mistakes
            self._log.failure("A fault at a deadline of {core}", core=type(self._core).__name__)
            not_before = now + AFTER_FAULT_S
        self._settle(not_before)
