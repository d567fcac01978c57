"""Streams side by side, by the clocks of their sources."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.alignment import SourceClock, targets
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS


class AlignmentTests(SynchronousTestCase):
    """Where streams belong."""

    def place(self, *clocks: tuple[float, str | None, str]) -> list[float]:
        """In ms, for origins in ms."""
        known = {
            index: SourceClock(int(origin * MS), cname, host)
            for index, (origin, cname, host) in enumerate(clocks)
        }
        return [target / MS for target in targets(known).values()]

    def test_least_held_back(self) -> None:
        """All are moved to the one whose packets come soonest."""
        self.assertEqual(
            self.place((30, "a", "h1"), (0, "a", "h2"), (120, "a", "h3")), [-30, 0, -120]
        )

    def test_near(self) -> None:
        """What is right within 4 ms is left alone."""
        self.assertEqual(self.place((0, "a", "h"), (4, "a", "h"), (4.5, "a", "h")), [0, 0, -4.5])

    def test_bounds(self) -> None:
        """200 ms by a common name, 60 by a host in common, nothing by neither."""
        for other, wanted in (
            ((200, "a", "h2"), -200),
            ((201, "a", "h2"), 0),
            ((60, "b", "h1"), -60),
            ((61, "b", "h1"), 0),
            ((50, None, "h1"), -50),
            ((50, "b", "h2"), 0),
            ((50, None, "h2"), 0),
        ):
            self.assertEqual(self.place((0, "a", "h1"), other), [0, wanted], other)
        self.assertEqual(self.place((0, None, "h1"), (20, None, "h2")), [0, 0])
