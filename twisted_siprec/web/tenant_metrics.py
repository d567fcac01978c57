"""
The metrics of tenants, whose names are those of the configuration. Without tenants
there is nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from ..net.calls.calls import WatchedRecorder
from ..net.calls.events import CallBegan, CallClosed, CallEvent, CallForgotten, CallRefused


class TenantCollector(Collector):
    """A collector of prometheus_client, which counts what happens by itself."""

    def __init__(self, recorder: WatchedRecorder) -> None:
        self._recorder = recorder
        self._tenant_of: dict[str, str] = {}
        self._recorded: Counter[str] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()

    def happened(self, event: CallEvent) -> None:
        """Something happened to a call."""
        match event:
            case CallBegan(id=id, tenant=tenant) if tenant:
                self._tenant_of[id] = tenant
                self._recorded[tenant] += 1
            case CallRefused(status=status, initial=True, tenant=tenant) if tenant:
                self._refused[tenant, str(status)] += 1
            case CallClosed(id=id, closed=closed) if id in self._tenant_of:
                tenant = self._tenant_of[id]
                self._ended[tenant, closed.reason.value] += 1
                self._seconds[tenant] += closed.duration_ms / 1000  # type: ignore[assignment]  # floats count too
            case CallForgotten(id):
                self._tenant_of.pop(id, None)

    def describe(self) -> list[Metric]:
        """Nothing: asking at registration would be too early."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it, now."""
        calls = Counter((each.tenant, each.state) for each in self._recorder.calls() if each.tenant)
        for tenant in self._recorded:
            calls.setdefault((tenant, "recording"), 0)
        now = GaugeMetricFamily(
            "siprec_tenant_calls", "Calls in progress.", labels=["tenant", "state"]
        )
        for (tenant, state), count in calls.items():
            now.add_metric([tenant, state], count)
        recorded = CounterMetricFamily(
            "siprec_tenant_calls_recorded", "Calls that were routed.", labels=["tenant"]
        )
        seconds = CounterMetricFamily(
            "siprec_tenant_recorded_seconds", "Of calls that ended.", labels=["tenant"]
        )
        for tenant, count in self._recorded.items():
            recorded.add_metric([tenant], count)
            seconds.add_metric([tenant], self._seconds[tenant])
        yield from (now, recorded, seconds)
        yield _by_word("refused", "New calls refused.", "status", self._refused)
        yield _by_word("ended", "Recorded calls that ended.", "reason", self._ended)


def _by_word(name: str, help: str, label: str, counts: Counter[tuple[str, str]]) -> Metric:
    family = CounterMetricFamily(f"siprec_tenant_calls_{name}", help, labels=["tenant", label])
    for (tenant, word), count in counts.items():
        family.add_metric([tenant, word], count)
    return family


class Scope(Collector):
    """What of a registry is one tenant's."""

    def __init__(self, registry: CollectorRegistry, tenant: str) -> None:
        self._registry = registry
        self._tenant = tenant

    def collect(self) -> Iterator[Metric]:
        """The samples that have its name, and no others."""
        for family in self._registry.collect():
            own = [each for each in family.samples if each.labels.get("tenant") == self._tenant]
            if own:
                family.samples = own
                yield family
