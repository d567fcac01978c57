"""
The loop around a core.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.driver import Driver


class Echo:
    """A core that gives what it is told, and wakes when it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.deadline: float | None = None
        self.expired: list[float] = []
        self.fails = False

    def tell(self, word: str, now: float) -> str:
        """An input with a result."""
        self.told.append(f"{word} at {now:g}")
        return word.upper()

    def wake(self, at: float, now: float) -> None:
        """An input that sets the deadline."""
        self.deadline = at

    def fail(self, now: float) -> None:
        """An input that is misused."""
        self.told.append("before the fault")
        raise ValueError("no")

    def outputs(self) -> list[str]:
        """What was told."""
        told, self.told = self.told, []
        return told

    def next_deadline(self) -> float | None:
        """The deadline."""
        return self.deadline

    def expire(self, now: float) -> None:
        """The deadline has come."""
        self.expired.append(now)
        if self.fails:
            raise ValueError("at the deadline")
        self.deadline = None
        self.told.append("expired")


class DriverTests(SynchronousTestCase):
    """Mutate, drain, re-arm."""

    def setUp(self) -> None:
        """A driver of a core that echoes."""
        self.clock = Clock()
        self.core = Echo()
        self.done: list[str] = []
        self.driver: Driver[str] = Driver(self.core, self.clock, self.do)

    def do(self, output: str) -> None:
        """Do what the core wants; some words have consequences."""
        self.done.append(output)
        if output.startswith("again"):
            self.driver.run(self.core.tell, "nested")
            self.done.append("after nested")
        if output.startswith("bad"):
            raise RuntimeError("while doing")

    def test_run(self) -> None:
        """The core gets the time, the caller the result, and the outputs are done."""
        self.clock.advance(2)
        self.assertEqual(self.driver.run(self.core.tell, "word"), "WORD")
        self.assertEqual(self.done, ["word at 2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nested(self) -> None:
        """What comes of an output is done after it."""
        self.driver.run(self.core.tell, "again")
        self.assertEqual(self.done, ["again at 0", "after nested", "nested at 0"])

    def test_timer(self) -> None:
        """One timer, for the next deadline; the core is woken then."""
        self.driver.run(self.core.wake, 5.0)
        self.driver.run(self.core.wake, 3.0)
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [3.0])
        self.clock.advance(3)
        self.assertEqual((self.core.expired, self.done), ([3.0], ["expired"]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_timer_is_dropped(self) -> None:
        """A core that wants nothing any more is not woken."""
        self.driver.run(self.core.wake, 5.0)
        self.driver.run(self.core.wake, None)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_deadline_in_the_past(self) -> None:
        """A deadline that has passed is due at once."""
        self.clock.advance(10)
        self.driver.run(self.core.wake, 5.0)
        self.clock.advance(0)
        self.assertEqual(self.core.expired, [10.0])

    def test_rounding(self) -> None:
        """The core is never woken a rounding error before its deadline."""
        self.clock.advance(0.1)
        self.driver.run(self.core.wake, 0.1 + 0.2)
        self.clock.advance(0.2)
        self.clock.advance(1e-9)
        self.assertEqual(len(self.core.expired), 1)
        self.assertGreaterEqual(self.core.expired[0], 0.1 + 0.2)

    def test_fault_of_an_output(self) -> None:
        """A fault while an output is done is logged once and costs that output only."""
        self.driver.run(self.core.tell, "bad")
        self.driver.run(self.core.tell, "good")
        self.assertEqual(self.done, ["bad at 0", "good at 0"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_fault_of_an_input(self) -> None:
        """The caller gets what the core raises; the outputs are done all the same."""
        self.assertRaises(ValueError, self.driver.run, self.core.fail)
        self.assertEqual(self.done, ["before the fault"])

    def test_attempt(self) -> None:
        """What comes from the network has no caller: its fault is logged once."""
        self.driver.attempt(self.core.fail)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_fault_at_a_deadline(self) -> None:
        """A core that fails at its deadline is woken again a second later, not for ever."""
        self.core.fails = True
        self.driver.run(self.core.wake, 1.0)
        self.clock.advance(1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.clock.advance(0.9)
        self.assertEqual(self.core.expired, [1.0])
        self.core.fails = False
        self.clock.advance(0.1)
        self.assertEqual(len(self.core.expired), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """A stopped driver wakes its core no more; stopping twice is allowed."""
        self.driver.run(self.core.wake, 5.0)
        self.driver.stop()
        self.driver.stop()
        self.driver.run(self.core.wake, 6.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
