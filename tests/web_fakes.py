"""
A recording server with calls made up, and requests to the web listener in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_siprec.config.model import Tenant, WebConfiguration
from twisted_siprec.dialects.base import Audio, ChannelStart, StreamStart
from twisted_siprec.net.audit import Actor
from twisted_siprec.net.calls.calls import CallSummary, Copying, Value
from twisted_siprec.net.calls.events import (
    CallAnswered,
    CallBegan,
    CallDescribed,
    CallEvent,
    CallListener,
    CallMoved,
    CallOffered,
)
from twisted_siprec.net.media.outlet import Tap
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import BridgePlan, ChannelPlan, Destination, Encoding, EndReason, Layout
from twisted_siprec.report import BridgeClosed, DeliveryStatistics, StreamStatistics
from twisted_siprec.sip.events import Traced
from twisted_siprec.web.gate import Gate
from twisted_siprec.web.pace import Lockout, Pace
from twisted_siprec.web.permission import Tokens, holders

TOKEN = "secret"


class Notes:
    """An audit log that can be looked at."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str, str, str]] = []

    def note(self, actor: Actor, did: str, subject: str = "", outcome: str = "done") -> None:
        self.lines.append((actor.name, actor.by, did, subject, outcome))


def make_gate(
    web: WebConfiguration,
    tenants: tuple[Tenant, ...] = (),
    clock: Clock | None = None,
    notes: Notes | None = None,
    count: Callable[[str], None] = lambda reason: None,
) -> Gate:
    """The door to a listener, by its configuration."""
    return Gate(
        Tokens(holders(web, tenants)),
        clock or Clock(),
        notes or Notes(),
        Lockout(web.wrong_tokens, web.lockout_s),
        Pace(web.requests_per_second),
        count,
    )


DESCRIPTION = Description(
    recording_session_id="3f2a",
    call_id="c1@sbc",
    src="sip:sbc@example.com",
    caller="sip:+15550100@example.com",
    called="sip:2001@example.com",
    participants=(Participant("p1", "sip:+15550100@example.com", "Ann"),),
    extensions=(("ucid", "0001"),),
    warnings=(("metadata-clock", "a time is before 2000; the SRC's clock is not set"),),
    revision=1,
)
STREAM = StreamStatistics(
    index=0,
    label="1",
    codec="PCMU",
    packets=90,
    octets=14_400,
    lost=10,
    late=5,
    max_jitter_ms=12.5,
    mos=2.98,
)
PLAN = BridgePlan(
    bridge="3f2a",
    call_id="c1@sbc",
    local_address="127.0.0.1",
    streams=(),
    channels=(ChannelPlan(0, (0,), "p1", "caller", "1"),),
    destinations=(),
    description=DESCRIPTION,
    started_at=1_000.0,
)
ACCOUNT = BridgeClosed(
    bridge="3f2a",
    reason=EndReason.CALL_ENDED,
    duration_ms=61_000,
    streams=(STREAM,),
    deliveries=(
        DeliveryStatistics(
            "speech",
            "s1",
            final_position=488_000,
            delivered=480_000,
            missing=8_000,
            frames=600,
            octets=960_000,
            gaps_ms=(("reconnect", 1_000),),
            reconnects=1,
            replayed_frames=20,
            complete=False,
        ),
    ),
)
BEGINNING: tuple[CallEvent, ...] = (
    CallOffered("3f2a", "c1@sbc", "sbc"),
    CallDescribed("3f2a", DESCRIPTION, "<recording/>"),
    CallBegan("3f2a", "c1@sbc", "sbc", ("speech",), PLAN),
    CallAnswered("3f2a", 0.004),
    CallMoved("3f2a", "recording"),
)
"A call from its INVITE to its 200."


class FakeServer:
    """A recording server, as it is watched."""

    def __init__(self) -> None:
        self.summaries: list[CallSummary] = []
        self.statistics_of: dict[str, tuple[StreamStatistics, ...]] = {}
        self.counters: dict[str, Value] = {"draining": False, "connections": 2, "calls offered": 3}
        self.queues: dict[str, float] = {}
        self.copying = Copying.DONE
        self.told: list[tuple[str, str]] = []
        self.listeners: list[CallListener] = []
        self.tracers: list[Callable[[Traced], None]] = []
        self.taps: list[tuple[str, Tap]] = []
        self.logged: list[str] = []

    def calls(self) -> Sequence[CallSummary]:
        return self.summaries

    def call(self, id: str) -> Mapping[str, Value]:
        return {"id": id}

    def _tell(self, what: str, id: str) -> bool:
        self.told.append((what, id))
        return any(call.id == id for call in self.summaries)

    def hang_up(self, id: str) -> bool:
        return self._tell("hang up", id)

    def pause(self, id: str) -> bool:
        return self._tell("pause", id)

    def resume(self, id: str) -> bool:
        return self._tell("resume", id)

    def drop(self, id: str, index: int) -> bool:
        return self._tell(f"drop {index}", id) and index < 2

    def copy(self, id: str, destination: str) -> Copying:
        return self._copying("copy", id, destination)

    def uncopy(self, id: str, destination: str) -> Copying:
        return self._copying("uncopy", id, destination)

    def _copying(self, what: str, id: str, destination: str) -> Copying:
        self.told.append((f"{what} to {destination}", id))
        return self.copying

    def drain(self) -> None:
        self.counters["draining"] = True

    def statistics(self) -> Mapping[str, Value]:
        return self.counters

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None

    def trace_to_log(self, word: str, on: bool) -> bool:
        known = word in self.logged
        if on and not known:
            self.logged.append(word)
        elif known and not on:
            self.logged.remove(word)
        return on or known

    def traces(self) -> Sequence[str]:
        return self.logged

    def watch(self, listener: CallListener) -> None:
        self.listeners.append(listener)

    def trace_all(self, listener: Callable[[Traced], None]) -> None:
        self.tracers.append(listener)

    def streams(self, id: str) -> tuple[StreamStatistics, ...]:
        return self.statistics_of.get(id, ())

    def waiting(self) -> Mapping[str, float]:
        return self.queues

    def tap(self, id: str, tap: Tap) -> Callable[[], None]:
        entry = (id, tap)
        self.taps.append(entry)
        return lambda: self.taps.remove(entry)

    # --- for the tests -------------------------------------------------------------

    def happen(self, *events: CallEvent, at: float = 1_000.0) -> None:
        """Tell the listeners."""
        for event in events:
            for listener in self.listeners:
                listener(event, at)

    def begin(self, at: float = 1_000.0, tenant: str = "", id: str = "3f2a") -> None:
        """A call is in progress, with packets."""
        self.summaries.append(
            CallSummary(id, "c1@sbc", "recording", 61, source="sbc", tenant=tenant)
        )
        self.statistics_of[id] = (STREAM,)
        for event in BEGINNING:
            if isinstance(event, CallBegan):
                event = replace(event, tenant=tenant)
            self.happen(replace(event, id=id), at=at)  # type: ignore[call-arg]  # these all have one


class Response:
    """What came back on a connection."""

    def __init__(self, octets: bytes) -> None:
        head, _, self.body = octets.partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        self.status = int(status.split()[1]) if status else 0
        self.reason = status.partition(" ")[2].partition(" ")[2]
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (field.partition(":") for field in fields)
        }

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def connection(site: Any) -> tuple[Any, StringTransport]:
    """A connection to a site."""
    address = IPv4Address("TCP", "127.0.0.1", 40_000)
    protocol = site.buildProtocol(address)
    transport = StringTransport(peerAddress=address)
    if protocol is not None:
        protocol.makeConnection(transport)
    return protocol, transport


def ask(
    site: Any,
    path: str,
    method: str = "GET",
    token: str | None = TOKEN,
    body: bytes = b"",
    headers: tuple[str, ...] = (),
    host: str = "localhost:8080",
) -> Response:
    """One request, by a connection of its own."""
    protocol, transport = connection(site)
    fields = [f"Host: {host}", "Connection: close", *headers]
    if token is not None:
        fields.append(f"Authorization: Bearer {token}")
    if body:
        fields.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *fields, "", ""])
    protocol.dataReceived(head.encode() + body)
    protocol.connectionLost(Failure(ConnectionDone()))
    return Response(transport.value())


def start(
    layout: Layout = Layout.INTERLEAVED,
    encoding: Encoding = Encoding.L16,
    track: int | None = None,
    name: str = "speech",
) -> StreamStart:
    """A consumer stream of two channels."""
    return StreamStart(
        stream_id="s",
        bridge="b",
        started_at=0.0,
        encoding=encoding,
        sample_rate=8_000,
        channels=(ChannelStart(ChannelPlan(0, (0,))), ChannelStart(ChannelPlan(1, (1,)))),
        destination=Destination(name, "ws://x", layout=layout, encoding=encoding),
        description=Description("b", "c"),
        track=track,
    )


def audio(*samples: int, position: int = 800) -> Audio:
    """16-bit samples."""
    return Audio(position, len(samples), np.array(samples, "<i2").tobytes())
