"""Speech as packets."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import encoder
from twisted_siprec.plan import Codec
from twisted_siprec.simulator.sending import NAMES, EncodedSpeech, Sending, encode, format_named
from twisted_siprec.simulator.speech import Speech, SpeechError, bundled, read

TONE = Speech((8000 * np.sin(np.arange(16_000) * 0.2)).astype(np.int16), 16000)
CLOCKS = {"L16": 16000, "AMR-WB": 16000, "OPUS": 48000}


def installed(name: str) -> bool:
    """Whether it can be encoded here."""
    try:
        encoder(format_named(name))
    except LookupError:
        return False
    return True


class FormatNamedTests(SynchronousTestCase):
    """What the operator types."""

    def test_names(self) -> None:
        """Static types are as RFC 3551 has them, others have one each, and none is 101."""
        formats = [format_named(name) for name in NAMES]
        self.assertEqual([each.name for each in formats], list(NAMES))
        types = [each.payload_type for each in formats]
        self.assertEqual(types[:5], [0, 3, 8, 9, 18])
        self.assertEqual(len(set(types)), len(types))
        self.assertNotIn(101, types)
        self.assertLess(max(types), 128)
        for each in formats:
            self.assertEqual(each.clock_rate, CLOCKS.get(each.name, 8000))

    def test_numbers(self) -> None:
        """Rate and channels may be given, and parameters after a colon."""
        self.assertEqual(format_named("l16/44100/2"), Codec(102, "L16", 44100, 2))
        self.assertEqual(format_named("opus"), Codec(105, "OPUS", 48000, 2))
        self.assertEqual(
            format_named("AMR:octet-align=1; mode-set=0,2"),
            Codec(103, "AMR", 8000, 1, "octet-align=1; mode-set=0,2"),
        )
        # PCMU at another rate is not the static type.
        wide = format_named("PCMU/16000")
        self.assertEqual(wide.clock_rate, 16000)
        self.assertGreater(wide.payload_type, 101)

    def test_mistakes(self) -> None:
        """What is none is told."""
        for text in ("SPEEX", "", "PCMU/fast", "L16/8000/1/1", "L16/-8000", ":x"):
            self.assertRaises(ValueError, format_named, text)


class EncodeTests(SynchronousTestCase):
    """Rows of payloads."""

    def test_shapes(self) -> None:
        """Every codec makes whole packets of the size that it should."""
        speech = Speech(np.zeros(1602, np.int16), 16000)
        for name, octets, ticks in (
            ("PCMU", 160, 160),
            ("PCMA", 160, 160),
            ("G722", 160, 160),
            ("L16", 640, 320),
            ("L16/44100/2", 3528, 882),
            ("G726-24", 60, 160),
        ):
            encoded = encode(speech, Sending.of(name))
            self.assertEqual(encoded.payloads.shape, (6, octets))
            self.assertEqual(set(encoded.sizes.tolist()), {octets})
            self.assertEqual(set(encoded.types.tolist()), {encoded.payload_type})
            self.assertEqual((encoded.ticks, encoded.packet_ms), (ticks, 20))

    def test_values(self) -> None:
        """L16 is the samples in network order, and the last packet is filled with silence."""
        encoded = encode(
            Speech(np.array([1, -2], np.int16), 16000), Sending.of("L16", packet_ms=10)
        )
        self.assertEqual(encoded.payloads.tobytes(), b"\x00\x01\xff\xfe" + bytes(316))
        self.assertEqual(encoded.source.samples[:3].tolist(), [1, -2, 0])

    def test_lengths(self) -> None:
        """Packets of several lengths begin where the one before ends."""
        encoded = encode(TONE, Sending((format_named("PCMU"),), (10, 30, 20)))
        self.assertEqual((encoded.ticks, encoded.packet_s), (80, 0.01))
        self.assertEqual(encoded.sizes[:7].tolist(), [80, 240, 0, 0, 160, 0, 80])
        plain = encode(TONE, Sending.of("PCMU"))
        self.assertEqual(encoded.heard()[:8000].tolist(), plain.heard()[:8000].tolist())

    def test_turns(self) -> None:
        """Formats take turns, each in its place; one is taken up again where it was left."""
        sending = Sending((format_named("PCMU"), format_named("G722")), turn_s=0.1)
        encoded = encode(TONE, sending)
        self.assertEqual(encoded.codec, "PCMU and G722")
        self.assertEqual(encoded.types[:12].tolist(), [0] * 5 + [9] * 5 + [0] * 2)

    def test_comfort_noise(self) -> None:
        """Silence is said at its beginning and every 400 ms, and speech after it is marked."""
        loud = TONE.samples[:1600]
        samples = np.concatenate([loud, np.zeros(4800, np.int16), loud[:800]])
        sending = Sending((format_named("PCMU"),), suppressed=True)
        encoded = encode(Speech(samples, 8000), sending)
        self.assertEqual([each.name for each in encoded.formats], ["PCMU", "CN"])
        self.assertEqual(np.flatnonzero(encoded.types == 13)[[0, -1]].tolist(), [10, 39])
        self.assertEqual(
            np.flatnonzero((encoded.types == 13) & (encoded.sizes > 0)).tolist(), [10, 30]
        )
        self.assertEqual(encoded.payloads[10, :1].tolist(), [65])
        self.assertEqual(np.flatnonzero(encoded.marked).tolist(), [40])
        heard = encoded.heard()
        self.assertFalse(heard[1600:6400].any())
        self.assertTrue(heard[:1600].any() and heard[6400:].any())

    def test_heard(self) -> None:
        """What a receiver hears of each codec is what was said, but for the codec's error."""
        said = read(bundled()[0])
        least_db = {"G729": 1.5, "AMR": 1.5, "AMR-WB": 7.0, "OPUS": 7.0}
        for name in NAMES:
            if not installed(name):
                continue
            encoded = encode(Speech(said.samples[:48_000], 16000), Sending.of(name))
            self.assertGreater(best_likeness_db(encoded), least_db.get(name, 10.0), name)

    def test_silence_of_codecs(self) -> None:
        """Codecs that fall silent send nothing then, and the next packet is marked."""
        quiet = np.zeros(32_000, np.int16)
        said = read(bundled()[0]).samples[:32_000]
        samples = np.concatenate([said, quiet, said])
        for name in ("G729", "OPUS:usedtx=1"):
            if not installed(name):
                continue
            encoded = encode(Speech(samples, 16000), Sending.of(name))
            pause = encoded.sizes[125:200]
            self.assertGreater(int((pause == 0).sum()), 50, name)
            self.assertTrue(encoded.marked[200:].any(), name)
            always = encode(Speech(samples, 16000), Sending.of(name.split(":")[0] + ":annexb=no"))
            self.assertTrue(always.sizes.all(), name)

    def test_refused(self) -> None:
        """What does not fit is told, and what cannot be had."""
        for sending, words in (
            (Sending.of("PCMU", "OPUS"), "one RTP clock"),
            (Sending.of("AMR", packet_ms=30), "do not fill"),
            (Sending.of("AMR:crc=1"), "CRC"),
            (Sending.of("L16/11025"), "no whole number of ticks at 11025 Hz"),
            (Sending.of("G722/16000"), "no encoder for G722/16000"),
            (Sending((format_named("OPUS"),), suppressed=True), "8000 Hz"),
            (Sending.of("OPUS", packet_ms=30), "no packets of"),
        ):
            error = self.assertRaises(SpeechError, encode, TONE, sending)
            self.assertIn(words, str(error))


def best_likeness_db(encoded: EncodedSpeech) -> float:
    """How far below the speech the difference is, the codec's delay taken out."""
    heard, said = encoded.heard().astype(float), encoded.source.samples.astype(float)
    delays = range(encoded.source.rate // 80)
    errors = [((heard[at:] - said[: len(said) - at]) ** 2).sum() for at in delays]
    return float(10 * np.log10((said**2).sum() / max(min(errors), 1.0)))
