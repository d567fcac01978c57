"""
The states of a delivery, what moves it, and what it asks of the connection.

The machine itself is :class:`~.relation.Relation`; this is its table, in the
words of the native protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..dialects.base import Message
from ..report import DeliveryStatistics, Report
from .backlog import BacklogLimits
from .journal import Order

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_OUR_FAULT = 1011
CLOSE_PROTOCOL_ERROR = 4000
CLOSE_REJECTED = 4003
CLOSE_TIMEOUT = 4008
CLOSE_BACKLOG = 4029

# --- what comes out -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """A message for the open connection."""

    message: Message


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the connection."""

    code: int
    reason: str
    again: bool = False
    "Connect again, after ``after_s`` and to ``url`` where they are given."
    after_s: float | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """Something for signalling to know."""

    report: Report


@dataclass(frozen=True, slots=True)
class Puzzled:
    """The consumer said something that makes no sense."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The account; nothing comes after it, and no connection is wanted any more."""

    statistics: DeliveryStatistics


@dataclass(frozen=True, slots=True)
class ToSpool:
    """Something for the disk to keep, or to give back."""

    order: Order


Output = Send | Disconnect | Tell | Puzzled | Finished | ToSpool


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """What the configuration of a destination leaves to the program."""

    replay_speed: int = 4
    "Times real time at which waiting audio catches up."
    burst_octets: int = 64 * 1024
    "What is handed to a connection at once, before it had a chance to say stop."
    max_odd: int = 100
    "Messages without sense on one connection before we close it."
    max_unconfirmed: int = 3
    "Connections that we leave because, after stop, not all was acknowledged in time."
    limits: BacklogLimits = field(default_factory=BacklogLimits)


# --- the machine ----------------------------------------------------------------------


class State(Enum):
    """Where the stream is with its consumer."""

    WAITING = "no connection"
    GREETING = "start said, ready not heard"
    STREAMING = "audio flows"
    CLOSING = "stop said"
    PARTING = "stop and goodbye said"
    GONE = "there is no consumer any more"
    PUTTING_BY = "what waits is being written to disk, for later"
    FINISHED = "the account is given"


class Input(Enum):
    """What moves it."""

    CONNECTED = "connected"
    READY = "the consumer takes the stream from the ring's beginning"
    RESUMED = "the consumer goes on from a frame"
    LATE = "no ready in time, and we go on without"
    LEFT = "we close, and come again"
    LOST = "connection lost, and another is tried"
    LOST_EARLY = "connection lost after stop, before all was acknowledged"
    UNCONFIRMED = "the consumer did not close, nor acknowledge all of it"
    NEVER = "no connection will be tried again"
    REJECTED = "the consumer does not take the stream"
    ALL_SENT = "nothing waits, and the call has ended"
    FAREWELL = "the consumer wants no more"
    DISMISSED = "the consumer wants no more, and waits for our stop"
    TIMEOUT = "the consumer did not close, or could not be reached"
    PUT_BY = "the consumer could not be reached, and there is a spool"
    WRITTEN = "what waits is on disk"
    NOT_WRITTEN = "it could not be written"


_S, _I = State, Input

TABLE: Mapping[tuple[State, Input], tuple[State, str]] = {
    (_S.WAITING, _I.CONNECTED): (_S.GREETING, "greet"),
    (_S.WAITING, _I.NEVER): (_S.GONE, "give up"),
    (_S.WAITING, _I.TIMEOUT): (_S.FINISHED, "abandon"),
    (_S.WAITING, _I.PUT_BY): (_S.PUTTING_BY, "put by"),
    (_S.GREETING, _I.READY): (_S.STREAMING, "begin"),
    (_S.GREETING, _I.RESUMED): (_S.STREAMING, "resume"),
    (_S.GREETING, _I.LATE): (_S.STREAMING, "begin plain"),
    (_S.GREETING, _I.LEFT): (_S.WAITING, "leave"),
    (_S.GREETING, _I.LOST): (_S.WAITING, "wait"),
    (_S.GREETING, _I.NEVER): (_S.GONE, "give up"),
    (_S.GREETING, _I.REJECTED): (_S.GONE, "reject"),
    (_S.GREETING, _I.FAREWELL): (_S.PARTING, "part"),
    (_S.GREETING, _I.DISMISSED): (_S.CLOSING, "end here"),
    (_S.GREETING, _I.TIMEOUT): (_S.FINISHED, "drop"),
    (_S.GREETING, _I.PUT_BY): (_S.PUTTING_BY, "hang up and put by"),
    (_S.STREAMING, _I.LEFT): (_S.WAITING, "leave"),
    (_S.STREAMING, _I.LOST): (_S.WAITING, "wait"),
    (_S.STREAMING, _I.NEVER): (_S.GONE, "give up"),
    (_S.STREAMING, _I.REJECTED): (_S.GONE, "reject"),
    (_S.STREAMING, _I.ALL_SENT): (_S.CLOSING, "say stop"),
    (_S.STREAMING, _I.FAREWELL): (_S.PARTING, "part"),
    (_S.STREAMING, _I.DISMISSED): (_S.CLOSING, "end here"),
    (_S.STREAMING, _I.TIMEOUT): (_S.FINISHED, "drop"),
    (_S.STREAMING, _I.PUT_BY): (_S.PUTTING_BY, "hang up and put by"),
    (_S.CLOSING, _I.FAREWELL): (_S.PARTING, "close"),
    (_S.CLOSING, _I.LOST_EARLY): (_S.WAITING, "wait for confirmation"),
    (_S.CLOSING, _I.UNCONFIRMED): (_S.WAITING, "leave unconfirmed"),
    (_S.CLOSING, _I.LOST): (_S.FINISHED, "finish"),
    (_S.CLOSING, _I.NEVER): (_S.FINISHED, "finish"),
    (_S.CLOSING, _I.TIMEOUT): (_S.FINISHED, "close and finish"),
    (_S.PARTING, _I.LOST): (_S.FINISHED, "finish"),
    (_S.PARTING, _I.NEVER): (_S.FINISHED, "finish"),
    (_S.PARTING, _I.TIMEOUT): (_S.FINISHED, "finish"),
    (_S.GONE, _I.TIMEOUT): (_S.FINISHED, "abandon"),
    (_S.PUTTING_BY, _I.WRITTEN): (_S.FINISHED, "leave for later"),
    (_S.PUTTING_BY, _I.NOT_WRITTEN): (_S.FINISHED, "abandon"),
}
"State and input to state and action. What is not in it changes nothing."
