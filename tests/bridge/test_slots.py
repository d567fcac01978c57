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
        delays = [self.slots.begin(str(n), 1.0, 0.1) for n in range(6)]
        self.assertEqual(delays, [0.0, 0.01, 0.02, 0.0, 0.01, 0.02])
        self.assertEqual(self.slots.due(1.0), ["0", "3"])

    def test_gathered(self) -> None:
        """Up to so many come together; those that are more are spread."""
        self.slots = Slots(10, 3, together=4)
        delays = [self.slots.begin(str(n), 1.0, 0.1) for n in range(14)]
        self.assertEqual(delays, [0.0] * 4 + [0.01] * 4 + [0.02] * 4 + [0.0, 0.01])
        # Who begins a little earlier, or later, comes to those that are there.
        self.slots = Slots(10, 3, together=4)
        self.slots.begin("a", 1.02, 0.1)
        self.assertEqual(self.slots.begin("b", 1.0, 0.1), 0.02)
        self.assertEqual(self.slots.begin("c", 1.03, 0.1), 0.0)

    def test_spread_by_phase(self) -> None:
        """Those count that will come in the same slot, though they are due rounds before."""
        self.slots.begin("a", 0.9, 0.1)
        self.slots.begin("often", 0.92, 0.02)
        self.assertEqual(self.slots.begin("b", 1.2, 0.1), 0.01)
        self.slots.cancel("a")
        self.slots.cancel("often")
        self.assertEqual(self.slots.begin("c", 1.2, 0.1), 0.0)

    def test_even_as_calls_come_and_go(self) -> None:
        """Where calls begin in two phases only, three times as many phases stay even."""
        begun: list[tuple[str, float]] = []
        for number in range(600):
            at = 1.0 + number * 0.1 + 0.05 * (number % 2)
            begun.append((str(number), at + self.slots.begin(str(number), at, 0.1)))
            if number >= 60:
                # The call before the sixtieth ends, and all that go on come again.
                self.slots.cancel(str(number - 60))
        going_on = begun[-60:]
        phases = [round(at * 100) % 10 for _, at in going_on]
        self.assertEqual(
            {phase: phases.count(phase) for phase in sorted(set(phases))},
            {0: 10, 1: 10, 2: 10, 5: 10, 6: 10, 7: 10},
        )

    def test_phase_that_moves(self) -> None:
        """One whose deadlines move on counts where it comes now."""
        self.slots.begin("a", 1.0, 0.1)
        self.slots.schedule("a", 1.11)
        self.assertEqual(self.slots.begin("b", 2.0, 0.1), 0.0)
        self.assertEqual(self.slots.begin("c", 2.01, 0.1), 0.01)

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
