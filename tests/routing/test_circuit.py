"""The circuit of a destination or a look-up, and a turnstile."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.routing.circuit import Circuit, CircuitSettings, State
from twisted_siprec.routing.turnstile import FULL_WAIT_S, Turnstile

SETTINGS = CircuitSettings(failures=3, open_s=5.0, open_max_s=15.0, probe_s=2.0)


def opened() -> Circuit:
    """One that opened at 0."""
    circuit = Circuit(SETTINGS)
    for _ in range(3):
        circuit.begin(0.0)
        circuit.failed(0.0)
    return circuit


class CircuitTests(SynchronousTestCase):
    """Closed, open, half-open."""

    def test_opens_after_failures_in_a_row(self) -> None:
        """The third of three opens it; a success between them begins the count anew."""
        circuit = Circuit(SETTINGS)
        for outcome in ("failed", "failed", "succeeded", "failed", "failed"):
            getattr(circuit, outcome)(0.0)
            self.assertIs(circuit.state, State.CLOSED)
            self.assertEqual(circuit.wait_s(0.0), 0.0)
        self.assertTrue(circuit.failed(1.0))
        self.assertIs(circuit.state, State.OPEN)
        self.assertEqual(circuit.wait_s(2.0), 4.0)

    def test_tells_once(self) -> None:
        """That it opened and that it closed is told when it happens, and at no other time."""
        circuit = Circuit(SETTINGS)
        self.assertEqual([circuit.failed(0.0) for _ in range(4)], [False, False, True, False])
        circuit.begin(5.0)
        self.assertFalse(circuit.failed(5.0))
        self.assertEqual([circuit.succeeded(5.0) for _ in range(2)], [True, False])

    def test_one_tries_for_all(self) -> None:
        """Once its time has passed one may try; the others look again soon."""
        circuit = opened()
        self.assertEqual(circuit.wait_s(4.9), 5.0 - 4.9)
        self.assertEqual(circuit.wait_s(5.0), 0.0)
        circuit.begin(5.0)
        self.assertIs(circuit.state, State.HALF_OPEN)
        self.assertEqual(circuit.wait_s(5.0), 0.5)
        circuit.succeeded(5.1)
        self.assertIs(circuit.state, State.CLOSED)
        self.assertEqual(circuit.wait_s(5.1), 0.0)

    def test_doubles(self) -> None:
        """Each failed try doubles the time, up to the most; a success begins anew."""
        circuit = opened()
        now, waits = 5.0, []
        for _ in range(3):
            circuit.begin(now)
            circuit.failed(now)
            waits.append(circuit.wait_s(now))
            now += waits[-1]
        self.assertEqual(waits, [10.0, 15.0, 15.0])
        circuit.begin(now)
        circuit.succeeded(now)
        for _ in range(3):
            circuit.failed(now)
        self.assertEqual(circuit.wait_s(now), 5.0)

    def test_a_try_without_a_result(self) -> None:
        """Whoever was to try hung up: after the time for it, another may."""
        circuit = opened()
        circuit.begin(5.0)
        self.assertEqual(circuit.wait_s(6.9), 7.0 - 6.9)
        self.assertEqual(circuit.wait_s(7.0), 0.0)
        circuit.begin(7.0)
        self.assertEqual(circuit.wait_s(7.0), 0.5)

    def test_an_older_attempt_succeeds(self) -> None:
        """One that was under way when it opened, and got through, closes it."""
        circuit = opened()
        circuit.succeeded(0.5)
        self.assertIs(circuit.state, State.CLOSED)
        circuit = opened()
        circuit.failed(1.0)
        self.assertEqual(circuit.wait_s(1.0), 4.0)

    def test_never(self) -> None:
        """With 0 failures it does not open."""
        circuit = Circuit(CircuitSettings(failures=0))
        for _ in range(100):
            circuit.failed(0.0)
        self.assertIs(circuit.state, State.CLOSED)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.tuples(st.sampled_from(["begin", "failed", "succeeded"]), st.floats(0, 9))))
    def test_never_shut_for_ever(self, steps: list[tuple[str, float]]) -> None:
        """Whatever happens: who waits as long as asked, may try in the end."""
        circuit, now = Circuit(SETTINGS), 0.0
        for step, passed in steps:
            now += passed
            getattr(circuit, step)(now)
        asked = 0
        while (wait_s := circuit.wait_s(now)) > 0:
            now += wait_s
            asked += 1
            self.assertLess(asked, 60)


class TurnstileTests(SynchronousTestCase):
    """How many, and how fast."""

    def test_spread(self) -> None:
        """Four a second: the first at once, each other a quarter later; time is not saved up."""
        turnstile = Turnstile(per_second=4.0)
        self.assertEqual([turnstile.book(10.0) for _ in range(3)], [10.0, 10.25, 10.5])
        self.assertEqual([turnstile.book(20.0) for _ in range(2)], [20.0, 20.25])

    def test_unlimited(self) -> None:
        """0 spreads nothing and counts for nothing."""
        turnstile = Turnstile()
        self.assertEqual([turnstile.book(1.0) for _ in range(2)], [1.0, 1.0])
        for _ in range(1000):
            turnstile.enter()
        self.assertEqual(turnstile.wait_s(), 0.0)

    def test_full(self) -> None:
        """Two places: the third waits until one leaves."""
        turnstile = Turnstile(most=2)
        turnstile.enter()
        self.assertEqual(turnstile.wait_s(), 0.0)
        turnstile.enter()
        self.assertEqual(turnstile.wait_s(), FULL_WAIT_S)
        turnstile.leave()
        self.assertEqual(turnstile.wait_s(), 0.0)
        for _ in range(5):
            turnstile.leave()
        self.assertEqual(turnstile.inside, 0)
