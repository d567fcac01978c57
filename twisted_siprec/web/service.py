"""
The web listener as a service: it is there while it runs, and bound to loopback
unless it is configured otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from ..config.model import Configuration, ServerTLS, Tenant, WebConfiguration
from ..net.audit import Audit
from ..net.calls.calls import WatchedRecorder
from ..net.tls import ServerContext
from .api import API, Flights
from .feed import Feed
from .gate import Gate
from .inside_metrics import Inside
from .live_socket import LivePlace, live_resource
from .metrics import Metrics
from .origin import Origins
from .pace import Lockout, Pace
from .permission import Tokens, holders
from .records import CallRecords, RecordLimits
from .site import Root, make_site
from .waveform import Waveforms


class WebService(Service):
    """
    Watches the recording server, and shows it.

    :param wall: the wall clock in POSIX seconds.
    :param inside: what the server has besides its calls.
    :param audit: where it is noted what is done; the log alone where it is not given.
    """

    _log = Logger()

    def __init__(
        self,
        settings: WebConfiguration,
        recorder: WatchedRecorder,
        reactor: Any,
        wall: Callable[[], float] = time.time,
        tenants: tuple[Tenant, ...] = (),
        inside: Inside | None = None,
        flights: Flights | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._reactor = reactor
        self._port: Any = None
        limits = RecordLimits(
            calls=settings.history_calls,
            moments=settings.moments_per_call,
            trace_octets=settings.trace_octets_per_call,
        )
        # Where the audio is in other processes there is nothing to be seen of it.
        seen = inside is None or inside.pool is None
        waveforms = Waveforms(settings.waveform_calls if seen else 0, recorder.tap)
        self.records = CallRecords(wall, limits, waveforms)
        self.metrics = Metrics(recorder, inside)
        self._tokens = Tokens(holders(settings, tenants))
        self._gate = Gate(
            self._tokens,
            reactor,
            audit or Audit(wall),
            Lockout(settings.wrong_tokens, settings.lockout_s),
            Pace(settings.requests_per_second),
            lambda reason: self.metrics.web_refusals.labels(reason).inc(),
        )
        self._context: ServerContext | None = None
        self._api = API(recorder, self.records, self.metrics, wall, flights)
        self._feed = Feed(reactor, wall, self._api, self.records, self._api.state)
        if inside is not None and inside.overload is not None:
            inside.overload.watch(self.metrics.lateness.observe)
        recorder.watch(self.records.happened)
        recorder.watch(self.metrics.happened)
        if settings.trace_octets_per_call:
            recorder.trace_all(self.records.traced)

    @property
    def address(self) -> tuple[str, int] | None:
        """Where it listens; None while it does not."""
        if self._port is None:
            return None
        host = self._port.getHost()
        return str(host.host), int(host.port)

    def privilegedStartService(self) -> None:
        """Listen, while we may still have the right to low ports."""
        settings = self._settings
        place = LivePlace(
            self._reactor,
            self._gate,
            self._feed,
            self._recorder.tap,
            self._whose,
            settings.request_octets,
        )
        live = live_resource(place, "twisted-siprec")
        origins = Origins.of(settings.hosts, settings.address)
        root = Root(self._api, self._gate, self._count, live, origins)
        site = make_site(root, settings.connections, settings.request_octets, self._reactor)
        if settings.certificate is None:
            self._port = self._reactor.listenTCP(settings.port, site, interface=settings.address)
        else:
            files = ServerTLS(settings.certificate, settings.key or settings.certificate)
            self._context = ServerContext(files)
            self._port = self._reactor.listenSSL(
                settings.port, site, self._context, interface=settings.address
            )
        host, port = self.address or ("", 0)
        self._log.info("web: listening on {host} port {port}", host=host, port=port)

    def startService(self) -> None:
        """Serve."""
        if self._port is None:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]

    def stopService(self) -> Deferred[None]:
        """Listen no more. Open pages lose their connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)

    def follow(self, after: Configuration) -> Callable[[], None]:
        """
        Get other tokens, tenants and certificates ready; the result takes them over.

        :raises CertificateError: where they cannot be used.
        """
        web = after.web
        use: Callable[[], None] | None = None
        if self._context is not None and web.certificate is not None:
            files = ServerTLS(web.certificate, web.key or web.certificate)
            use = self._context.staged(files)

        def take_over() -> None:
            self._tokens.change(holders(web, after.tenants))
            if use is not None:
                use()

        return take_over

    def _whose(self, id: str) -> str | None:
        record = self.records.find(id)
        return record.tenant if record is not None else None

    def _count(self, operation: str, status: int) -> None:
        self.metrics.web.labels(operation, str(status)).inc()
