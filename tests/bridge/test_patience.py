"""How long a chunk waits."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.patience import Patience
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS


class PatienceTests(SynchronousTestCase):
    """From 60 to 250 ms."""

    def setUp(self) -> None:
        self.patience = Patience(60, 250)

    def wait_ms(self) -> float:
        return round(self.patience.wait_s * 1000, 3)

    def test_late(self) -> None:
        """A late packet makes it longer at once, by 10 ms more than it was late, within bounds."""
        for lateness, wait_ms in (
            ([], 60),
            ([0, 0], 60),
            ([20], 60),
            ([90, 70], 100),
            ([2000], 250),
        ):
            self.patience.lengthen(late * MS for late in lateness)
            self.assertEqual(self.wait_ms(), wait_ms, lateness)

    def test_review(self) -> None:
        """It grows to what was seen of the worst stream, and shrinks a quarter at a time."""
        self.patience.review([130 * MS, 20 * MS, None])
        self.assertEqual(self.wait_ms(), 140)
        waits = []
        for _ in range(20):
            self.patience.review([5 * MS])
            waits.append(self.wait_ms())
        self.assertEqual(waits[:3], [120, 105, 93.75])
        self.assertEqual(waits[-1], 60)
        self.patience.review([None])
        self.patience.review([])
        self.assertEqual(self.wait_ms(), 60)

    def test_fixed(self) -> None:
        """A most that is not more than the least is a wait that is always the same."""
        self.patience = Patience(60, 0)
        self.patience.lengthen([500 * MS])
        self.patience.review([500 * MS])
        self.assertEqual(self.wait_ms(), 60)
