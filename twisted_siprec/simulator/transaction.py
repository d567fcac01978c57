"""
Client transactions (:rfc:`3261#section-17.1`) of the simulated SRC.

The simulator has its own, so that a mistake in the server's transactions does
not meet the same mistake here. A transaction is a row of a literal table: in a
state, a kind of response leads to a state and to something that is done.

=========== =========================================== =======================
timer       what it does                                reliable transports
=========== =========================================== =======================
A, E        sends the request again, after T1 doubling  not used
B, F        gives up after 64·T1                        the same
D, K, M     keeps the end for late responses            0
=========== =========================================== =======================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..sip.events import Address, Timers
from ..sip.message import Request


class State(Enum):
    """The states of both figures of :rfc:`3261#section-17.1`, and Accepted of :rfc:`6026`."""

    CALLING = auto()
    "Trying, for what is not an INVITE."
    PROCEEDING = auto()
    COMPLETED = auto()
    ACCEPTED = auto()
    TERMINATED = auto()


class Kind(Enum):
    """The kinds of response that make a difference."""

    PROVISIONAL = auto()
    SUCCESS = auto()
    FAILURE = auto()

    @classmethod
    def of(cls, status: int) -> Kind:
        """The kind of this status."""
        if status < 200:
            return cls.PROVISIONAL
        return cls.SUCCESS if status < 300 else cls.FAILURE


class Action(Enum):
    """What is to be done about a response."""

    NOTHING = auto()
    TELL = auto()
    "It is news to the call."
    ACK_AND_TELL = auto()
    ACK = auto()
    "It came again: the ACK was lost."


_INVITE = {
    (State.CALLING, Kind.PROVISIONAL): (State.PROCEEDING, Action.TELL),
    (State.CALLING, Kind.SUCCESS): (State.ACCEPTED, Action.ACK_AND_TELL),
    (State.CALLING, Kind.FAILURE): (State.COMPLETED, Action.ACK_AND_TELL),
    (State.PROCEEDING, Kind.PROVISIONAL): (State.PROCEEDING, Action.TELL),
    (State.PROCEEDING, Kind.SUCCESS): (State.ACCEPTED, Action.ACK_AND_TELL),
    (State.PROCEEDING, Kind.FAILURE): (State.COMPLETED, Action.ACK_AND_TELL),
    (State.COMPLETED, Kind.FAILURE): (State.COMPLETED, Action.ACK),
    (State.ACCEPTED, Kind.SUCCESS): (State.ACCEPTED, Action.ACK),
}

_OTHER = {
    (State.CALLING, Kind.PROVISIONAL): (State.PROCEEDING, Action.NOTHING),
    (State.CALLING, Kind.SUCCESS): (State.COMPLETED, Action.TELL),
    (State.CALLING, Kind.FAILURE): (State.COMPLETED, Action.TELL),
    (State.PROCEEDING, Kind.SUCCESS): (State.COMPLETED, Action.TELL),
    (State.PROCEEDING, Kind.FAILURE): (State.COMPLETED, Action.TELL),
}


@dataclass(slots=True)
class ClientTransaction:
    """One request of ours, until nothing can come of it any more."""

    request: Request
    destination: Address | None
    reliable: bool
    timers: Timers
    started_at: float
    state: State = State.CALLING
    resend_at: float | None = None
    interval_s: float = 0.0
    end_at: float = 0.0
    "When we give up, or, after a final response, when we forget."
    acknowledgement: bytes = b""

    def __post_init__(self) -> None:
        """Timers A and B, or E and F."""
        self.interval_s = self.timers.t1
        self.end_at = self.started_at + 64 * self.timers.t1
        if not self.reliable:
            self.resend_at = self.started_at + self.interval_s

    @property
    def is_invite(self) -> bool:
        """It is an INVITE transaction (:rfc:`3261#section-17.1.1`)."""
        return self.request.method == "INVITE"

    @property
    def waiting(self) -> bool:
        """No final response has come."""
        return self.state in (State.CALLING, State.PROCEEDING)

    def receive(self, status: int, now: float) -> Action:
        """A response to it."""
        kind = Kind.of(status)
        table = _INVITE if self.is_invite else _OTHER
        waited = self.waiting
        self.state, action = table.get((self.state, kind), (self.state, Action.NOTHING))
        if self.state is State.PROCEEDING and self.is_invite:
            # Timer B covers only the wait for any response at all; what the
            # SRS does after a 100 may take its time.
            self.resend_at = None
            self.end_at = now + 64 * self.timers.t1
        elif waited and not self.waiting:
            self.resend_at = None
            self.end_at = now + (0.0 if self.reliable else 64 * self.timers.t1)
            if not self.is_invite and not self.reliable:
                self.end_at = now + self.timers.t4
        return action

    def next_deadline(self) -> float:
        """When :meth:`expire` has something to do."""
        return self.end_at if self.resend_at is None else min(self.resend_at, self.end_at)

    def expire(self, now: float) -> bool:
        """Time has come this far; True where the request goes out again."""
        if now >= self.end_at:
            self.resend_at = None
            self.state = State.TERMINATED
            return False
        if self.resend_at is None or now < self.resend_at:
            return False
        self.interval_s *= 2
        if not self.is_invite:
            self.interval_s = min(self.interval_s, self.timers.t2)
        self.resend_at = now + self.interval_s
        return True
