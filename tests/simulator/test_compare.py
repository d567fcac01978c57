from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.compare import compare, compare_mix, liken, locate
from twisted_siprec.simulator.speech import Samples


def noise(length: int, seed: int) -> Samples:
    """A signal that is like nothing but itself."""
    generator = np.random.default_rng(seed)
    return generator.integers(-30_000, 30_000, length).astype(np.int16)


class CompareTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.sent = noise(2000, 1)
        self.received = np.concatenate((np.zeros(37, np.int16), self.sent, np.zeros(5, np.int16)))

    def test_equal(self) -> None:
        """What came whole is found and is equal."""
        result = compare("caller", self.sent, self.received)
        self.assertTrue(result.equal)
        self.assertEqual(str(result), "caller: all 2000 samples equal, from position 37")

    def test_one_sample(self) -> None:
        """One sample that differs by one is enough."""
        self.received[37 + 500] += 1
        result = compare("caller", self.sent, self.received)
        self.assertFalse(result.equal)
        self.assertEqual(str(result), "caller: 1 of 2000 samples differ, the first at 500")

    def test_cut_off(self) -> None:
        """A missing end and a missing beginning are differences."""
        end = compare("a", self.sent, self.received[:1000])
        self.assertEqual((end.different, end.first_difference), (1037, 963))
        start = compare("a", self.sent, self.received[137:])
        self.assertEqual((start.offset, start.different, start.first_difference), (-100, 100, 0))

    def test_removed(self) -> None:
        """Samples that were cut out of the middle move the rest, which is then different."""
        result = compare("a", self.sent, np.delete(self.received, slice(1500, 1510)))
        self.assertGreater(result.different, 400)

    def test_beyond(self) -> None:
        """Something where there should be silence is told."""
        self.received[3] = 1
        result = compare("a", self.sent, self.received)
        self.assertEqual((result.different, result.beyond, result.equal), (0, 1, False))
        self.assertEqual(str(result), "a: 1 samples that nobody sent")

    def test_nothing(self) -> None:
        """Nothing received is all of it missing."""
        self.assertEqual(compare("a", self.sent, self.received[:0]).different, 2000)

    def test_mix(self) -> None:
        """A mono mix is the saturating sum of both, wherever each of them begins."""
        other = noise(1500, 2)
        mix = np.zeros(2200, np.int32)
        mix[10:2010] += self.sent
        mix[100:1600] += other
        mixed = np.clip(mix, -32768, 32767).astype(np.int16)
        self.assertTrue(compare_mix("mix", (self.sent, other), mixed).equal)
        wrapped = mix.astype(np.int16)
        self.assertFalse(compare_mix("mix", (self.sent, other), wrapped).equal)


class LocateTests(SynchronousTestCase):
    def test_constant(self) -> None:
        """A constant besides the signal, as silence is in A-law, does not lead astray."""
        sent = np.concatenate((np.full(500, 8, np.int16), noise(200, 3) // 100))
        received = np.concatenate((np.zeros(123, np.int16), sent))
        self.assertEqual(locate(sent, received), 123)


class LikenTests(SynchronousTestCase):
    def setUp(self) -> None:
        times = np.arange(24_000) / 24_000
        self.sent = (8000 * np.sin(2 * np.pi * (200 + 800 * times) * times)).astype(np.int16)

    def test_alike(self) -> None:
        """What nobody can hear makes no difference, and where it begins is found."""
        delayed = np.concatenate((np.zeros(84, np.int16), self.sent + np.int16(2)))
        result = liken("caller", self.sent, delayed, 0.3)
        self.assertTrue(result.equal)
        self.assertEqual((result.offset, result.samples), (84, 24_000))
        self.assertRegex(
            str(result),
            "caller: 24000 samples, the difference [67]. dB below them, from position 84",
        )

    def test_band(self) -> None:
        """Beyond the band anything may be; within it nothing else."""
        high = (300 * np.sin(np.arange(24_000) * 2.5)).astype(np.int16)
        self.assertTrue(liken("a", self.sent, self.sent + high, 0.5).equal)
        self.assertFalse(liken("a", self.sent, self.sent + high, 0.9).equal)

    def test_missing(self) -> None:
        """A lost packet, a hole at the beginning, and nothing at all are differences."""
        hole = self.sent.copy()
        hole[9000:9480] = 0
        for received in (hole, self.sent[700:], self.sent[:0]):
            self.assertFalse(liken("a", self.sent, received, 0.5).equal)
