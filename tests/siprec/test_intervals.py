"""
Spans that are told piece by piece.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.document import Interval
from twisted_siprec.siprec.intervals import (
    MAX_INTERVALS,
    beginning_of,
    end_of,
    ended,
    extended,
)

OPEN = (Interval("1"),)
CLOSED = (Interval("1", "2"),)


class ExtendedTests(SynchronousTestCase):
    """What an association adds to what is known."""

    def test_first(self) -> None:
        """The first one is what it says."""
        self.assertEqual(extended((), Interval(), "9"), (Interval(),))

    def test_said_again(self) -> None:
        """A known beginning is the same span, whichever it is."""
        self.assertEqual(extended(OPEN, Interval("1", "2"), "9"), CLOSED)
        twice = (*CLOSED, Interval("3"))
        self.assertEqual(extended(twice, Interval("1", "2"), "9"), twice)

    def test_corrected(self) -> None:
        """Another beginning of one that goes on corrects it."""
        self.assertEqual(extended(OPEN, Interval("0"), "9"), (Interval("0"),))

    def test_back(self) -> None:
        """A beginning after the end is a second span; without a time it is now."""
        self.assertEqual(extended(CLOSED, Interval("3"), "9"), (*CLOSED, Interval("3")))
        self.assertEqual(extended(CLOSED, Interval(), "9"), (*CLOSED, Interval("9")))

    def test_without_beginning(self) -> None:
        """An end alone ends the last one, or corrects its end; nothing at all changes nothing."""
        self.assertEqual(extended(OPEN, Interval(None, "2"), "9"), CLOSED)
        self.assertEqual(extended(CLOSED, Interval(None, "4"), "9"), (Interval("1", "4"),))
        self.assertEqual(extended(OPEN, Interval(), "9"), OPEN)

    def test_bounded(self) -> None:
        """The oldest are forgotten."""
        known: tuple[Interval, ...] = ()
        for number in range(40):
            known = extended(known, Interval(f"{number:02}", f"{number:02}"), "9")
        self.assertEqual((len(known), known[-1].begins), (MAX_INTERVALS, "39"))


class EdgesTests(SynchronousTestCase):
    """Beginning and end."""

    def test_ended(self) -> None:
        """Only what goes on is ended."""
        self.assertEqual(ended((*CLOSED, Interval("3")), "9"), (*CLOSED, Interval("3", "9")))

    def test_edges(self) -> None:
        """The first beginning that is known, and the end of the last."""
        known = (Interval(None, "2"), Interval("3"))
        self.assertEqual((beginning_of(known), end_of(known)), ("3", None))
        self.assertEqual((beginning_of(()), end_of(())), (None, None))
