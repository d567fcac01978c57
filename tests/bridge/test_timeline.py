"""Units of time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.timeline import (
    UNITS_PER_MS,
    UNITS_PER_SECOND,
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
