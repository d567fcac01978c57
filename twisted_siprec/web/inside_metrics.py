"""
The metrics of what is around the calls: the ways to destinations, the spool, look-ups,
webhooks, call records, worker processes and the event loop. All are read when they are
asked for; labels are names of the configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..net.delivery.late import LateDeliveries
from ..net.delivery.spool import Spool
from ..net.lookup import RouteLookups
from ..net.overload import Overload
from ..net.records.records import Records
from ..net.webhooks.webhooks import Webhooks
from ..net.workers.pool import WorkerPool

CIRCUITS = ("closed", "open", "half-open")


@dataclass(frozen=True, slots=True)
class Inside:
    """What the server has besides its calls; None for what is not configured."""

    ways: Callable[[], Mapping[str, tuple[str, int]]] = dict
    "By destination, its circuit and its connections."
    overload: Overload | None = None
    lookups: RouteLookups | None = None
    spool: Spool | None = None
    late: LateDeliveries | None = None
    webhooks: Webhooks | None = None
    records: Records | None = None
    pool: WorkerPool | None = None


class InsideCollector(Collector):
    """A collector of prometheus_client."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def describe(self) -> list[Metric]:
        """Nothing: asking at registration would be too early."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it, now."""
        inside = self._inside
        yield from _ways(inside.ways())
        if inside.overload is not None:
            yield gauge("overloaded", "1 while new calls are refused.", inside.overload.overloaded)
        if inside.lookups is not None:
            yield from _lookups(inside.lookups)
        if inside.spool is not None:
            yield from _spool(inside.spool, inside.late)
        if inside.webhooks is not None:
            yield from _webhooks(inside.webhooks)
        if inside.records is not None:
            yield from _records(inside.records)
        if inside.pool is not None:
            yield from _workers(inside.pool)


def gauge(name: str, help: str, value: float) -> Metric:
    """One number."""
    return GaugeMetricFamily(f"siprec_{name}", help, float(value))


def gauges(name: str, help: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """A number for each."""
    family = GaugeMetricFamily(f"siprec_{name}", help, labels=[label])
    for word, value in values:
        family.add_metric([word], float(value))
    return family


def counters(name: str, help: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """A count for each."""
    family = CounterMetricFamily(f"siprec_{name}", help, labels=[label])
    for word, value in values:
        family.add_metric([word], float(value))
    return family


def _circuits(name: str, label: str, states: Mapping[str, str]) -> Metric:
    """Each state of each circuit: 1 for the one that it is in."""
    family = GaugeMetricFamily(
        f"siprec_{name}_circuit", "1 in the state that it is in.", labels=[label, "state"]
    )
    for word, now in states.items():
        for state in CIRCUITS:
            family.add_metric([word, state], float(state == now))
    return family


def _ways(ways: Mapping[str, tuple[str, int]]) -> Iterator[Metric]:
    yield _circuits("destination", "destination", {name: way[0] for name, way in ways.items()})
    yield gauges(
        "destination_websockets",
        "Connections, and attempts under way.",
        "destination",
        [(name, way[1]) for name, way in ways.items()],
    )


def _lookups(lookups: RouteLookups) -> Iterator[Metric]:
    """By the name of the server; several look-ups at one server are one here."""
    asked = CounterMetricFamily("siprec_lookups", "Routes asked for.", labels=["server", "result"])
    seconds = HistogramMetricFamily(
        "siprec_lookup_seconds", "Until the answer, or until it was too late.", labels=["server"]
    )
    waiting, cached = Counter[str](), Counter[str]()
    results: Counter[tuple[str, str]] = Counter()
    buckets: dict[str, dict[str, float]] = {}
    total_s: Counter[str] = Counter()
    states: dict[str, str] = {}
    for each in lookups.all:
        host = each.host
        waiting[host] += each.waiting
        cached[host] += each.cached
        total_s[host] += each.latency.total_s  # type: ignore[assignment]  # floats count too
        states[host] = max(states.get(host, "closed"), each.state.value, key=_badness)
        for result in ("answered", "failed", "from the cache"):
            results[host, result.rpartition(" ")[2]] += each.counters[result]
        known = buckets.setdefault(host, {})
        for bound, count in each.latency.buckets:
            known[bound] = known.get(bound, 0.0) + count
    for (host, result), count in results.items():
        asked.add_metric([host, result], count)
    for host, found in buckets.items():
        seconds.add_metric([host], list(found.items()), total_s[host])
    yield from (asked, seconds, _circuits("lookup", "server", states))
    yield gauges("lookup_waiting", "Calls that wait for a route.", "server", waiting.items())
    yield gauges("lookup_cached", "Answers that are kept.", "server", cached.items())


def _badness(state: str) -> int:
    return ("closed", "half-open", "open").index(state)


def _spool(spool: Spool, late: LateDeliveries | None) -> Iterator[Metric]:
    yield gauge("spool_octets", "On disk.", spool.octets)
    yield gauge("spool_limit_octets", "That may be on disk.", spool.max_octets)
    yield CounterMetricFamily(
        "siprec_spool_refused", "Pieces of calls that it did not take.", spool.refused
    )
    if late is not None:
        yield gauge("spool_streams", "Streams that wait for their consumer.", late.waiting)
        yield CounterMetricFamily(
            "siprec_spool_late_streams", "Streams delivered late.", late.accounts["streams"]
        )


def _webhooks(webhooks: Webhooks) -> Iterator[Metric]:
    senders = [(each.settings.name, each.tally) for each in webhooks.senders]
    depths = webhooks.depths
    names = [name for name, _ in senders]

    def told(name: str, help: str, what: str) -> Metric:
        values = [(webhook, getattr(tally, what)) for webhook, tally in senders]
        return counters(f"webhook_{name}", help, "webhook", values)

    yield gauges(
        "webhook_waiting",
        "Events in the queue.",
        "webhook",
        [(name, depths.get(name, (0, 0))[0]) for name in names],
    )
    yield gauges(
        "webhook_dead",
        "Events given up that are kept.",
        "webhook",
        [(name, depths.get(name, (0, 0))[1]) for name in names],
    )
    yield told("delivered", "Events delivered.", "delivered")
    yield told("retries", "Attempts that failed and are made again.", "retries")
    yield told("given_up", "Events given up.", "given_up")
    yield CounterMetricFamily(
        "siprec_webhook_lost", "Events that never got into the queue.", webhooks.counters["lost"]
    )


def _records(records: Records) -> Iterator[Metric]:
    yield gauge("records_waiting", "Rows that wait for the database.", records.waiting)
    yield CounterMetricFamily("siprec_records_written", "Rows.", records.counters["written"])
    yield CounterMetricFamily("siprec_records_lost", "Rows.", records.counters["lost"])


def _workers(pool: WorkerPool) -> Iterator[Metric]:
    calls = pool.calls
    yield gauges(
        "worker_up",
        "1 where the process takes calls.",
        "worker",
        [(str(number), float(count is not None)) for number, count in calls.items()],
    )
    yield gauges(
        "worker_calls",
        "Calls of each process.",
        "worker",
        [(str(number), count or 0) for number, count in calls.items()],
    )
    yield CounterMetricFamily("siprec_worker_deaths", "Processes that died.", pool.deaths)
