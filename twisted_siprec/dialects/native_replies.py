"""
What a consumer of the native protocol says: JSON texts, read with suspicion.

Anything that is not understood is :class:`~.base.Odd` and harms nothing; an
unknown type is ignored, as both sides of the protocol do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from .texts import Fields, count, mapping, parsed, word, written


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
        fields = parsed(message)
        if isinstance(fields, Odd):
            return cls("", 0, {}, fields.reason)
        kind = fields.get("type")
        if not isinstance(kind, str):
            return cls("", 0, {}, "no type")
        return cls(kind, count(fields, "seq") or 0, mapping(fields, "data"))

    @property
    def resumes_after(self) -> int:
        """The ``seq`` of the last text that a consumer that resumes had; 0 where it says none."""
        return count(self.fields, "lastSeq") or 0 if self.kind == "resumed" else 0

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
    return Ready(start_at, count(fields, "ackEveryMs"), count(fields, "windowMs"))


def _reject(fields: Fields) -> Reply:
    code = word(fields, "code") or "rejected"
    return Rejected(code, word(fields, "message"), count(fields, "retryAfterMs"))


def _ack(fields: Fields) -> Reply:
    frame = count(fields, "frame")
    return Odd("ack without frame") if frame is None else Acknowledged(frame)


def _resumed(fields: Fields) -> Reply:
    frame = count(fields, "fromFrame")
    return Odd("resumed without fromFrame") if frame is None else Continue(frame)


def _window(fields: Fields) -> Reply:
    window_ms = count(fields, "ms")
    return Odd("window without ms") if window_ms is None else Window(window_ms)


def _mark(fields: Fields) -> Reply:
    if not isinstance(fields.get("name"), str):
        return Odd("mark without name")
    return Marked(word(fields, "name"))


def _event(fields: Fields) -> Reply:
    if not isinstance(fields.get("name"), str):
        return Odd("event without name")
    return Said(word(fields, "name"), written(fields.get("payload")))


def _drain(fields: Fields) -> Reply:
    reconnect_to = fields.get("reconnectTo")
    where = reconnect_to if isinstance(reconnect_to, str) else None
    return DrainAsked(where, count(fields, "afterMs") or 0)


def _bye(fields: Fields) -> Reply:
    return Farewell(word(fields, "reason"))


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
