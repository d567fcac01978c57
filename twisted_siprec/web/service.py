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

from ..config.model import ServerTLS, WebConfiguration
from ..net.calls.calls import WatchedRecorder
from ..net.tls import ServerContext
from .api import API
from .feed import Feed
from .live_socket import LivePlace, live_resource
from .loop_watch import LoopWatch
from .metrics import Metrics
from .permission import Tokens
from .records import CallRecords, RecordLimits
from .site import Root, make_site


class WebService(Service):
    """
    Watches the recording server, and shows it.

    :param wall: the wall clock in POSIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        settings: WebConfiguration,
        recorder: WatchedRecorder,
        reactor: Any,
        wall: Callable[[], float] = time.time,
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
        self.records = CallRecords(wall, limits)
        self.metrics = Metrics(recorder)
        self._tokens = Tokens(settings.token, settings.listen_token)
        self._api = API(recorder, self.records, self.metrics, wall)
        self._feed = Feed(reactor, wall, self._api, self.records, self._api.state)
        self._watch = LoopWatch(reactor, self.metrics.lateness.observe)
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
            self._reactor, self._tokens, self._feed, self._recorder.tap, settings.request_octets
        )
        live = live_resource(place, "twisted-siprec")
        root = Root(self._api, self._tokens, self._count, live)
        site = make_site(root, settings.connections, settings.request_octets)
        if settings.certificate is None:
            self._port = self._reactor.listenTCP(settings.port, site, interface=settings.address)
        else:
            files = ServerTLS(settings.certificate, settings.key or settings.certificate)
            self._port = self._reactor.listenSSL(
                settings.port, site, ServerContext(files), interface=settings.address
            )
        host, port = self.address or ("", 0)
        self._log.info("web: listening on {host} port {port}", host=host, port=port)

    def startService(self) -> None:
        """Serve."""
        if self._port is None:
            self.privilegedStartService()
        super().startService()  # type: ignore[no-untyped-call]
        self._watch.start()

    def stopService(self) -> Deferred[None]:
        """Listen no more. Open pages lose their connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._watch.stop()
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)

    def _count(self, operation: str, status: int) -> None:
        self.metrics.web.labels(operation, str(status)).inc()
