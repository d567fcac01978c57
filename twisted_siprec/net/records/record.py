"""
The record of a call: one row, from what happens in the recording server.

A row is written when a call is answered and again, as a whole, when it is over; a
call that failed has one too. What may say who somebody is can be left out of it, or
be replaced by a keyed hash that tells only whether two are the same.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, fields

from ...dialects import bodies
from ...participants import Description
from ...report import BridgeClosed
from ..calls.accounts import delivery
from ..calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallOffered,
    CallRedirected,
    CallRefused,
    CallWarned,
)

_HASH_DIGITS = 32


@dataclass(slots=True)
class CallRecord:
    """The columns of a row, in their order; times are :rfc:`3339`, lists are JSON."""

    id: str
    node: str
    call_id: str
    source: str
    state: str
    "recording, ended, failed (not recorded), or lost (the server ended before it)."
    began_at: str
    answered_at: str | None = None
    ended_at: str | None = None
    reason: str | None = None
    status: int | None = None
    "The SIP status of a call that was refused."
    duration_ms: int | None = None
    caller: str | None = None
    called: str | None = None
    src: str | None = None
    request_uri: str | None = None
    participants: str | None = None
    identifiers: str | None = None
    destinations: str = "[]"
    streams: str | None = None
    deliveries: str | None = None
    packets: int | None = None
    lost: int | None = None
    concealed_ms: int | None = None
    max_jitter_ms: float | None = None
    complete: bool | None = None
    "Every destination got all of it."
    missing_ms: int | None = None
    "Of gaps, at the destination that has most of them."
    warnings: int = 0
    stitch: str | None = None
    tenant: str | None = None

    @property
    def values(self) -> tuple[object, ...]:
        """What is written."""
        return tuple(getattr(self, name) for name in COLUMNS)

    @property
    def over(self) -> bool:
        """Nothing more is to come."""
        return self.ended_at is not None


COLUMNS = tuple(field.name for field in fields(CallRecord))


@dataclass(frozen=True, slots=True)
class Privacy:
    """
    What of a record says who somebody is, and may not.

    :param key: gives the key of the hashes, at each use.
    """

    hide: frozenset[str] = frozenset()
    hash: frozenset[str] = frozenset()
    key: Callable[[], bytes] = bytes

    def text(self, field: str, value: str | None) -> str | None:
        """A value of a field as it is kept."""
        if value is None or field in self.hide:
            return None
        if field in self.hash:
            return hmac.new(self.key(), value.encode(), hashlib.sha256).hexdigest()[:_HASH_DIGITS]
        return value

    def rows(self, field: str, values: list[dict[str, str]], kept: tuple[str, ...]) -> str | None:
        """A list of values, as JSON; members in ``kept`` are no secret."""
        if field in self.hide:
            return None
        return json.dumps(
            [
                {
                    name: value if name in kept else self.text(field, value)
                    for name, value in each.items()
                }
                for each in values
            ],
            ensure_ascii=False,
        )


class CallRecords:
    """
    Keeps the records of the calls in progress.

    :param node: what this server is called.
    """

    def __init__(self, node: str, privacy: Privacy) -> None:
        self._node = node
        self._privacy = privacy
        self._records: dict[str, CallRecord] = {}

    def happened(self, event: CallEvent, wall: float) -> CallRecord | None:
        """The record, where it is to be written now."""
        at = bodies.timestamp(wall)
        if isinstance(event, CallOffered):
            self._records[event.id] = CallRecord(
                event.id, self._node, _clean(event.call_id), event.source, "offered", at
            )
            return None
        id = getattr(event, "id", None)
        record = self._records.get(id) if isinstance(id, str) else None
        if record is None:
            return None
        if isinstance(event, CallForgotten):
            del self._records[record.id]
        return record if self._learn(record, event, at) else None

    def _learn(self, record: CallRecord, event: CallEvent, at: str) -> bool:
        """Take an event in; whether to write the record for it."""
        match event:
            case CallBegan():
                record.destinations = json.dumps(list(event.destinations))
                record.tenant = event.tenant or None
                self._describe(record, event.plan.description)
            case CallRedirected():
                # Those that it went to for a while are among them.
                known = json.loads(record.destinations)
                every = dict.fromkeys((*known, *event.destinations))
                record.destinations = json.dumps(list(every))
            case CallDescribed():
                self._describe(record, event.description)
            case CallWarned():
                record.warnings += 1
            case CallAnswered():
                record.state, record.answered_at = "recording", at
                return True
            case CallRefused() if event.initial and not record.over:
                _fail(record, event.reason, at)
                record.status, record.tenant = event.status, event.tenant or None
                return True
            case CallEnded() if record.answered_at is None and not record.over:
                _fail(record, event.why, at)
                return True
            case CallClosed() if record.answered_at is not None:
                record.state, record.ended_at = "ended", at
                _account(record, event.closed)
                return True
            case CallForgotten() if not record.over:
                record.state, record.ended_at, record.reason = "ended", at, "error"
                return True
        return False

    def _describe(self, record: CallRecord, known: Description) -> None:
        privacy = self._privacy
        for field in ("caller", "called", "src", "request_uri"):
            value = getattr(known, field)
            setattr(record, field, privacy.text(field, None if value is None else _clean(value)))
        participants = [
            {"id": each.id, "aor": each.aor or "", "name": each.name or ""}
            for each in known.participants
        ]
        cleaned = [{name: _clean(text) for name, text in each.items()} for each in participants]
        record.participants = privacy.rows("participants", cleaned, ("id",))
        identifiers = [
            {"name": _clean(name), "value": _clean(value)}
            for name, value in (*known.extensions, *known.headers)
        ]
        record.identifiers = privacy.rows("identifiers", identifiers, ("name",))
        record.stitch = privacy.text("identifiers", _clean(known.stitch) if known.stitch else None)


def _fail(record: CallRecord, reason: str, at: str) -> None:
    record.state, record.ended_at, record.reason = "failed", at, _clean(reason)


def _account(record: CallRecord, closed: BridgeClosed) -> None:
    """What was received, and what was delivered."""
    record.reason, record.duration_ms = closed.reason.value, closed.duration_ms
    record.streams = json.dumps([bodies.statistics(stream) for stream in closed.streams])
    record.deliveries = json.dumps([delivery(each) for each in closed.deliveries])
    record.packets = sum(stream.packets for stream in closed.streams)
    record.lost = sum(stream.lost for stream in closed.streams)
    record.concealed_ms = sum(stream.concealed_ms for stream in closed.streams)
    record.max_jitter_ms = max((stream.max_jitter_ms for stream in closed.streams), default=0.0)
    record.complete = all(each.complete for each in closed.deliveries)
    record.missing_ms = max(
        (sum(ms for _, ms in each.gaps_ms) for each in closed.deliveries), default=0
    )


def _clean(text: str) -> str:
    """Without what a database may refuse in a text: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
