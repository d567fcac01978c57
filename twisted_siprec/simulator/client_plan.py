"""
What a simulated call is to be, and what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..plan import ClientTLS
from ..sip.events import Address, Timers
from .offer_metadata import Party
from .outgoing import Impairment
from .sending import EncodedSpeech
from .wire import Target

CONVERSATION = (
    Party("sip:+15550100@example.com", "Ann Caller"),
    Party("sip:+15550199@example.com", "Bob Callee"),
)
"The two whom the bundled speech is attributed to."


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the SRS is and how it is reached."""

    target: Target
    tls: ClientTLS = field(default_factory=ClientTLS)
    local: str = ""
    "The address to send from; empty for the one that the route to the SRS has."
    timers: Timers = field(default_factory=Timers)
    user_agent: str = "siprec-call"
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    "User and secret, for an SRS that asks for them."
    end_timeout_s: float = 5.0
    "How long the ends of calls are waited for when the client is closed."


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One simulated call: who says what, and what happens meanwhile."""

    streams: tuple[EncodedSpeech, ...]
    "What each m-line plays, over and over until the call ends."
    parties: tuple[Party, ...] = CONVERSATION
    caller: str = "sip:src@example.com"
    "The AOR in From."
    called: str | None = None
    "The AOR in To; None for the target's."
    duration_s: float | None = None
    "None for as long as the longest stream."
    described: bool = True
    "With metadata."
    metadata: bytes | None = None
    "The metadata to send; None for a snapshot made of the parties."
    headers: tuple[tuple[str, str], ...] = ()
    hold_at_s: float | None = None
    hold_for_s: float = 2.0
    impairment: Impairment = field(default_factory=Impairment)
    seed: int | None = None
    "Of what is drawn by lot; None for another each time."
    digits: str = ""
    "Keys that are pressed on the first stream."
    digits_at_s: float = 1.0
    reports: bool = False
    "Send RTCP sender reports."
    srtp: str | None = None
    """
    The crypto suite that all streams are protected by, or DTLS for one that a
    handshake agrees on; None for plain RTP.
    """

    @property
    def seconds(self) -> float:
        """How long audio is sent."""
        if self.duration_s is not None:
            return self.duration_s
        return max(len(speech.payloads) * speech.packet_s for speech in self.streams)


@dataclass(frozen=True, slots=True)
class StreamResult:
    """What was sent on one m-line."""

    label: str
    destination: Address | None
    packets: int = 0
    octets: int = 0
    unsent: int = 0
    "Packets that the kernel did not take."


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of a call."""

    call_id: str
    error: str | None = None
    "What went wrong, and what to do about it."
    status: int = 0
    "Of the answer to the INVITE; 0 where there was none."
    answer_s: float | None = None
    "From the INVITE to its final response."
    sent_s: float = 0.0
    streams: tuple[StreamResult, ...] = ()
    ended_by_srs: str | None = None
    "The reason, where the SRS ended the call."

    @property
    def ok(self) -> bool:
        """The call was answered, played to its end and ended."""
        return self.error is None


class Watcher(Protocol):
    """Who wants to see what happens as it happens."""

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A SIP message went out or came in."""

    def waiting(self, call_id: str, seconds: float) -> None:
        """The SRS has not answered for so long."""

    def answered(self, call_id: str, answer_s: float, streams: tuple[StreamResult, ...]) -> None:
        """The SRS answered, and audio goes there from now on."""

    def held(self, call_id: str, held: bool) -> None:
        """The call was put on hold, or resumed."""

    def ended(self, result: CallResult) -> None:
        """It is over."""


class Unwatched:
    """A watcher that does not look."""

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """Not looked at."""

    def waiting(self, call_id: str, seconds: float) -> None:
        """Not looked at."""

    def answered(self, call_id: str, answer_s: float, streams: tuple[StreamResult, ...]) -> None:
        """Not looked at."""

    def held(self, call_id: str, held: bool) -> None:
        """Not looked at."""

    def ended(self, result: CallResult) -> None:
        """Not looked at."""
