"""
What the user agent is told, and what it tells: the whole interface between the
SIP core and the shell.

A **flow** is the way a message came: a UDP listener and the peer's address, or
one TCP or TLS connection. A **dialog** is named by an opaque string that is
stable for its life. A **transaction** that waits for our answer is named by an
opaque string too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .message import Request, Response

Address = tuple[str, int]


class Transport(StrEnum):
    """How SIP is carried (:rfc:`3261#section-18`)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"

    @property
    def reliable(self) -> bool:
        """No retransmissions are needed on it."""
        return self is not Transport.UDP


@dataclass(frozen=True, slots=True)
class Flow:
    """The way that a message came, and the way back to who sent it."""

    transport: Transport
    key: str
    "Names the UDP listener or the one connection; opaque to the core."
    local: Address
    "Our end, as it is bound."
    remote: Address
    advertised: Address
    "Our end, as the peer can reach it: what Via and Contact name."
    identities: tuple[str, ...] = ()
    "Names in the peer's verified certificate; empty where there is none."


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request of ours goes next (:rfc:`3261#section-8.1.2`)."""

    transport: Transport
    host: str
    port: int | None
    "None where the URI names none: the shell looks the host up (:rfc:`3263`) or takes the default."
    flow: Flow | None = None
    """
    A connection to prefer while it lives. For UDP the listener to send from;
    the destination is always ``host`` and ``port``.
    """


# --- outputs: to the wire ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Respond:
    """A response, on the flow of its request, to ``destination``."""

    flow: Flow
    destination: Address
    "received and rport (:rfc:`3581`); of no meaning while a connection is open."
    octets: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """A request of ours. The shell reports ``send_failed(transaction)`` where it cannot be sent."""

    hop: Hop
    transaction: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class CloseFlow:
    """The stream cannot be understood any more, or lasts too long: close the connection."""

    flow: Flow
    reason: str


# --- outputs: to the transaction user ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Invited:
    """
    A new INVITE outside of a dialog. To be answered by ``accept`` or ``refuse``
    with its transaction; a 100 goes out by itself where that takes longer.
    """

    transaction: str
    dialog: str
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Reinvited:
    """An INVITE within a dialog, to be answered as :class:`Invited` is."""

    transaction: str
    dialog: str
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Updated:
    """An UPDATE within a dialog (:rfc:`3311`), to be answered as :class:`Invited` is."""

    transaction: str
    dialog: str
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Informed:
    """An INFO within a dialog (:rfc:`6086`), to be answered as :class:`Invited` is."""

    transaction: str
    dialog: str
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK to our 2xx of an INVITE; its body may be the answer to our offer."""

    dialog: str
    request: Request


@dataclass(frozen=True, slots=True)
class Cancelled:
    """
    The INVITE was cancelled, or its Expires passed, before we answered; its 487
    is on its way. The dialog is gone where it was the INVITE that made it, and
    goes on as it was where it was a re-INVITE.
    """

    transaction: str
    dialog: str


class DialogEnd(Enum):
    """Why a dialog ended."""

    BYE = "BYE received"
    LOCAL = "BYE sent"
    UNACKNOWLEDGED = "no ACK to our 200"
    GONE = "the peer does not know the dialog any more (481 or 408)"
    EXPIRED = "the session timer expired"


@dataclass(frozen=True, slots=True)
class Ended:
    """A dialog is over; ``request`` is the BYE, which may have a body (metadata)."""

    dialog: str
    reason: DialogEnd
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The final response to a request of ours within a dialog; None after a time-out."""

    dialog: str
    method: str
    transaction: str
    status: int
    "408 for a time-out, 503 where it could not be sent."
    response: Response | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the core answered by itself with an error, for the log and the counters."""

    status: int
    reason: str
    method: str
    call_id: str | None
    flow: Flow


@dataclass(frozen=True, slots=True)
class Discarded:
    """Octets that got no answer, for the log and the counters."""

    reason: str
    flow: Flow
    octets: int


@dataclass(frozen=True, slots=True)
class Traced:
    """Every message that went in or out, for the traces; only while tracing is on."""

    outgoing: bool
    flow: Flow | None
    address: Address
    octets: bytes
    call_id: str | None = None
    summary: str = ""
    "The start line."
    transport: Transport | None = None
    "Of a request of ours for which there is no flow yet."


Output = (
    Respond
    | Send
    | CloseFlow
    | Invited
    | Reinvited
    | Updated
    | Informed
    | Acknowledged
    | Cancelled
    | Ended
    | Answered
    | Refused
    | Discarded
    | Traced
)

# --- settings ------------------------------------------------------------------------


class Reuse(Enum):
    """When our requests go by the connection that the peer opened (:rfc:`5923`)."""

    ALWAYS = "true"
    "Whenever it is there; and by UDP to where the last request came from."
    ALIAS = "alias"
    "By TLS, where the peer asked for it in its Via and proved who it is (section 9)."
    NEVER = "false"
    "To Contact and Record-Route alone."


@dataclass(frozen=True, slots=True)
class Timers:
    """The timers of :rfc:`3261` appendix A that are configured; all in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    trying: float = 0.2
    "After this long without a final response an INVITE is answered 100 (section 17.2.1)."
    c: float = 180.0
    "An INVITE that is unanswered after this long is given up, whichever side it is on."


@dataclass(frozen=True, slots=True)
class Limits:
    """What one message, and the tables of the core, may hold."""

    message_octets: int = 262_144
    datagram_octets: int = 65_535
    body_octets: int = 131_072
    header_octets: int = 65_536
    header_count: int = 256
    uri_octets: int = 2_048
    transactions: int = 20_000
    dialogs: int = 10_000
    pending_invites: int = 500
    "INVITEs outside of dialogs that our transaction user has not answered yet."


@dataclass(frozen=True, slots=True)
class UserAgentSettings:
    """How the user agent presents itself and what it insists on."""

    server: str = "twisted-siprec"
    "The value of Server and User-Agent."
    contact_user: str = "srs"
    timers: Timers = field(default_factory=Timers)
    limits: Limits = field(default_factory=Limits)
    session_expires_s: int = 0
    "What we propose where the SRC supports timer and proposes nothing; 0 for no session timer."
    min_se_s: int = 90
    allow: tuple[str, ...] = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO")
    supported: tuple[str, ...] = ("siprec", "timer")
    accept: tuple[str, ...] = (
        "application/sdp",
        "application/rs-metadata+xml",
        "application/rs-metadata",
        "multipart/mixed",
    )
    reuse_flow: Reuse = Reuse.ALWAYS
    "Our requests prefer the flow on which the SRC's last request came (SRCs behind NAT)."
    domains: tuple[str, ...] = ()
    "Hosts of Request-URIs that we serve, besides our own addresses; none for all."
    users: tuple[str, ...] = ()
    "User parts that we serve, besides that of our Contact; none for all."
    trace: bool = False
