"""The range of RTP ports."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.net.media.ports import PortRange


class PortRangeTests(SynchronousTestCase):
    """Two pairs: 4000 and 4002."""

    def setUp(self) -> None:
        self.ports = PortRange(3999, 4003, 30.0)

    def test_even(self) -> None:
        """RTP ports are even and have their RTCP port within the range."""
        self.assertEqual([self.ports.take(0.0), self.ports.take(0.0)], [4000, 4002])
        self.assertEqual((self.ports.pairs, self.ports.used), (2, 2))
        self.assertRaises(NoPorts, self.ports.take, 0.0)

    def test_rest(self) -> None:
        """A port rests before its next use, and the one that rested longest comes first."""
        for _ in range(2):
            self.ports.take(0.0)
        self.ports.release(4002, 1.0)
        self.ports.release(4000, 2.0)
        self.assertRaises(NoPorts, self.ports.take, 30.9)
        self.assertEqual(self.ports.take(31.0), 4002)
        self.assertEqual(self.ports.take(32.0), 4000)

    def test_chance(self) -> None:
        """Where chance has its say, the order is its own, and each port is given once."""
        numbers = iter((0.7, 0.1, 0.9, 0.2))
        ports = PortRange(4000, 4007, 30.0, lambda: next(numbers))
        self.assertEqual([ports.take(0.0) for _ in range(4)], [4002, 4006, 4000, 4004])

    def test_released_twice(self) -> None:
        """A port is not given to two."""
        taken = self.ports.take(0.0)
        self.ports.release(taken, 0.0)
        self.ports.release(taken, 0.0)
        self.ports.take(99.0)
        self.ports.take(99.0)
        self.assertRaises(NoPorts, self.ports.take, 99.0)
