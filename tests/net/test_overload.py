"""
A late event loop.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.overload import Overload


class OverloadTests(SynchronousTestCase):
    """When new calls are refused, and when no longer."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[bool] = []
        self.overload = Overload(self.clock, 0.5, self.told.append)
        self.overload.start()

    def turns(self, *late_s: float) -> None:
        """Turns of the loop, each so late."""
        for late in late_s:
            self.clock.advance(0.1 + late)

    def test_in_time(self) -> None:
        """A loop that is in time, or nearly so, is well."""
        self.turns(*([0.0, 0.3] * 50))
        self.assertEqual(self.told, [])
        self.assertLess(self.overload.lateness_s, 0.3)

    def test_one_stall(self) -> None:
        """One stall alone is no overload."""
        self.turns(0, 0, 1.5, 0, 0)
        self.assertEqual(self.told, [])

    def test_overloaded(self) -> None:
        """Late time after time it is, until it is well below the limit."""
        self.turns(0.8, 0.8, 0.8, 0.8)
        self.assertEqual(self.told, [True])
        self.turns(0.4, 0.4, 0.4, 0.4)
        self.assertEqual(self.told, [True])
        self.turns(0.1, 0.1, 0.1, 0.1)
        self.assertEqual(self.told, [True, False])

    def test_no_limit(self) -> None:
        """Without a limit nothing is too late, be it set while it is."""
        self.turns(*[2.0] * 5)
        self.overload.change(0.0)
        self.assertEqual(self.told, [True, False])
        self.turns(*[2.0] * 5)
        self.assertEqual(self.told, [True, False])

    def test_stop(self) -> None:
        """It measures once at a time, and no more when it is stopped."""
        self.overload.start()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.overload.stop()
        self.overload.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
