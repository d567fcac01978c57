"""Formats that are left out of an answer for their parameters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import NAMES, SUPPORTED, supports
from twisted_siprec.plan import Codec
from twisted_siprec.sdp.parameters import answered, decodable


class DecodableTests(SynchronousTestCase):
    """What is answered can be decoded."""

    def test_clock_rates(self) -> None:
        """A payload format with one clock rate is taken at that one."""
        for name, clock_rate in (
            ("OPUS", 48000),
            ("AMR", 8000),
            ("AMR-WB", 16000),
            ("G729", 8000),
            ("GSM", 8000),
            ("ILBC", 8000),
            ("G722", 8000),
            ("G726-40", 8000),
            ("AAL2-G726-32", 8000),
        ):
            self.assertTrue(decodable(Codec(96, name, clock_rate)), name)
            self.assertFalse(decodable(Codec(96, name, 24000)), name)
        self.assertTrue(decodable(Codec(96, "L16", 24000)))
        self.assertTrue(decodable(Codec(101, "TELEPHONE-EVENT", 48000)))

    def test_packing(self) -> None:
        """AMR is taken in both packings, not interleaved, not sorted, not of two channels."""
        for parameters, channels, taken in (
            ("", 1, True),
            ("octet-align=1; mode-set=0,2,4,7; crc=1", 1, True),
            ("robust-sorting=0", 1, True),
            ("octet-align=1;interleaving=30", 1, False),
            ("Robust-Sorting=1", 1, False),
            ("", 2, False),
        ):
            for name, clock_rate in (("AMR", 8000), ("AMR-WB", 16000)):
                codec = Codec(96, name, clock_rate, channels, parameters)
                self.assertEqual(decodable(codec), taken, parameters)

    def test_agreement(self) -> None:
        """Signalling and media are of one mind about every codec that there is."""
        for name in NAMES:
            if name not in SUPPORTED:
                continue
            for clock_rate in (8000, 16000, 24000, 48000):
                for parameters in ("", "interleaving=2", "robust-sorting=1", "mode=20"):
                    codec = Codec(96, name, clock_rate, 1, parameters)
                    self.assertEqual(decodable(codec), supports(codec), codec)

    def test_answered(self) -> None:
        """The offer's words come back, but for Opus and for events without a range."""
        for codec, parameters in (
            (Codec(18, "G729", 8000, 1, "annexb=no"), "annexb=no"),
            (Codec(97, "ILBC", 8000, 1, "mode=20"), "mode=20"),
            (Codec(97, "AMR-WB", 16000, 1, "octet-align=1;mode-set=0"), "octet-align=1;mode-set=0"),
            (Codec(111, "OPUS", 48000, 2, "sprop-stereo=1;usedtx=1"), "usedtx=1"),
            (Codec(101, "TELEPHONE-EVENT", 8000), "0-15"),
            (Codec(0, "PCMU", 8000), ""),
        ):
            self.assertEqual(answered(codec), parameters)


class ParameterTests(SynchronousTestCase):
    """Single parameters."""

    def test_parameter(self) -> None:
        """In any case, with blanks, named only, or not at all."""
        codec = Codec(97, "AMR", 8000, 1, "Octet-Align = 1; CRC;mode-set=0,2")
        self.assertEqual(
            [codec.parameter(name) for name in ("octet-align", "crc", "mode-set", "ptime")],
            ["1", "", "0,2", None],
        )
        self.assertIsNone(Codec(0, "PCMU", 8000).parameter("mode"))
