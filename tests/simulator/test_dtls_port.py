"""The stream of a simulated SRC that shakes hands, against an association of the SRS's."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.dtls_peer import context, identity
from twisted_siprec.net.media.association import Association
from twisted_siprec.plan import Codec
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.srtp import SRTP
from twisted_siprec.sdp.dtls import DTLSOffer, Setup, fingerprint_of
from twisted_siprec.simulator.dtls_port import DTLSPort
from twisted_siprec.simulator.offer import AnswerError, StreamOffer
from twisted_siprec.sip.events import Address

SRS: Address = ("198.51.100.1", 20000)
SRC: Address = ("192.0.2.1", 4000)
PACKET = bytes(RTPPacket(0, False, 1, 160, 7, b"speech"))
REPORT = bytes.fromhex("80c90001 00000009")


class _Port:
    """Ports whose other end is the test's."""

    port = 4000

    def __init__(self) -> None:
        self.sent: dict[bool, list[bytes]] = {False: [], True: []}
        self.came: dict[bool, list[bytes]] = {False: [], True: []}
        self.remote: Address | None = None
        self.closed = False

    def connect(self, remote: Address) -> None:
        self.remote = remote

    def send(self, packet: bytes | memoryview) -> object:
        return self.sent[False].append(bytes(packet))

    def send_report(self, packet: bytes) -> object:
        return self.sent[True].append(packet)

    def receive(self, reports: bool) -> bytes | None:
        return self.came[reports].pop(0) if self.came[reports] else None

    def close(self) -> None:
        self.closed = True


class DTLSPortTests(SynchronousTestCase):
    """Offer, handshake, and what is sent then."""

    def make(self, reports: bool = False, expects: str | None = None) -> None:
        self.clock, self.port = Clock(), _Port()
        self.dtls = DTLSPort(self.port, self.clock, reports)
        offered = fingerprint_of(self.dtls.offered[0].partition(":")[2])
        assert offered is not None
        fingerprint = identity(expects).fingerprint if expects else offered
        self.srs = {
            which: Association(
                context("srs"),
                (fingerprint,),
                lambda octets, _, which=which: self.port.came[which].append(octets),
            )
            for which in (False, True)
        }

    def answer(self, setup: Setup = Setup.PASSIVE) -> bool:
        return self.dtls.is_answered(DTLSOffer((identity("srs").fingerprint,), setup))

    def run_for(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.005)):
            for which, association in self.srs.items():
                sent, self.port.sent[which] = self.port.sent[which], []
                for octets in sent:
                    association.receive(octets, SRC)
            self.clock.advance(0.005)

    def test_sent(self) -> None:
        """Audio waits for the handshake, and is by its keys; reports have keys of their own."""
        self.make(reports=True)
        self.assertTrue(self.answer())
        self.assertRaises(OSError, self.dtls.send, PACKET)
        self.dtls.connect(SRS)
        ready = self.dtls.ready()
        self.assertNoResult(ready)
        self.run_for(0.1)
        self.successResultOf(ready)
        self.dtls.send(memoryview(PACKET))
        self.dtls.send_report(REPORT)
        media, control = self.srs[False].keys, self.srs[True].keys
        assert media is not None and control is not None
        self.assertNotEqual(media, control)
        self.assertEqual(SRTP(media).unprotect(self.port.sent[False][-1]), PACKET)
        self.assertEqual(SRTP(control).unprotect_rtcp(self.port.sent[True][-1]), REPORT)
        self.assertRaises(OSError, self.dtls.send, PACKET + bytes(2000))

    def test_same_place(self) -> None:
        """A re-INVITE that moves nothing does not shake hands again."""
        self.make()
        self.answer()
        self.dtls.connect(SRS)
        self.run_for(0.1)
        self.dtls.connect(SRS)
        self.successResultOf(self.dtls.ready())
        self.assertEqual(self.port.sent[False], [])

    def test_closed(self) -> None:
        """The SRS is told, and nothing is left."""
        self.make()
        self.answer()
        self.dtls.connect(SRS)
        self.run_for(0.1)
        self.dtls.close()
        self.assertEqual(len(self.port.sent[False]), 1)
        self.assertEqual((self.port.closed, self.clock.getDelayedCalls()), (True, []))

    def test_answers(self) -> None:
        """An answer has a certificate, and one of the two roles."""
        self.make()
        self.assertFalse(self.dtls.is_answered(None))
        self.assertFalse(self.answer(Setup.ACTPASS))
        self.assertTrue(self.answer(Setup.ACTIVE))

    def test_srs_begins(self) -> None:
        """An SRS that is active is waited for."""
        self.make()
        self.answer(Setup.ACTIVE)
        self.dtls.connect(SRS)
        self.assertEqual(self.port.sent[False], [])

    def test_refused(self) -> None:
        """Where the SRS does not take our certificate, the call says so."""
        self.make(expects="stranger")
        self.answer()
        self.dtls.connect(SRS)
        ready = self.dtls.ready()
        self.run_for(0.1)
        error = self.failureResultOf(ready, AnswerError)
        self.assertIn("the DTLS handshake failed", error.getErrorMessage())
        self.dtls.close()

    def test_silence(self) -> None:
        """An SRS that says nothing is given up."""
        self.make()
        self.answer()
        self.dtls.connect(SRS)
        ready = self.dtls.ready()
        self.clock.pump([0.1] * 102)
        self.assertIn("in time", self.failureResultOf(ready, AnswerError).getErrorMessage())

    def test_offer(self) -> None:
        """The m-line says the profile, the fingerprint and that either may begin."""
        self.make()
        offer = StreamOffer("1", 2, (Codec(0, "PCMU", 8000),), dtls=self.dtls.offered)
        lines = offer.lines("sendonly")
        self.assertEqual(lines[0], "m=audio 2 UDP/TLS/RTP/SAVP 0 101")
        self.assertEqual(lines[-2:], ["a=setup:actpass", "a=sendonly"])
        self.assertTrue(lines[-3].startswith("a=fingerprint:sha-256 "))
