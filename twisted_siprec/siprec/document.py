"""
A metadata document in one shape, whichever draft it was written by
(:rfc:`7865#section-6`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .extensions import Extension
from .leniency import Oddity

Reason = tuple[str, str | None, str | None]
"Why a communication session ended: protocol, cause, text (:rfc:`7865#section-6.3.1`)."


@dataclass(frozen=True, slots=True)
class Interval:
    """From when to when something holds."""

    begins: str | None = None
    ends: str | None = None


@dataclass(frozen=True, slots=True)
class GroupElement:
    """Communication sessions that belong together (:rfc:`7865#section-6.2`)."""

    id: str
    interval: Interval = Interval()
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionElement:
    """A communication session (:rfc:`7865#section-6.3`)."""

    id: str
    group_id: str | None = None
    sip_session_ids: tuple[str, ...] = ()
    interval: Interval = Interval()
    "Its start-time and stop-time."
    extensions: tuple[Extension, ...] = ()
    recorded: tuple[Interval, ...] = ()
    "When it was in the recording (:rfc:`7865#section-6.4`)."
    reasons: tuple[Reason, ...] = ()

    @property
    def start_time(self) -> str | None:
        """When it began, or when the recording of it did."""
        begins = (each.begins for each in (self.interval, *self.recorded))
        return next((each for each in begins if each), None)

    @property
    def stop_time(self) -> str | None:
        """When it was over, or left the recording for good, as far as is known."""
        return self.interval.ends or (self.recorded[-1].ends if self.recorded else None)


@dataclass(frozen=True, slots=True)
class ParticipantElement:
    """A participant (:rfc:`7865#section-6.5`)."""

    id: str
    names: tuple[tuple[str | None, str | None], ...] = ()
    "(AoR, display name)."
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamElement:
    """A media stream (:rfc:`7865#section-6.7`)."""

    key: str
    "Its identifier, or one made of its label where it has none."
    id: str
    label: str | None = None
    session_id: str | None = None
    mixed: bool = False
    "An older draft's ``mode``: the stream has all participants."


@dataclass(frozen=True, slots=True)
class Membership:
    """A participant in a communication session (:rfc:`7865#section-6.6`)."""

    participant_id: str
    session_id: str
    interval: Interval = Interval()


@dataclass(frozen=True, slots=True)
class Speech:
    """Which streams a participant sends and receives (:rfc:`7865#section-6.8`)."""

    participant_id: str
    sends: tuple[str, ...] = ()
    receives: tuple[str, ...] = ()
    interval: Interval = Interval()


@dataclass(frozen=True, slots=True)
class Document:
    """One metadata document."""

    partial: bool = False
    groups: tuple[GroupElement, ...] = ()
    sessions: tuple[SessionElement, ...] = ()
    participants: tuple[ParticipantElement, ...] = ()
    streams: tuple[StreamElement, ...] = ()
    session_intervals: tuple[tuple[str, Interval], ...] = ()
    "When each session was in the recording (:rfc:`7865#section-6.4`)."
    memberships: tuple[Membership, ...] = ()
    speeches: tuple[Speech, ...] = ()
    extensions: tuple[Extension, ...] = ()
    text: str = ""
    warnings: tuple[Oddity, ...] = ()
