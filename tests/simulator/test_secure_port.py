"""The protected stream of a simulated SRC."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Codec, SRTPKeys
from twisted_siprec.rtp.srtp import SRTP
from twisted_siprec.sdp.crypto import KEY_OCTETS, Crypto
from twisted_siprec.simulator.offer import StreamOffer
from twisted_siprec.simulator.secure_port import SecurePort
from twisted_siprec.sip.events import Address

SUITE = "AEAD_AES_256_GCM"
PACKET = bytes.fromhex("80000001 00000000 00000007") + b"speech"
REPORT = bytes.fromhex("80c90001 00000009")


class _Port:
    """Ports that keep what they send."""

    port = 20000

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.remote: Address | None = None
        self.closed = False

    def connect(self, remote: Address) -> None:
        self.remote = remote

    def send(self, packet: bytes | memoryview) -> object:
        self.sent.append(bytes(packet))
        return None

    def send_report(self, packet: bytes) -> object:
        self.sent.append(packet)
        return None

    def receive(self, reports: bool) -> bytes | None:
        return None

    def close(self) -> None:
        self.closed = True


class SecurePortTests(SynchronousTestCase):
    """What is offered is what it is sent by."""

    def test_sent(self) -> None:
        """RTP and RTCP are protected by the key of the offer; the same packet may go twice."""
        port = _Port()
        secure = SecurePort(port, SUITE)
        offered = Crypto.parse(secure.offered)
        assert offered is not None
        srs = SRTP(SRTPKeys(offered.keys, offered.keys[0]))
        secure.send(memoryview(PACKET))
        secure.send(PACKET)
        secure.send_report(REPORT)
        self.assertEqual(srs.unprotect(port.sent[0]), PACKET)
        self.assertIsNone(srs.unprotect(port.sent[1]))
        self.assertEqual(srs.unprotect_rtcp(port.sent[2]), REPORT)
        self.assertRaises(OSError, secure.send, PACKET + bytes(2000))

    def test_port(self) -> None:
        """All else is the port's."""
        port = _Port()
        secure = SecurePort(port, SUITE)
        secure.connect(("192.0.2.9", 5))
        secure.close()
        self.assertEqual((secure.port, port.remote, port.closed), (20000, ("192.0.2.9", 5), True))

    def test_answer(self) -> None:
        """The answer must have one line, with our tag and suite, and a key."""
        secure = SecurePort(_Port(), SUITE)
        for lines, answered in (
            ((secure.offered,), True),
            ((), False),
            ((secure.offered, secure.offered), False),
            (("2" + secure.offered[1:],), False),
            (("1 AEAD_AES_256_GCM inline:",), False),
        ):
            self.assertEqual(secure.is_answered(lines), answered, lines)

    def test_each(self) -> None:
        """Each stream has a key of its own, in every suite."""
        first, second = SecurePort(_Port(), SUITE), SecurePort(_Port(), SUITE)
        self.assertNotEqual(first.offered, second.offered)
        for suite in KEY_OCTETS:
            self.assertIsNotNone(Crypto.parse(SecurePort(_Port(), suite).offered))

    def test_offer(self) -> None:
        """The m-line says SAVP and the key, which no repr shows."""
        offer = StreamOffer("1", 2, (Codec(0, "PCMU", 8000),), crypto="1 SUITE inline:secret")
        lines = offer.lines("sendonly")
        self.assertEqual(lines[0], "m=audio 2 RTP/SAVP 0 101")
        self.assertIn("a=crypto:1 SUITE inline:secret", lines)
        self.assertNotIn("secret", repr(offer))
