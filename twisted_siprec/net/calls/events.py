"""
What happens to calls, as values: for whoever counts it, keeps it or shows it.

The listeners of :meth:`~.recording_server.RecordingServer.watch` get each of
these with the POSIX seconds at which it happened, in order. ``id`` is the
recording session's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...participants import Description
from ...plan import BridgePlan
from ...report import BridgeClosed, Report


@dataclass(frozen=True, slots=True)
class CallOffered:
    """An INVITE came from a source that may send calls."""

    id: str
    call_id: str
    source: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A request got an error; the first INVITE of a call where ``initial``."""

    call_id: str | None
    method: str
    source: str | None
    "The name of the source; None for one that has none, or where the SIP core refused by itself."
    peer: str
    "Where it came from."
    status: int
    reason: str
    initial: bool = False
    id: str | None = None
    "The recording session's, where there is one."
    tenant: str = ""
    "Whose call it was to be; empty for nobody's, and where that is not known yet."


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The call has a route, and ports are asked for."""

    id: str
    call_id: str
    source: str
    destinations: tuple[str, ...]
    plan: BridgePlan
    tenant: str = ""
    "Whose call it is; empty for nobody's."


@dataclass(frozen=True, slots=True)
class CallRedirected:
    """An operator has it sent to other destinations than before: these, from now on."""

    id: str
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The INVITE got its 200."""

    id: str
    after_s: float


@dataclass(frozen=True, slots=True)
class CallMoved:
    """The recording session is in another state (:mod:`~twisted_siprec.siprec.states`)."""

    id: str
    state: str


@dataclass(frozen=True, slots=True)
class CallDescribed:
    """What is known of the call is this from now on."""

    id: str
    description: Description
    xml: str | None
    "The metadata as received last."


@dataclass(frozen=True, slots=True)
class CallWarned:
    """Something was odd in what the SRC sent."""

    id: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class CallReported:
    """What the media plane told by itself."""

    id: str
    report: Report


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The dialog of the call is over."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class CallClosed:
    """The account of the call."""

    id: str
    source: str
    closed: BridgeClosed


@dataclass(frozen=True, slots=True)
class CallForgotten:
    """Nothing of the call is under way any more: the last of its events."""

    id: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """Octets got no answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Faulted:
    """A mistake of ours, which cost one call at most."""

    call_id: str


CallEvent = (
    CallOffered
    | CallRefused
    | CallBegan
    | CallRedirected
    | CallAnswered
    | CallMoved
    | CallDescribed
    | CallWarned
    | CallReported
    | CallEnded
    | CallClosed
    | CallForgotten
    | Discarded
    | Faulted
)

CallListener = Callable[[CallEvent, float], None]
"Takes an event and its POSIX seconds."
