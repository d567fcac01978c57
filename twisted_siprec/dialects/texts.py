"""
What consumers say, as JSON read with suspicion: a wrong type is as good as
nothing, and nothing raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from .base import Message, Odd

Fields = Mapping[str, object]

MAX_WORD = 1024
"Characters kept of a name or a code."
MAX_TEXT = 64 * 1024
"Characters kept of what somebody said."
MAX_COUNT = 2**53
"The largest integer that every JSON library carries exactly."
NOTHING: Fields = {}


def parsed(message: Message) -> Fields | Odd:
    """A JSON object, or what is wrong with it."""
    if isinstance(message, bytes):
        return Odd("binary message")
    try:
        value = json.loads(message, parse_constant=_nothing)
    except (ValueError, RecursionError):
        return Odd("not JSON")
    return value if isinstance(value, dict) else Odd("not a JSON object")


def written(fields: object) -> str:
    """As JSON that every connection carries; what cannot be written is null."""
    try:
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return "null"


def word(fields: Fields, name: str, longest: int = MAX_WORD) -> str:
    """A text, or an empty one."""
    value = fields.get(name)
    if not isinstance(value, str):
        return ""
    # JSON can spell half a surrogate pair, which no encoding carries further.
    return value[:longest].encode("utf-8", "replace").decode("utf-8")


def number(fields: Fields, name: str) -> float | None:
    """A number of reasonable size."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -MAX_COUNT <= value <= MAX_COUNT else None


def count(fields: Fields, name: str) -> int | None:
    """A whole number that is not negative."""
    value = number(fields, name)
    return int(value) if value is not None and value >= 0 and value.is_integer() else None


def mapping(fields: Fields, name: str) -> Fields:
    """An object, or an empty one."""
    value = fields.get(name)
    return value if isinstance(value, dict) else NOTHING


def mappings(fields: Fields, name: str) -> list[Fields]:
    """The objects of a list."""
    value = fields.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _nothing(name: str) -> None:
    """NaN and Infinity, which some libraries write and JSON does not know."""
