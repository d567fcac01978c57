"""
Entries of a backlog as octets and back, for the spool. What is no audio is written as
:mod:`~twisted_siprec.wire` does.
"""

from __future__ import annotations

from typing import Any

from ..dialects.base import (
    Audio,
    Digit,
    Event,
    Gap,
    Paused,
    Progress,
    Rearranged,
    Redescribed,
    Resumed,
    Synchronisation,
)
from ..plan import ParticipantEvent
from ..wire import RecordError, from_octets, to_octets
from .entries import Entry, Sound, Word
from .gaps import Span

_EVENTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Gap,
        Digit,
        Synchronisation,
        Redescribed,
        Rearranged,
        ParticipantEvent,
        Paused,
        Resumed,
        Progress,
    )
}
_SOUND, _SPAN, _WORD = range(3)


def entry_to_octets(entry: Entry) -> bytes:
    """An octet for its kind, one for flags, then what it is."""
    if isinstance(entry, Sound):
        audio = entry.audio
        flags = audio.silence | audio.discontinuity << 1 | audio.concealed << 2 | audio.held << 3
        return bytes([_SOUND, flags]) + audio.samples.to_bytes(4, "big") + audio.payload
    if isinstance(entry, Span):
        return bytes([_SPAN, 0]) + entry.samples.to_bytes(8, "big") + entry.reason.encode()
    name = type(entry.event).__name__
    return bytes([_WORD, 0]) + name.encode() + b" " + to_octets(entry.event)


def entry_from_octets(position: int, octets: bytes) -> Entry:
    """The entry again. :exc:`RecordError` where it is none."""
    if len(octets) < 2:
        raise RecordError("no entry")
    kind, flags, body = octets[0], octets[1], octets[2:]
    if kind == _SOUND:
        return Sound(
            Audio(
                position,
                int.from_bytes(body[:4], "big"),
                body[4:],
                silence=bool(flags & 1),
                discontinuity=bool(flags & 2),
                concealed=bool(flags & 4),
                held=bool(flags & 8),
            )
        )
    if kind == _SPAN:
        return Span(position, int.from_bytes(body[:8], "big"), body[8:].decode("utf-8", "replace"))
    name, _, record = body.partition(b" ")
    event_kind = _EVENTS.get(name.decode("utf-8", "replace"))
    if kind != _WORD or event_kind is None:
        raise RecordError("no entry of a kind that is known")
    event: Event = from_octets(event_kind, record)
    return Word(event, position)
