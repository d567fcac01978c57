"""The drift of clocks, on simulated networks."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.drift import Drift
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.bridge.timeline import UNITS_PER_SECOND, units_per_sample

TICK = units_per_sample(8000)
Network = Callable[[float, Random], float]
"The delay in ms, at a time in seconds."


def quiet(_: float, random: Random) -> float:
    """A network that hardly delays anything."""
    return 1 + random.expovariate(10)


def wifi(_: float, random: Random) -> float:
    """Most packets soon, some much later."""
    return 2 + random.expovariate(1 / 8)


class DriftTests(SynchronousTestCase):
    """A source of 50 packets a second, and a chunk each 100 ms."""

    def follow(self, ppm: float, network: Network = quiet, minutes: int = 10) -> float:
        """Follow a clock that is slower by so much; gives how far it ever was off, in ms."""
        random = Random(3)
        self.drift = drift = Drift(TICK, 5 * UNITS_PER_SECOND, 2 * MS)
        offset = 0
        furthest = 0.0
        self.moves: list[int] = []
        for number in range(minutes * 60 * 50):
            sent = number * 20 * (1 + ppm / 1e6)
            arrival = int((sent + network(sent / 1000, random)) * MS)
            drift.observe(arrival - (number * 20 * MS + offset), arrival)
            furthest = max(furthest, abs(sent - number * 20 - offset / MS))
            if number % 5 == 0 and (moved := drift.take(5 * TICK)):
                offset += moved
                self.moves.append(moved)
        self.assertEqual(drift.moved, offset)
        return furthest

    def test_an_hour(self) -> None:
        """20, 50 and 200 ppm either way are within 10 ms all through an hour, and measured."""
        for ppm in (200.0, -200.0, 50.0, -20.0):
            self.assertLess(self.follow(ppm, minutes=60), 7.5)
            self.assertLess(abs(self.drift.ppm - ppm), 2)

    def test_slowest(self) -> None:
        """A drift that is hardly one (3 ppm) comes to 10.8 ms in an hour, and is followed."""
        self.assertLess(self.follow(3.0, minutes=60), 6)

    def test_none(self) -> None:
        """A stream whose clock is ours is never moved, whatever the network does for an hour."""
        for network in (quiet, wifi):
            self.follow(0.0, network, minutes=60)
            self.assertEqual((self.moves, self.drift.moving), ([], False))
            self.assertLess(abs(self.drift.ppm), 3)

    def test_wifi(self) -> None:
        """On a bad network drift is found all the same, though later."""
        for ppm in (200.0, -50.0):
            self.assertLess(self.follow(ppm, wifi, minutes=30), 10)
            self.assertLess(abs(self.drift.ppm - ppm), 10)

    def test_step(self) -> None:
        """A route that becomes longer, or shorter, at once is no drift."""
        for before, after in ((5, 45), (45, 5), (20, 12)):

            def network(
                at: float, random: Random, before: int = before, after: int = after
            ) -> float:
                return quiet(at, random) + (before if at < 200 else after)

            self.follow(0.0, network)
            self.assertEqual(self.moves, [])

    def test_step_with_drift(self) -> None:
        """Nor does one hide the drift, before it and after."""
        self.assertLess(self.follow(200.0, lambda at, r: quiet(at, r) + (40 if at > 300 else 0)), 8)

    def test_start_stall(self) -> None:
        """A first packet that comes 40 ms later than the rest is no drift: nothing is moved."""
        self.follow(0.0, lambda at, random: 40.0 if at == 0 else 0.0)
        self.assertEqual((self.moves, self.drift.ppm), ([], 0.0))

    def test_gentle(self) -> None:
        """No more is taken than is allowed, the rest with the next chunk, and at least a tick."""
        self.follow(200.0)
        self.assertTrue(all(0 < moved <= 5 * TICK for moved in self.moves))
        self.drift.slips = -7
        self.assertEqual(
            [self.drift.take(limit) for limit in (5 * TICK, TICK // 2, TICK, TICK)],
            [-5 * TICK, -TICK, -TICK, 0],
        )

    def test_asked(self) -> None:
        """What is asked for is done with the next window, and is not taken for drift after it."""
        for ppm in (0, 100):
            drift = Drift(TICK, UNITS_PER_SECOND, 2 * MS)
            offset = 0
            for number in range(3000):
                if number == 1000:
                    drift.ask(-30 * MS)
                    self.assertEqual((drift.slips, drift.moving), (0, True))
                    self.assertEqual((drift.aligned, drift.aligned_yet), (-30 * MS, 0))
                arrival = number * 20 * MS * (1_000_000 + ppm) // 1_000_000
                drift.observe(arrival - (number * 20 * MS + offset), arrival)
                offset += drift.take(TICK) if number % 5 == 0 else 0
            self.assertEqual(drift.aligned_yet, -30 * MS)
            away = offset - (60_000 * ppm // 1_000_000 - 30) * MS
            self.assertLessEqual(abs(away), 3 * MS if ppm else 0)

    def test_lateness(self) -> None:
        """How late packets are, by the second worst window of eight, on the timeline as it is."""
        drift = Drift(TICK, UNITS_PER_SECOND, 2 * MS)
        self.assertIsNone(drift.lateness())
        for number in range(50 * 9):
            arrival = number * 20 * MS
            late = {75: 90, 130: 70, 190: 40}.get(number, 0) * MS
            drift.observe(late, arrival)
        self.assertEqual(drift.lateness(), 70 * MS)
        drift.moved = 5 * MS
        self.assertEqual(drift.lateness(), 65 * MS)
