"""
All that is known about a recorded call besides its audio: the INVITE, the
metadata up to now, and who is heard where.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..participants import Description, Participant
from ..plan import ChannelPlan, Half, ParticipantEvent
from ..sdp.negotiation import NegotiatedStream
from ..sip.message import Request
from .correlate import Correlation, correlate
from .document import Document
from .extensions import Extension, merged
from .identity import NamedParty, identifiers, named_parties, passed_on, source_address
from .leniency import Oddity, joined
from .state import MetadataState
from .stitching import stitch_keys
from .times import sip_date


# Without slots: the description of it is worked out once, and kept beside the fields.
@dataclass(frozen=True)
class Dossier:
    """A value: what is learnt gives a new one, and the old one is still there."""

    recording_session_id: str
    call_id: str
    src: str | None = None
    request_uri: str | None = None
    sender: str | None = None
    "From, which is the caller where nothing better is known."
    recipient: str | None = None
    headers: tuple[Extension, ...] = ()
    identifiers: tuple[Extension, ...] = ()
    named: tuple[NamedParty, ...] = ()
    metadata: MetadataState = field(default_factory=MetadataState)
    correlation: Correlation = field(default_factory=Correlation)
    warnings: tuple[Oddity, ...] = ()
    xml: str | None = None
    start_time: str | None = None
    "Date of the INVITE (:rfc:`7865#section-6.1.1`)."
    stop_time: str | None = None
    "Date of the BYE."

    @classmethod
    def of(cls, identity: str, request: Request, headers: tuple[str, ...]) -> Dossier:
        """What an INVITE alone says; ``headers`` are those to pass on."""
        sender, recipient = request.from_, request.to
        return cls(
            recording_session_id=identity,
            call_id=request.call_id or "",
            src=source_address(request),
            request_uri=request.uri_text,
            sender=sender.uri_text if sender else None,
            recipient=recipient.uri_text if recipient else None,
            headers=passed_on(request, headers),
            identifiers=identifiers(request),
            named=named_parties(request),
            start_time=sip_date(request.headers.get("Date")),
        )

    def learnt(
        self, document: Document | None, now_text: str
    ) -> tuple[Dossier, tuple[ParticipantEvent, ...]]:
        """With what a metadata document says, and who came and went by it."""
        if document is None:
            return self, ()
        metadata, changes = self.metadata.apply(document, now_text)
        learnt = replace(self, metadata=metadata, xml=document.text or self.xml)
        return learnt.warned(changes.warnings), changes.events

    def heard_on(self, streams: Iterable[NegotiatedStream]) -> Dossier:
        """With these streams ascribed to the participants."""
        found = correlate(tuple(streams), self.metadata, self.named, self.correlation)
        return replace(self, correlation=found).warned(found.warnings)

    def warned(self, warnings: Iterable[Oddity]) -> Dossier:
        """With these warnings, each once."""
        all_of_them = joined(self.warnings, tuple(warnings))
        return self if all_of_them == self.warnings else replace(self, warnings=all_of_them)

    def identified(self, identifiers: tuple[Extension, ...]) -> Dossier:
        """With what somebody else knows it by."""
        return replace(self, identifiers=merged(self.identifiers, identifiers))

    def stopped(self, request: Request) -> Dossier:
        """With the time at which the SRC ended it."""
        return replace(self, stop_time=sip_date(request.headers.get("Date")))

    def closed(self, now_text: str) -> Dossier:
        """With everybody gone."""
        return replace(self, metadata=self.metadata.closed(now_text))

    @property
    def channels(self) -> tuple[ChannelPlan, ...]:
        """The channels that consumers get."""
        return self.correlation.channels

    @property
    def half(self) -> Half | None:
        """What may join it to another dialog; None where nothing identifies the call."""
        keys = self._described.stitch_keys
        marks = dict(self.identifiers)
        end = next((end for end in ("near", "far") if f"{end}end" in marks), None)
        return Half(keys, end) if keys else None

    def description(self, include_xml: bool = False) -> Description:
        """As consumers are told of it."""
        return replace(self._described, xml=self.xml) if include_xml else self._described

    @cached_property
    def _described(self) -> Description:
        parties = self.correlation.parties
        unnamed = not self.metadata.parties and not self.named
        extensions = merged(self.metadata.extensions, self.identifiers)
        groups, sessions = self.metadata.described_groups, self.metadata.described_sessions
        keys = stitch_keys(extensions, groups, sessions)
        return Description(
            recording_session_id=self.recording_session_id,
            call_id=self.call_id,
            src=self.src,
            caller=parties.caller_aor or (self.sender if unnamed else None),
            called=parties.called_aor or (self.recipient if unnamed else None),
            request_uri=self.request_uri,
            sessions=sessions,
            participants=self._participants(),
            streams=self.metadata.described_streams,
            extensions=extensions,
            headers=self.headers,
            warnings=self.warnings,
            revision=self.metadata.revision,
            mode="delta" if self.metadata.partial else "snapshot",
            groups=groups,
            start_time=self.start_time,
            stop_time=self.stop_time,
            stitch=keys[0] if keys else None,
            stitch_keys=keys,
        )

    def _participants(self) -> tuple[Participant, ...]:
        if self.metadata.parties:
            return tuple(party.described for party in self.metadata.parties.values())
        return tuple(Participant(party.id, party.aor, party.name) for party in self.named)
