"""
Lock-out and pace.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.web.pace import Lockout, Pace, network_of


class LockoutTests(SynchronousTestCase):
    """Wrong tokens by address."""

    def test_locked(self) -> None:
        """So many wrong tokens lock an address out for so long, and no other."""
        lockout = Lockout(3, 60.0)
        self.assertEqual(
            [lockout.wrong("192.0.2.1", now) for now in (0, 1, 2)], [False, False, True]
        )
        self.assertEqual(lockout.wait_s("192.0.2.1", 2.0), 60)
        self.assertEqual(lockout.wait_s("192.0.2.1", 61.5), 1)
        self.assertEqual(lockout.wait_s("192.0.2.1", 62.0), 0)
        self.assertEqual(lockout.wait_s("192.0.2.2", 2.0), 0)

    def test_again(self) -> None:
        """After that it has as many as before."""
        lockout = Lockout(2, 60.0)
        self.assertEqual([lockout.wrong("a", now) for now in (0, 0)], [False, True])
        self.assertEqual([lockout.wrong("a", now) for now in (60, 61)], [False, True])

    def test_window(self) -> None:
        """Wrong tokens now and then lock nobody out."""
        lockout = Lockout(2, 60.0)
        self.assertEqual([lockout.wrong("a", now) for now in (0, 60, 120, 180)], [False] * 4)

    def test_never(self) -> None:
        """0 is for never."""
        lockout = Lockout(0, 60.0)
        self.assertFalse(any(lockout.wrong("a", 0.0) for _ in range(100)))

    def test_bounded(self) -> None:
        """Of many addresses those are forgotten that were wrong, or locked out, longest ago."""
        lockout = Lockout(2, 60.0, remembered=2)
        for address in ("a", "b", "a", "c"):
            lockout.wrong(address, 0.0)
        self.assertEqual(lockout.wait_s("a", 0.0), 60)
        self.assertFalse(lockout.wrong("b", 0.0))

    def test_networks(self) -> None:
        """A host has a /64 of IPv6; IPv4 is the same in either form."""
        for address, network in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1:2", "2001:db8::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("?", "?"),
        ):
            self.assertEqual(network_of(address), network)


class PaceTests(SynchronousTestCase):
    """Requests by token."""

    def test_pace(self) -> None:
        """Two seconds' requests at once, then so many a second; each token for itself."""
        pace = Pace(2.0)
        self.assertEqual([pace.take("a", 0.0) for _ in range(5)], [True] * 4 + [False])
        self.assertTrue(pace.take("b", 0.0))
        self.assertEqual([pace.take("a", now) for now in (0.5, 0.6, 1.0)], [True, False, True])
        self.assertEqual([pace.take("a", 100.0) for _ in range(5)], [True] * 4 + [False])

    def test_slow(self) -> None:
        """A limit below one a second lets one through."""
        pace = Pace(0.1)
        self.assertEqual([pace.take("a", now) for now in (0, 5, 10)], [True, False, True])

    def test_none(self) -> None:
        """0 is for no limit."""
        pace = Pace(0.0)
        self.assertTrue(all(pace.take("a", 0.0) for _ in range(1_000)))

    def test_bounded(self) -> None:
        """Of many tokens that which asked longest ago is forgotten."""
        pace = Pace(0.5, remembered=2)
        taken = [pace.take(name, 0.0) for name in ("a", "b", "c", "c", "a")]
        self.assertEqual(taken, [True, True, True, False, True])
