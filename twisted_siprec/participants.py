"""
Who speaks in a call, as far as the metadata and the description of its media tell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stay:
    """One span in which a participant was in a communication session (:rfc:`7865#section-6.6`)."""

    session_id: str
    joined_at: str | None = None
    left_at: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something went on, as the SRC wrote it."""

    began_at: str | None = None
    ended_at: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """A party to the recorded call (:rfc:`7865#section-6.5`)."""

    id: str
    aor: str | None = None
    name: str | None = None
    session_ids: tuple[str, ...] = ()
    joined_at: str | None = None
    "As the SRC wrote it, made RFC 3339 where possible."
    left_at: str | None = None
    extensions: tuple[tuple[str, str], ...] = ()
    stays: tuple[Stay, ...] = ()
    "Every coming and going, of one who came back; empty where joined_at and left_at say it all."


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """Communication sessions that belong together, as before and after a transfer
    (:rfc:`7865#section-6.2`)."""

    id: str
    began_at: str | None = None
    ended_at: str | None = None
    extensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CommunicationSession:
    """A call as its parties see it (:rfc:`7865#section-6.3`)."""

    id: str
    group_id: str | None = None
    sip_session_ids: tuple[str, ...] = ()
    start_time: str | None = None
    stop_time: str | None = None
    recorded: tuple[Span, ...] = ()
    "When it was in the recording, where that was more than once (:rfc:`7865#section-6.4`)."
    reasons: tuple[tuple[str, str | None, str | None], ...] = ()
    "Why it ended: protocol, cause, text."


@dataclass(frozen=True, slots=True)
class MediaStream:
    """A stream as the metadata names it (:rfc:`7865#section-6.7`)."""

    id: str
    label: str | None = None
    session_id: str | None = None
    sent_by: tuple[str, ...] = ()
    received_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """All that is known about a recording session besides its audio."""

    recording_session_id: str
    call_id: str
    "The SIP Call-ID of the recording session."
    src: str | None = None
    "The SRC's address of record, from From or Contact."
    caller: str | None = None
    called: str | None = None
    request_uri: str | None = None
    sessions: tuple[CommunicationSession, ...] = ()
    participants: tuple[Participant, ...] = ()
    streams: tuple[MediaStream, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()
    "Vendor identifiers under plain names (ucid, …)."
    headers: tuple[tuple[str, str], ...] = ()
    "SIP header fields of the INVITE that the configuration asks for."
    warnings: tuple[tuple[str, str], ...] = ()
    "(code, text): what was odd in what the SRC sent."
    revision: int = 0
    "+1 for each change of the metadata."
    mode: str = "snapshot"
    "snapshot, or delta when the SRC sent a partial update. The description is always whole."
    xml: str | None = None
    "The metadata as received, where the destination asks for it."
    groups: tuple[SessionGroup, ...] = ()
    start_time: str | None = None
    "When the recording session began by the SRC's clock: Date of its INVITE."
    stop_time: str | None = None
    "When it ended by the SRC's clock: Date of its BYE."
    stitch: str | None = None
    "Recording sessions with the same one belong to one call, as far as can be told."
    stitch_keys: tuple[str, ...] = ()
    "All that this call can be joined by, the strongest first; ``stitch`` is the first."
