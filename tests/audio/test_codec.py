"""The table of codecs, and L16."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import SUPPORTED, decoder, encoder, supports, wideband
from twisted_siprec.plan import Codec


class CodecTests(SynchronousTestCase):
    """What can be decoded, and what says that it cannot."""

    def test_supported(self) -> None:
        """Names and rates decide; an unknown one is refused when the decoder is made."""
        self.assertLessEqual({"PCMU", "PCMA", "G722", "L16", "G726-32"}, SUPPORTED)
        self.assertTrue(supports(Codec(96, "L16", 44100)))
        self.assertFalse(supports(Codec(96, "L16", 96000)))
        self.assertFalse(supports(Codec(15, "G728", 8000)))
        self.assertRaises(LookupError, decoder, Codec(15, "G728", 8000))
        self.assertRaises(LookupError, decoder, Codec(0, "PCMU", 0))
        self.assertRaises(LookupError, encoder, Codec(97, "ILBC", 8000))

    def test_wideband(self) -> None:
        """G.722 is wideband for all its clock says."""
        self.assertTrue(wideband(Codec(9, "G722", 8000)))
        self.assertTrue(wideband(Codec(96, "L16", 16000)))
        self.assertFalse(wideband(Codec(0, "PCMU", 8000)))

    def test_each(self) -> None:
        """What each encoder writes, its decoder reads."""
        silence = np.zeros(320, dtype=np.int16)
        for name, clock, rate in (
            ("PCMU", 8000, 8000),
            ("PCMA", 8000, 8000),
            ("G722", 8000, 16000),
            ("L16", 16000, 16000),
        ):
            made = encoder(Codec(96, name, clock))
            self.assertEqual((name, made.clock_rate, made.rate), (name, clock, rate))
            back = decoder(Codec(96, name, clock)).decode(made.encode(silence))
            self.assertEqual(len(back), 320)
            self.assertLess(np.abs(back).max(), 16)


class L16Tests(SynchronousTestCase):
    """Linear samples in network order."""

    def test_mono(self) -> None:
        """The high octet comes first; half a sample at the end is cut off."""
        made = decoder(Codec(96, "L16", 16000))
        self.assertEqual(made.decode(b"\x01\x02\xff\xfe\x00").tolist(), [258, -2])
        self.assertEqual(made.ticks(b"\x01\x02\xff\xfe\x00"), 2)
        self.assertEqual(made.decode(b"\x00").tolist(), [])

    def test_stereo(self) -> None:
        """Of several channels the mean is taken."""
        made = decoder(Codec(10, "L16", 44100, channels=2))
        self.assertEqual(
            made.decode(bytes.fromhex("000a0014 fff6ffec 7fff7fff")).tolist(), [15, -15, 32767]
        )
        self.assertEqual(made.ticks(bytes(8)), 2)

    def test_encode(self) -> None:
        """The encoder writes network order."""
        samples = np.array([258, -2], dtype=np.int16)
        self.assertEqual(encoder(Codec(96, "L16", 16000)).encode(samples), b"\x01\x02\xff\xfe")
        twice = encoder(Codec(10, "L16", 44100, 2)).encode(samples)
        self.assertEqual(twice, b"\x01\x02\x01\x02\xff\xfe\xff\xfe")
