"""iLBC."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.ilbc import ILBCDecoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

NOISE = (np.random.default_rng(3).integers(0, 128, 380) * 2).astype(np.uint8).tobytes()
"The last bit of a frame is 0: one that is 1 says that the frame is empty."


def decoder(parameters: str = "") -> ILBCDecoder:
    """One of a stream with these parameters."""
    return ILBCDecoder(Codec(97, "ILBC", 8000, parameters=parameters))


class ILBCTests(SynchronousTestCase):
    """38 octets for 20 ms, 50 for 30 ms."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_mode(self) -> None:
        """The mode is what fmtp says, and 30 without."""
        for parameters, octets, ticks in (
            ("mode=20", 38, 160),
            ("mode=30", 50, 240),
            ("", 50, 240),
            ("Mode = 20", 38, 160),
        ):
            made = decoder(parameters)
            self.assertEqual(made.ticks(NOISE[:octets]), ticks)
            self.assertEqual(made.ticks(NOISE[: 2 * octets]), 2 * ticks)
            audio = made.decode(NOISE[: 3 * octets])
            self.assertEqual(len(audio), 3 * ticks)
            self.assertTrue(audio.any())

    def test_other_mode(self) -> None:
        """A sender that uses the other mode shows by the length, and may come back."""
        made = decoder("mode=20")
        lengths = [len(made.decode(NOISE[:octets])) for octets in (38, 50, 100, 76)]
        self.assertEqual(lengths, [160, 240, 480, 320])
        self.assertEqual(decoder("mode=30").ticks(NOISE[:38]), 160)

    def test_odd(self) -> None:
        """What is shorter than a frame is nothing."""
        made = decoder()
        self.assertEqual((made.ticks(b"abc"), len(made.decode(b"abc"))), (0, 0))
        self.assertEqual((made.ticks(b""), len(made.decode(b""))), (0, 0))
