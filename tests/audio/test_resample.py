"""Resampling."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from twisted.trial.unittest import SynchronousTestCase

from bench.rates import measured
from twisted_siprec.audio.resample import Resampler, resampled

PAIRS = (
    (8000, 16000), (16000, 8000), (44100, 16000), (24000, 16000), (48000, 24000),
    (8000, 48000), (11025, 24000), (32000, 48000),
)  # fmt: skip


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

    @settings(deadline=None, max_examples=60)
    @given(
        rates=st.sampled_from(PAIRS),
        cuts=st.lists(st.integers(0, 2000), max_size=8),
    )
    def test_cuts(self, rates: tuple[int, int], cuts: list[int]) -> None:
        """Chunks of any length give what the whole gives."""
        whole = np.random.default_rng(3).integers(-32768, 32767, 2000).astype(np.int16)
        resampler = Resampler(*rates)
        parts = [resampler.resample(part) for part in np.split(whole, sorted(cuts))]
        at_once = Resampler(*rates).resample(whole)
        self.assertEqual(np.concatenate(parts).tolist(), at_once.tolist())
        self.assertEqual(len(at_once), -(-2000 * rates[1] // rates[0]))

    def test_exact(self) -> None:
        """Each sample is the sum that the filter says, in whole numbers, rounded once."""
        samples = np.random.default_rng(4).integers(-32768, 32767, 400).astype(np.int16)
        resampler = Resampler(16000, 8000)
        parts = (resampler._matrix[:, 0] * (1 << 30)).astype(object).astype(int)
        heard = resampler.resample(samples)
        history = len(parts) - 80
        for number in (0, 17, 100, 199):
            window = np.zeros(history + 80, dtype=object)
            before = samples[max(0, 2 * number - history) : 2 * number + 80].tolist()
            begin = history - min(history, 2 * number)
            window[begin : begin + len(before)] = before
            total = sum(int(part) * int(sample) for part, sample in zip(parts, window, strict=True))
            exact = min(max(round(total / (1 << 30)), -32768), 32767)
            self.assertEqual(heard[number], exact)

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


class FiguresTests(SynchronousTestCase):
    """What bench/rates.py measures, and docs/codecs.rst says."""

    def test_pairs(self) -> None:
        """Ripple, attenuation and delay, by tones, to each rate that is delivered."""
        for pair in (
            (8000, 16000), (8000, 24000), (8000, 48000), (16000, 8000), (16000, 24000),
            (16000, 48000), (24000, 16000), (32000, 24000), (44100, 16000), (48000, 8000),
            (48000, 16000), (48000, 24000),
        ):  # fmt: skip
            figures = measured(*pair)
            self.assertLess(figures.ripple_db, 0.01, pair)
            self.assertGreater(figures.attenuation_db, 74, pair)
            self.assertAlmostEqual(figures.delay_ms, 28_000 / min(pair), 3)
            self.assertLess(figures.uneven_ms, 0.001)

    def test_delay(self) -> None:
        """No pair of rates that there may be delays by 5 ms."""
        rates = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
        delays = [Resampler(one, other).delay_ms for one in rates for other in rates]
        self.assertEqual(max(delays), 3.5)


class ResampledTests(SynchronousTestCase):
    """A piece by itself."""

    def test_whole(self) -> None:
        """It is as long as it was, and late by half a sample at most."""
        for source, target in ((8000, 16000), (48000, 8000), (11025, 16000), (16000, 24000)):
            whole = tone(440, source, source // 5).astype(np.int16)
            back = resampled(whole, source, target)
            self.assertEqual(len(back), -(-len(whole) * target // source))
            wanted = tone(440, target, len(back))
            inner = slice(target // 50, -target // 50)
            half = 10000 * np.sin(np.pi * 440 / target)
            most = half + 20 if source == 11025 else 20
            self.assertLess(np.abs(back - wanted)[inner].max(), most, (source, target))
        self.assertEqual(len(resampled(np.zeros(0, dtype=np.int16), 8000, 16000)), 0)
