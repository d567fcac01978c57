"""Audio in the place of lost packets."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.concealment import Concealment
from twisted_siprec.audio.samples import NO_SAMPLES, Samples


def voice(count: int, rate: int = 8000, hz: float = 125.0, start: int = 0) -> Samples:
    """A tone with harmonics, as vowels have them."""
    turns = (np.arange(start, start + count)) * hz / rate * 2 * np.pi
    wave = np.sin(turns) + 0.5 * np.sin(2 * turns + 1) + 0.25 * np.sin(5 * turns + 2)
    return (4000 * wave).astype(np.int16)


def level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2))) if len(samples) else 0.0


class RepetitionTests(SynchronousTestCase):
    """A single loss in something periodic."""

    def test_goes_on(self) -> None:
        """For 10 ms a vowel is repeated as if nothing had been lost, at any rate and pitch."""
        for rate in (8000, 16000, 44100, 48000):
            for hz in (80.0, 125.0, 190.0):
                concealment = Concealment(rate)
                ms = rate // 1000
                concealment.good(voice(60 * ms, rate, hz))
                replaced = concealment.lost(10 * ms)
                wanted = voice(10 * ms, rate, hz, start=60 * ms)
                self.assertEqual(len(replaced), 10 * ms)
                self.assertLess(level(replaced - wanted), 0.12 * level(wanted), (rate, hz))

    def test_exact_period(self) -> None:
        """What repeats itself to the sample goes on to the sample."""
        cycle = voice(64)
        concealment = Concealment(8000)
        concealment.good(np.tile(cycle, 7))
        wanted = np.tile(cycle, 2)[:80]
        self.assertEqual(concealment.lost(80).tolist(), wanted.tolist())

    def test_fades(self) -> None:
        """Full for 10 ms, a fifth less every 10 ms from then on, nothing after 60 ms."""
        concealment = Concealment(8000)
        concealment.good(np.tile(voice(80), 5))
        replaced = concealment.lost(1000)
        self.assertEqual(len(replaced), 480)
        full = level(voice(80))
        levels = [level(replaced[at : at + 80]) / full for at in range(0, 480, 80)]
        for found, wanted in zip(levels, (1.0, 0.9, 0.7, 0.5, 0.3, 0.1), strict=True):
            self.assertApproximates(found, wanted, 0.03)
        self.assertEqual(len(concealment.lost(80)), 0)

    def test_longer_cycles(self) -> None:
        """From 10 ms on two periods are repeated, from 20 ms on three, so that it does not buzz."""
        cycles = [voice(80) // divisor for divisor in (4, 2, 1)]
        concealment = Concealment(8000)
        concealment.good(np.concatenate([cycles[0], *cycles]))
        replaced = concealment.lost(320)
        gain = np.concatenate([np.ones(80), np.linspace(1, 0, 400, endpoint=False)])
        parts = [
            level(replaced[at + 25 : at + 55] / gain[at + 25 : at + 55]) for at in (0, 80, 160)
        ]
        loud = level(voice(80)[25:55])
        for found, wanted in zip(parts, (1.0, 0.5, 0.25), strict=True):
            self.assertApproximates(found / loud, wanted, 0.1)

    def test_no_click(self) -> None:
        """The repetition begins at the value that was heard last."""
        for end in range(400, 480, 7):
            concealment = Concealment(8000)
            heard = voice(end, hz=113.0)
            concealment.good(heard)
            replaced = concealment.lost(160)
            steepest = int(np.abs(np.diff(voice(800, hz=113.0).astype(int))).max())
            joined = np.abs(np.diff(np.concatenate([heard[-1:], replaced]).astype(int))).max()
            self.assertLess(joined, 1.3 * steepest)

    def test_span_by_span(self) -> None:
        """It does not matter in how many pieces a loss is asked for."""
        whole, pieces = Concealment(8000), Concealment(8000)
        for concealment in (whole, pieces):
            concealment.good(voice(800))
        wanted = whole.lost(600)
        found = np.concatenate([pieces.lost(count) for count in (1, 79, 160, 240, 120)])
        self.assertEqual(found.tolist(), wanted.tolist())


class RecoveryTests(SynchronousTestCase):
    """Good samples come again."""

    def setUp(self) -> None:
        self.concealment = Concealment(8000)
        self.concealment.good(voice(800))

    def test_untouched(self) -> None:
        """What came is passed on as it is: the same array, where nothing was lost before it."""
        samples = voice(160, start=800)
        self.assertIs(self.concealment.good(samples), samples)
        self.assertIs(self.concealment.good(NO_SAMPLES), NO_SAMPLES)

    def test_overlap(self) -> None:
        """
        The repetition fades out under a quarter of a period (16 samples of 64)
        after 10 ms, under 4 ms more for each 10 ms more, at most under 10 ms.
        """
        for lost_ms, overlap in ((10, 16), (11, 48), (20, 48), (30, 80), (40, 80), (100, 80)):
            concealment = Concealment(8000)
            concealment.good(np.tile(voice(64), 8))
            concealment.lost(lost_ms * 8)
            samples = np.full(160, 30000, dtype=np.int16)
            merged = concealment.good(samples)
            self.assertEqual(int(np.flatnonzero(merged != samples)[-1]) + 1, overlap, lost_ms)
            self.assertTrue((samples == 30000).all())

    def test_short(self) -> None:
        """Fewer good samples than the overlap are blended as they are, and no more follow."""
        self.concealment.lost(160)
        self.assertEqual(len(self.concealment.good(voice(10))), 10)
        samples = voice(160)
        self.assertIs(self.concealment.good(samples), samples)

    def test_from_silence(self) -> None:
        """After a long loss the first good samples are faded in."""
        self.concealment.lost(4000)
        merged = self.concealment.good(np.full(160, 8100, dtype=np.int16))
        self.assertEqual(merged[:80].tolist(), [100 * (n + 1) for n in range(80)])
        self.assertEqual(merged[80:].tolist(), [8100] * 80)

    def test_again(self) -> None:
        """A second loss repeats what was played, the first replacement too."""
        first = self.concealment.lost(160)
        self.concealment.good(voice(160, start=960))
        second = self.concealment.lost(160)
        self.assertApproximates(level(second[:80]), level(first[:80]), 300)

    def test_loss_is_remembered_as_silence(self) -> None:
        """Where all of the last 20 ms was silent, there is nothing to repeat."""
        self.concealment.lost(480 + 160)
        self.concealment.good(np.zeros(1, dtype=np.int16))
        self.assertEqual(len(self.concealment.lost(160)), 0)


class NothingToRepeatTests(SynchronousTestCase):
    """Losses that stay silent."""

    def test_first(self) -> None:
        """Before 10 ms of audio there is nothing to repeat; with just that much, there is."""
        concealment = Concealment(8000)
        self.assertEqual(len(concealment.lost(160)), 0)
        concealment = Concealment(8000)
        concealment.good(voice(79))
        self.assertEqual(len(concealment.lost(160)), 0)
        concealment = Concealment(8000)
        concealment.good(voice(80))
        self.assertEqual(len(concealment.lost(160)), 160)

    def test_silent(self) -> None:
        """What was heard before a silence of the source is not repeated after it."""
        concealment = Concealment(8000)
        concealment.good(voice(800))
        concealment.silent()
        self.assertEqual(len(concealment.lost(160)), 0)

    def test_silence(self) -> None:
        """Digital silence is not repeated: it is there already."""
        concealment = Concealment(8000)
        concealment.good(np.zeros(800, dtype=np.int16))
        self.assertEqual(len(concealment.lost(160)), 0)

    def test_silent_in_a_loss(self) -> None:
        """When a source that was lost turns out to be silent, what follows is not merged."""
        concealment = Concealment(8000)
        concealment.good(voice(800))
        concealment.lost(160)
        concealment.silent()
        samples = voice(160)
        self.assertIs(concealment.good(samples), samples)


class AnythingTests(SynchronousTestCase):
    """Whatever comes, and however it is lost."""

    @settings(deadline=None, max_examples=60)
    @given(
        st.sampled_from([8000, 11025, 16000, 48000]),
        st.lists(st.tuples(st.booleans(), st.integers(0, 700)), max_size=12),
        st.integers(0, 2**32 - 1),
    )
    def test_lengths(self, rate: int, parts: list[tuple[bool, int]], seed: int) -> None:
        """Good spans keep their length, no loss gives more than was lost, nothing overflows."""
        lots = np.random.default_rng(seed)
        concealment = Concealment(rate)
        for good, count in parts:
            if good:
                samples = lots.choice([-32768, 32767], count).astype(np.int16)
                merged = concealment.good(samples)
                self.assertEqual((len(merged), merged.dtype), (count, np.int16))
            else:
                replaced = concealment.lost(count)
                self.assertLessEqual(len(replaced), min(count, rate * 6 // 100))
                self.assertEqual(replaced.dtype, np.int16)
