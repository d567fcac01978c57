"""
How many calls are taken.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.routing import Intake


class IntakeTests(SynchronousTestCase):
    """Limits on calls in progress and on new ones."""

    def refusal(self, intake: Intake, now: float) -> tuple[int, str, tuple[tuple[str, str], ...]]:
        error = intake.admit(now)
        assert error is not None
        return error.status, error.reason, error.headers

    def test_calls(self) -> None:
        """The limit is reached, refused with 503 and Retry-After, and freed again."""
        intake = Intake(2, retry_after_s=7)
        self.assertEqual([intake.admit(0.0), intake.admit(0.0)], [None, None])
        self.assertEqual(
            self.refusal(intake, 0.0), (503, "Too Many Calls", (("Retry-After", "7"),))
        )
        self.assertEqual((intake.calls, intake.refused), (2, 1))
        intake.leave()
        self.assertIs(intake.admit(0.0), None)

    def test_rate(self) -> None:
        """A second's calls may come at once; then they come at the rate."""
        intake = Intake(100, calls_per_second=2.0)
        self.assertEqual([intake.admit(10.0), intake.admit(10.0)], [None, None])
        self.assertEqual(self.refusal(intake, 10.0)[:2], (503, "Too Many New Calls"))
        self.assertEqual(self.refusal(intake, 10.4)[:2], (503, "Too Many New Calls"))
        self.assertIs(intake.admit(10.5), None)
        self.assertEqual(self.refusal(intake, 10.5)[:2], (503, "Too Many New Calls"))
        self.assertEqual(
            [intake.admit(100.0) is None for _ in range(3)],
            [True, True, False],
            "a long pause does not save up more than a second's calls",
        )

    def test_slow_rate(self) -> None:
        """Less than one call a second is a rate too."""
        intake = Intake(100, calls_per_second=0.5)
        self.assertIs(intake.admit(0.0), None)
        self.assertIsNot(intake.admit(1.9), None)
        self.assertIs(intake.admit(2.0), None)

    def test_clock_back(self) -> None:
        """Time that seems to go back gives no calls and takes none."""
        intake = Intake(100, calls_per_second=1.0)
        self.assertIs(intake.admit(5.0), None)
        self.assertIsNot(intake.admit(4.0), None)

    def test_drain(self) -> None:
        """Draining refuses new calls and keeps those in progress."""
        intake = Intake(10)
        intake.admit(0.0)
        intake.drain()
        self.assertEqual(self.refusal(intake, 0.0)[:2], (503, "Draining"))
        self.assertEqual(intake.calls, 1)

    def test_leave_twice(self) -> None:
        """A call that leaves twice does not make room for more than there is."""
        intake = Intake(1)
        intake.leave()
        self.assertIs(intake.admit(0.0), None)
        self.assertIsNot(intake.admit(0.0), None)

    def test_other_limits(self) -> None:
        """New limits hold from the next call on; the calls in progress still count."""
        intake = Intake(2)
        self.assertEqual([intake.admit(0.0), intake.admit(0.0)], [None, None])
        intake.change(1, retry_after_s=9)
        intake.leave()
        self.assertEqual(
            self.refusal(intake, 0.0), (503, "Too Many Calls", (("Retry-After", "9"),))
        )
        intake.change(3, calls_per_second=1.0)
        self.assertIs(intake.admit(0.0), None)
        self.assertEqual(self.refusal(intake, 0.0)[:2], (503, "Too Many New Calls"))


class SourceLimitTests(SynchronousTestCase):
    """Limits of single sources."""

    def setUp(self) -> None:
        self.intake = Intake(3, retry_after_s=7)
        self.intake.limit_sources({"small": (1, 0.0), "slow": (0, 1.0), "any": (0, 0.0)})

    def refused(self, source: str, now: float = 0.0) -> str | None:
        error = self.intake.admit(now, source)
        if error is not None:
            self.assertEqual((error.status, error.headers), (503, (("Retry-After", "7"),)))
        return error.reason if error is not None else None

    def test_calls(self) -> None:
        """A source that has its calls is refused; others are not, and its end makes room."""
        self.assertIsNone(self.refused("small"))
        self.assertEqual(self.refused("small"), "Too Many Calls From Here")
        self.assertIsNone(self.refused("any"))
        self.intake.leave("small")
        self.assertIsNone(self.refused("small"))
        self.assertEqual((self.intake.calls, self.intake.refused), (2, 1))

    def test_rate(self) -> None:
        """So is one that is too fast."""
        self.assertIsNone(self.refused("slow"))
        self.assertEqual(self.refused("slow", 0.5), "Too Many New Calls From Here")
        self.assertIsNone(self.refused("any", 0.5))
        self.assertIsNone(self.refused("slow", 1.5))

    def test_both(self) -> None:
        """The limit of all holds besides, and a call that it refuses counts nowhere."""
        for _ in range(3):
            self.assertIsNone(self.refused("any"))
        self.assertEqual(self.refused("small"), "Too Many Calls")
        self.intake.leave("any")
        self.assertIsNone(self.refused("small"))

    def test_changed(self) -> None:
        """New limits count the calls that there are; a source that is gone can still leave."""
        self.assertIsNone(self.refused("any"))
        self.assertIsNone(self.refused("small"))
        self.intake.limit_sources({"any": (1, 0.0)})
        self.assertEqual(self.refused("any"), "Too Many Calls From Here")
        self.intake.leave("small")
        self.intake.leave("any")
        self.assertIsNone(self.refused("any"))
        self.assertEqual(self.intake.calls, 1)

    def test_unknown(self) -> None:
        """A source of which nothing was said has the limits of all."""
        self.assertIsNone(self.refused("other"))
        self.intake.leave("other")
        self.assertEqual(self.intake.calls, 0)
