"""
What an AudioHook server has found out: the entities of its events.
"""

from __future__ import annotations

from collections.abc import Sequence

from .base import ChannelStart, Reply, Said
from .texts import MAX_TEXT, Fields, count, mapping, mappings, number, word, written
from .transcripts import Transcript

Channels = Sequence[ChannelStart | None]
"Whose the channels are that the server was given, in its order."


def replies(entities: list[Fields], channels: Channels, origin_ms: int) -> list[Reply]:
    """
    Each entity as an event: transcripts in the shape that all dialects have,
    anything else as it is.

    :param origin_ms: where the server's time began on the stream's own.
    """
    said: list[Reply] = []
    for entity in entities:
        kind, found = word(entity, "type"), mapping(entity, "data")
        if kind == "transcript":
            said.append(_transcript(found, channels, origin_ms).said())
        else:
            said.append(Said(f"audiohook.{kind or 'entity'}", written(entity.get("data"))))
    return said


def _transcript(found: Fields, channels: Channels, origin_ms: int) -> Transcript:
    """The likeliest alternative, as it is displayed."""
    alternatives = mappings(found, "alternatives")
    best = alternatives[0] if alternatives else {}
    interpretations = mappings(best, "interpretations")
    shown = next((each for each in interpretations if word(each, "type") == "display"), {})
    number_of = count(found, "channelId")
    start_ms = _start_ms(word(found, "offset"), origin_ms)
    length_ms = milliseconds(word(found, "duration"))
    return Transcript(
        text=word(shown, "transcript", MAX_TEXT),
        final=found.get("isFinal") is True,
        start_ms=start_ms,
        end_ms=None if start_ms is None or length_ms is None else start_ms + length_ms,
        confidence=number(best, "confidence"),
        channel=None if number_of is None else _channel(channels, number_of),
        utterance=word(found, "id") or None,
    )


def _channel(channels: Channels, index: int) -> ChannelStart | None:
    return channels[index] if index < len(channels) else None


def _start_ms(offset: str, origin_ms: int) -> int | None:
    offset_ms = milliseconds(offset)
    return None if offset_ms is None else origin_ms + offset_ms


def milliseconds(duration: str) -> int | None:
    """An AudioHook duration (``PT1.25S``); None for anything else."""
    digits = duration[2:-1]
    if not (duration.startswith("PT") and duration.endswith("S")):
        return None
    if not digits.replace(".", "", 1).isdecimal() or not digits.isascii() or len(digits) > 16:
        return None
    return round(float(digits) * 1000)
