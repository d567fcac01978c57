"""
What offer and answer agreed on, the ports that belong to it, and the SDP that we
last sent: all that a later offer builds on (:rfc:`3264#section-8`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..plan import StreamPlan
from ..report import StreamPorts
from ..sdp.answer import answer, versioned
from ..sdp.description import Origin, SessionDescription
from ..sdp.negotiation import Negotiation
from ..sdp.offer import intended, restrained


@dataclass(frozen=True, slots=True)
class Intent:
    """What we want otherwise than the SRC offers it."""

    paused: bool = False
    "Every stream is inactive."
    dropped: frozenset[int] = frozenset()
    "The m-lines that have port 0."


@dataclass(frozen=True, slots=True)
class Agreement:
    """A value: a proposed one takes the place of the old when all is well."""

    session_id: str
    "Of our o= line, for the life of the dialog."
    address: str
    "Of our c= line."
    negotiation: Negotiation | None = None
    ports: tuple[StreamPorts, ...] = ()
    sent: SessionDescription | None = None
    "The last SDP of ours."
    intent: Intent = Intent()
    "What of ours is in it."

    @classmethod
    def of(cls, identity: str, address: str) -> Agreement:
        """Nothing is agreed on yet."""
        digest = hashlib.sha256(identity.encode()).digest()
        # Numeric and below 2^63, as the parsers of some SRCs need it.
        return cls(str(int.from_bytes(digest[:7], "big")), address)

    def negotiated(self, negotiation: Negotiation) -> Agreement:
        """
        With this in place of what was agreed on, so far as we want it. The ports of
        closed streams are gone; another stream in the place of a dropped one is taken.
        """
        before = {stream.index: stream.label for stream in self._negotiated.streams}
        dropped = frozenset(
            stream.index
            for stream in negotiation.streams
            if stream.index in self.intent.dropped and stream.label == before.get(stream.index)
        )
        intent = replace(self.intent, dropped=dropped)
        negotiation = restrained(negotiation, paused=intent.paused, dropped=dropped)
        kept = {stream.index for stream in negotiation.accepted}
        ports = tuple(each for each in self.ports if each.index in kept)
        return replace(self, negotiation=negotiation, ports=ports, intent=intent)

    def bound(self, ports: Iterable[StreamPorts]) -> Agreement:
        """With the ports that the media plane has bound."""
        by_index = {each.index: each for each in (*self.ports, *ports)}
        return replace(self, ports=tuple(by_index[index] for index in sorted(by_index)))

    @property
    def wants_ports(self) -> bool:
        """There is a stream that has none yet."""
        bound = {each.index for each in self.ports}
        return any(stream.index not in bound for stream in self._negotiated.accepted)

    @property
    def streams(self) -> tuple[StreamPlan, ...]:
        """What to receive."""
        return tuple(stream.plan for stream in self._negotiated.accepted)

    def answered(self) -> Agreement:
        """With our answer as :attr:`sent`."""
        return self._sending(answer(self._negotiated, self.ports, self.address, self._origin))

    def offered(self) -> Agreement:
        """With our offer as :attr:`sent`."""
        return self._sending(answer(self.wanted, self.ports, self.address, self._origin))

    @property
    def wanted(self) -> Negotiation:
        """What our offer asks for."""
        intent = self.intent
        return intended(self._negotiated, paused=intent.paused, dropped=intent.dropped)

    def intending(self, intent: Intent) -> Agreement:
        """With what we want from now on; the next SDP of ours says it."""
        return replace(self, intent=intent)

    @property
    def body(self) -> bytes:
        """The last SDP of ours, in octets."""
        return bytes(self.sent) if self.sent is not None else b""

    @property
    def _negotiated(self) -> Negotiation:
        return self.negotiation or Negotiation(())

    @property
    def _origin(self) -> Origin:
        address_type = "IP6" if ":" in self.address else "IP4"
        return Origin(self.session_id, "1", self.address, address_type=address_type)

    def _sending(self, description: SessionDescription) -> Agreement:
        return replace(self, sent=versioned(description, self.sent))
