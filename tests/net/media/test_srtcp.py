"""RTCP of a stream that is protected."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakePair
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.net.media.rtcp_exchange import Reporting, RTCPExchange
from twisted_siprec.plan import Codec, SRTPKey, SRTPKeys, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.rtcp import CanonicalName, parse
from twisted_siprec.rtp.srtp import SRTP

CM_80 = "AES_CM_128_HMAC_SHA1_80"
THEIRS, OURS = SRTPKey(CM_80, bytes(range(30))), SRTPKey(CM_80, bytes(range(50, 80)))
SENDER_REPORT = bytes.fromhex("80c80006 00000046 e1e2e3e4f1f2f3f4 00000100 00000002 00000140")
SRC = ("192.0.2.1", 4000)


class SRTCPTests(SynchronousTestCase):
    """Reports both ways."""

    def setUp(self) -> None:
        plan = StreamPlan(0, (Codec(0, "PCMU", 8000),), crypto=SRTPKeys((THEIRS,), OURS))
        self.src = SRTP(SRTPKeys((OURS,), THEIRS))
        stream = Stream(plan, MediaSettings(), 0.0)
        for number in range(2):
            packet = bytes(RTPPacket(0, False, number, 160 * number, 70, b"\xff" * 160))
            stream.receive([Datagram(self.src.protect(packet) or b"", SRC, 0.02 * number)])
        self.pair = FakePair(20000)
        reporting = Reporting("name", 5.0, lambda: 0x99, lambda: 0.5, lambda: 0.0)
        self.exchange = RTCPExchange(stream, self.pair, reporting, 0.0)

    def test_received(self) -> None:
        """A protected sender report is read; a plain one is a forgery."""
        self.exchange.receive(SENDER_REPORT, SRC)
        self.assertEqual(self.exchange.sender_reports, 0)
        self.exchange.receive(self.src.protect_rtcp(SENDER_REPORT) or b"", SRC)
        self.assertEqual(self.exchange.sender_reports, 1)

    def test_sent(self) -> None:
        """Our reports, and our BYE, are protected by our own key."""
        self.exchange.look(5.0)
        self.exchange.leave(6.0)
        self.assertEqual(len(self.pair.sent), 2)
        for octets, _, _ in self.pair.sent:
            self.assertNotIn(b"name", octets)
            opened = self.src.unprotect_rtcp(octets)
            assert opened is not None
            self.assertIn(CanonicalName(0x99, "name"), parse(opened))
