"""
What a consumer stream is made of, on its way: audio, what is told, and the spans in
which there is neither; and how these are cut and joined.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from ..dialects.base import Audio, Event
from .gaps import Span


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio in the ring; with its frame number once it was sent."""

    audio: Audio
    frame: int | None = None

    @property
    def position(self) -> int:
        """Of its first sample."""
        return self.audio.position


@dataclass(frozen=True, slots=True)
class Word:
    """Something told, in its place."""

    event: Event
    position: int


Entry = Sound | Word | Span


def end_of(entry: Entry) -> int:
    """The position after it."""
    if isinstance(entry, Sound):
        return entry.position + entry.audio.samples
    return entry.end if isinstance(entry, Span) else entry.position


def from_position(entry: Entry, position: int) -> Entry | None:
    """The part of an entry from a position on; texts are told wherever they are."""
    if isinstance(entry, Word):
        return entry
    if end_of(entry) <= position:
        return None
    if isinstance(entry, Sound):
        return Sound(audio_from(entry.audio, max(position, entry.position)))
    first = max(position, entry.position)
    return Span(first, entry.end - first, entry.reason)


def audio_from(audio: Audio, position: int) -> Audio:
    """The part of audio from a position on."""
    overlap = min(position - audio.position, audio.samples)
    octets = overlap * len(audio.payload) // audio.samples if audio.samples else 0
    return replace(
        audio,
        position=position,
        samples=audio.samples - overlap,
        payload=audio.payload[octets:],
    )


def joins(audio: Audio, following: Audio) -> bool:
    return (
        audio.position + audio.samples == following.position
        and not following.discontinuity
        and audio.concealed == following.concealed
        and audio.held == following.held
    )


def joined(parts: list[Audio]) -> Audio:
    return replace(
        parts[0],
        samples=sum(part.samples for part in parts),
        payload=b"".join(part.payload for part in parts),
        silence=all(part.silence for part in parts),
    )


def append_joined(queue: deque[Entry], entry: Entry, same_reason: bool) -> None:
    last = queue[-1] if queue else None
    if (
        isinstance(entry, Span)
        and isinstance(last, Span)
        and last.end == entry.position
        and (last.reason == entry.reason or not same_reason)
    ):
        queue[-1] = replace(last, samples=last.samples + entry.samples)
    else:
        queue.append(entry)
