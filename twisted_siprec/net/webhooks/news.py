"""
What is told of calls to servers of others: the events of webhooks, made of what
happens in the recording server.

Each started call has an end; between them come its changes, silences and lost
destinations. A silence or a loss is told once, and once more when it is over.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from ...dialects import bodies
from ...dialects.bodies import Body
from ...participants import Description
from ...report import (
    BridgeClosed,
    BridgeFailed,
    ConsumerSaid,
    LinkDown,
    LinkUp,
    Report,
    StreamHeard,
    StreamSilent,
)
from ..calls.accounts import delivery
from ..calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallMoved,
    CallOffered,
    CallRedirected,
    CallRefused,
    CallReported,
)

MAX_SAID_OCTETS = 65_536
"What a consumer says in more is told without its payload."


@dataclass(frozen=True, slots=True)
class News:
    """One event, as it is told."""

    name: str
    call: str
    "The recording session's id: the events of one are told in order."
    body: Body
    tenant: str = ""
    "Whose call it is; empty for nobody's."


@dataclass(slots=True)
class _Told:
    """What is known of a call, and what was told of it."""

    id: str
    call_id: str
    source: str
    tenant: str = ""
    destinations: tuple[str, ...] = ()
    description: Description | None = None
    state: str = "offered"
    sequence: int = 0
    started: bool = False
    over: bool = False
    "Its end, or that it failed before it started, was told."
    ending: bool = False
    silent: set[int] = field(default_factory=set)
    down: set[str] = field(default_factory=set)


class CallNews:
    """
    Makes news of events. It keeps what it needs of calls in progress only.

    :param identity: makes the id of an event.
    """

    def __init__(self, identity: Callable[[], str]) -> None:
        self._identity = identity
        self._calls: dict[str, _Told] = {}

    def happened(self, event: CallEvent, wall: float) -> list[News]:
        """What is to be told now."""
        if isinstance(event, CallOffered):
            self._calls[event.id] = _Told(event.id, event.call_id, event.source)
            return []
        id = getattr(event, "id", None)
        call = self._calls.get(id) if isinstance(id, str) else None
        if call is None:
            return []
        news = [self._news(call, name, body, wall) for name, body in _learn(call, event)]
        if isinstance(event, CallForgotten):
            del self._calls[call.id]
        return news

    def _news(self, call: _Told, name: str, more: Body, wall: float) -> News:
        call.sequence += 1
        body: Body = {
            "id": self._identity(),
            "event": name,
            "at": bodies.timestamp(wall),
            "sequence": call.sequence,
            "call": {
                "id": call.id,
                "sipCallId": call.call_id,
                "source": call.source,
                "state": call.state,
                "destinations": list(call.destinations),
                **({"tenant": call.tenant} if call.tenant else {}),
            },
        }
        return News(name, call.id, body | more, call.tenant)


_Found = list[tuple[str, Body]]


def _learn(call: _Told, event: CallEvent) -> _Found:
    """Take an event in; what it makes to be told."""
    match event:
        case CallBegan():
            call.destinations, call.description = event.destinations, event.plan.description
            call.tenant = event.tenant
        case CallRedirected():
            call.destinations = event.destinations
            return [("call.updated", _described(call))] if call.started and not call.ending else []
        case CallAnswered():
            call.started, call.state = True, "recording"
            return [("call.started", _described(call))]
        case CallDescribed():
            return _redescribed(call, event.description)
        case CallMoved():
            return _moved(call, event.state)
        case CallReported():
            return _reported(call, event.report)
        case CallRefused() if event.initial and not call.over:
            call.over, call.state, call.tenant = True, "ended", event.tenant
            return [("call.failed", {"status": event.status, "reason": event.reason})]
        case CallEnded():
            return _ending(call, event.why)
        case CallClosed():
            return _closed(call, event.closed)
        case CallForgotten() if call.started and not call.over:
            return [("call.ended", {"reason": "error"} | _described(call))]
    return []


def _described(call: _Told) -> Body:
    return {"siprec": bodies.description(call.description)} if call.description else {}


def _redescribed(call: _Told, description: Description) -> _Found:
    call.description = description
    if not call.started or call.ending:
        return []
    return [("call.updated", _described(call))]


def _moved(call: _Told, state: str) -> _Found:
    """Paused and resumed is news; the other states come with news of their own."""
    before, call.state = call.state, state
    if not call.started or call.ending or {before, state} != {"recording", "paused"}:
        return []
    return [("call.updated", _described(call))]


def _reported(call: _Told, report: Report) -> _Found:
    match report:
        case StreamSilent(_, index, silent_ms) if index not in call.silent:
            call.silent.add(index)
            return [("stream.silent", {"stream": index, "silentMs": silent_ms})]
        case StreamHeard(_, index, _) if index in call.silent:
            call.silent.discard(index)
            return [("stream.heard", {"stream": index})]
        case LinkDown(_, destination, reason, retry_in_s):
            given_up = retry_in_s is None
            if destination in call.down and not given_up:
                return []
            call.down.add(destination)
            lost: Body = {"destination": destination, "reason": reason, "givenUp": given_up}
            return [("destination.down", lost)]
        case LinkUp(_, destination, _) if destination in call.down:
            call.down.discard(destination)
            return [("destination.up", {"destination": destination})]
        case ConsumerSaid(_, destination, name, payload):
            return [("consumer.said", _said(destination, name, payload))]
        case BridgeFailed(_, reason):
            return [("call.failed", {"status": 500, "reason": reason})]
    return []


def _said(destination: str, name: str, payload: str) -> Body:
    """What a consumer told of the call; its payload is JSON that a dialect wrote."""
    told: Body = {"destination": destination, "name": name}
    if len(payload) > MAX_SAID_OCTETS:
        return told | {"omitted": len(payload)}
    try:
        return told | {"payload": json.loads(payload)}
    except (ValueError, RecursionError):
        # It was written less deep in the stack than we are here.
        return told | {"omitted": len(payload)}


def _ending(call: _Told, why: str) -> _Found:
    call.ending = True
    if call.started or call.over:
        return []
    call.over, call.state = True, "ended"
    return [("call.failed", {"reason": why})]


def _closed(call: _Told, closed: BridgeClosed) -> _Found:
    """A call that was never answered has failed already, and has no end."""
    if call.over or not call.started:
        return []
    call.over, call.state = True, "ended"
    account: Body = {
        "reason": closed.reason.value,
        "durationMs": closed.duration_ms,
        "streams": [bodies.statistics(stream) for stream in closed.streams],
        "deliveries": [delivery(each) for each in closed.deliveries],
    }
    return [("call.ended", account | _described(call))]
