"""
What a consumer of the native protocol says: JSON texts, read with suspicion.

Anything that is not understood is :class:`~.base.Odd` and harms nothing; an
unknown type is ignored, as both sides of the protocol do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from .base import (
    Acknowledged,
    Continue,
    DrainAsked,
    Farewell,
    Marked,
    Message,
    Odd,
    PauseAsked,
    Ready,
    Rejected,
    Reply,
    ResumeAsked,
    Said,
    Window,
)

MAX_WORD = 1024
"Characters kept of a code, a reason or a name."
MAX_COUNT = 2**53
"The largest integer that every JSON library carries exactly."

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A text from the consumer, or what was wrong with it."""

    kind: str
    sequence: int
    fields: Fields
    fault: str | None = None

    @classmethod
    def parse(cls, message: Message) -> Envelope:
        """Never raises. Binary messages have no meaning in this direction."""
        if isinstance(message, bytes):
            return cls._faulty("binary message")
        try:
            parsed = json.loads(message, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return cls._faulty("not JSON")
        if not isinstance(parsed, dict):
            return cls._faulty("not a JSON object")
        kind, fields = parsed.get("type"), parsed.get("data")
        if not isinstance(kind, str):
            return cls._faulty("no type")
        sequence = parsed.get("seq")
        return cls(
            kind,
            sequence if _is_count(sequence) else 0,
            fields if isinstance(fields, dict) else {},
        )

    @classmethod
    def _faulty(cls, fault: str) -> Envelope:
        return cls("", 0, {}, fault)

    def reply(self, framed: bool) -> Reply:
        """What it means. Acknowledgements and windows need frame numbers, so plain has none."""
        if self.fault is not None:
            return Odd(self.fault)
        read = _REPLIES.get(self.kind)
        if read is None:
            return Odd(f"unknown type {self.kind[:40]!r}")
        if not framed and self.kind in _FRAMED_ONLY:
            return Odd(f"{self.kind} from a plain consumer")
        return read(self.fields)


def _ready(fields: Fields) -> Reply:
    if fields.get("accept", True) is False:
        return Rejected("not_accepted", "")
    start_at = "live" if fields.get("startAt") == "live" else "buffered"
    return Ready(start_at, _count(fields, "ackEveryMs"), _count(fields, "windowMs"))


def _reject(fields: Fields) -> Reply:
    code = _word(fields, "code") or "rejected"
    return Rejected(code, _word(fields, "message"), _count(fields, "retryAfterMs"))


def _ack(fields: Fields) -> Reply:
    frame = _count(fields, "frame")
    return Odd("ack without frame") if frame is None else Acknowledged(frame)


def _resumed(fields: Fields) -> Reply:
    frame = _count(fields, "fromFrame")
    return Odd("resumed without fromFrame") if frame is None else Continue(frame)


def _window(fields: Fields) -> Reply:
    window_ms = _count(fields, "ms")
    return Odd("window without ms") if window_ms is None else Window(window_ms)


def _mark(fields: Fields) -> Reply:
    if not isinstance(fields.get("name"), str):
        return Odd("mark without name")
    return Marked(_word(fields, "name"))


def _event(fields: Fields) -> Reply:
    if not isinstance(fields.get("name"), str):
        return Odd("event without name")
    try:
        payload = json.dumps(fields.get("payload"), separators=(",", ":"))
    except RecursionError:
        return Odd("event nested too deeply")
    return Said(_word(fields, "name"), payload)


def _drain(fields: Fields) -> Reply:
    reconnect_to = fields.get("reconnectTo")
    where = reconnect_to if isinstance(reconnect_to, str) else None
    return DrainAsked(where, _count(fields, "afterMs") or 0)


def _bye(fields: Fields) -> Reply:
    return Farewell(_word(fields, "reason"))


_REPLIES: Mapping[str, Callable[[Fields], Reply]] = {
    "ready": _ready,
    "reject": _reject,
    "ack": _ack,
    "resumed": _resumed,
    "window": _window,
    "pause": lambda fields: PauseAsked(),
    "resume": lambda fields: ResumeAsked(),
    "mark": _mark,
    "event": _event,
    "drain": _drain,
    "bye": _bye,
}

_FRAMED_ONLY = frozenset({"ack", "window", "resumed"})


def _is_count(value: object) -> TypeGuard[int]:
    # True is an int in Python and no number in JSON.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def _count(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if _is_count(value) else None


def _word(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        return ""
    # JSON can spell half a surrogate pair, which no encoding carries further.
    return value[:MAX_WORD].encode("utf-8", "replace").decode("utf-8")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
