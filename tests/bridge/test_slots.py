"""The wheel of slots."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.slots import Slots


class SlotsTests(SynchronousTestCase):
    """Slots of 10 ms, spread over three."""

    def setUp(self) -> None:
        self.slots = Slots(10, 3)

    def test_due(self) -> None:
        """A key is due in the first slot that begins at or after its deadline, and once."""
        self.slots.schedule("a", 1.000)
        self.slots.schedule("b", 1.001)
        self.assertEqual(self.slots.next_deadline(), 1.0)
        self.assertEqual(self.slots.due(0.999), [])
        self.assertEqual(self.slots.due(1.0), ["a"])
        self.assertEqual(self.slots.due(1.009), [])
        self.assertEqual(self.slots.due(1.01), ["b"])
        self.assertIsNone(self.slots.next_deadline())
        self.assertEqual(len(self.slots), 0)

    def test_stall(self) -> None:
        """After a stall all missed slots are made up for, in their order."""
        for key, deadline in (("c", 3.0), ("a", 1.0), ("d", 9.0), ("b", 2.0)):
            self.slots.schedule(key, deadline)
        self.assertEqual(self.slots.due(5.0), ["a", "b", "c"])
        self.assertEqual(self.slots.next_deadline(), 9.0)

    def test_rounding(self) -> None:
        """A deadline that is a slot's beginning but for the last bit is in that slot."""
        for number in range(1, 2000):
            self.slots.schedule("a", number * 0.1)
            self.assertEqual(self.slots.due(number * 0.1), ["a"], number)

    def test_spread(self) -> None:
        """Those that begin together are spread evenly, and told by how much."""
        delays = [self.slots.schedule(str(n), 1.0, spread=True) for n in range(6)]
        self.assertEqual(delays, [0.0, 0.01, 0.02, 0.0, 0.01, 0.02])
        self.assertEqual(self.slots.due(1.0), ["0", "3"])

    def test_again(self) -> None:
        """A key has one slot: the last one that was asked for, or none."""
        self.slots.schedule("a", 1.0)
        self.slots.schedule("a", 2.0)
        self.assertEqual(self.slots.due(1.5), [])
        self.slots.cancel("a")
        self.slots.cancel("a")
        self.assertEqual(self.slots.due(9.0), [])

    def test_cancel_one_of_two(self) -> None:
        """Another key of the same slot stays."""
        self.slots.schedule("a", 1.0)
        self.slots.schedule("b", 1.0)
        self.slots.cancel("a")
        self.assertEqual(self.slots.due(1.0), ["b"])
