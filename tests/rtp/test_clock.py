"""What sender reports say of a clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.clock import SenderClock

NTP = 3_900_000_000


class SenderClockTests(SynchronousTestCase):
    """Reports every 5 s."""

    def setUp(self) -> None:
        self.clock = SenderClock(8000)

    def report(self, at: float, wrong_s: float = 0.0, ticks: int = 0, late_s: float = 0.0) -> bool:
        """A report of a time; whether it is believed."""
        ntp = int((NTP + at + wrong_s) * 2**32)
        self.clock.receive(ntp, 1000 + round(8000 * at) + ticks, 50.0 + at + late_s)
        return self.clock.believed is not None

    def test_two_agree(self) -> None:
        """One report is hearsay; the second says the same, and is believed."""
        self.assertEqual([self.report(at) for at in (0, 5)], [False, True])
        self.assertEqual(self.clock.believed, (NTP + 5.0, 41_000))
        self.assertTrue(self.report(10, late_s=0.3))
        self.assertEqual(self.clock.believed, (NTP + 10.0, 81_000))

    def test_nonsense(self) -> None:
        """Clocks that leap, stand still or go back take the belief away, and two bring it back."""
        for wrong in ({"wrong_s": 1.0}, {"ticks": 400}, {"wrong_s": -5.0}, {"late_s": 9.0}):
            self.setUp()
            believed = [self.report(0), self.report(5), self.report(10, **wrong)]  # type: ignore[arg-type]
            self.assertEqual(believed, [False, True, False], wrong)
            believed = [self.report(at, **wrong) for at in (15, 20)]  # type: ignore[arg-type]
            self.assertEqual(believed, [True, True], wrong)

    def test_no_wall_clock(self) -> None:
        """A sender without a wall clock says 0, and nothing is believed of it."""
        for at in (0, 5, 10, 15):
            self.clock.receive(0, 1000 + 8000 * at, 50.0 + at)
            self.assertIsNone(self.clock.believed)

    def test_notorious(self) -> None:
        """After three times nonsense nothing more is believed."""
        for at in (0, 10, 20, 30):
            self.report(at, wrong_s=float(at))
        self.assertEqual([self.report(at) for at in (35, 40, 45)], [False] * 3)
