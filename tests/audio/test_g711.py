"""G.711 against the values of the ITU-T's tables."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.g711 import (
    PCMA_DECODED,
    PCMU_DECODED,
    G711Decoder,
    G711Encoder,
    encoded,
)
from twisted_siprec.plan import Codec


class G711Tests(SynchronousTestCase):
    """Both laws, both ways."""

    def test_mu_law_table(self) -> None:
        """G.711 table 2a: the ends of the segments, at the scale of 16 bits."""
        for octet, sample in (
            (0x80, 32124),
            (0x8F, 16764),
            (0x90, 15996),
            (0x9F, 8316),
            (0xA0, 7932),
            (0xAF, 4092),
            (0xEF, 132),
            (0xF0, 120),
            (0xFE, 8),
            (0xFF, 0),
            (0x7F, 0),
            (0x7E, -8),
            (0x00, -32124),
        ):
            self.assertEqual(PCMU_DECODED[octet], sample, hex(octet))

    def test_a_law_table(self) -> None:
        """G.711 table 1a: the ends of the segments, at the scale of 16 bits."""
        for octet, sample in (
            (0xD5, 8),
            (0x55, -8),
            (0xD4, 24),
            (0xC5, 264),
            (0xDA, 248),
            (0xCA, 504),
            (0xF5, 528),
            (0xAA, 32256),
            (0x2A, -32256),
            (0xA5, 16896),
        ):
            self.assertEqual(PCMA_DECODED[octet], sample, hex(octet))

    def test_encode(self) -> None:
        """Decision values, clipping, and negative samples as the mirror of the positive ones."""
        samples = np.array([0, -1, 8, -8, 32767, -32768, 1000, -1000], dtype=np.int16)
        self.assertEqual(encoded(samples, "PCMA").hex(), "d555d555aa2afa7a")
        self.assertEqual(encoded(samples, "PCMU").hex(), "ff7ffe7e8000ce4e")

    def test_round_trip(self) -> None:
        """Every octet comes back, but for the mu-law's negative zero."""
        octets = bytes(range(256))
        self.assertEqual(encoded(PCMA_DECODED, "PCMA"), octets)
        self.assertEqual(encoded(PCMU_DECODED, "PCMU"), octets.replace(b"\x7f", b"\xff"))

    def test_nearest(self) -> None:
        """No sample is further from what is decoded than half the widest step around it."""
        samples = np.arange(-32768, 32768).astype(np.int16)
        for law, table in (("PCMU", PCMU_DECODED), ("PCMA", PCMA_DECODED)):
            back = table[np.frombuffer(encoded(samples, law), dtype=np.uint8)].astype(np.int32)
            error = np.abs(back - samples)
            self.assertTrue((error <= np.maximum(np.abs(samples.astype(np.int32)) / 16, 20)).all())

    def test_decoder(self) -> None:
        """A payload of any length, at the rate that the SRC says; a tick is an octet."""
        decoder = G711Decoder(Codec(0, "PCMU", 16000))
        self.assertEqual(decoder.rate, 16000)
        self.assertEqual(decoder.ticks(b"\xff" * 7), 7)
        self.assertEqual(decoder.decode(b"\x80\xff\x00").tolist(), [32124, 0, -32124])
        self.assertEqual(decoder.decode(b"").tolist(), [])

    def test_encoder(self) -> None:
        """The encoder is the table's other way."""
        encoder = G711Encoder(Codec(8, "PCMA", 8000))
        self.assertEqual((encoder.rate, encoder.clock_rate), (8000, 8000))
        self.assertEqual(encoder.encode(np.array([8, -8], dtype=np.int16)), b"\xd5\x55")
