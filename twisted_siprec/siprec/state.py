"""
What is known of a recording from all metadata so far (:rfc:`7866#section-9`).

A complete snapshot replaces everything, and the difference tells who came and
who left. A partial update is merged by identifier. An association replaces the
earlier one of the same key: participant and communication session, or
participant alone for its streams, so that an empty one means that the
participant neither sends nor receives (:rfc:`7865#section-6.8.1`). Who left
stays listed, with the time.

A state is a value: applying a document gives a new one, so that a re-INVITE that
is refused in the end leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..participants import CommunicationSession, MediaStream, SessionGroup, Span
from ..plan import ParticipantEvent
from .document import Document, GroupElement, Interval, SessionElement, StreamElement
from .extensions import Extension, merged
from .intervals import extended
from .leniency import Oddity, warning
from .parties import MAX_ELEMENTS, Party, Roll
from .times import is_complete


@dataclass(frozen=True, slots=True)
class Changes:
    """What a document changed."""

    events: tuple[ParticipantEvent, ...] = ()
    warnings: tuple[Oddity, ...] = ()
    changed: bool = False


@dataclass(frozen=True, slots=True)
class MetadataState:
    """All that the metadata said, up to now."""

    groups: Mapping[str, GroupElement] = field(default_factory=dict)
    sessions: Mapping[str, SessionElement] = field(default_factory=dict)
    parties: Mapping[str, Party] = field(default_factory=dict)
    streams: Mapping[str, StreamElement] = field(default_factory=dict)
    extensions: tuple[Extension, ...] = ()
    last_speakers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    "Who sent each stream when somebody last did: the channel stays theirs while on hold."
    revision: int = 0
    complete: bool = False
    "There was a complete snapshot."
    partial: bool = False
    "The last document was a partial update."

    def apply(self, document: Document, now_text: str) -> tuple[MetadataState, Changes]:
        """The state after a document, and what is different."""
        warnings: list[Oddity] = list(document.warnings)
        if document.partial and not self.complete:
            warnings.append(warning("metadata-partial-first"))
        streams = _streams(self, document)
        sessions = _sessions(self, document, now_text)
        parties = Roll(self.parties, document, sessions).after(now_text)
        warnings += _dangling(document, parties, streams)
        if _says_nothing_of_streams(self, document):
            warnings.append(warning("metadata-no-associations"))
        extensions = merged(document.extensions)
        if document.partial:
            renewed = {name for name, _ in extensions}
            kept = [pair for pair in self.extensions if pair[0] not in renewed]
            extensions = merged(kept, extensions)
        after = replace(
            self,
            groups=_groups(self, document),
            sessions=sessions,
            parties=parties,
            streams=streams,
            extensions=extensions,
            last_speakers=_last_speakers(self, parties, streams),
            complete=self.complete or not document.partial,
            partial=document.partial,
        )
        changed = after != replace(self, complete=after.complete, partial=after.partial)
        after = replace(after, revision=self.revision + changed)
        events = tuple(_events(self.parties, parties, now_text))
        return after, Changes(events, tuple(warnings), changed)

    def closed(self, now_text: str) -> MetadataState:
        """The state when the recording is over: everybody left, every session stopped."""
        sessions = {
            key: replace(each, interval=_ended(each.interval, now_text))
            for key, each in self.sessions.items()
        }
        parties = {
            key: replace(each, left_at=each.left_at or now_text)
            for key, each in self.parties.items()
        }
        return replace(self, sessions=sessions, parties=parties)

    @property
    def present(self) -> tuple[Party, ...]:
        """Who has not left, in the order of the metadata."""
        return tuple(each for each in self.parties.values() if each.left_at is None)

    def speakers(self, key: str) -> tuple[str, ...]:
        """Who sends a stream, or who did before being put on hold."""
        return self.last_speakers.get(key, ())

    @property
    def described_sessions(self) -> tuple[CommunicationSession, ...]:
        """The communication sessions as consumers are told of them."""
        return tuple(
            CommunicationSession(
                each.id,
                each.group_id,
                each.sip_session_ids,
                each.start_time,
                each.stop_time,
                _spans(each.recorded) if len(each.recorded) > 1 else (),
                each.reasons,
            )
            for each in self.sessions.values()
        )

    @property
    def described_groups(self) -> tuple[SessionGroup, ...]:
        """What holds communication sessions together, as consumers are told of it."""
        return tuple(
            SessionGroup(each.id, each.interval.begins, each.interval.ends, each.extensions)
            for each in self.groups.values()
        )

    @property
    def described_streams(self) -> tuple[MediaStream, ...]:
        """The streams as consumers are told of them, with who sends and hears them."""
        return tuple(
            MediaStream(
                each.id,
                each.label,
                each.session_id,
                tuple(party.id for party in self.parties.values() if each.key in party.sends),
                tuple(party.id for party in self.parties.values() if each.key in party.receives),
            )
            for each in self.streams.values()
        )


def _sessions(
    before: MetadataState, document: Document, now_text: str
) -> dict[str, SessionElement]:
    sessions = dict(before.sessions)
    named = {each.id for each in document.sessions}
    associated = {session_id for session_id, _ in document.session_intervals}
    for each in document.sessions:
        known = sessions.get(each.id)
        if known is not None and document.partial:
            each = _merged_session(known, each)
        elif known is not None and each.id in associated:
            each = replace(each, recorded=known.recorded)
        sessions[each.id] = each
    for session_id, interval in document.session_intervals:
        known = sessions.get(session_id)
        if known is not None:
            recorded = extended(known.recorded, interval, now_text)
            sessions[session_id] = replace(known, recorded=recorded)
    if not document.partial:
        for key, each in sessions.items():
            if key not in named:
                sessions[key] = replace(each, interval=_ended(each.interval, now_text))
    over = [key for key, each in sessions.items() if each.stop_time is not None]
    for key in over[: max(0, len(sessions) - MAX_ELEMENTS)]:
        del sessions[key]
    return dict(list(sessions.items())[:MAX_ELEMENTS])


def _merged_session(known: SessionElement, new: SessionElement) -> SessionElement:
    return replace(
        new,
        group_id=new.group_id or known.group_id,
        sip_session_ids=new.sip_session_ids or known.sip_session_ids,
        recorded=known.recorded,
        reasons=new.reasons or known.reasons,
        interval=Interval(
            new.interval.begins or known.interval.begins, new.interval.ends or known.interval.ends
        ),
    )


def _groups(before: MetadataState, document: Document) -> dict[str, GroupElement]:
    groups = dict(before.groups) if document.partial else {}
    for each in document.groups:
        known = groups.get(each.id)
        if known is not None:
            interval = Interval(
                each.interval.begins or known.interval.begins,
                each.interval.ends or known.interval.ends,
            )
            renewed = {name for name, _ in each.extensions}
            kept = [pair for pair in known.extensions if pair[0] not in renewed]
            each = GroupElement(each.id, interval, merged(kept, each.extensions))
        groups[each.id] = each
    return dict(list(groups.items())[:MAX_ELEMENTS])


def _streams(before: MetadataState, document: Document) -> dict[str, StreamElement]:
    streams = dict(before.streams) if document.partial else {}
    for each in document.streams:
        known = streams.get(each.key)
        if known is not None:
            each = replace(
                each,
                label=each.label or known.label,
                session_id=each.session_id or known.session_id,
            )
        streams[each.key] = each
    return dict(list(streams.items())[:MAX_ELEMENTS])


def _last_speakers(
    before: MetadataState, parties: Mapping[str, Party], streams: Mapping[str, StreamElement]
) -> dict[str, tuple[str, ...]]:
    present = [party for party in parties.values() if party.left_at is None]
    busy = {party.id for party in present if party.sends}
    result: dict[str, tuple[str, ...]] = {}
    for key in streams:
        speaking = tuple(party.id for party in present if key in party.sends)
        silent = tuple(
            identity
            for identity in before.last_speakers.get(key, ())
            if identity not in busy and any(identity == party.id for party in present)
        )
        if speaking or silent:
            result[key] = speaking or silent
    return result


def _events(
    before: Mapping[str, Party], after: Mapping[str, Party], now_text: str
) -> Iterable[ParticipantEvent]:
    for party in after.values():
        was = before.get(party.id)
        was_here = was is not None and was.left_at is None
        if not was_here and party.left_at is None:
            yield ParticipantEvent("joined", party.id, _at(party.joined_last_at, now_text))
        elif was_here and party.left_at is not None:
            yield ParticipantEvent("left", party.id, _at(party.left_at, now_text))
        elif was is not None and was_here and was.sends and not party.sends:
            yield ParticipantEvent("held", party.id, now_text)
        elif was is not None and was_here and was.associated and party.sends and not was.sends:
            yield ParticipantEvent("resumed", party.id, now_text)


def _says_nothing_of_streams(before: MetadataState, document: Document) -> bool:
    """A snapshot of known streams without one association, where there were some before."""
    if document.partial or document.speeches:
        return False
    known = any(each.key in before.streams for each in document.streams)
    named = {each.id for each in document.participants}
    return known and any(party.sends for party in before.present if party.id in named)


def _dangling(
    document: Document, parties: Mapping[str, Party], streams: Mapping[str, StreamElement]
) -> list[Oddity]:
    for each in document.speeches:
        if each.participant_id not in parties:
            return [warning("metadata-reference", each.participant_id)]
        for key in (*each.sends, *each.receives):
            if key not in streams:
                return [warning("metadata-reference", key)]
    return []


def _at(time: str | None, now_text: str) -> str:
    return time if time is not None and is_complete(time) else now_text


def _spans(intervals: Iterable[Interval]) -> tuple[Span, ...]:
    return tuple(Span(each.begins, each.ends) for each in intervals)


def _ended(interval: Interval, now_text: str) -> Interval:
    return replace(interval, ends=interval.ends or now_text)
