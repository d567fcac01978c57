"""
What the user agent of a simulated call is told at its start, and what it tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from ..sip.events import Address, Transport


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls whom and from where: what all requests of a call have in common."""

    target: str
    "The Request-URI of the INVITE."
    from_: str
    "The From value, without a tag."
    to: str
    contact: str
    "The URI at which we are reached."
    transport: Transport
    sent_by: str
    "Our host and port, for Via."
    user_agent: str = "siprec-call"
    headers: tuple[tuple[str, str], ...] = ()
    "Header fields of the INVITE that the user asked for."
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    "User and secret, for an SRS that asks for them."


class Purpose(Enum):
    """Which of our requests an answer belongs to."""

    CALL = auto()
    "The first INVITE."
    CHANGE = auto()
    "A re-INVITE."
    OTHER = auto()
    "An UPDATE or an INFO."
    BYE = auto()
    CANCEL = auto()


@dataclass(frozen=True, slots=True)
class Transmit:
    """Octets for the wire."""

    octets: bytes
    destination: Address | None
    "None for the SRS as the user named it."


@dataclass(frozen=True, slots=True)
class Progressed:
    """A provisional response."""

    status: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The final response to a request of ours."""

    purpose: Purpose
    status: int
    "0 where none came in time."
    reason: str
    body: bytes = b""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Reoffered:
    """The SRS sent an offer of its own, or the answer in an ACK; ours is on its way to it."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over."""

    by_peer: bool
    reason: str


Output = Transmit | Progressed | Answered | Reoffered | Ended
