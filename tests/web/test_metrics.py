"""
The metrics, as Prometheus reads them.
"""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import ACCOUNT, FakeServer
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallForgotten,
    CallOffered,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
    Faulted,
)
from twisted_siprec.report import (
    BridgeFailed,
    ConsumerSaid,
    HandshakeDone,
    HandshakeFailed,
    LinkDown,
    LinkUp,
    StreamHeard,
    StreamSilent,
    StreamStatistics,
)
from twisted_siprec.web.metrics import Metrics, Words


class MetricsTests(SynchronousTestCase):
    """What is counted and measured."""

    def setUp(self) -> None:
        self.server = FakeServer()
        self.metrics = Metrics(self.server)
        self.server.watch(self.metrics.happened)

    def samples(self) -> dict[str, float]:
        """All samples by name and labels, the process's own left out."""
        return {
            sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): (
                sample.value
            )
            for family in text_string_to_metric_families(self.metrics.text().decode())
            for sample in family.samples
            if sample.name.startswith("siprec_")
        }

    def assert_samples(self, **expected: float) -> None:
        samples = self.samples()
        for name, value in expected.items():
            self.assertEqual(samples.get(name.replace("__", " ")), value, name)

    def test_nothing(self) -> None:
        """A server without calls says that there are none."""
        self.assert_samples(
            siprec_calls__none__recording=0,
            siprec_draining=0,
            siprec_sip_connections=2,
            siprec_answer_seconds_count=0,
        )

    def test_call(self) -> None:
        """A call in progress is counted by source and state, and its packets as they come."""
        self.server.begin()
        self.assert_samples(
            siprec_calls_offered_total__sbc=1,
            siprec_calls_recorded_total__sbc=1,
            siprec_calls__sbc__recording=1,
            siprec_answer_seconds_count=1,
            siprec_answer_seconds_sum=0.004,
            siprec_rtp_packets_total__sbc=90,
            siprec_rtp_octets_total__sbc=14_400,
            siprec_rtp_missed_packets_total__lost__sbc=10,
            siprec_rtp_missed_packets_total__late__sbc=5,
        )

    def test_account(self) -> None:
        """An ended call's packets are counted once, and what each destination got."""
        self.server.begin()
        self.samples()
        self.server.happen(CallClosed("3f2a", "sbc", ACCOUNT))
        self.server.summaries.clear()
        self.server.statistics_of.clear()
        self.server.happen(CallForgotten("3f2a"))
        self.assert_samples(
            siprec_rtp_packets_total__sbc=90,
            siprec_call_duration_seconds_sum=61,
            siprec_rtp_max_jitter_seconds_count=1,
            siprec_rtp_max_jitter_seconds_sum=0.0125,
            siprec_rtp_mos_count=1,
            siprec_rtp_mos_sum=2.98,
            siprec_destination_octets_total__speech=960_000,
            siprec_destination_frames_total__speech=600,
            siprec_destination_replayed_frames_total__speech=20,
            siprec_destination_reconnects_total__speech=1,
            siprec_destination_gap_seconds_total__speech__reconnect=1,
            siprec_destination_incomplete_total__speech=1,
        )
        self.assertEqual(self.samples()["siprec_calls_ended_total call_ended sbc"], 1)
        self.assertEqual(self.samples()["siprec_rtp_max_jitter_seconds_bucket 0.01"], 0)
        self.assertEqual(self.samples()["siprec_rtp_max_jitter_seconds_bucket 0.02"], 1)
        self.assertEqual(self.samples()["siprec_rtp_max_jitter_seconds_bucket +Inf"], 1)
        self.assertEqual(self.samples()["siprec_rtp_mos_bucket 2.5"], 0)
        self.assertEqual(self.samples()["siprec_rtp_mos_bucket 3.0"], 1)

    def test_never_back(self) -> None:
        """While a call is closed, and where it has no account, no counter goes back."""
        self.server.begin()
        self.samples()
        self.server.statistics_of.clear()
        self.assert_samples(siprec_rtp_packets_total__sbc=90)
        self.server.summaries.clear()
        self.server.happen(CallForgotten("3f2a"))
        self.assert_samples(siprec_rtp_packets_total__sbc=90)

    def test_refused(self) -> None:
        """Refused calls are counted by source and status, other requests apart."""
        self.server.happen(
            CallRefused("c", "INVITE", None, "UDP 192.0.2.9:5060", 403, "Forbidden", True),
            CallRefused("c", "request", "sbc", "sbc", 503, "Too Many Calls", True, "id"),
            CallRefused("c", "OPTIONS", None, "UDP 192.0.2.9:5060", 405, "No"),
        )
        self.assert_samples(
            siprec_calls_refused_total__none__403=1,
            siprec_calls_refused_total__sbc__503=1,
            siprec_sip_requests_refused_total=1,
        )

    def test_links(self) -> None:
        """Connections are those of calls in progress; a call that is gone has none."""
        self.server.begin()
        up, down = LinkUp("3f2a", "speech", 1), LinkDown("3f2a", "speech", "refused", 1.0)
        self.server.happen(CallReported("3f2a", down), CallReported("3f2a", up))
        self.assert_samples(
            siprec_destination_connections__speech=1,
            siprec_destination_connects_total__speech=1,
            siprec_destination_failures_total__speech=1,
        )
        self.server.happen(CallReported("3f2a", down))
        self.assert_samples(siprec_destination_connections__speech=0)
        self.server.happen(CallReported("3f2a", up), CallForgotten("3f2a"))
        self.assert_samples(siprec_destination_connections__speech=0)
        self.server.happen(CallReported("3f2a", up))
        self.assert_samples(siprec_destination_connections__speech=0)

    def test_reports(self) -> None:
        """Silent streams, failed bridges and events of consumers are counted."""
        self.server.begin()
        for report in (
            StreamSilent("3f2a", 0, 10_000),
            StreamHeard("3f2a", 0, ("192.0.2.1", 1)),
            BridgeFailed("3f2a", "boom"),
            ConsumerSaid("3f2a", "speech", "transcript", "{}"),
            HandshakeDone("3f2a", 0, "AEAD_AES_128_GCM"),
            HandshakeDone("3f2a", 1, "AEAD_AES_128_GCM"),
            HandshakeFailed("3f2a", 2, "RTP: no handshake came"),
        ):
            self.server.happen(CallReported("3f2a", report))
        self.assert_samples(
            siprec_streams_silent_total=1,
            siprec_bridges_failed_total=1,
            siprec_destination_events_total__speech=1,
            siprec_dtls_handshakes_total__done=2,
            siprec_dtls_handshakes_total__failed=1,
        )

    def test_oddities(self) -> None:
        """Warnings, discarded messages and faults are counted."""
        self.server.happen(
            CallWarned("3f2a", "label-missing", "x"), Discarded("keep-alive"), Faulted("c")
        )
        self.assert_samples(siprec_faults_total=1)
        self.assertEqual(self.samples()["siprec_warnings_total label-missing"], 1)
        self.assertEqual(self.samples()["siprec_sip_discarded_total keep-alive"], 1)

    def test_queue(self) -> None:
        """What a destination has not taken yet is told in seconds."""
        self.server.queues["speech"] = 1.5
        self.assert_samples(siprec_destination_queue_seconds__speech=1.5)

    def test_bounded(self) -> None:
        """Words that peers can make up do not make series without end."""
        for number in range(1_000):
            self.server.happen(Discarded(f"word {number}"))
        discarded = [name for name in self.samples() if name.startswith("siprec_sip_discarded")]
        self.assertEqual(len(discarded), 65)
        self.assertEqual(self.samples()["siprec_sip_discarded_total other"], 936)

    def test_words(self) -> None:
        """A word that is known stays known when no more are taken."""
        words = Words(1)
        self.assertEqual([words("a"), words("b"), words("a")], ["a", "other", "a"])

    def test_sources(self) -> None:
        """Several streams and calls of a source are summed."""
        self.server.begin()
        self.server.statistics_of["3f2a"] = (
            StreamStatistics(0, packets=1, silent_ms=500, reordered=2),
            StreamStatistics(1, packets=2, silent_ms=700),
        )
        self.server.happen(CallOffered("b", "c2", "sbc"))
        self.assert_samples(
            siprec_rtp_packets_total__sbc=3,
            siprec_rtp_silent_seconds_total__sbc=1.2,
            siprec_rtp_reordered_packets_total__sbc=2,
            siprec_calls_offered_total__sbc=2,
        )
