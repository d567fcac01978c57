"""
The whole server: what a configuration is made into.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.threads import deferToThread

from .config.model import Configuration
from .manhole.console import Word
from .manhole.server import ManholeService
from .manhole.webhook_words import webhook_words
from .net.audit import Audit
from .net.records.records import make_records
from .net.reload import HangupSignal, Reload
from .net.traces.homer import Homer
from .net.webhooks.webhooks import make_webhooks
from .recording_service import RecordingService
from .supervision import Supervision
from .web.inside_metrics import Inside
from .web.service import WebService


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
    supervision = Supervision(reactor, recording.serving, lambda: len(recording.server.calls()))
    # The first, which is told to stop before the calls drain.
    supervision.setServiceParent(service)  # type: ignore[no-untyped-call]
    recording.setName("recording")  # type: ignore[no-untyped-call]
    recording.setServiceParent(service)  # type: ignore[no-untyped-call]
    late = None
    if recording.spool is not None:
        late = recording.late_deliveries(recording.spool)
        late.setServiceParent(service)  # type: ignore[no-untyped-call]
    if recording.flights is not None:
        recording.flights.setServiceParent(service)  # type: ignore[no-untyped-call]
    if configuration.homer.collector is not None:
        homer = Homer(configuration.homer, reactor)
        recording.server.confide(homer.traced)
        recording.server.count(homer.statistics)
        homer.setServiceParent(service)  # type: ignore[no-untyped-call]
    words: tuple[Word, ...] = ()
    webhooks = records = None
    if configuration.webhooks:
        webhooks = make_webhooks(configuration, reactor)
        recording.server.watch(webhooks.happened)
        webhooks.setServiceParent(service)  # type: ignore[no-untyped-call]
        words = webhook_words(webhooks)
    if configuration.records.database is not None:
        records = make_records(configuration.records, reactor, configuration.tenants)
        recording.server.watch(records.happened)
        records.setServiceParent(service)  # type: ignore[no-untyped-call]
    audit = Audit(time.time, configuration.audit.file)
    if configuration.manhole.enabled:
        manhole = ManholeService(configuration.manhole, recording.server, reactor, words, audit)
        manhole.setServiceParent(service)  # type: ignore[no-untyped-call]
    if configuration.web.enabled:
        web = WebService(
            configuration.web,
            recording.server,
            reactor,
            tenants=configuration.tenants,
            inside=Inside(
                recording.ways,
                recording.overload,
                recording.lookups,
                recording.spool,
                late,
                webhooks,
                records,
                recording.pool,
            ),
            flights=recording.flights,
            audit=audit,
        )
        recording.follow(web.follow)
        web.setServiceParent(service)  # type: ignore[no-untyped-call]
    if read is not None:
        reload = Reload(read, recording.change, deferToThread, supervision.reloading)
        HangupSignal(reactor, reload).setServiceParent(service)  # type: ignore[no-untyped-call]
    return service
