"""Resampling."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.resample import Resampler


def tone(hertz: float, rate: int, samples: int, delay_s: float = 0.0) -> NDArray[np.float64]:
    return 10000 * np.sin(2 * np.pi * hertz * (np.arange(samples) / rate - delay_s))


class ResamplerTests(SynchronousTestCase):
    """Length, quality, and independence of how the input is cut."""

    def test_tones(self) -> None:
        """Speech up to 3400 Hz passes with 55 dB of everything else below it."""
        for source, target in ((8000, 16000), (16000, 8000), (48000, 16000), (44100, 16000)):
            for hertz in (300, 1000, 3400):
                resampler = Resampler(source, target)
                whole = tone(hertz, source, source).astype(np.int16)
                chunks = np.split(whole, 10)
                back = np.concatenate([resampler.resample(chunk) for chunk in chunks])
                self.assertEqual(len(back), target)
                wanted = tone(hertz, target, target, resampler.delay_ms / 1000)
                wrong = (back - wanted)[target // 10 :]
                ratio = 10 * np.log10((wanted**2).mean() / (wrong**2).mean())
                self.assertGreater(ratio, 55, (source, target, hertz))

    def test_alias(self) -> None:
        """What the lower rate cannot carry is gone, not folded back."""
        resampler = Resampler(16000, 8000)
        heard = resampler.resample(tone(4600, 16000, 16000).astype(np.int16))[1000:-100]
        self.assertLess(np.abs(heard).max(), 10)

    def test_constant(self) -> None:
        """A constant stays the same constant in every phase."""
        resampler = Resampler(8000, 16000)
        heard = resampler.resample(np.full(1000, 1234, dtype=np.int16))
        self.assertEqual(set(heard[200:].tolist()), {1234})

    def test_loudest(self) -> None:
        """What overshoots is clipped and does not wrap."""
        square = np.tile(np.repeat(np.array([32767, -32768], dtype=np.int16), 20), 20)
        heard = Resampler(8000, 16000).resample(square)
        self.assertEqual((heard.max(), heard.min()), (32767, -32768))
        # Wrapping would put the two beside each other.
        self.assertLess(np.abs(np.diff(heard.astype(np.int32))).max(), 60000)

    @settings(deadline=None, max_examples=40)
    @given(
        rates=st.sampled_from([(8000, 16000), (16000, 8000), (44100, 16000), (24000, 16000)]),
        cuts=st.lists(st.integers(0, 2000), max_size=8),
    )
    def test_cuts(self, rates: tuple[int, int], cuts: list[int]) -> None:
        """Chunks of any length give what the whole gives."""
        whole = np.random.default_rng(3).integers(-9000, 9000, 2000).astype(np.int16)
        resampler = Resampler(*rates)
        parts = [resampler.resample(part) for part in np.split(whole, sorted(cuts))]
        at_once = Resampler(*rates).resample(whole)
        self.assertEqual(np.concatenate(parts).tolist(), at_once.tolist())
        self.assertEqual(len(at_once), -(-2000 * rates[1] // rates[0]))

    def test_rest(self) -> None:
        """Silence costs nothing, but for the end of what was heard before it."""
        resampler = Resampler(8000, 16000)
        self.assertIsNone(resampler.rest(800))
        resampler.resample(np.full(800, 1000, dtype=np.int16))
        ending = resampler.rest(800)
        assert ending is not None
        self.assertEqual(len(ending), 1600)
        self.assertTrue(ending[:40].any())
        self.assertFalse(ending[120:].any())
        self.assertIsNone(resampler.rest(800))
        self.assertEqual(len(resampler.resample(np.zeros(800, dtype=np.int16))), 1600)
