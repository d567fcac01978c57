"""RTCP of one stream."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakePair
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.net.media.rtcp_exchange import Reporting, RTCPExchange
from twisted_siprec.plan import Address, Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.rtcp import CanonicalName, Goodbye, description, goodbye, parse

SENDER_REPORT = bytes.fromhex("80c80006 00000046 e1e2e3e4f1f2f3f4 00000100 00000002 00000140")
SRC = ("192.0.2.1", 4000)


class RTCPExchangeTests(SynchronousTestCase):
    """A report every 5 / 1.21828 seconds, where chance is in the middle."""

    def make(self, interval_s: float = 5.0, **changes: object) -> None:
        plan = StreamPlan(0, (Codec(0, "PCMU", 8000),), **changes)  # type: ignore[arg-type]
        self.stream = Stream(plan, MediaSettings(), 0.0)
        self.pair = FakePair(20000)
        self.ssrcs = iter((0x99, 0x9A))
        self.now = 0.0
        reporting = Reporting(
            cname="name",
            interval_s=interval_s,
            new_ssrc=lambda: next(self.ssrcs),
            chance=lambda: 0.5,
            monotonic=lambda: self.now,
        )
        self.exchange = RTCPExchange(self.stream, self.pair, reporting, 0.0)

    def hear(self, ssrc: int = 70, source: Address = SRC) -> None:
        for number in range(2):
            octets = bytes(RTPPacket(0, False, number, 160 * number, ssrc, b"\xff" * 160))
            self.stream.receive([Datagram(octets, source, 0.02 * number)])

    def destinations(self) -> list[tuple[Address, bool]]:
        return [(destination, mux) for _, destination, mux in self.pair.sent]

    def test_interval(self) -> None:
        """Nothing before the time, one report at it, the next an interval later."""
        self.make()
        self.hear()
        for now, sent in ((4.1, 0), (4.11, 1), (4.2, 1), (8.2, 1), (8.22, 2)):
            self.exchange.look(now)
            self.assertEqual(len(self.pair.sent), sent, now)
        self.assertIn(CanonicalName(0x99, "name"), parse(self.pair.sent[0][0]))

    def test_destination(self) -> None:
        """To where the SDP says, else beside the RTP that is heard, else on its port with mux."""
        for changes, wanted in (
            ({"rtcp": ("192.0.2.7", 7001)}, [(("192.0.2.7", 7001), False)]),
            ({}, [(("192.0.2.1", 4001), False)]),
            ({"rtcp_mux": True}, [(SRC, True)]),
            ({"rtcp": ("0.0.0.0", 7001)}, []),
            ({"rtcp": ("src.example.com", 7001)}, []),
            ({"rtcp": ("192.0.2.7", 0)}, []),
        ):
            self.make(**changes)
            self.hear()
            self.exchange.look(5.0)
            self.assertEqual(self.destinations(), wanted)

    def test_nobody(self) -> None:
        """Where nothing is known there is nobody to report to; an idle stream is kept alive."""
        self.make()
        self.exchange.look(5.0)
        self.assertEqual(self.pair.sent, [])
        self.make(rtcp=("192.0.2.7", 7001))
        self.exchange.look(5.0)
        self.assertEqual(self.pair.sent[0][0][:4].hex(), "80c90001")

    def test_symmetric(self) -> None:
        """Where a sender report came from, there ours go; from another host it is ignored."""
        self.make(rtcp=("192.0.2.7", 7001))
        self.hear()
        assert self.pair.taker is not None
        self.pair.taker(SENDER_REPORT, ("192.0.2.66", 1))
        self.assertEqual(self.exchange.sender_reports, 0)
        self.now = 4.5
        self.pair.taker(SENDER_REPORT + goodbye(70), ("192.0.2.1", 9))
        self.exchange.look(5.0)
        self.assertEqual(self.destinations(), [(("192.0.2.1", 9), False)])
        self.assertEqual((self.exchange.sender_reports, self.exchange.goodbyes), (1, 1))
        # The middle of its NTP time, and half a second since, in 1/65536 s.
        self.assertEqual(self.pair.sent[0][0].hex()[48:64], "e3e4f1f200008000")

    def test_round_trip(self) -> None:
        """A source that sends extended reports gets a reference time, and its answer is timed."""
        self.make()
        self.hear()
        assert self.pair.taker is not None
        knows = bytes.fromhex("80cf0001 00000046")
        self.now = 4.0
        self.pair.taker(knows, SRC)
        self.exchange.look(5.0)
        sent = self.pair.sent[0][0]
        self.assertEqual(sent[-12:].hex(), "040000020000000500000000")
        # It had that at once, and answered a quarter of a second later; on the way, 60 ms.
        self.now = 5.31
        answer = bytes.fromhex("80cf0005 00000046 05000003 00000099 00050000 00004000")
        self.pair.taker(answer, SRC)
        self.assertEqual(self.stream.statistics().rtt_ms, 60.0)
        self.pair.taker(answer[:-8] + b"\xff" * 8, SRC)
        self.assertEqual(self.stream.statistics().rtt_ms, 60.0)

    def test_sender_clock(self) -> None:
        """Reports with a name are given to the stream, which knows its clock after two."""
        self.make()
        self.hear()
        assert self.pair.taker is not None
        for seconds in (1, 6):
            self.now = 1.0 * seconds
            ntp, timestamp = 3_900_000_000 + seconds << 32, 8000 * seconds
            report = bytes.fromhex("80c80006 00000046") + ntp.to_bytes(8, "big")
            report += timestamp.to_bytes(4, "big") + bytes(8)
            self.pair.taker(report + description(70, "sbc"), SRC)
        clock = self.stream.source_clock
        assert clock is not None
        self.assertEqual((clock.cname, clock.host), ("sbc", "192.0.2.1"))

    def test_leave(self) -> None:
        """BYE only where something was said before."""
        self.make()
        self.hear()
        self.exchange.leave(1.0)
        self.assertEqual(self.pair.sent, [])
        self.exchange.look(5.0)
        self.exchange.leave(6.0)
        self.assertIn(Goodbye((0x99,)), parse(self.pair.sent[1][0]))

    def test_collision(self) -> None:
        """The SRC's SSRC is ours: we take another."""
        self.make()
        self.hear(ssrc=0x99)
        self.exchange.look(5.0)
        self.assertIn(CanonicalName(0x9A, "name"), parse(self.pair.sent[0][0]))

    def test_none(self) -> None:
        """An interval of zero is no RTCP."""
        self.make(interval_s=0.0)
        self.hear()
        self.exchange.look(99.0)
        self.assertEqual(self.pair.sent, [])
