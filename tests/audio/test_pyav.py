"""FFmpeg's codecs, and their absence."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio import pyav
from twisted_siprec.audio.codec import NAMES, SUPPORTED, decoder, supports
from twisted_siprec.plan import Codec


class AbsenceTests(SynchronousTestCase):
    """Without the extra."""

    def setUp(self) -> None:
        self.patch(pyav, "INSTALLED", False)

    def test_none(self) -> None:
        """There is no decoder and no encoder, and whoever wants one is told what to install."""
        self.assertIsNone(pyav.first_decoder("gsm"))
        self.assertIsNone(pyav.first_encoder("libopus"))
        for made in (pyav.FrameDecoder, pyav.FrameEncoder):
            error = self.assertRaises(LookupError, made, "gsm", rate=8000)
            self.assertIn("twisted_siprec[codecs]", str(error))

    def test_own(self) -> None:
        """Those of our own don't need it."""
        self.assertLessEqual(
            {"PCMU", "PCMA", "G722", "L16", "G726-32", "AAL2-G726-40"}, SUPPORTED & set(NAMES)
        )


class PresenceTests(SynchronousTestCase):
    """With it."""

    if not pyav.INSTALLED:
        skip = "PyAV is not installed"

    def test_first(self) -> None:
        """The first that there is; of one name there may be a decoder and no encoder."""
        self.assertEqual(pyav.first_decoder("no such codec", "gsm"), "gsm")
        self.assertIsNone(pyav.first_decoder("no such codec"))
        self.assertIsNone(pyav.first_encoder("gsm"))
        self.assertRaises(LookupError, pyav.FrameDecoder, "h264", rate=8000)

    def test_every(self) -> None:
        """Every codec has a decoder that takes what comes, at its own clock alone."""
        self.assertEqual(set(NAMES), SUPPORTED)
        for name in NAMES:
            clock = {"OPUS": 48000, "AMR-WB": 16000}.get(name, 8000)
            self.assertTrue(supports(Codec(96, name, clock)), name)
            self.assertFalse(supports(Codec(96, name, 90000)), name)
            made = decoder(Codec(96, name, clock))
            for payload in (b"", b"\x00", b"\x00" * 66, b"\xff" * 300):
                samples = made.decode(payload)
                self.assertEqual(samples.dtype, np.int16)
                self.assertEqual(len(samples), made.ticks(payload) * made.rate // clock)
