"""
What a recording session asks for, and what it is configured with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ..errors import RemoteError
from ..participants import Description
from ..plan import BridgePlan, BridgeUpdate, Destination, EndReason, Fingerprint
from ..sdp.crypto import NewKey
from ..sdp.protection import Protection
from .multipart import Limits as BodyLimits
from .tree import Limits as MetadataLimits

RouteAnswer = tuple[Destination, ...] | RemoteError
"Where a call goes, or why it is refused: no route, over the limit, draining."


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a call goes of which it was asked for."""

    destinations: tuple[Destination, ...]
    parameters: tuple[tuple[str, str], ...] = ()
    "What consumers are told besides, among the extensions."


class Later(Enum):
    """In place of a route: it is to be asked for, and comes by ``routed``."""

    LATER = "later"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What applies to the recording sessions of an SRC."""

    strict: bool = False
    "Insist on what :rfc:`7866` asks of an SRC; see :rfc:`7866#section-6.2`."
    codecs: frozenset[str] = frozenset({"PCMU", "PCMA", "G722", "TELEPHONE-EVENT", "CN"})
    "Encoding names in upper case of what can be decoded."
    media_address: str = "127.0.0.1"
    "The address in our SDP: where SRCs reach us."
    local_address: str = "0.0.0.0"
    "The address that ports are bound on."
    max_streams: int = 8
    protection: Protection = field(default_factory=Protection)
    "Whether the SRC's media must be protected, and by what."
    new_key: NewKey | None = None
    "Random octets, for our keys of SRTP; needed where it is not off."
    fingerprint: Fingerprint | None = None
    "Of our certificate for DTLS; needed where that is not off."
    signalling_is_private: bool = True
    "Nobody on the way reads the signalling, and the keys in it."
    headers: tuple[str, ...] = ()
    "Header fields of the INVITE that consumers get."
    plain_invite_status: int | None = None
    "What an INVITE that is no recording session is refused with; None to record it."
    offer_labels: tuple[str, ...] = ("1", "2")
    "The streams that we offer where an INVITE has no offer."
    max_waiting: int = 4
    "Requests that may wait for ports to be bound; further ones get 500 and Retry-After."
    retry_after_s: int = 2
    request_snapshots: bool = False
    "Ask for a complete snapshot where the metadata begins with a partial update."
    mask_dtmf: bool = False
    "The audio is silenced while a key is pressed."
    join: bool = False
    "Dialogs with one stream each that are halves of a call are delivered as one."
    pause_src: bool = False
    "The SRC is asked to send nothing while the operator pauses; some SRCs end the call at that."
    glare_delay_s: Callable[[], float] = lambda: 1.0
    "How long to wait before a re-INVITE that met one of the SRC's is sent again: 0 to 2, by lot."
    max_attempts: int = 5
    "So often a re-INVITE of ours is sent that meets requests of the SRC's."
    hide: frozenset[str] = frozenset()
    "What of the metadata is not passed on, by its names in :mod:`~.hidden`."
    body_limits: BodyLimits = field(default_factory=BodyLimits)
    metadata_limits: MetadataLimits = field(default_factory=MetadataLimits)

    @property
    def own_fingerprint(self) -> Fingerprint | None:
        """What we say of our certificate to these SRCs; None where no handshake is taken."""
        return self.fingerprint if self.protection.handshakes else None


@dataclass(frozen=True, slots=True)
class Ask:
    """Find out where the call goes; to be answered by ``routed``."""

    description: Description


@dataclass(frozen=True, slots=True)
class OpenBridge:
    """Bind ports and record; to be answered by ``bridge_opened`` or ``bridge_failed``."""

    plan: BridgePlan


@dataclass(frozen=True, slots=True)
class UpdateBridge:
    """What is recorded from now on; to be answered as :class:`OpenBridge` is."""

    update: BridgeUpdate


@dataclass(frozen=True, slots=True)
class CloseBridge:
    """No more is recorded. No answer is waited for."""

    bridge: str
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer a request with 200; a body is SDP."""

    transaction: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer a request with an error."""

    transaction: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SendBye:
    """End the dialog."""

    dialog: str
    reason: EndReason


@dataclass(frozen=True, slots=True)
class SendUpdate:
    """Send an UPDATE within the dialog (:rfc:`3311`); whatever its answer, recording goes on."""

    dialog: str
    body: bytes
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SendInvite:
    """
    Send a re-INVITE with this offer; to be answered by ``answered``. Where it cannot be
    sent now, that is as if its answer were 491.
    """

    dialog: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Warned:
    """Something was odd in what the SRC sent, told once for each recording session."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What is known of the call is this from now on."""

    description: Description


Output = (
    Ask
    | OpenBridge
    | UpdateBridge
    | CloseBridge
    | Accept
    | Refuse
    | SendBye
    | SendUpdate
    | SendInvite
    | Warned
    | Changed
)
