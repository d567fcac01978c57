"""Units, and the drift of clocks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.timeline import (
    UNITS_PER_MS,
    UNITS_PER_SECOND,
    Drift,
    on_grid,
    seconds,
    units_per_sample,
)


class UnitsTests(SynchronousTestCase):
    """Integers for every rate."""

    def test_rates(self) -> None:
        """A second is a whole number of samples of each rate, and of milliseconds."""
        for rate in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000):
            self.assertEqual(units_per_sample(rate) * rate, UNITS_PER_SECOND)
        self.assertEqual(UNITS_PER_MS * 1000, UNITS_PER_SECOND)
        self.assertRaises(LookupError, units_per_sample, 96001)

    def test_grid(self) -> None:
        """An arrival lies on a sample of 8000 Hz."""
        self.assertEqual(on_grid(0.00020), 2 * units_per_sample(8000))
        self.assertEqual(seconds(on_grid(1.5)), 1.5)


class DriftTests(SynchronousTestCase):
    """A source whose clock is not ours."""

    def follow(self, ppm: float, jitter_ms: int = 0, minutes: int = 10) -> tuple[Drift, int]:
        """A source of 20 ms packets and a chunk each 100 ms; the largest delay after all."""
        drift = Drift(units_per_sample(8000), 5 * UNITS_PER_SECOND, 15 * UNITS_PER_MS)
        offset, most = 0, 0
        for number in range(minutes * 60 * 50):
            arrival = int(number * 20 * UNITS_PER_MS * (1 + ppm / 1e6))
            delayed = arrival + (number % 7) * jitter_ms * UNITS_PER_MS // 7
            transit = delayed - (number * 20 * UNITS_PER_MS + offset)
            drift.observe(transit, delayed)
            most = max(most, abs(arrival - number * 20 * UNITS_PER_MS - offset))
            if number % 5 == 0:
                offset += drift.slip()
        return drift, most

    def test_slow_and_fast(self) -> None:
        """200 ppm either way never leave the tolerance by more than two windows' worth."""
        for ppm in (200.0, -200.0):
            drift, most = self.follow(ppm)
            self.assertLess(most, 17.1 * UNITS_PER_MS)
            self.assertLess(abs(drift.ppm - ppm), 2)
            self.assertNotEqual(drift.moved, 0)

    def test_jitter(self) -> None:
        """Jitter is not drift: nothing is moved."""
        drift, _ = self.follow(0.0, jitter_ms=40)
        self.assertEqual((drift.moved, drift.slip()), (0, 0))
        self.assertLess(abs(drift.ppm), 1)

    def test_start_stall(self) -> None:
        """A first packet that comes 40 ms later than the rest is no drift: nothing is moved."""
        drift = Drift(units_per_sample(8000), 5 * UNITS_PER_SECOND, 15 * UNITS_PER_MS)
        drift.observe(0, 0)
        for number in range(1, 1500):
            drift.observe(-40 * UNITS_PER_MS, number * 20 * UNITS_PER_MS)
            self.assertEqual(drift.slip(), 0)
        self.assertEqual((drift.moved, drift.ppm), (0, 0.0))
