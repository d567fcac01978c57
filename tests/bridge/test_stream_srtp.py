"""A stream whose RTP is protected."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Codec, SRTPKey, SRTPKeys, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.srtp import SRTP

CM_80 = "AES_CM_128_HMAC_SHA1_80"
OLD = SRTPKeys((SRTPKey(CM_80, bytes(30)),), SRTPKey(CM_80, b"\1" * 30))
NEW = SRTPKeys((SRTPKey("AEAD_AES_128_GCM", b"\2" * 28),), SRTPKey("AEAD_AES_128_GCM", b"\3" * 28))


def sender(keys: SRTPKeys) -> SRTP:
    """The SRC."""
    return SRTP(SRTPKeys((keys.send,), keys.receive[0]))


class ProtectedStreamTests(SynchronousTestCase):
    """PCMU, 20 ms a packet."""

    def setUp(self) -> None:
        self.plan = StreamPlan(0, (Codec(0, "PCMU", 8000),), crypto=OLD)
        self.stream = Stream(self.plan, MediaSettings(), 0.0)
        self.src: SRTP | None = sender(OLD)
        self.number = 0

    def send(self, count: int, ssrc: int = 7) -> None:
        """The next packets; their sequence numbers wrap soon."""
        for _ in range(count):
            number, self.number = self.number, self.number + 1
            octets = bytes(
                RTPPacket(
                    0, False, (65533 + number) & 0xFFFF, 160 * number, ssrc, bytes((number,)) * 160
                )
            )
            if self.src is not None:
                octets = self.src.protect(octets) or b""
            arrived_at = 0.02 * number
            self.stream.receive([Datagram(octets, ("192.0.2.1", 4000), arrived_at)])

    def counts(self) -> tuple[int, int, int]:
        """Packets taken, lost and discarded."""
        statistics = self.stream.statistics()
        return statistics.packets, statistics.lost, statistics.discarded

    def test_heard(self) -> None:
        """Protected packets are heard, across the wrap of their numbers."""
        self.send(6)
        self.assertEqual(self.counts(), (6, 0, 0))
        played = self.stream.play(120 * MS)
        self.assertEqual((played.heard, played.missing), (120 * MS, ()))

    def test_others(self) -> None:
        """What is plain, or by another key, or came before, is discarded and changes nothing."""
        self.send(3)
        self.src = None
        self.send(2)
        self.src = sender(NEW)
        self.send(2)
        self.assertEqual(self.counts(), (3, 0, 4))
        self.assertEqual(self.stream.source and self.stream.source.ssrc, 7)

    def test_new_key(self) -> None:
        """A re-INVITE changes the key without a packet lost, whenever the sender follows."""
        self.send(4)
        self.stream.update(replace(self.plan, crypto=OLD))
        self.send(2)
        self.stream.update(replace(self.plan, crypto=NEW))
        self.send(2)
        self.src = sender(NEW)
        self.send(3)
        self.assertEqual(self.counts(), (11, 0, 0))

    def test_plain_again(self) -> None:
        """A re-INVITE may take the protection away, and bring it back."""
        self.send(2)
        self.stream.update(replace(self.plan, crypto=None))
        self.src = None
        self.send(2)
        self.stream.update(self.plan)
        self.src = sender(OLD)
        self.send(2)
        self.assertEqual(self.counts(), (6, 0, 0))
        self.assertEqual(Stream(replace(self.plan, crypto=None), MediaSettings(), 0.0).srtp, None)

    def test_new_source(self) -> None:
        """Another SSRC under the same key is taken over when it has proved itself."""
        self.send(3)
        self.number = 200
        self.send(2, ssrc=8)
        self.assertEqual(self.stream.statistics().ssrc, 8)
