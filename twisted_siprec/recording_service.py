"""
The recording server as a Twisted service: SIP and the media plane, from start to stop.
"""

from __future__ import annotations

import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from .config.differences import differences, running
from .config.model import Configuration, Listener, NonSIPREC, Source
from .descriptors import raise_descriptor_limit
from .errors import RemoteError
from .extensions import warn_of_slow_texts
from .limits import quotas, server_limits, source_limits
from .net.calls.flight_recorder import FlightRecorder
from .net.calls.recording import Fields, Question, Reception
from .net.calls.recording_server import RecordingServer
from .net.delivery.late import LateDeliveries, LateSettings
from .net.delivery.outlets import OutletFactory, OutletSettings
from .net.delivery.spool import Spool
from .net.delivery.spool_file import spool_of
from .net.lookup import RouteLookups
from .net.media.dtls_identity import DTLSIdentity, make_identity, read_identity
from .net.media.junction import Junction
from .net.media.plane import LocalMedia
from .net.overload import Overload
from .net.sip.admission import Admission
from .net.sip.local_address import bindable
from .net.sip.locate import system_locator
from .net.sip.transport import SIPListener, SIPTransport
from .net.sip.users import secrets_of
from .net.tls import ServerContext
from .net.traces.media_capture import media_capture
from .net.workers.pool import WorkerPool, worker_count
from .net.workers.worker import WorkerPlan
from .participants import Description
from .plan import Destination, EndReason
from .routing.policy import Intake
from .routing.rules import CallFacts, Choice, Lookup
from .sdp.protection import Protection
from .sip import events as sip
from .sip.uas import UserAgentServer
from .siprec.session import RouteAnswer, SessionPolicy

FLUSH_S = 10.0
"How long after the last BYE consumers may still take what is theirs."


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
        self._tenants = configuration.tenancies
        self.lookups = RouteLookups(reactor)
        self.lookups.change(self._tenants.routers, configuration.destinations)
        self._followers: list[Follower] = []
        self.serving: Deferred[None] = Deferred()
        "Fires when calls are taken: with workers, once each of them is there."
        self._contexts: dict[Listener, ServerContext] = {}
        workers = worker_count(configuration.workers, os.cpu_count() or 1)
        self.spool = spool_of(configuration.spool, reactor)
        self._outlets = OutletFactory(
            reactor, random.SystemRandom().random, secrets.token_urlsafe, spool=self.spool
        )
        self.flights = (
            FlightRecorder(configuration.flight_recorder, reactor)
            if configuration.flight_recorder.directory is not None
            else None
        )
        capture = self.flights.capture_settings if self.flights is not None else None
        identity = _identity(configuration)
        self._fingerprint = identity.fingerprint
        plan = WorkerPlan(
            configuration.media_settings, OutletSettings(), configuration.log, identity, capture
        )
        self.pool = WorkerPool(reactor, plan, workers) if workers else None
        self._plane: LocalMedia | WorkerPool = self.pool or LocalMedia(
            reactor,
            configuration.media_settings,
            self._outlets.open,
            together=self._outlets.together,
            identity=identity,
            capture=media_capture(reactor, capture) if not workers else None,
        )
        self._media = Junction(self._plane, reactor, time.time)
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
            locator=system_locator(reactor, random.SystemRandom().random),
            connections=configuration.sip.connections,
            limits=settings.limits,
        )
        limits = configuration.limits
        self._intake = Intake(limits.calls, limits.calls_per_second, limits.retry_after_s)
        self._intake.limit_sources(source_limits(configuration))
        self._intake.limit_tenants(quotas(configuration))
        self.overload = Overload(reactor, limits.lateness_ms / 1000, self._overloaded)
        self.server = RecordingServer(
            reactor,
            time.time,
            lambda: str(uuid.uuid4()),
            self._transport,
            self._media,
            self._intake,
            self._receive,
            server_limits(configuration),
            always_trace=configuration.sip.trace,
            directory=self._named,
            captured=self.flights.captured if self.flights is not None else _uncaptured,
        )
        if self.flights is not None:
            self.server.confide(self.flights.traced)
            self.server.watch(self.flights.happened)
            self.server.count(self.flights.statistics)

    @property
    def listeners(self) -> tuple[SIPListener, ...]:
        """What SIP is taken on, with the ports that are bound."""
        return tuple(self._transport.listeners)

    def ways(self) -> Mapping[str, tuple[str, int]]:
        """By destination, its circuit and its connections."""
        return self._outlets.doors.ways() if self.pool is None else self.pool.ways

    # --- starting and stopping -----------------------------------------------------------

    def privilegedStartService(self) -> None:
        """Bind the listeners, while we may still have the right to low ports."""
        raise_descriptor_limit(self.configuration, self._log)
        warn_of_slow_texts(self.configuration, self._log)
        for listener in self.configuration.sip.listeners:
            self._listen(listener)

    def startService(self) -> None:
        """Serve."""
        if not self._transport.listeners:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self.overload.start()
        if self.pool is None:
            self._serving(None)
        else:
            # Until they are, calls are refused with 503 and Retry-After.
            self.pool.start().addCallback(self._serving)
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
        if not self.serving.called:
            self.serving.callback(None)

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
        self.overload.stop()
        self.lookups.close()
        await self._transport.stop()
        if self.pool is not None:
            await self.pool.stop()
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

    def follow(self, follower: Follower) -> None:
        """Something else takes over new configurations with us."""
        self._followers.append(follower)

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
        staged += [follower(now) for follower in self._followers]
        for use in staged:
            use()
        self._contexts = {new: self._contexts[old] for old, new in pairs if old in self._contexts}
        if (now.sources, now.unknown_sources) != (before.sources, before.unknown_sources):
            self._admission = admission
        if (now.tenancies, now.destinations) != (before.tenancies, before.destinations):
            self._tenants = now.tenancies
            self.lookups.change(self._tenants.routers, now.destinations)
        limits = now.limits
        if limits != before.limits:
            self._intake.change(limits.calls, limits.calls_per_second, limits.retry_after_s)
            self.overload.change(limits.lateness_ms / 1000)
            self._plane.limit(now.media_settings.max_bridges)
            raise_descriptor_limit(now, self._log)
        self._intake.limit_sources(source_limits(now))
        self._intake.limit_tenants(quotas(now))
        self.server.change(server_limits(now))
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
            router = self._tenants.router_of(self._tenants.of(facts))
            routed = router.route(facts, self._pick)
            if isinstance(routed, Lookup):
                return partial(self.lookups.of(routed, router).ask, description, source.name)
            return routed

        def whose(description: Description, fields: Fields) -> str:
            if not self._tenants.tenancies:
                return ""
            tenancy = self._tenants.of(CallFacts.of(description, source.name, fields))
            return tenancy.name if tenancy is not None else ""

        return Reception(source.name, self._policy(source, flow), route, whose)

    def _named(self, name: str, tenant: str) -> Destination | None:
        """A destination that a call may be sent to besides: of a tenant's calls, its own."""
        if tenant:
            tenancy = self._tenants.named(tenant)
            if tenancy is None or name not in tenancy.destinations:
                return None
        return next((each for each in self.configuration.destinations if each.name == name), None)

    def _pick(self, choice: Choice) -> Destination:
        return choice.pick(random.SystemRandom().random(), self._outlets.doors.is_shut)

    def _policy(self, source: Source, flow: sip.Flow) -> SessionPolicy:
        media = self.configuration.media
        advertised = source.advertise or media.advertise or flow.advertised[0]
        return SessionPolicy(
            strict=source.strict,
            codecs=media.codec_names,
            media_address=advertised,
            local_address=bindable(media.address, advertised),
            max_streams=media.max_streams,
            protection=Protection(source.srtp or media.srtp, source.dtls or media.dtls),
            new_key=secrets.token_bytes,
            fingerprint=self._fingerprint,
            signalling_is_private=flow.transport is sip.Transport.TLS
            or ip_address(flow.remote[0]).is_loopback,
            headers=self.configuration.pass_headers,
            plain_invite_status=403 if source.non_siprec is NonSIPREC.REFUSE else None,
            mask_dtmf=media.mask_dtmf if source.mask_dtmf is None else source.mask_dtmf,
            pause_src=media.pause_src if source.pause_src is None else source.pause_src,
            join=source.join,
            glare_delay_s=_glare_delay_s,
            hide=self.configuration.hide,
        )


Follower = Callable[[Configuration], Callable[[], None]]
"""Gets a configuration ready and gives what takes it over, which cannot fail. Raises
:exc:`CertificateError` where a certificate cannot be used."""


def _glare_delay_s() -> float:
    """0 to 2 s in steps of 10 ms (:rfc:`3261#section-14.1`)."""
    return secrets.randbelow(201) / 100


def _identity(configuration: Configuration) -> DTLSIdentity:
    """Who we are in the handshakes of the media: by a certificate of ours, or of this start."""
    certificate, key = configuration.media.dtls_certificate, configuration.media.dtls_key
    return read_identity(certificate, key or certificate) if certificate else make_identity()


def _uncaptured(id: str) -> bool:
    """There is no flight recorder."""
    return False


def _admission(configuration: Configuration, reactor: Any) -> Admission:
    return Admission(configuration.sources, configuration.unknown_sources, reactor)
