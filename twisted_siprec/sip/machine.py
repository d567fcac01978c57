"""
The common part of the four transaction machines of :rfc:`3261#section-17`: a
state, a literal table, and the timers that the table starts and stops.

A table maps (state, input) to (next state, actions). Inputs that the table does
not list in a state are ignored in it. The input of a timer is the timer itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .events import Timers


class State(Enum):
    """The states of all four machines."""

    CALLING = "Calling"
    ABANDONED = "Calling, to be cancelled when it may be"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    CANCELLING = "Proceeding, cancelled"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class Timer(Enum):
    """The timers by their letters (:rfc:`3261#appendix-A`, :rfc:`6026#section-8.5`)."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741 (the RFC's letter)
    J = "J"
    K = "K"
    L = "L"
    M = "M"
    TRYING = "100"
    "The 200 ms after which an INVITE is answered 100."
    EXPIRES = "Expires"
    "The INVITE's own Expires."
    CANCELLED = "cancelled"
    "How long the final response to a cancelled INVITE is waited for (:rfc:`3261#section-9.1`)."
    ABANDON = "abandon"
    "A request that our transaction user never answers."


class Input(Enum):
    """What happens to a transaction besides its timers."""

    REQUEST = "the request came again"
    ACK = "its ACK came"
    PROVISIONAL = "a provisional response"
    SUCCESS = "a 2xx"
    FAILURE = "a 3xx to 6xx"
    UNSENT = "it cannot be sent"
    CANCEL = "it is not wanted any more"


class Action(Enum):
    """What a machine wants done."""

    SEND = "send the response that came with the input"
    RESEND = "send the last message again"
    SEND_TRYING = "answer 100"
    ACKNOWLEDGE = "send the ACK of this response"
    CANCEL = "send its CANCEL"
    TELL = "the response is for the transaction user"
    TELL_EXPIRED = "the INVITE's Expires has passed"
    TELL_TIMEOUT = "no response came"
    TELL_UNSENT = "the request was not sent"
    PASS_ACK = "the ACK is for the dialog"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Start:
    """Start a timer, or start it again with its next period."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop timers."""

    timers: tuple[Timer, ...]


Step = Action | Start | Stop
Table = Mapping[tuple[State, Input | Timer], tuple[State, tuple[Step, ...]]]

_UNRELIABLE_ONLY = frozenset({Timer.A, Timer.E, Timer.G})
"Retransmissions, which are not made where the transport makes them."
_NO_WAIT_IF_RELIABLE = frozenset({Timer.D, Timer.I, Timer.J, Timer.K})
"Waits for retransmissions, which do not come on a reliable transport."


def first_period(timer: Timer, timers: Timers) -> float:
    """How long a timer runs at first (:rfc:`3261#appendix-A`, table 4)."""
    if timer in (Timer.A, Timer.E, Timer.G):
        return timers.t1
    if timer in (Timer.I, Timer.K):
        return timers.t4
    if timer is Timer.D:
        return max(32.0, 64 * timers.t1)
    if timer in (Timer.C, Timer.EXPIRES):
        return timers.c
    if timer is Timer.TRYING:
        return timers.trying
    return 64 * timers.t1


class Machine:
    """One transaction's state and timers."""

    __slots__ = ("_deadlines", "_periods", "_reliable", "_table", "_timers", "state")

    def __init__(self, table: Table, state: State, timers: Timers, reliable: bool) -> None:
        self.state = state
        self._table = table
        self._timers = timers
        self._reliable = reliable
        self._deadlines: dict[Timer, float] = {}
        self._periods: dict[Timer, float] = {}

    @property
    def terminated(self) -> bool:
        """The transaction is over and can be forgotten."""
        return self.state is State.TERMINATED

    def next_deadline(self) -> float | None:
        """When the next timer fires."""
        return min(self._deadlines.values(), default=None)

    def step(self, happened: Input | Timer, now: float) -> tuple[Action, ...]:
        """Take an input; the actions that remain for the owner are returned in order."""
        row = self._table.get((self.state, happened))
        if row is None:
            return ()
        self.state, steps = row
        actions: list[Action] = []
        over: Timer | None = None
        for step in steps:
            if isinstance(step, Action):
                actions.append(step)
            elif isinstance(step, Stop):
                self.stop(*step.timers)
            elif not self.start(step.timer, now):
                over = step.timer
        if over is not None:
            actions += self.step(over, now)
        if self.terminated:
            self._deadlines.clear()
        return tuple(actions)

    def start(self, timer: Timer, now: float, period: float | None = None) -> bool:
        """Start a timer. False where it would run for no time at all: then it has fired."""
        if self._reliable and timer in _UNRELIABLE_ONLY:
            return True
        if self._reliable and timer in _NO_WAIT_IF_RELIABLE:
            return False
        if period is None:
            period = self._next_period(timer)
        self._periods[timer] = period
        self._deadlines[timer] = now + period
        return True

    def stop(self, *timers: Timer) -> None:
        """Stop timers that may run."""
        for timer in timers:
            self._deadlines.pop(timer, None)

    def due(self, now: float) -> Timer | None:
        """The timer that fired first and was not taken yet."""
        if not self._deadlines:
            return None
        timer = min(self._deadlines, key=self._deadlines.__getitem__)
        if self._deadlines[timer] > now:
            return None
        del self._deadlines[timer]
        return timer

    def _next_period(self, timer: Timer) -> float:
        last = self._periods.get(timer)
        if last is None:
            return first_period(timer, self._timers)
        if timer is Timer.A:
            return 2 * last
        if timer is Timer.E and self.state is State.PROCEEDING:
            return self._timers.t2
        return min(2 * last, self._timers.t2)
