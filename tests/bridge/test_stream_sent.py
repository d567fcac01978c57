"""
Every codec through a stream, as siprec-call sends it: what is heard is what the
codec makes of the packets, wherever the chunks are cut.
"""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import likeness_db
from twisted_siprec.audio.codec import encoder, supports
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS, units_per_sample
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.simulator.sending import NAMES, EncodedSpeech, Sending, encode, format_named
from twisted_siprec.simulator.speech import Speech, SpeechError, bundled, read

SPEECH = Speech(read(bundled()[0]).samples[4_000:23_200], 16000)
"1.2 s."
FORMATS = (
    *NAMES,
    *("L16/44100/2", "L16/8000", "L16/24000", "L16/48000", "PCMU/16000", "PCMA/32000"),
    *("AMR:octet-align=1", "AMR:octet-align=1;mode-set=0,2,5", "AMR:mode-set=7"),
    *("AMR-WB:octet-align=1", "AMR-WB:mode-set=0,1,2", "G729:annexb=no"),
    *(
        "OPUS:useinbandfec=1",
        "OPUS:usedtx=1;stereo=1",
        "OPUS:sprop-stereo=0;maxaveragebitrate=20000",
    ),
)


def sent(stream: Stream, speech: EncodedSpeech, first: int = 0) -> None:
    """All packets of it, each arriving when its interval begins."""
    sequence = first
    for row in np.flatnonzero(speech.sizes).tolist():
        payload = speech.payloads[row, : speech.sizes[row]].tobytes()
        timestamp = row * speech.ticks
        packet = RTPPacket(int(speech.types[row]), False, sequence, timestamp, 7, payload)
        arrived_at = row * speech.packet_s
        stream.receive([Datagram(bytes(packet), ("192.0.2.1", 4000), arrived_at)])
        sequence += 1


def heard(stream: Stream, speech: EncodedSpeech, chunk_ms: int) -> tuple[np.ndarray, set[str]]:
    """All of it, chunk by chunk, and what was missed."""
    rate = speech.source.rate
    length = len(speech.source.samples)
    chunks, reasons, got = [], set(), 0
    unit, place = units_per_sample(rate), 0
    while got < length:
        place += chunk_ms * UNITS_PER_MS
        played = stream.play(place)
        count = place // unit - got
        got += count
        silent = np.zeros(count, dtype=np.int16)
        chunks.append(silent if played.samples is None else played.samples)
        assert played.samples is None or played.rate == rate
        reasons |= {each.reason for each in played.missing if each.start < length * unit}
    return np.concatenate(chunks)[:length], reasons


PCMA, PCMU = format_named("PCMA"), format_named("PCMU")


class SentTests(SynchronousTestCase):
    """Packets of every length, and of several."""

    def each(self, text: str, packets_ms: tuple[int, ...], chunk_ms: int) -> bool:
        """One codec; False where it cannot be sent or taken here."""
        known = format_named(text)
        try:
            encoder(known)
        except LookupError:
            return False
        if not supports(known):
            return False
        speech = encode(SPEECH, Sending((known,), packets_ms))
        stream = Stream(StreamPlan(0, (known,)), MediaSettings(), 0.0)
        sent(stream, speech)
        samples, reasons = heard(stream, speech, chunk_ms)
        different = np.flatnonzero(samples != speech.heard())
        self.assertEqual(different.tolist(), [], (text, packets_ms))
        self.assertEqual(reasons, set(), (text, packets_ms))
        self.assertEqual(stream.statistics().discarded, 0)
        return True

    def test_each(self) -> None:
        """Every codec and variant of its parameters, in packets of 20 ms and in mixtures."""
        taken = {text for text in FORMATS if self.each(text, (20,), 100)}
        self.assertLessEqual({"PCMU", "PCMA", "G722", "L16", "L16/44100/2", "G726-40"}, taken)
        for text in sorted(taken):
            self.each(text, (20, 60, 40), 50)

    def test_odd_lengths(self) -> None:
        """10, 30 and 50 ms, where the codec's frames allow it."""
        for text in ("PCMU", "PCMA", "G722", "L16", "G729", "G726-24", "AAL2-G726-40"):
            for packets_ms in ((10,), (30,), (50,), (10, 30, 20, 60)):
                self.each(text, packets_ms, 100)
        self.each("OPUS", (10, 60, 20, 40), 30)

    def test_turns(self) -> None:
        """Another payload type in mid-stream, without a word: each is heard in its place."""
        formats = tuple(map(format_named, ("PCMU", "PCMA", "G726-32", "L16/8000")))
        speech = encode(SPEECH, Sending(formats, turn_s=0.1))
        stream = Stream(StreamPlan(0, speech.formats), MediaSettings(), 0.0)
        sent(stream, speech)
        samples, reasons = heard(stream, speech, 100)
        self.assertEqual(samples.tolist(), speech.heard().tolist())
        self.assertEqual((reasons, stream.statistics().codec_changes), (set(), 11))

    def test_comfort_noise(self) -> None:
        """Silence that is not sent is not missed."""
        quiet = np.zeros(16_000, np.int16)
        said = Speech(
            np.concatenate([SPEECH.at(8000).samples, quiet, SPEECH.at(8000).samples]), 8000
        )
        speech = encode(said, Sending((format_named("PCMU"),), suppressed=True))
        stream = Stream(StreamPlan(0, speech.formats), MediaSettings(), 0.0)
        sent(stream, speech)
        samples, reasons = heard(stream, speech, 100)
        self.assertEqual((samples.tolist(), reasons), (speech.heard().tolist(), set()))
        self.assertLess(stream.statistics().packets, 130)


class CorrectedTests(SynchronousTestCase):
    """Opus with forward error correction, every seventh packet lost."""

    def likeness_db(self, parameters: str) -> float:
        """How near what is heard is to what would have been without loss."""
        known = format_named(f"OPUS:{parameters}")
        try:
            speech = encode(SPEECH, Sending((known,)))
        except SpeechError as missing:
            raise self.skipException(str(missing)) from missing
        whole = speech.heard()
        stream = Stream(StreamPlan(0, (known,)), MediaSettings(), 0.0)
        for row, size in enumerate(speech.sizes.tolist()):
            if row % 7 != 5:
                payload = speech.payloads[row, :size].tobytes()
                packet = RTPPacket(known.payload_type, False, row, row * speech.ticks, 7, payload)
                datagram = Datagram(bytes(packet), ("192.0.2.1", 4000), row * speech.packet_s)
                stream.receive([datagram])
        samples, reasons = heard(stream, speech, 100)
        self.assertEqual(reasons, {"rtp_loss"})
        return likeness_db(whole, samples)

    def test_heard(self) -> None:
        """What is lost is heard of the packet after it, and is nearer to it than any guess."""
        corrected = self.likeness_db("useinbandfec=1")
        self.assertGreater(corrected, self.likeness_db("") + 5)


class ReofferedTests(SynchronousTestCase):
    """The formats are others after a re-INVITE."""

    def setUp(self) -> None:
        self.stream = Stream(StreamPlan(0, (PCMA,)), MediaSettings(), 0.0)
        self.sequence = 0

    def send(self, payload_type: int, payload: bytes, timestamp: int) -> None:
        """The next packet, 20 ms after the one before."""
        packet = RTPPacket(payload_type, False, self.sequence, timestamp, 7, payload)
        arrived_at = 0.02 * self.sequence
        self.stream.receive([Datagram(bytes(packet), ("192.0.2.1", 4000), arrived_at)])
        self.sequence += 1

    def play(self, end_ms: int) -> list[set[int]]:
        """The different samples of each 20 ms."""
        played = self.stream.play(end_ms * UNITS_PER_MS)
        assert played.samples is not None
        self.assertEqual(played.missing, ())
        each = played.rate // 50
        return [
            set(part.tolist()) for part in np.split(played.samples, len(played.samples) // each)
        ]

    def test_other_codec(self) -> None:
        """What comes in the new one is heard in its place; the old one is known no more."""
        self.send(8, b"\x2a" * 160, 0)
        self.send(8, b"\x2a" * 160, 160)
        self.stream.update(StreamPlan(0, (PCMU,)))
        self.send(0, b"\x80" * 160, 320)
        self.send(8, b"\x2a" * 160, 480)
        self.send(0, b"\x80" * 160, 640)
        self.assertEqual(self.play(60), [{-32256}, {-32256}, {32124}])
        statistics = self.stream.statistics()
        self.assertEqual((statistics.discarded, statistics.codec_changes), (1, 1))

    def test_same_number(self) -> None:
        """A payload type that means something else now is decoded as that."""
        self.stream.update(StreamPlan(0, (Codec(96, "PCMA", 8000),)))
        self.send(96, b"\x2a" * 160, 0)
        self.send(96, b"\x2a" * 160, 160)
        self.stream.update(StreamPlan(0, (Codec(96, "PCMU", 8000),)))
        self.send(96, b"\x80" * 160, 320)
        self.stream.update(StreamPlan(0, (Codec(96, "L16", 8000),)))
        self.send(96, b"\x03\xe8" * 160, 480)
        self.assertEqual(self.play(80), [{-32256}, {-32256}, {32124}, {1000}])

    def test_while_in_doubt(self) -> None:
        """One packet came, and its format is gone before the source was believed."""
        self.send(8, b"\x2a" * 160, 0)
        self.stream.update(StreamPlan(0, (PCMU,)))
        self.send(0, b"\x80" * 160, 160)
        self.send(0, b"\x80" * 160, 320)
        played = self.stream.play(100 * UNITS_PER_MS)
        assert played.samples is not None
        self.assertEqual(set(played.samples.tolist()), {0, 32124})
        self.assertEqual(self.stream.statistics().packets, 2)
