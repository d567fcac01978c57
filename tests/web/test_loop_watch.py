"""
How late the event loop is.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.web.loop_watch import LoopWatch


class LoopWatchTests(SynchronousTestCase):
    """A timer, and by how much it was missed."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.late: list[float] = []
        self.watch = LoopWatch(self.clock, self.late.append, 0.25)

    def test_lateness(self) -> None:
        """What is measured is the time after the timer was due, again and again."""
        self.watch.start()
        self.watch.start()
        self.clock.advance(0.25)
        self.clock.advance(0.75)
        self.clock.advance(0.25)
        self.assertEqual(self.late, [0.0, 0.5, 0.0])

    def test_stop(self) -> None:
        """Stopped, it measures nothing and leaves no timer, and may be stopped again."""
        self.watch.start()
        self.watch.stop()
        self.watch.stop()
        self.clock.advance(1)
        self.assertEqual((self.late, self.clock.getDelayedCalls()), ([], []))
