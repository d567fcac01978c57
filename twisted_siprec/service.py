"""
The recording server as a Twisted service: what a configuration is made into.
"""

from __future__ import annotations

import os
import random
import resource
import secrets
import time
import uuid
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from .config.differences import differences, running
from .config.model import Configuration, Listener, NonSIPREC, Source
from .errors import RemoteError
from .manhole.console import Word
from .manhole.server import ManholeService
from .manhole.webhook_words import webhook_words
from .net.calls.recording import Fields, Question, Reception
from .net.calls.recording_server import Limits, RecordingServer
from .net.delivery.late import LateDeliveries, LateSettings
from .net.delivery.outlets import OutletFactory, OutletSettings
from .net.delivery.spool import Spool
from .net.delivery.spool_file import spool_of
from .net.lookup import RouteLookups
from .net.media.plane import LocalMedia
from .net.overload import Overload
from .net.records.records import make_records
from .net.reload import HangupSignal, Reload
from .net.sip.admission import Admission
from .net.sip.locate import Locator, service_lookup
from .net.sip.transport import SIPListener, SIPTransport
from .net.sip.users import secrets_of
from .net.tls import ServerContext
from .net.webhooks.webhooks import make_webhooks
from .net.workers.pool import WorkerPool, worker_count
from .net.workers.worker import WorkerPlan
from .participants import Description
from .plan import Destination, EndReason
from .routing.policy import Intake
from .routing.rules import CallFacts, Choice, Lookup
from .sip import events as sip
from .sip.uas import UserAgentServer
from .siprec.session import RouteAnswer, SessionPolicy
from .web.service import WebService

FLUSH_S = 10.0
"How long after the last BYE consumers may still take what is theirs."
SPARE_DESCRIPTORS = 256
"Files, connections and threads besides the RTP ports."


class RecordingService(Service):
    """
    Listens while it runs. When it is stopped it takes no more calls, waits for
    those in progress as long as is configured, ends the rest by BYE, and waits
    for what is buffered to be delivered.
    """

    _log = Logger()

    def __init__(self, configuration: Configuration, reactor: Any) -> None:
        self.configuration = configuration
        self._reactor = reactor
        settings = configuration.sip.user_agent
        self._admission = _admission(configuration, reactor)
        self._router = configuration.router
        self._lookups = RouteLookups(reactor)
        self._lookups.change(self._router, configuration.destinations)
        self._contexts: dict[Listener, ServerContext] = {}
        workers = worker_count(configuration.workers, os.cpu_count() or 1)
        self.spool = spool_of(configuration.spool, reactor)
        self._outlets = OutletFactory(
            reactor, random.SystemRandom().random, secrets.token_urlsafe, spool=self.spool
        )
        self._pool = _make_pool(configuration, reactor, workers) if workers else None
        self._media: LocalMedia | WorkerPool = self._pool or LocalMedia(
            reactor,
            configuration.media_settings,
            self._outlets.open,
            together=self._outlets.together,
        )
        self._transport = SIPTransport(
            reactor,
            UserAgentServer(
                settings,
                lambda digits: secrets.token_hex(digits)[:digits],
                gate=lambda request, flow, now: self._admission.check(request, flow, now),
                secrets=secrets_of(configuration.sip.credentials),
            ),
            self._happened,
            admit=lambda flow: self._admission.admit(flow),
            expect=lambda flow: self._admission.expects(flow),
            present=lambda flow: self._admission.presented(flow),
            locator=Locator(service_lookup(reactor), random.SystemRandom().random),
            connections=configuration.sip.connections,
            limits=settings.limits,
        )
        limits = configuration.limits
        self._intake = Intake(limits.calls, limits.calls_per_second, limits.retry_after_s)
        self._intake.limit_sources(_source_limits(configuration))
        self._overload = Overload(reactor, limits.lateness_ms / 1000, self._overloaded)
        self.server = RecordingServer(
            reactor,
            time.time,
            lambda: str(uuid.uuid4()),
            self._transport,
            self._media,
            self._intake,
            self._receive,
            _limits(configuration),
            always_trace=configuration.sip.trace,
        )

    @property
    def listeners(self) -> tuple[SIPListener, ...]:
        """What SIP is taken on, with the ports that are bound."""
        return tuple(self._transport.listeners)

    # --- starting and stopping -----------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Bind the listeners, while we may still have the right to low ports."""
        _raise_descriptor_limit(self.configuration, self._log)
        for listener in self.configuration.sip.listeners:
            self._listen(listener)

    def startService(self) -> None:
        """Serve."""
        if not self._transport.listeners:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self._overload.start()
        if self._pool is None:
            self._serving(None)
        else:
            # Until they are, calls are refused with 503 and Retry-After.
            self._pool.start().addCallback(self._serving)
        missing = ", ".join(self.configuration.media.missing_codecs)
        if missing:
            self._log.info(
                "not decoded here, so answered as not available: {missing}; "
                "pip install twisted_siprec[codecs] brings them",
                missing=missing,
            )

    def _serving(self, ready: None) -> None:
        destinations = ", ".join(each.name for each in self.configuration.destinations)
        self._log.info("serving; calls go to {destinations}", destinations=destinations)

    def stopService(self) -> Deferred[None]:
        """Drain, say BYE, deliver what is buffered; all within the configured time."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.server.drain()
        calls = len(self.server.calls())
        if calls:
            drain_s = self.configuration.stopping.drain_s
            self._log.info(
                "stopping: {calls} calls in progress may go on for {drain_s:g} s",
                calls=calls,
                drain_s=drain_s,
            )
            await self._idle_within(drain_s)
            self.server.hang_up_all(EndReason.SHUTDOWN)
            if not await self._idle_within(FLUSH_S):
                self._log.warn(
                    "{calls} calls were not delivered to their end: the consumers took too long",
                    calls=len(self.server.calls()),
                )
        self._overload.stop()
        self._lookups.close()
        await self._transport.stop()
        if self._pool is not None:
            await self._pool.stop()
        self._log.info("stopped")

    async def _idle_within(self, seconds: float) -> bool:
        """Wait for the last call to end; False where that takes longer."""
        done: Deferred[bool] = Deferred()

        def answer(idle: bool) -> None:
            if not done.called:
                done.callback(idle)

        timer: IDelayedCall = self._reactor.callLater(seconds, answer, False)
        self.server.idle().addCallback(lambda _: answer(True))
        idle = await done
        if timer.active():
            timer.cancel()
        return idle

    def late_deliveries(self, spool: Spool) -> LateDeliveries:
        """The service that delivers what is in the spool."""
        return LateDeliveries(
            spool,
            self._reactor,
            time.time,
            lambda: {each.name: each for each in self.configuration.destinations},
            self._outlets.open_late,
            LateSettings(max_age_s=self.configuration.spool.max_age_s),
        )

    # --- another configuration ---------------------------------------------------------------

    def change(self, after: Configuration) -> None:
        """
        Take over what of a new configuration can hold while calls are up, all of it
        or nothing; calls in progress go on as they are.

        :raises CertificateError: where one cannot be used; then nothing has changed.
        """
        before, now = self.configuration, running(self.configuration, after)
        changed = list(differences(before, now))
        admission = _admission(now, self._reactor)
        pairs = list(zip(before.sip.listeners, now.sip.listeners, strict=True))
        staged = [
            self._contexts[old].staged(new.tls)
            for old, new in pairs
            if new.tls is not None and old in self._contexts
        ]
        for use in staged:
            use()
        self._contexts = {new: self._contexts[old] for old, new in pairs if old in self._contexts}
        if (now.sources, now.unknown_sources) != (before.sources, before.unknown_sources):
            self._admission = admission
        if (now.router, now.destinations) != (before.router, before.destinations):
            self._router = now.router
            self._lookups.change(now.router, now.destinations)
        limits = now.limits
        if limits != before.limits:
            self._intake.change(limits.calls, limits.calls_per_second, limits.retry_after_s)
            self._overload.change(limits.lateness_ms / 1000)
            self._media.limit(now.media_settings.max_bridges)
            _raise_descriptor_limit(now, self._log)
        self._intake.limit_sources(_source_limits(now))
        self.server.change(_limits(now))
        self.configuration = now
        self._tell(changed, list(differences(now, after)))

    def _tell(self, changed: list[str], waiting: list[str]) -> None:
        for line in changed:
            self._log.info("reloaded: {line}", line=line)
        for line in waiting:
            self._log.warn("not before the next start: {line}", line=line)
        self._log.info("reloaded: {changes} changes", changes=len(changed))

    # --- wiring --------------------------------------------------------------------------

    def _listen(self, listener: Listener) -> None:
        where = (listener.address, listener.port, listener.advertise)
        match listener.transport:
            case sip.Transport.UDP:
                self._transport.listen_udp(*where)
            case sip.Transport.TCP:
                self._transport.listen_tcp(*where)
            case sip.Transport.TLS:
                assert listener.tls is not None  # noqa: S101 - the schema demands it
                self._contexts[listener] = ServerContext(listener.tls)
                self._transport.listen_tls(*where, self._contexts[listener])

    def _overloaded(self, overloaded: bool) -> None:
        retry_after_s = self.configuration.limits.retry_after_s
        self._transport.overload(retry_after_s if overloaded else None)

    def _happened(self, output: sip.Output) -> None:
        self.server.happened(output)

    def _receive(self, flow: sip.Flow) -> Reception | RemoteError:
        """What applies to calls that come on a flow."""
        source = self._admission.source_of(flow)
        if source is None or not source.allow:
            return RemoteError(403, "Forbidden")

        def route(description: Description, fields: Fields) -> RouteAnswer | Question:
            facts = CallFacts.of(description, source.name, fields)
            routed = self._router.route(facts, self._pick)
            if isinstance(routed, Lookup):
                return partial(self._lookups.of(routed).ask, description, source.name)
            return routed

        return Reception(source.name, self._policy(source, flow), route)

    def _pick(self, choice: Choice) -> Destination:
        return choice.pick(random.SystemRandom().random(), self._outlets.doors.is_shut)

    def _policy(self, source: Source, flow: sip.Flow) -> SessionPolicy:
        media = self.configuration.media
        return SessionPolicy(
            strict=source.strict,
            codecs=media.codec_names,
            media_address=source.advertise or media.advertise or flow.advertised[0],
            local_address=media.address,
            max_streams=media.max_streams,
            srtp=source.srtp or media.srtp,
            new_key=secrets.token_bytes,
            signalling_is_private=flow.transport is sip.Transport.TLS
            or ip_address(flow.remote[0]).is_loopback,
            headers=self.configuration.pass_headers,
            plain_invite_status=403 if source.non_siprec is NonSIPREC.REFUSE else None,
            mask_dtmf=media.mask_dtmf if source.mask_dtmf is None else source.mask_dtmf,
            pause_src=media.pause_src if source.pause_src is None else source.pause_src,
            glare_delay_s=_glare_delay_s,
            hide=self.configuration.hide,
        )


def _glare_delay_s() -> float:
    """0 to 2 s in steps of 10 ms (:rfc:`3261#section-14.1`)."""
    return secrets.randbelow(201) / 100


class InOrder(MultiService):
    """
    Stops its services one after another, in the order in which they were added:
    while calls drain, operators can still look at them and end them.
    """

    def stopService(self) -> Deferred[None]:
        """Stop them all, whatever becomes of one of them."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for service in list(self):
            await DeferredList([maybeDeferred(service.stopService)])


def _make_pool(configuration: Configuration, reactor: Any, workers: int) -> WorkerPool:
    """Worker processes for the media."""
    plan = WorkerPlan(configuration.media_settings, OutletSettings(), configuration.log)
    return WorkerPool(reactor, plan, workers)


def make_service(
    configuration: Configuration,
    reactor: Any,
    read: Callable[[], Configuration] | None = None,
) -> IService:
    """
    The whole server; it opens nothing before it is started.

    :param read: reads the configuration again, at SIGHUP.
    """
    service = InOrder()  # type: ignore[no-untyped-call]
    recording = RecordingService(configuration, reactor)
    recording.setName("recording")  # type: ignore[no-untyped-call]
    recording.setServiceParent(service)  # type: ignore[no-untyped-call]
    if recording.spool is not None:
        late = recording.late_deliveries(recording.spool)
        late.setServiceParent(service)  # type: ignore[no-untyped-call]
    words: tuple[Word, ...] = ()
    if configuration.webhooks:
        webhooks = make_webhooks(configuration, reactor)
        recording.server.watch(webhooks.happened)
        webhooks.setServiceParent(service)  # type: ignore[no-untyped-call]
        words = webhook_words(webhooks)
    if configuration.records.database is not None:
        records = make_records(configuration.records, reactor)
        recording.server.watch(records.happened)
        records.setServiceParent(service)  # type: ignore[no-untyped-call]
    if configuration.manhole.enabled:
        manhole = ManholeService(configuration.manhole, recording.server, reactor, words)
        manhole.setServiceParent(service)  # type: ignore[no-untyped-call]
    if configuration.web.enabled:
        web = WebService(configuration.web, recording.server, reactor)
        web.setServiceParent(service)  # type: ignore[no-untyped-call]
    if read is not None:
        reload = Reload(read, recording.change, deferToThread)
        HangupSignal(reactor, reload).setServiceParent(service)  # type: ignore[no-untyped-call]
    return service


def _admission(configuration: Configuration, reactor: Any) -> Admission:
    return Admission(configuration.sources, configuration.unknown_sources, reactor)


def _source_limits(configuration: Configuration) -> dict[str, tuple[int, float]]:
    return {
        source.name: (source.limits.calls, source.limits.calls_per_second)
        for source in configuration.sources
    }


def _limits(configuration: Configuration) -> Limits:
    return Limits(
        retry_after_s=configuration.stopping.retry_after_s,
        end_after_silence_s=configuration.media.end_after_silence_s,
    )


def _raise_descriptor_limit(configuration: Configuration, log: Logger) -> None:
    """Each RTP and RTCP port takes a descriptor: ask for as many as there are ports."""
    first, last = configuration.media.ports
    calls = configuration.limits.calls
    wanted = min(last - first + 1, calls * configuration.media.max_streams * 2)
    wanted += SPARE_DESCRIPTORS + 2 * calls
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    except (OSError, ValueError):
        granted = soft
    if granted < wanted:
        log.warn(
            "only {granted} files may be open, {wanted} would be needed for {calls} calls on all "
            "of media.ports: raise the limit (LimitNOFILE= of systemd, ulimit -n)",
            granted=granted,
            wanted=wanted,
            calls=calls,
        )
