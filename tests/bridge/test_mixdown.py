"""Streams of any rate as channels of another."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.resample import Resampler
from twisted_siprec.audio.samples import Samples
from twisted_siprec.bridge.composition import Played
from twisted_siprec.bridge.mixdown import Mixdown
from twisted_siprec.bridge.timeline import units_per_sample
from twisted_siprec.plan import ChannelPlan

CHANNEL = (ChannelPlan(0, (0,)),)


def carried(source: int, target: int, start: int, chunk_ms: int, chunks: int) -> Samples:
    """A tone at one rate, chunk by chunk as the timeline cuts it, at another."""
    unit = units_per_sample(source)
    begin = start * units_per_sample(8000)
    turns = np.arange(source * chunk_ms * chunks // 1000 + 2) * 440 / source
    whole = (10000 * np.sin(2 * np.pi * turns)).astype(np.int16)
    mixdown, at, out = Mixdown(target), 0, []
    for number in range(chunks):
        low = begin + number * chunk_ms * 14_112
        length = (low + chunk_ms * 14_112) // unit - low // unit
        played = {0: Played(source, whole[at : at + length])}
        (heard,) = mixdown.channels(played, CHANNEL, target * chunk_ms // 1000)
        assert heard is not None and len(heard) == target * chunk_ms // 1000
        out.append(heard)
        at += length
    return np.concatenate(out)


class RatesTests(SynchronousTestCase):
    """Every rate in, every rate out."""

    def test_multiples(self) -> None:
        """Chunk by chunk it is what the whole is, to the bit."""
        for source in (8000, 16000, 32000, 48000):
            for target in (8000, 16000, 24000, 48000):
                turns = np.arange(source) * 440 / source
                whole = (10000 * np.sin(2 * np.pi * turns)).astype(np.int16)
                wanted = whole if source == target else Resampler(source, target).resample(whole)
                heard = carried(source, target, 0, 100, 10)
                self.assertEqual(heard.tolist(), wanted.tolist(), (source, target))

    def test_no_multiples(self) -> None:
        """Nothing is dropped or doubled, wherever a chunk's end lies between two samples."""
        for source, target in ((11025, 8000), (11025, 48000), (44100, 16000), (22050, 24000)):
            for start, chunk_ms in ((0, 100), (1, 20), (333, 10)):
                heard = carried(source, target, start, chunk_ms, 400 // chunk_ms)
                steps = np.abs(np.diff(heard.astype(int)))[target // 50 :]
                # A tone's steepest step, and no seam on it.
                most = 10000 * 2 * np.pi * 440 / target
                self.assertLess(steps.max(), most * 1.01 + 2, (source, target, start, chunk_ms))
                times = np.arange(len(heard)) / target
                phase = np.exp(-2j * np.pi * 440 * times)
                first, last = target // 20, target * 3 // 10
                early = np.angle((heard * phase)[first : first + target // 10].sum())
                late = np.angle((heard * phase)[last : last + target // 10].sum())
                self.assertAlmostEqual(early, late, 2)

    def test_silence_between(self) -> None:
        """Silence is none again, and what comes after it is as after the beginning."""
        mixdown = Mixdown(24000)
        loud = np.full(800, 5000, dtype=np.int16)
        (first,) = mixdown.channels({0: Played(8000, loud)}, CHANNEL, 2400)
        (ending,) = mixdown.channels({0: Played(8000, None)}, CHANNEL, 2400)
        (rest,) = mixdown.channels({0: Played(8000, None)}, CHANNEL, 2400)
        (again,) = mixdown.channels({0: Played(8000, loud)}, CHANNEL, 2400)
        assert first is not None and again is not None and ending is not None
        self.assertTrue(ending[:100].any())
        self.assertIsNone(rest)
        self.assertEqual(first.tolist(), again.tolist())

    def test_other_rate(self) -> None:
        """A stream of which the codec changes is at another rate from then on."""
        mixdown = Mixdown(16000)
        wide = np.arange(1600, dtype=np.int16)
        (one,) = mixdown.channels({0: Played(16000, wide)}, CHANNEL, 1600)
        (two,) = mixdown.channels({0: Played(48000, np.tile(wide, 3))}, CHANNEL, 1600)
        (three,) = mixdown.channels({0: Played(8000, wide[:800])}, CHANNEL, 1600)
        self.assertIs(one, wide)
        assert two is not None and three is not None
        self.assertEqual((len(two), len(three)), (1600, 1600))
