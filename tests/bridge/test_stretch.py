"""A chunk made longer or shorter."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.samples import Samples
from twisted_siprec.bridge.composition import Missing, Played
from twisted_siprec.bridge.stretch import fitted, stretched
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS


def sine(hertz: float, samples: int, first: int = 0, amplitude: float = 12_000) -> Samples:
    """A tone, from a sample of it on."""
    at = np.arange(first, first + samples) / 8000
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def residue_db(samples: Samples, hertz: float) -> float:
    """What there is besides a tone, more than 60 Hz away from it, against it."""
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples)))) ** 2
    near = np.abs(np.fft.rfftfreq(len(samples), 1 / 8000) - hertz) < 60
    return float(10 * np.log10(spectrum[~near].sum() / spectrum[near].sum()))


class StretchTests(SynchronousTestCase):
    """Chunks of 100 ms at 8 kHz."""

    def test_untouched(self) -> None:
        """A chunk that has its length already is the same, sample for sample."""
        chunk = sine(440, 800)
        self.assertIs(stretched(chunk, 800), chunk)

    def test_no_click(self) -> None:
        """
        200 ppm for a minute, a sample in each sixth chunk or so: a tone stays clean.
        Cut or doubled instead, the samples are heard, 50 dB louder and more.
        """
        for hertz in (440, 1000, 3000):
            smooth, cut, at = [], [], 0
            for number in range(600):
                longer = number % 6 == 0
                source = sine(hertz, 801 if longer else 800, at)
                at += len(source)
                smooth.append(stretched(source, 800))
                cut.append(source[:800])
            tone, clicks = (residue_db(np.concatenate(each), hertz) for each in (smooth, cut))
            self.assertLess(tone, -80, hertz)
            self.assertGreater(clicks, tone + 45, hertz)

    def test_shorter_and_longer(self) -> None:
        """What is made longer and then shorter again is what it was, nearly."""
        chunk = sine(700, 800)
        for length in (795, 799, 801, 805):
            again = stretched(stretched(chunk, length), 800)
            self.assertLess(np.abs(again.astype(int) - chunk).max(), 60, length)

    def test_constant(self) -> None:
        """Silence does not hum, and the loudest sound does not turn over."""
        for value in (0, 1, -7, 32767, -32768):
            self.assertEqual(set(stretched(np.full(800, value, np.int16), 801)), {value})

    @settings(deadline=None, max_examples=60)
    @given(st.integers(0, 400), st.integers(1, 400), st.integers(0, 2**32 - 1))
    def test_any_length(self, before: int, after: int, seed: int) -> None:
        """Any length comes of any other, and the edges are kept where there is room."""
        noise = np.random.default_rng(seed).integers(-32768, 32767, before, dtype=np.int16)
        made = stretched(noise, after)
        self.assertEqual((len(made), made.dtype), (after, np.int16))
        if min(before, after) >= max(64, 8 * abs(before - after)):
            self.assertEqual(made[:16].tolist(), noise[:16].tolist())
            self.assertEqual(made[-16:].tolist(), noise[-16:].tolist())

    def test_fitted(self) -> None:
        """What is missing ends where the chunk does, and what was heard is the whole of it."""
        missing = (
            Missing(10 * MS, 20 * MS, "rtp_loss"),
            Missing(90 * MS, 101 * MS, "no_packets"),
            Missing(100 * MS, 101 * MS, "late"),
        )
        played = Played(8000, sine(440, 808), missing, heard=101 * MS, concealed=0)
        longer = fitted(played, 0, 101 * MS, 100 * MS)
        self.assertEqual(longer.heard, 100 * MS)
        assert longer.samples is not None
        self.assertEqual(len(longer.samples), 800)
        self.assertEqual(
            longer.missing,
            (Missing(10 * MS, 20 * MS, "rtp_loss"), Missing(90 * MS, 100 * MS, "no_packets")),
        )
        shorter = fitted(Played(8000, None, missing[1:2]), 0, 101 * MS, 102 * MS)
        self.assertEqual(shorter.missing, (Missing(90 * MS, 102 * MS, "no_packets"),))
        self.assertIsNone(shorter.samples)
        self.assertEqual(fitted(Played(8000, None), 0, 0, 5 * MS).heard, 0)
