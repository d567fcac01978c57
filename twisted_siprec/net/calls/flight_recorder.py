"""
The flight recorder: the last calls, as packets in a file each.

It follows calls by their events and their SIP messages, which stay in memory until
the call is over; the media plane writes RTP by itself (:mod:`..traces.media_capture`).
Then a thread puts both together. What the disk does not take is counted; no call
waits for it, and none fails by it.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...config.tracing import FlightRecorder as Settings
from ...config.tracing import Payloads
from ...participants import Description
from ...plan import EndReason
from ...report import BridgeClosed
from ...sip.events import Traced, Transport
from ..traces import pcapng
from ..traces.ends import Ends, discreet
from ..traces.media_capture import CaptureSettings
from ..traces.packets import Conversations, udp
from ..traces.shelf import Flight, Kept, Shelf
from .events import (
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEvent,
    CallForgotten,
    CallOffered,
    CallRefused,
)

MEGABYTE = 1_000_000
MAX_SIP_OCTETS = 500_000
"Of the messages of one call."
MAX_WAITING = 1_000
"Calls that are over and whose files are not written yet; of more, there will be none."
_MAX_STRAY, _MAX_STRAY_OCTETS = 256, 131_072
"Call-IDs that are no call (yet), and messages of each: an INVITE is traced before it is a call."
LINGER_S = 1.0
"How long after a call its last messages may come."
_FAILED = frozenset({EndReason.ERROR, EndReason.NO_MEDIA, EndReason.SRC_LOST})

InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]


@dataclass(slots=True)
class _Messages:
    """SIP of one Call-ID, as packets."""

    max_octets: int
    blocks: list[pcapng.Block] = field(default_factory=list)
    octets: int = 0
    dropped: int = 0
    conversations: Conversations = field(default_factory=Conversations)

    def add(self, message: Traced, at: float) -> None:
        """One more, where there is room for it."""
        if self.octets + len(message.octets) > self.max_octets:
            self.dropped += 1
            return
        self.octets += len(message.octets)
        ends, octets = Ends.of(message), discreet(message.octets)
        if ends.transport is Transport.UDP:
            packets = [udp(ends.source, ends.destination, octets)]
        else:
            packets = self.conversations.segments(ends.source, ends.destination, octets)
        at_ns = round(at * 1e9)
        self.blocks += [pcapng.packet(pcapng.SIP, at_ns, packet) for packet in packets]


@dataclass(slots=True)
class _Call:
    """A call that goes on."""

    id: str
    call_id: str
    source: str
    began_at: float
    messages: _Messages
    description: Description | None = None
    failed: bool = False
    has_media: bool = False


class FlightRecorder(Service):
    """
    Keeps the files. :meth:`traced` gets SIP, :meth:`happened` the events of calls.

    :param in_thread: runs what blocks, one at a time; the reactor's threads where None.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        wall: Callable[[], float] = time.time,
        in_thread: InThread | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        assert settings.directory is not None  # noqa: S101 - there is none without
        self._settings = settings
        self._reactor = reactor
        self._wall = wall
        self._in_thread = in_thread if in_thread is not None else self._in_pool
        directory = str(Path(settings.directory).absolute())
        self._shelf = shelf or Shelf(directory, settings.calls, settings.max_mb * MEGABYTE)
        self._max_open = max(settings.max_mb // settings.max_mb_per_call, 1)
        self._calls: dict[str, _Call] = {}
        self._by_call_id: dict[str, _Call] = {}
        self._stray: OrderedDict[str, _Messages] = OrderedDict()
        self._lingering: dict[str, tuple[_Call, IDelayedCall]] = {}
        self._kept: dict[str, Kept] = {}
        self._working: Deferred[None] = succeed(None)
        self._waiting = 0
        self.counters: Counter[str] = Counter(
            {"calls in files": 0, "calls not in files": 0, "packets not in files": 0}
        )

    @property
    def capture_settings(self) -> CaptureSettings | None:
        """What the media plane writes; None where it writes nothing."""
        settings = self._settings
        if settings.rtp is Payloads.NONE or settings.directory is None:
            return None
        return CaptureSettings(
            str(Path(settings.directory).absolute()),
            settings.rtp is Payloads.ALL,
            settings.max_mb_per_call * MEGABYTE,
        )

    # --- the service ---

    def startService(self) -> None:
        """Look at what is there."""
        super().startService()  # type: ignore[no-untyped-call]
        self._work(self._shelf.open, self._opened)

    def stopService(self) -> Deferred[None]:
        """Write what there is of the last calls."""
        super().stopService()  # type: ignore[no-untyped-call]
        for call, timer in list(self._lingering.values()):
            timer.cancel()
            self._finish(call)
        stopped: Deferred[None] = Deferred()
        self._working.addCallback(lambda _: stopped.callback(None))
        return stopped

    # --- what is asked ---

    def captured(self, id: str) -> bool:
        """Whether the packets of a call are to be written down; asked when it begins."""
        call = self._calls.get(id)
        if call is None or self.capture_settings is None or not self._is_wanted(call):
            return False
        if sum(each.has_media for each in self._calls.values()) >= self._max_open:
            self.counters["calls not in files"] += 1
            return False
        call.has_media = True
        return True

    def path(self, id: str) -> str | None:
        """The file of a call that is over."""
        kept = self._kept.get(id)
        return kept.path if kept is not None else None

    def files(self) -> list[Kept]:
        """All files, the oldest first."""
        return list(self._kept.values())

    def statistics(self) -> Mapping[str, int]:
        """How it goes."""
        return self.counters

    # --- what happens ---

    def traced(self, message: Traced) -> None:
        """A SIP message went in or out."""
        call_id = message.call_id
        if not call_id:
            return
        call = self._by_call_id.get(call_id)
        if call is None:
            messages = self._stray.setdefault(call_id, _Messages(_MAX_STRAY_OCTETS))
            if len(self._stray) > _MAX_STRAY:
                self._stray.popitem(last=False)
        else:
            messages = call.messages
        messages.add(message, self._wall())

    def happened(self, event: CallEvent, at: float) -> None:
        """Something happened to a call."""
        if isinstance(event, CallOffered):
            self._offered(event, at)
            return
        call = self._calls.get(getattr(event, "id", None) or "")
        if call is None:
            return
        match event:
            case CallBegan(plan=plan):
                call.description = plan.description
            case CallDescribed(description=description):
                call.description = description
            case CallRefused(initial=True):
                call.failed = True
            case CallClosed(closed=closed):
                call.failed = call.failed or _went_wrong(closed)
            case CallForgotten():
                timer = self._reactor.callLater(LINGER_S, self._finish, call)
                self._lingering[call.id] = (call, timer)

    def _offered(self, event: CallOffered, at: float) -> None:
        messages = self._stray.pop(event.call_id, None) or _Messages(MAX_SIP_OCTETS)
        messages.max_octets = MAX_SIP_OCTETS
        call = _Call(event.id, event.call_id, event.source, at, messages)
        self._calls[call.id] = call
        self._by_call_id[call.call_id] = call

    def _finish(self, call: _Call) -> None:
        """It is over, and so is what was still to come."""
        self._lingering.pop(call.id, None)
        del self._calls[call.id]
        if self._by_call_id.get(call.call_id) is call:
            del self._by_call_id[call.call_id]
        keep = self._is_wanted(call) and (call.failed or not self._settings.failed_only)
        if not (keep or call.has_media):
            return
        if self._waiting >= MAX_WAITING:
            self.counters["calls not in files"] += keep
            return
        comment = f"{call.call_id} of {call.source}, recording session {call.id}"
        blocks = tuple(call.messages.blocks)
        self.counters["packets not in files"] += call.messages.dropped
        flight = Flight(call.id, call.began_at, comment, blocks, call.has_media, keep)
        self._waiting += 1
        self._work(lambda: (self._shelf.add(flight), self._shelf.tidy()), self._added, flight)

    def _is_wanted(self, call: _Call) -> bool:
        settings, known = self._settings, call.description
        if settings.sources and call.source not in settings.sources:
            return False
        if not settings.numbers:
            return True
        parties = [known.caller, known.called] if known is not None else []
        return any(
            pattern.matches(party) for pattern in settings.numbers for party in parties if party
        )

    # --- files, one at a time ---

    def _work(self, work: Callable[[], Any], done: Callable[..., None], *extra: Any) -> None:
        """Do it in a thread once what is before it is done."""

        def begin(ignored: None) -> Deferred[None]:
            worked = self._in_thread(work)
            worked.addCallback(done, *extra)
            return worked.addErrback(self._not_done, *extra)

        self._working.addCallback(begin)

    def _opened(self, kept: list[Kept]) -> None:
        self._kept = {each.id: each for each in kept}

    def _added(self, added: tuple[int, list[Kept]], flight: Flight) -> None:
        missing, kept = added
        self._waiting -= 1
        self.counters["calls in files"] += flight.keep
        self.counters["packets not in files"] += missing
        self._opened(kept)

    def _not_done(self, failure: Failure, flight: Flight | None = None) -> None:
        if flight is not None:
            self._waiting -= 1
            self.counters["calls not in files"] += flight.keep
        if failure.check(OSError):
            self._log.warn(
                "{directory} (flight_recorder.directory): {error}",
                directory=self._settings.directory,
                error=failure.getErrorMessage(),
            )
        else:
            self._log.failure("a fault of the flight recorder", failure)

    def _in_pool(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)


def _went_wrong(closed: BridgeClosed) -> bool:
    """Whether a call did not go to its consumers as it should have."""
    return closed.reason in _FAILED or not all(each.complete for each in closed.deliveries)
