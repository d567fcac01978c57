"""
Deadlines by key.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.agenda import Agenda


class AgendaTests(SynchronousTestCase):
    """What is due next."""

    def test_order(self) -> None:
        """Keys come due in the order of their deadlines, once."""
        agenda: Agenda[str] = Agenda()
        agenda.set("b", 2.0)
        agenda.set("a", 1.0)
        agenda.set("c", 3.0)
        self.assertEqual(agenda.next_deadline(), 1.0)
        self.assertEqual(agenda.due(2.0), ["a", "b"])
        self.assertEqual(agenda.due(2.0), [])
        self.assertEqual(len(agenda), 1)

    def test_moved(self) -> None:
        """The last deadline of a key counts; None takes it off."""
        agenda: Agenda[str] = Agenda()
        agenda.set("a", 1.0)
        agenda.set("a", 5.0)
        agenda.set("b", 2.0)
        agenda.set("b", None)
        agenda.set("c", None)
        self.assertEqual(agenda.due(4.0), [])
        self.assertEqual(agenda.next_deadline(), 5.0)
        self.assertEqual(agenda.due(5.0), ["a"])
        self.assertIsNone(agenda.next_deadline())

    def test_bounded(self) -> None:
        """However often deadlines move, the heap stays small and right."""
        agenda: Agenda[str] = Agenda()
        for turn in range(1000):
            agenda.set("a", 10.0 + turn)
            agenda.set("b", 20.0 + turn)
        self.assertLessEqual(len(agenda._heap), 70)
        self.assertEqual(agenda.due(1009.0), ["a"])
        self.assertEqual(agenda.due(1019.0), ["b"])
