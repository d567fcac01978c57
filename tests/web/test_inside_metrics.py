"""
The metrics of what is around the calls.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import FakeServer
from twisted_siprec.net.latency import Latency
from twisted_siprec.net.overload import Overload
from twisted_siprec.routing.circuit import State
from twisted_siprec.web.inside_metrics import Inside
from twisted_siprec.web.metrics import Metrics


def lookup(state: State, answered: int, *took_s: float) -> Any:
    """A server that is asked."""
    latency = Latency()
    for seconds in took_s:
        latency.observe(seconds)
    return SimpleNamespace(
        host="crm.example.com",
        state=state,
        waiting=1,
        cached=2,
        counters=Counter({"answered": answered, "failed": 1, "from the cache": 3}),
        latency=latency,
    )


def everything() -> Any:
    """All that there can be."""
    tally = SimpleNamespace(delivered=7, retries=2, given_up=1)
    return Inside(
        ways=lambda: {"speech": ("open", 3)},
        overload=Overload(Clock(), 0.5, lambda overloaded: None),
        lookups=SimpleNamespace(all=(lookup(State.CLOSED, 4, 0.02), lookup(State.OPEN, 1, 9.0))),  # type: ignore[arg-type]
        spool=SimpleNamespace(octets=5, max_octets=10, refused=2),  # type: ignore[arg-type]
        late=SimpleNamespace(waiting=4, accounts=Counter(streams=6)),  # type: ignore[arg-type]
        webhooks=SimpleNamespace(  # type: ignore[arg-type]
            senders=[SimpleNamespace(settings=SimpleNamespace(name="crm"), tally=tally)],
            depths={"crm": (11, 12), "gone": (1, 1)},
            counters=Counter(lost=13),
        ),
        records=SimpleNamespace(waiting=14, counters=Counter(written=15, lost=16)),  # type: ignore[arg-type]
        pool=SimpleNamespace(calls={0: 17, 1: None}, deaths=18),  # type: ignore[arg-type]
    )


class InsideTests(SynchronousTestCase):
    """What is counted where."""

    def lines(self, inside: Inside | None) -> set[str]:
        text = Metrics(FakeServer(), inside).text().decode()
        return {line for line in text.splitlines() if not line.startswith("#")}

    def test_everything(self) -> None:
        """Each thing has its numbers; look-ups at one server are one."""
        lines = self.lines(everything())
        for line in (
            'siprec_destination_circuit{destination="speech",state="open"} 1.0',
            'siprec_destination_circuit{destination="speech",state="closed"} 0.0',
            'siprec_destination_websockets{destination="speech"} 3.0',
            "siprec_overloaded 0.0",
            'siprec_lookups_total{result="answered",server="crm.example.com"} 5.0',
            'siprec_lookups_total{result="cache",server="crm.example.com"} 6.0',
            'siprec_lookups_total{result="failed",server="crm.example.com"} 2.0',
            'siprec_lookup_circuit{server="crm.example.com",state="open"} 1.0',
            'siprec_lookup_seconds_bucket{le="0.025",server="crm.example.com"} 1.0',
            'siprec_lookup_seconds_bucket{le="+Inf",server="crm.example.com"} 2.0',
            'siprec_lookup_seconds_sum{server="crm.example.com"} 9.02',
            'siprec_lookup_waiting{server="crm.example.com"} 2.0',
            'siprec_lookup_cached{server="crm.example.com"} 4.0',
            "siprec_spool_octets 5.0",
            "siprec_spool_limit_octets 10.0",
            "siprec_spool_refused_total 2.0",
            "siprec_spool_streams 4.0",
            "siprec_spool_late_streams_total 6.0",
            'siprec_webhook_waiting{webhook="crm"} 11.0',
            'siprec_webhook_dead{webhook="crm"} 12.0',
            'siprec_webhook_delivered_total{webhook="crm"} 7.0',
            'siprec_webhook_retries_total{webhook="crm"} 2.0',
            'siprec_webhook_given_up_total{webhook="crm"} 1.0',
            "siprec_webhook_lost_total 13.0",
            "siprec_records_waiting 14.0",
            "siprec_records_written_total 15.0",
            "siprec_records_lost_total 16.0",
            'siprec_worker_up{worker="0"} 1.0',
            'siprec_worker_up{worker="1"} 0.0',
            'siprec_worker_calls{worker="0"} 17.0',
            "siprec_worker_deaths_total 18.0",
        ):
            self.assertIn(line, lines)
        self.assertFalse([line for line in lines if "gone" in line])

    def test_nothing(self) -> None:
        """What is not configured has no numbers."""
        for line in self.lines(None):
            self.assertNotRegex(line, "spool|lookup|webhook|records|worker|overloaded|tenant")


class LatencyTests(SynchronousTestCase):
    """How long things take."""

    def test_buckets(self) -> None:
        """Each bound has all that took no longer; the last has all."""
        latency = Latency((1.0, 2.0))
        for seconds in (0.5, 1.0, 1.5, 7.0):
            latency.observe(seconds)
        self.assertEqual(latency.buckets, [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)])
        self.assertEqual(latency.total_s, 10.0)
