"""
What is received, measured when it is asked for: the calls in progress, and the
packets of all calls, those in progress and those that ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..net.calls.calls import WatchedRecorder
from ..report import StreamStatistics

STATES = ("offered", "opening", "recording", "paused", "ending", "ended")
_CAUSES = ("lost", "late", "duplicate", "discarded")
_MOS = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.2)
_JITTER_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class ReceptionCollector(Collector):
    """
    A collector of prometheus_client.

    A call's packets are counted while it lasts; what was seen of it last stands
    for it until its account comes, so that no counter ever goes back.
    """

    def __init__(self, recorder: WatchedRecorder) -> None:
        self._recorder = recorder
        self._ended: Counter[tuple[str, str]] = Counter()
        self._live: dict[str, tuple[str, tuple[StreamStatistics, ...]]] = {}
        self._jitter: Counter[int | None] = Counter()
        self._jitter_ms = 0.0
        self._scores: Counter[float | None] = Counter()
        self._score = 0.0

    def closed(self, id: str, source: str, streams: tuple[StreamStatistics, ...]) -> None:
        """The account of a call."""
        self._live.pop(id, None)
        _add(self._ended, source, streams)
        for stream in streams:
            if stream.packets:
                bucket = next((top for top in _JITTER_MS if stream.max_jitter_ms <= top), None)
                self._jitter[bucket] += 1
                self._jitter_ms += stream.max_jitter_ms
            if stream.mos is not None:
                self._scores[next((top for top in _MOS if stream.mos <= top), None)] += 1
                self._score += stream.mos

    def forgotten(self, id: str) -> None:
        """A call is gone. Where it has no account, what was seen of it last is one."""
        if id in self._live:
            _add(self._ended, *self._live.pop(id))

    def describe(self) -> list[Metric]:
        """Nothing: asking at registration would be too early."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All of it, now."""
        calls = self._recorder.calls()
        for call in calls:
            streams = self._recorder.streams(call.id)
            if streams:
                self._live[call.id] = (call.source or "none", streams)
        yield self._calls(Counter((call.state, call.source or "none") for call in calls))
        yield from self._server()
        yield from self._packets()
        yield self._jitters()
        yield self._qualities()

    def _calls(self, calls: Counter[tuple[str, str]]) -> Metric:
        family = GaugeMetricFamily("siprec_calls", "Calls in progress.", labels=["state", "source"])
        for (state, source), count in calls.items():
            family.add_metric([state, source], count)
        if not calls:
            # An alert on calls must be able to tell none from no answer.
            family.add_metric(["recording", "none"], 0)
        return family

    def _server(self) -> Iterator[Metric]:
        known = self._recorder.statistics()
        yield GaugeMetricFamily(
            "siprec_draining", "1 while no new call is taken.", int(bool(known.get("draining")))
        )
        yield GaugeMetricFamily(
            "siprec_sip_connections",
            "TCP and TLS connections that are up.",
            float(known.get("connections") or 0),
        )

        waiting = GaugeMetricFamily(
            "siprec_destination_queue_seconds",
            "Audio that is not handed over yet.",
            labels=["destination"],
        )
        for destination, seconds in self._recorder.waiting().items():
            waiting.add_metric([destination], seconds)
        yield waiting

    def _packets(self) -> Iterator[Metric]:
        totals = Counter(self._ended)
        for source, streams in self._live.values():
            _add(totals, source, streams)
        packets = CounterMetricFamily("siprec_rtp_packets", "Received.", labels=["source"])
        octets = CounterMetricFamily("siprec_rtp_octets", "Of payloads.", labels=["source"])
        missed = CounterMetricFamily(
            "siprec_rtp_missed_packets",
            "Packets that were not played, by cause.",
            labels=["source", "cause"],
        )
        reordered = CounterMetricFamily(
            "siprec_rtp_reordered_packets", "Played though out of order.", labels=["source"]
        )
        silent = CounterMetricFamily(
            "siprec_rtp_silent_seconds", "Without packets.", labels=["source"]
        )
        for source in sorted({source for source, _ in totals}):
            packets.add_metric([source], totals[source, "packets"])
            octets.add_metric([source], totals[source, "octets"])
            reordered.add_metric([source], totals[source, "reordered"])
            silent.add_metric([source], totals[source, "silent_ms"] / 1000)
            for cause in _CAUSES:
                missed.add_metric([source, cause], totals[source, cause])
        yield from (packets, octets, missed, reordered, silent)

    def _jitters(self) -> Metric:
        count, buckets = 0, []
        for top in _JITTER_MS:
            count += self._jitter[top]
            buckets.append((str(top / 1000), float(count)))
        buckets.append(("+Inf", float(count + self._jitter[None])))
        family = HistogramMetricFamily(
            "siprec_rtp_max_jitter_seconds", "The greatest jitter of each ended stream."
        )
        family.add_metric([], buckets, self._jitter_ms / 1000)
        return family

    def _qualities(self) -> Metric:
        count, buckets = 0, []
        for top in _MOS:
            count += self._scores[top]
            buckets.append((str(top), float(count)))
        buckets.append(("+Inf", float(count + self._scores[None])))
        family = HistogramMetricFamily("siprec_rtp_mos", "The score of each ended stream.")
        family.add_metric([], buckets, self._score)
        return family


def _add(
    totals: Counter[tuple[str, str]], source: str, streams: tuple[StreamStatistics, ...]
) -> None:
    for stream in streams:
        for name in ("packets", "octets", "reordered", "silent_ms", *_CAUSES):
            totals[source, name] += getattr(stream, name)
