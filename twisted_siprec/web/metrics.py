"""
The metrics, in the words of Prometheus. etc/prometheus and etc/grafana use
these names; a test compares them.

Labels are bounded: sources and destinations are those of the configuration,
everything else is an enumeration of ours or, where a peer may make words up,
the first :data:`MAX_WORDS` of them and ``other``.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from .. import __version__
from ..net.calls.calls import WatchedRecorder
from ..net.calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallEvent,
    CallForgotten,
    CallOffered,
    CallRedirected,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
    Faulted,
)
from ..report import (
    BridgeClosed,
    BridgeFailed,
    ConsumerSaid,
    DeliveryStatistics,
    HandshakeDone,
    HandshakeFailed,
    LinkDown,
    LinkUp,
    Report,
    StreamSilent,
)
from .inside_metrics import Inside, InsideCollector
from .reception_metrics import ReceptionCollector
from .tenant_metrics import Scope, TenantCollector

MAX_WORDS = 64
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_CALL_SECONDS = (1, 5, 15, 60, 180, 600, 1800, 3600, 7200)


class Words:
    """The values of a label that peers have a hand in: so many, and no more."""

    def __init__(self, limit: int = MAX_WORDS) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, word: str) -> str:
        """The word, or ``other``."""
        if word not in self._known:
            if len(self._known) >= self._limit:
                return "other"
            self._known.add(word)
        return word


class Metrics:
    """
    Counts what happens to calls, and measures them when it is asked.

    :param recorder: the recording server, whose calls are counted at each scrape.
    :param inside: what the server has besides its calls.
    """

    def __init__(self, recorder: WatchedRecorder, inside: Inside | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as many series again, which nobody looks at
        self.registry = registry = CollectorRegistry()
        self._links: dict[str, set[str]] = {}
        self._word: dict[str, Words] = {}
        self._destinations_of: dict[str, tuple[str, ...]] = {}
        self._reception = ReceptionCollector(recorder)
        registry.register(self._reception)
        self._tenants = TenantCollector(recorder)
        registry.register(self._tenants)
        registry.register(InsideCollector(inside or Inside()))
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Gauge("siprec_build", "The version.", ["version"], registry=registry).labels(
            __version__
        ).set(1)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"siprec_{name}", help, labels, registry=registry)

        def histogram(name: str, help: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"siprec_{name}", help, buckets=buckets, registry=registry)

        self._offered = counter("calls_offered", "INVITEs of new calls.", "source")
        self._began = counter("calls_recorded", "Calls that were routed.", "source")
        self._refused = counter("calls_refused", "New calls refused.", "source", "status")
        self._ended = counter("calls_ended", "Recorded calls that ended.", "source", "reason")
        self._answer = histogram("answer_seconds", "From an INVITE to its 200.", _SECONDS)
        self._duration = histogram("call_duration_seconds", "Of recorded calls.", _CALL_SECONDS)
        self._requests = counter("sip_requests_refused", "Requests within calls, and stray ones.")
        self._discarded = counter("sip_discarded", "Messages that got no answer.", "reason")
        self._warned = counter("warnings", "Oddities in what SRCs sent.", "code")
        self._faults = counter("faults", "Mistakes of ours.")
        self._silent = counter("streams_silent", "Streams from which nothing came.")
        self._handshakes = counter(
            "dtls_handshakes", "Streams that have keys by DTLS, or got none.", "outcome"
        )
        self._failed = counter("bridges_failed", "Calls that the media plane gave up.")

        self._up = Gauge(
            "siprec_destination_connections",
            "Calls that are connected to a destination.",
            ["destination"],
            registry=registry,
        )
        self._down = counter(
            "destination_failures", "Connections lost, and attempts in vain.", "destination"
        )
        self._attempts = counter("destination_connects", "Connections made.", "destination")
        self._said = counter("destination_events", "Events consumers sent back.", "destination")
        self._octets = counter("destination_octets", "Handed to connections.", "destination")
        self._frames = counter("destination_frames", "Audio messages.", "destination")
        self._replayed = counter(
            "destination_replayed_frames", "Audio messages sent again.", "destination"
        )
        self._reconnects = counter("destination_reconnects", "Per ended call.", "destination")
        self._gaps = counter(
            "destination_gap_seconds", "Audio that is in gaps.", "destination", "reason"
        )
        self._incomplete = counter(
            "destination_incomplete", "Consumer streams given up before their end.", "destination"
        )
        self.lateness = histogram(
            "event_loop_lateness_seconds", "How late a timer of the reactor is.", _SECONDS
        )
        self.web = counter("web_requests", "Requests answered.", "operation", "status")
        self.web_refusals = counter(
            "web_refusals", "Who was not let in by the web listener, and why.", "reason"
        )

    def text(self, tenant: str | None = None) -> bytes:
        """The exposition in text format 0.0.4; of one tenant what is its own."""
        if tenant is None:
            return bytes(generate_latest(self.registry))
        return bytes(generate_latest(Scope(self.registry, tenant)))

    def happened(self, event: CallEvent, at: float) -> None:
        """Something happened to a call, or to a request that was none."""
        self._tenants.happened(event)
        match event:
            case CallOffered(source=source):
                self._offered.labels(source).inc()
            case CallBegan(id=id, source=source, destinations=destinations):
                self._began.labels(source).inc()
                self._destinations_of[id] = destinations
            case CallRedirected(id, destinations):
                for gone in set(self._destinations_of.get(id, ())) - set(destinations):
                    self._connected(id, gone, False)
                self._destinations_of[id] = destinations
            case CallAnswered(_, after_s):
                self._answer.observe(after_s)
            case CallRefused(source=source, status=status, initial=True):
                self._refused.labels(source or "none", str(status)).inc()
            case CallRefused():
                self._requests.inc()
            case CallWarned(_, code):
                self._warned.labels(self._bounded("code", code)).inc()
            case CallReported(id, report):
                self._reported(id, report)
            case CallClosed(id, source, closed):
                self._closed(id, source, closed)
            case CallForgotten(id):
                self._gone(id)
            case Discarded(reason):
                self._discarded.labels(self._bounded("reason", reason)).inc()
            case Faulted():
                self._faults.inc()

    def _bounded(self, label: str, word: str) -> str:
        return self._word.setdefault(label, Words())(word)

    def _reported(self, id: str, report: Report) -> None:
        match report:
            case LinkUp(_, destination):
                self._attempts.labels(destination).inc()
                self._connected(id, destination, True)
            case LinkDown(_, destination):
                self._down.labels(destination).inc()
                self._connected(id, destination, False)
            case ConsumerSaid(_, destination):
                self._said.labels(destination).inc()
            case StreamSilent():
                self._silent.inc()
            case HandshakeDone():
                self._handshakes.labels("done").inc()
            case HandshakeFailed():
                self._handshakes.labels("failed").inc()
            case BridgeFailed():
                self._failed.inc()

    def _connected(self, id: str, destination: str, up: bool) -> None:
        links = self._links.setdefault(destination, set())
        if up and id in self._destinations_of:
            links.add(id)
        else:
            links.discard(id)
        self._up.labels(destination).set(len(links))

    def _closed(self, id: str, source: str, closed: BridgeClosed) -> None:
        self._ended.labels(source, closed.reason.value).inc()
        self._duration.observe(closed.duration_ms / 1000)
        self._reception.closed(id, source, closed.streams)
        for delivery in closed.deliveries:
            self._delivered(delivery)

    def _delivered(self, delivery: DeliveryStatistics) -> None:
        name = delivery.destination
        self._octets.labels(name).inc(delivery.octets)
        self._frames.labels(name).inc(delivery.frames)
        self._replayed.labels(name).inc(delivery.replayed_frames)
        self._reconnects.labels(name).inc(delivery.reconnects)
        self._incomplete.labels(name).inc(0 if delivery.complete else 1)
        for reason, ms in delivery.gaps_ms:
            self._gaps.labels(name, self._bounded("gap", reason)).inc(ms / 1000)

    def _gone(self, id: str) -> None:
        self._destinations_of.pop(id, None)
        # Those too that it failed over to.
        for destination, links in self._links.items():
            if id in links:
                self._connected(id, destination, False)
        self._reception.forgotten(id)


CountRequest = Callable[[str, int], None]
"Counts an answered request by its operation and its status."
