"""GSM 06.10."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, digest, octets, parts
from twisted_siprec.audio.gsm import GSMDecoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

CODEC = Codec(3, "GSM", 8000)
SPEECH = octets("speech.gsm")
DIGEST = "fe861d23e9a106083fc7081294b6a3be"


class GSMTests(SynchronousTestCase):
    """33 octets, 20 ms."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_exact(self) -> None:
        """Every sample is libgsm's."""
        self.assertEqual(digest(decoded(GSMDecoder(CODEC), parts(SPEECH, 33))), DIGEST)

    def test_packets(self) -> None:
        """Two or three frames in a packet are the same audio, and last as long."""
        for frames in (2, 3):
            decoder = GSMDecoder(CODEC)
            payloads = parts(SPEECH, 33 * frames)
            self.assertEqual(decoder.ticks(payloads[0]), 160 * frames)
            self.assertEqual(digest(decoded(decoder, payloads)), DIGEST)

    def test_odd(self) -> None:
        """Octets that are no frame are nothing, and no error."""
        decoder = GSMDecoder(CODEC)
        self.assertEqual((decoder.ticks(b"\xd0" * 32), len(decoder.decode(b"\xd0" * 32))), (0, 0))
        self.assertEqual(len(decoder.decode(b"\xd0" * 40)), 160)
        self.assertEqual((decoder.ticks(b""), len(decoder.decode(b""))), (0, 0))
