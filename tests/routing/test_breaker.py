"""
Who fails is left alone.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.routing.breaker import Breaker


class BreakerTests(SynchronousTestCase):
    """Closed, open, half open."""

    def test_opens(self) -> None:
        """Failures in a row open it; a success between them begins the count again."""
        breaker = Breaker(3, 10.0)
        self.assertEqual([breaker.failed(0.0), breaker.failed(0.0)], [False, False])
        self.assertFalse(breaker.succeeded())
        self.assertEqual([breaker.failed(1.0) for _ in range(3)], [False, False, True])
        self.assertTrue(breaker.is_open)
        self.assertFalse(breaker.allows(10.9))

    def test_half_open(self) -> None:
        """After its time one may try; the others may not meanwhile."""
        breaker = Breaker(1, 10.0)
        self.assertTrue(breaker.failed(0.0))
        self.assertEqual(
            [breaker.allows(10.0), breaker.allows(10.0), breaker.allows(19.9)],
            [True, False, False],
        )
        self.assertFalse(breaker.failed(12.0))
        self.assertFalse(breaker.allows(21.9))
        self.assertTrue(breaker.allows(22.0))
        self.assertTrue(breaker.succeeded())
        self.assertTrue(breaker.allows(22.0))
        self.assertTrue(breaker.allows(22.0))

    def test_no_word(self) -> None:
        """Where the one who tried says nothing, another may after as long again."""
        breaker = Breaker(1, 10.0)
        breaker.failed(0.0)
        self.assertTrue(breaker.allows(10.0))
        self.assertTrue(breaker.allows(20.0))
