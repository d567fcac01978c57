"""Streams of the codecs whose senders fall silent, change, and pack as they like."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import amr_frames, octets, parts
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

G729, GSM = Codec(18, "G729", 8000), Codec(3, "GSM", 8000)
AMR, ODD_AMR = Codec(97, "AMR", 8000), Codec(98, "AMR", 8000, 1, "interleaving=3")
OPUS, PCMU = Codec(111, "OPUS", 48000, 2), Codec(0, "PCMU", 8000)
NARROW = (95, 103, 118, 134, 148, 159, 204, 244, 39)
SPEECH = parts(octets("speech.g729"), 20)


class StreamCodecTests(SynchronousTestCase):
    """Packets of 20 ms, each arriving when its audio ends."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def setUp(self) -> None:
        plan = StreamPlan(0, (G729, GSM, AMR, ODD_AMR, OPUS, PCMU))
        self.stream = Stream(plan, MediaSettings(quiet_ms=60), 0.0)
        self.sequence = 0

    def send(self, codec: Codec, at_ms: int, payload: bytes, clock_rate: int = 8000) -> None:
        """One packet of audio that begins at a time."""
        timestamp = at_ms * clock_rate // 1000
        packet = RTPPacket(codec.payload_type, False, self.sequence, timestamp, 7, payload)
        self.sequence += 1
        self.stream.receive([Datagram(bytes(packet), ("192.0.2.1", 4000), at_ms / 1000)])

    def missing(self, end_ms: int) -> list[tuple[int, int, str]]:
        """What is missing when all is played."""
        played = self.stream.play(end_ms * MS)
        return [(each.start // MS, each.end // MS, each.reason) for each in played.missing]

    def test_annex_b(self) -> None:
        """After a SID nothing is missed for as long as nothing comes; without one it is."""
        for number in range(3):
            self.send(G729, 20 * number, SPEECH[number])
        self.send(G729, 60, SPEECH[3][:10] + b"\x12\x34")
        self.send(G729, 1000, SPEECH[4])
        self.send(G729, 1020, SPEECH[5])
        self.send(G729, 1500, SPEECH[6])
        self.assertEqual(self.missing(1520), [(1040, 1500, "no_packets")])
        self.assertEqual(self.stream.statistics().codec, "G729")

    def test_loss_before_silence(self) -> None:
        """What is lost before a SID is missed all the same."""
        for number in (0, 1):
            self.send(G729, 20 * number, SPEECH[number])
        self.sequence += 1
        self.send(G729, 60, b"\x12\x34")
        self.send(G729, 500, SPEECH[4])
        self.assertEqual(self.missing(520), [(40, 60, "rtp_loss")])

    def test_amr_pause(self) -> None:
        """A SID comes every 160 ms in a pause, and what lies between is not missed."""
        frames = amr_frames("pause.amr", b"#!AMR\n", NARROW)
        sid = frames[5]
        bits = int.from_bytes(sid[1:], "big") >> 1
        payload = (0b1111_0_1000_1 << 39 | bits) << 7
        for at_ms in (0, 60, 220, 380):
            self.send(AMR, at_ms, payload.to_bytes(7, "big"))
        self.assertEqual(self.missing(500), [])
        self.assertEqual(self.stream.statistics().packets, 4)

    def test_opus_pause(self) -> None:
        """A packet of one octet is the beginning of a pause."""
        for at_ms in (0, 20):
            self.send(OPUS, at_ms, b"\x78" + bytes(30), 48000)
        self.send(OPUS, 40, b"\x78", 48000)
        self.send(OPUS, 440, b"\x78" + bytes(30), 48000)
        self.assertEqual(self.missing(460), [])

    def test_changes(self) -> None:
        """Another payload type in mid-stream is played at its place, and counted."""
        speech = octets("speech.gsm")
        self.send(GSM, 0, speech[:33])
        self.send(GSM, 20, speech[33:99])
        self.send(PCMU, 60, b"\x80" * 480)
        self.send(GSM, 120, speech[99:132])
        played = self.stream.play(140 * MS)
        assert played.samples is not None
        self.assertEqual(played.missing, ())
        self.assertEqual(len(played.samples), 1120)
        self.assertEqual(set(played.samples[480:960].tolist()), {32124})
        self.assertEqual(self.stream.statistics().codec_changes, 2)

    def test_not_understood(self) -> None:
        """A format that we don't read is none, though its codec is known."""
        self.send(ODD_AMR, 0, bytes(20))
        self.send(ODD_AMR, 20, bytes(20))
        self.assertIsNone(self.stream.source)
        self.assertEqual(self.stream.statistics().discarded, 2)
