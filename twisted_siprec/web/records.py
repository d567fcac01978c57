"""
The records of calls: what is known of those in progress, and of the last ones
that ended or were refused. They are in memory only, and bounded; what must be
kept goes to a destination.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..net.calls.events import (
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
    CallWarned,
)
from ..participants import Description
from ..plan import BridgePlan
from ..report import (
    BridgeClosed,
    BridgeFailed,
    ConsumerSaid,
    HandshakeDone,
    LinkDown,
    LinkUp,
    Report,
    StreamHeard,
    StreamSilent,
)
from ..sip.events import Traced
from .ladder import Ladder
from .waveform import Waveform, Waveforms

_MAX_STRAY = 256
"Ladders of Call-IDs that are no call (yet): an INVITE is traced before it is a call."


@dataclass(frozen=True, slots=True)
class RecordLimits:
    """How much is kept."""

    calls: int = 500
    "Ended ones; and as many refused ones."
    moments: int = 500
    trace_octets: int = 65_536
    payload: int = 4_096
    "Characters of an event that a consumer sent back."


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened in a call."""

    at: float
    kind: str
    "state, metadata, warning, stream, link, consumer or end."
    text: str
    destination: str | None = None
    payload: str | None = None
    "JSON, of what a consumer said."


@dataclass(slots=True)
class CallRecord:
    """One call, as far as it is known."""

    id: str
    call_id: str
    source: str
    offered_at: float
    ladder: Ladder
    moments: deque[Moment]
    state: str = "offered"
    tenant: str = ""
    "Whose it is; empty for nobody's, and while that is not known yet."
    destinations: tuple[str, ...] = ()
    description: Description | None = None
    xml: str | None = None
    plan: BridgePlan | None = None
    answered_after_s: float | None = None
    links: dict[str, str] = field(default_factory=dict)
    "What is up with each destination: connecting, connected, or why it is not."
    refusal: tuple[int, str] | None = None
    ended_at: float | None = None
    closed: BridgeClosed | None = None
    moments_forgotten: int = 0
    waveform: Waveform | None = None

    @property
    def result(self) -> str | None:
        """How it came out; None while it is in progress."""
        if self.ended_at is None:
            return None
        if self.refusal is not None:
            return f"refused {self.refusal[0]}"
        return self.closed.reason.value if self.closed is not None else "unknown"

    @property
    def words(self) -> Iterator[str]:
        """What a search looks at."""
        yield from (self.id, self.call_id, self.source, self.tenant, *self.destinations)
        yield self.result or ""
        if self.description is not None:
            known = self.description
            yield from (known.caller or "", known.called or "", known.src or "")
            for party in known.participants:
                yield from (party.aor or "", party.name or "")
            for name, value in known.extensions:
                yield from (name, value)

    def matches(self, query: str) -> bool:
        """Whether every word of a query is somewhere in it, whatever its case."""
        text = "\n".join(self.words).casefold()
        return all(word in text for word in query.casefold().split())


class CallRecords:
    """
    Keeps the records, from the events of the recording server.

    :param wall: the wall clock in POSIX seconds.
    :param waveforms: watches how loud calls are.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        limits: RecordLimits | None = None,
        waveforms: Waveforms | None = None,
    ) -> None:
        self._wall = wall
        self._waveforms = waveforms
        self._limits = limits or RecordLimits()
        self._current: dict[str, CallRecord] = {}
        self._ended: OrderedDict[str, CallRecord] = OrderedDict()
        self._refused: OrderedDict[str, CallRecord] = OrderedDict()
        self._by_call_id: dict[str, CallRecord] = {}
        self._stray: OrderedDict[str, Ladder] = OrderedDict()

    # --- what is asked -------------------------------------------------------------

    @property
    def current(self) -> list[CallRecord]:
        """The calls in progress, the oldest first."""
        return list(self._current.values())

    def past(self, query: str = "", refused: bool = False) -> Iterator[CallRecord]:
        """The calls that are over (or were refused), the newest first."""
        kept = self._refused if refused else self._ended
        return (record for record in reversed(kept.values()) if record.matches(query))

    def find(self, id: str) -> CallRecord | None:
        """A call by its id, be it over or not."""
        return self._current.get(id) or self._ended.get(id) or self._refused.get(id)

    # --- what happens --------------------------------------------------------------

    def traced(self, message: Traced) -> None:
        """A SIP message went in or out."""
        if not self._limits.trace_octets or not message.call_id:
            return
        record = self._by_call_id.get(message.call_id)
        ladder = record.ladder if record is not None else self._stray_ladder(message.call_id)
        ladder.add(message, self._wall())

    def happened(self, event: CallEvent, at: float) -> None:
        """Something happened to a call, or to a request that was none."""
        if isinstance(event, CallOffered):
            self._offered(event, at)
            return
        record = self._current.get(getattr(event, "id", None) or "")
        if record is not None:
            self._learn(record, event, at)

    def _offered(self, event: CallOffered, at: float) -> None:
        record = CallRecord(
            id=event.id,
            call_id=event.call_id,
            source=event.source,
            offered_at=at,
            ladder=self._ladder_of(event.call_id),
            moments=deque(maxlen=self._limits.moments),
        )
        self._current[event.id] = record
        self._by_call_id[event.call_id] = record

    def _learn(self, record: CallRecord, event: CallEvent, at: float) -> None:
        match event:
            case CallBegan(_, _, _, destinations, plan, tenant):
                record.destinations, record.plan = destinations, plan
                record.tenant = tenant
                record.description = plan.description
                record.links = dict.fromkeys(destinations, "connecting")
            case CallRedirected(_, destinations):
                self._redirected(record, destinations, at)
            case CallAnswered(_, after_s):
                record.answered_after_s = after_s
                if self._waveforms is not None:
                    record.waveform = self._waveforms.begin(record.id)
                self._note(record, Moment(at, "state", f"answered after {after_s * 1000:.0f} ms"))
            case CallMoved(_, state):
                record.state = state
                self._note(record, Moment(at, "state", state))
            case CallDescribed(_, description, xml):
                record.description, record.xml = description, xml
                text = f"metadata revision {description.revision}"
                self._note(record, Moment(at, "metadata", text))
            case CallWarned(_, code, text):
                self._note(record, Moment(at, "warning", f"{text} [{code}]"))
            case CallRefused(status=status, reason=reason, initial=initial, tenant=tenant):
                if initial:
                    record.refusal, record.tenant = (status, reason), tenant
                self._note(record, Moment(at, "state", f"refused {status} {reason}"))
            case CallReported(_, report):
                self._reported(record, report, at)
            case CallEnded(_, why):
                self._note(record, Moment(at, "end", why))
            case CallClosed(_, _, closed):
                record.closed = closed
            case CallForgotten():
                self._file(record, at)

    def _redirected(self, record: CallRecord, destinations: tuple[str, ...], at: float) -> None:
        """An operator has it sent to others."""
        before, record.destinations = record.destinations, destinations
        for name in destinations:
            if name not in before:
                record.links[name] = "connecting"
                self._note(record, Moment(at, "link", "it goes there too from now on", name))
        for name in before:
            if name not in destinations:
                record.links.pop(name, None)
                self._note(record, Moment(at, "link", "it goes there no more", name))

    def _reported(self, record: CallRecord, report: Report, at: float) -> None:
        match report:
            case StreamHeard(_, index, (host, port)):
                text = f"stream {index} is heard from {host}:{port}"
                self._note(record, Moment(at, "stream", text))
            case StreamSilent(_, index, silent_ms):
                text = f"nothing came on stream {index} for {silent_ms / 1000:.0f} s"
                self._note(record, Moment(at, "stream", text))
            case HandshakeDone(_, index, suite):
                text = f"stream {index} is protected by {suite}, with keys by DTLS"
                self._note(record, Moment(at, "stream", text))
            case LinkUp(_, destination, attempt):
                record.links[destination] = "connected"
                text = f"connected, attempt {attempt}"
                self._note(record, Moment(at, "link", text, destination))
            case LinkDown(_, destination, reason, retry_in_s):
                record.links[destination] = reason
                again = "given up" if retry_in_s is None else f"again in {retry_in_s:.2f} s"
                self._note(record, Moment(at, "link", f"{reason}; {again}", destination))
            case ConsumerSaid(_, destination, name, payload):
                payload = payload[: self._limits.payload]
                self._note(record, Moment(at, "consumer", name, destination, payload))
            case BridgeFailed(_, reason):
                self._note(record, Moment(at, "state", f"the media plane gave it up: {reason}"))

    def _note(self, record: CallRecord, moment: Moment) -> None:
        if len(record.moments) == self._limits.moments:
            record.moments_forgotten += 1
        record.moments.append(moment)

    def _file(self, record: CallRecord, at: float) -> None:
        """The call is over: keep it with the last ones, and forget the oldest of them."""
        if self._waveforms is not None:
            self._waveforms.end(record.id)
        record.ended_at = at
        record.state = "ended"
        del self._current[record.id]
        kept = self._ended if record.refusal is None else self._refused
        kept[record.id] = record
        while len(kept) > self._limits.calls:
            _, oldest = kept.popitem(last=False)
            if self._by_call_id.get(oldest.call_id) is oldest:
                del self._by_call_id[oldest.call_id]

    def _ladder_of(self, call_id: str) -> Ladder:
        if call_id in self._stray:
            return self._stray.pop(call_id)
        return Ladder(self._limits.trace_octets)

    def _stray_ladder(self, call_id: str) -> Ladder:
        ladder = self._stray.get(call_id)
        if ladder is None:
            ladder = self._stray[call_id] = Ladder(self._limits.trace_octets)
            if len(self._stray) > _MAX_STRAY:
                self._stray.popitem(last=False)
        return ladder
