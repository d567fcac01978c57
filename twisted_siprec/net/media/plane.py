"""
The media plane of this process: the clock of all bridges.

Every few milliseconds a slot begins, and the bridges of the slot are stepped:
their sockets read, their chunk played. The number of the slot comes from the
monotonic clock, so a stall is made up for. A bridge that fails is closed and
reported, and the others never notice.
"""

from __future__ import annotations

import random
import secrets
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface

from ...bridge.bridge import Phase, Surroundings
from ...bridge.settings import MediaSettings
from ...bridge.slots import Slots
from ...errors import LocalError
from ...plan import BridgePlan, BridgeUpdate, EndReason, Redirection
from ...report import BridgeClosed, BridgeFailed, BridgeOpened, Report, StreamStatistics
from .capture import Capture
from .convoy import Convoy
from .dtls_identity import DTLSIdentity
from .handshakes import Handshakes
from .live_bridge import LiveBridge, Workplace
from .media import NoPorts
from .outlet import OpenOutlet, Tap
from .ports import PortRange
from .recvmmsg import available
from .rtcp_exchange import Reporting
from .rtp_port import BoundPair, OpenPair

_MAX_FAILED = 1000
"Accounts of failed bridges that are kept until signalling asks for them."


class IMediaReactor(IReactorTime, IReactorUDP, Interface):
    """What the plane needs of the reactor."""


class LocalMedia:
    """
    Receives and delivers in this process; a :class:`.media.Media`.

    :param monotonic: seconds that no operator sets; the kernel's timestamps are
        brought to them.
    :param open_pair: binds the ports of a stream; the tests have ports of their own.
    :param together: what is delivered within it is sent together.
    :param identity: who we are in DTLS handshakes; None where no plan asks for any.
    :param capture: writes down what comes for bridges that are to be captured.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IMediaReactor,
        settings: MediaSettings,
        open_outlet: OpenOutlet,
        monotonic: Callable[[], float] = time.monotonic,
        wallclock: Callable[[], float] = time.time,
        open_pair: OpenPair | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        token: Callable[[int], bytes] = secrets.token_bytes,
        chance: Callable[[], float] = random.random,
        together: Callable[[], AbstractContextManager[None]] = nullcontext,
        capture: Capture | None = None,
        identity: DTLSIdentity | None = None,
    ) -> None:
        self._clock = reactor
        self._settings = settings
        self._monotonic = monotonic
        self._token = token
        self._chance = chance
        self._together = together
        self._listeners: list[Callable[[Report], None]] = []
        self._bridges: dict[str, LiveBridge] = {}
        self._closing: dict[str, list[Deferred[BridgeClosed]]] = {}
        self._failed: dict[str, BridgeClosed] = {}
        self._slots = Slots(settings.slot_ms, settings.spread_slots, settings.slot_bridges)
        kernel = open_pair is None and available() and settings.max_batch_packets > 0
        self._convoy = Convoy(settings, monotonic, kernel, capture is not None)
        self._timer: IDelayedCall | None = None
        self._armed_for = 0.0
        self._surroundings = Surroundings(
            settings, lambda now: wallclock() - (monotonic() - now), new_id
        )
        self._place = Workplace(
            clock=reactor,
            settings=settings,
            ports=PortRange(
                settings.first_port, settings.last_port, settings.port_cooldown_s, chance
            ),
            open_pair=open_pair
            or partial(BoundPair, reactor, settings=settings, monotonic=monotonic),
            open_outlet=open_outlet,
            report=self._report,
            handshakes=Handshakes(reactor, settings, monotonic, identity),
            capture=capture,
        )

    # --- requests ---

    @property
    def open_bridges(self) -> int:
        """How many bridges receive now."""
        return len(self._bridges)

    @property
    def streams_together(self) -> int:
        """How many streams are received in batches now; the others are taken one by one."""
        return len(self._convoy)

    @property
    def ports(self) -> PortRange:
        """The ports, for those who count them."""
        return self._place.ports

    def limit(self, max_bridges: int) -> None:
        """From now on there may be so many bridges; those that are open stay."""
        self._settings = replace(self._settings, max_bridges=max_bridges)

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.open`."""
        if plan.bridge in self._bridges or plan.bridge in self._closing:
            return fail(LocalError(f"bridge {plan.bridge} is open already"))
        if len(self._bridges) >= self._settings.max_bridges:
            return fail(NoPorts(f"all {self._settings.max_bridges} bridges are in use"))
        now = self._monotonic()
        try:
            live = LiveBridge(plan, self._place, self._surroundings, self._reporting(), now)
        except NoPorts:
            return fail()
        self._bridges[plan.bridge] = live
        self._schedule(live)
        self._arm()
        return succeed(live.opened())

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.update`."""
        live = self._bridges.get(update.bridge)
        if live is None:
            return fail(LocalError(f"bridge {update.bridge} is not open"))
        return self._change(live, partial(live.update, update))

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.redirect`."""
        live = self._bridges.get(redirection.bridge)
        if live is None:
            return fail(LocalError(f"bridge {redirection.bridge} is not open"))
        return self._change(live, partial(live.redirect, redirection.destinations))

    def _change(self, live: LiveBridge, change: Callable[[float], None]) -> Deferred[BridgeOpened]:
        try:
            change(self._monotonic())
        except NoPorts:
            return fail()
        except Exception:  # noqa: BLE001 - a process boundary: the bridge is lost, not the plane
            failure = Failure()
            self._lose(live, failure)
            return fail(failure)
        self._schedule(live)
        self._arm()
        return succeed(live.opened())

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """See :meth:`.media.Media.close`. Asking twice gives the same account twice."""
        closed: Deferred[BridgeClosed] = Deferred()
        waiting = self._closing.get(bridge)
        if waiting is not None:
            waiting.append(closed)
            return closed
        live = self._bridges.get(bridge)
        if live is None:
            unknown = BridgeClosed(bridge, reason, 0, (), ())
            return succeed(self._failed.pop(bridge, unknown))
        self._wind_up(live, partial(live.close, reason), [closed])
        return closed

    def statistics(self, bridge: str) -> tuple[StreamStatistics, ...]:
        """See :meth:`.media.Media.statistics`."""
        live = self._bridges.get(bridge)
        return live.core.statistics() if live is not None else ()

    def waiting(self) -> Mapping[str, float]:
        """See :meth:`.media.Media.waiting`."""
        totals: dict[str, float] = {}
        for live in self._bridges.values():
            for destination, seconds in live.waiting():
                totals[destination] = totals.get(destination, 0.0) + seconds
        return totals

    def tap(self, bridge: str, tap: Tap) -> Callable[[], None]:
        """See :meth:`.media.Media.tap`."""
        live = self._bridges.get(bridge)
        return live.tap(tap) if live is not None else lambda: None

    def listen(self, listener: Callable[[Report], None]) -> None:
        """See :meth:`.media.Media.listen`."""
        self._listeners.append(listener)

    def stop(self) -> Deferred[list[BridgeClosed]]:
        """Close all bridges that are open."""
        closing = [self.close(bridge, EndReason.SHUTDOWN) for bridge in list(self._bridges)]
        return gatherResults(closing)

    # --- the slots ---

    def _schedule(self, live: LiveBridge) -> None:
        """See to a bridge at its deadline; those that begin to play are spread."""
        deadline = live.core.next_deadline()
        if deadline is None:
            return
        if live.core.phase is Phase.RUNNING and live.delay_s is None:
            live.delay_s = self._slots.begin(live.bridge, deadline, live.core.chunk_s)
        else:
            self._slots.schedule(live.bridge, deadline + (live.delay_s or 0.0))

    def _arm(self) -> None:
        """Be called when the next slot begins, if there is any."""
        deadline = self._slots.next_deadline()
        timer = self._timer
        if timer is not None and timer.active():
            if deadline is not None and deadline >= self._armed_for:
                return
            timer.cancel()
        self._timer = None
        if deadline is not None:
            self._armed_for = deadline
            wait = max(deadline - self._monotonic(), 0.0)
            self._timer = self._clock.callLater(wait, self._tick)

    def _tick(self) -> None:
        """Step all bridges that are due, those of missed slots first."""
        self._timer = None
        try:
            with self._together():
                self._step_due()
        finally:
            self._arm()

    def _step_due(self) -> None:
        now = self._monotonic()
        together: list[LiveBridge] = []
        for bridge in self._slots.due(now):
            live = self._bridges.get(bridge)
            if live is None:
                continue
            if live.is_steady:
                together.append(live)
            else:
                self._step(live, live.step, self._monotonic())
                self._convoy.invite(live)
        for live, proceed in self._convoy.step(together, now):
            self._step(live, proceed, now)

    def _step(self, live: LiveBridge, proceed: Callable[[float], None], now: float) -> None:
        """What there is to do for one bridge; another one may have ended it meanwhile."""
        if self._bridges.get(live.bridge) is not live:
            return
        try:
            proceed(now)
            self._schedule(live)
        except Exception:  # noqa: BLE001 - the tick loop: one call is lost, not all
            self._lose(live, Failure())

    # --- the end of a bridge ---

    def _lose(self, live: LiveBridge, failure: Failure) -> None:
        """A bridge failed by a mistake of ours: end it, and say so."""
        self._log.failure("{bridge}: the media plane failed", failure, bridge=live.bridge)
        closed: Deferred[BridgeClosed] = Deferred()
        closed.addCallback(self._keep_account)
        self._wind_up(live, live.fail, [closed])
        self._report(BridgeFailed(live.bridge, failure.getErrorMessage()))

    def _keep_account(self, closed: BridgeClosed) -> None:
        """Signalling will ask for it; if it never does, the oldest is forgotten."""
        self._failed[closed.bridge] = closed
        if len(self._failed) > _MAX_FAILED:
            del self._failed[next(iter(self._failed))]

    def _wind_up(
        self,
        live: LiveBridge,
        end: Callable[[float], Coroutine[Deferred[Any], Any, BridgeClosed]],
        waiting: list[Deferred[BridgeClosed]],
    ) -> None:
        """End a bridge, and give its account to all who wait for it."""
        bridge = live.bridge
        self._closing[bridge] = waiting
        del self._bridges[bridge]
        self._slots.cancel(bridge)
        self._arm()
        Deferred.fromCoroutine(end(self._monotonic())).addErrback(
            self._without_account, live
        ).addCallback(self._closed)

    def _without_account(self, failure: Failure, live: LiveBridge) -> BridgeClosed:
        """Not even the end went well."""
        self._log.failure("{bridge}: the end of it failed", failure, bridge=live.bridge)
        statistics = live.core.statistics()
        return BridgeClosed(live.bridge, EndReason.ERROR, live.core.duration_ms, statistics, ())

    def _closed(self, closed: BridgeClosed) -> None:
        for waiting in self._closing.pop(closed.bridge, []):
            waiting.callback(closed)

    # --- reports ---

    def _report(self, report: Report) -> None:
        for listener in self._listeners:
            try:
                listener(report)
            except Exception:  # noqa: BLE001 - a listener's fault is not the media's
                self._log.failure("a listener failed at {report}", report=report)

    def _reporting(self) -> Reporting:
        """A CNAME of 96 random bits for each recording session (:rfc:`7022#section-5`)."""
        cname = b64encode(self._token(12)).decode("ascii")
        return Reporting(
            cname=cname,
            interval_s=self._settings.rtcp_interval_s,
            new_ssrc=lambda: int.from_bytes(self._token(4), "big"),
            chance=self._chance,
            monotonic=self._monotonic,
        )
