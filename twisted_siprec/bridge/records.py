"""
Values of the media plane as octets and back, for the spool: an entry of a
backlog, the start of a stream, and where it stands.

Only what a frozen dataclass declares is written, as JSON; nothing that is read
can be anything else than the type that it is read as.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

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
from .gaps import Span
from .replay import Entry, Sound, Word

T = TypeVar("T")

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


class RecordError(Exception):
    """The octets are not what was written."""


def to_octets(value: object) -> bytes:
    """A frozen dataclass as JSON."""
    return json.dumps(_packed(value), separators=(",", ":")).encode()


def from_octets(kind: type[T], octets: bytes) -> T:
    """The same again. :exc:`RecordError` where it is not one of these."""
    try:
        value: T = _unpacked(kind, json.loads(octets))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"no {kind.__name__}: {error}") from error
    return value


def _packed(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _packed(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_packed(each) for each in value]
    return value


def _unpacked(kind: Any, found: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if found is None:
            return None
        [kind] = [each for each in get_args(kind) if each is not NoneType]
        return _unpacked(kind, found)
    if origin is tuple:
        return _tuple(get_args(kind), found)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        if not isinstance(found, dict):
            raise TypeError("an object expected")
        # A field that is not there has its default: it is younger than the record.
        return kind(
            **{name: _unpacked(hints[name], found[name]) for name in hints if name in found}
        )
    if issubclass(kind, Enum):
        return kind(found)
    if not isinstance(found, (int, float) if kind is float else kind):
        raise TypeError(f"{kind.__name__} expected")
    return found


def _tuple(kinds: tuple[Any, ...], found: Any) -> tuple[Any, ...]:
    if not isinstance(found, list):
        raise TypeError("a list expected")
    if kinds[-1] is Ellipsis:
        return tuple(_unpacked(kinds[0], each) for each in found)
    return tuple(_unpacked(kind, each) for kind, each in zip(kinds, found, strict=True))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


# --- entries of a backlog ---------------------------------------------------------


def end_of(entry: Entry) -> int:
    """The position after it."""
    if isinstance(entry, Sound):
        return entry.position + entry.audio.samples
    return entry.end if isinstance(entry, Span) else entry.position


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
