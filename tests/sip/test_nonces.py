"""
Nonces: ours, for a time, and each count once.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.nonces import WINDOW, Nonces, Verdict

GOOD, STALE = Verdict.GOOD, Verdict.STALE


class NoncesTests(SynchronousTestCase):
    """What we made, and what was used of it."""

    def setUp(self) -> None:
        self.nonces = Nonces("key", lifetime_s=60.0, remembered=3)
        self.nonce = self.nonces.make("sbc", "00000001", 100.0)

    def use(
        self, count: int = 1, now: float = 101.0, nonce: str = "", scope: str = "sbc"
    ) -> Verdict:
        return self.nonces.use(scope, nonce or self.nonce, count, now)

    def test_unlike(self) -> None:
        """Two of one moment differ by their salt."""
        self.assertNotEqual(self.nonce, self.nonces.make("sbc", "00000002", 100.0))

    def test_lifetime(self) -> None:
        """Good from when it was made until its lifetime is over."""
        self.assertIs(self.use(1, 100.0), GOOD)
        self.assertIs(self.use(2, 160.0), GOOD)
        self.assertIs(self.use(3, 160.1), STALE)
        self.assertIs(self.use(4, 99.9), STALE)

    def test_forged(self) -> None:
        """Another time, salt or code, another source's, another process's: none is ours."""
        for nonce in (
            "0" + self.nonce[1:] if self.nonce[0] != "0" else "1" + self.nonce[1:],
            self.nonce[:15] + ("0" if self.nonce[15] != "0" else "1") + self.nonce[16:],
            self.nonce[:-1],
            self.nonce + "0",
            Nonces("other", 60.0).make("sbc", "00000001", 100.0),
            "ü" * len(self.nonce),
            "x",
        ):
            self.assertIs(self.use(nonce=nonce), STALE, nonce)
        self.assertIs(self.use(scope="other"), STALE)
        self.assertIs(self.use(), GOOD)

    def test_counts(self) -> None:
        """Each count is good once, in any order within the window."""
        uses = [(5, GOOD), (5, STALE), (3, GOOD), (3, STALE), (70, GOOD), (5, STALE)]
        uses += [(7, GOOD), (6, STALE), (2**32 - 1, GOOD), (70, STALE), (0, STALE)]
        for count, verdict in uses:
            self.assertIs(self.use(count), verdict, count)

    def test_uncounted(self) -> None:
        """To who does not count, a nonce is good for once; nor may others go on with it."""
        self.assertIs(self.use(0), GOOD)
        self.assertIs(self.use(0), STALE)
        self.assertIs(self.use(1), STALE)

    def test_bounded(self) -> None:
        """Of a nonce that had to be forgotten, and of all before, nothing can be replayed."""
        made = [self.nonces.make("sbc", f"{salt:08x}", 100.0 + salt) for salt in range(6)]
        for nonce in made[1:5]:
            self.assertIs(self.use(1, 110.0, nonce), GOOD)
        self.assertEqual(len(self.nonces), 3)
        self.assertIs(self.use(1, 110.0, made[1]), STALE)
        self.assertIs(self.use(1, 110.0, made[0]), STALE, "never used, but as old")
        self.assertIs(self.use(2, 110.0, made[4]), GOOD)
        self.assertIs(self.use(1, 110.0, made[5]), GOOD)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(1, 300), max_size=40))
    def test_against_a_set(self, counts: list[int]) -> None:
        """A count is good if it did not come before and is not too far behind."""
        nonces = Nonces("key")
        nonce = nonces.make("sbc", "00000001", 0.0)
        seen: set[int] = set()
        for count in counts:
            fresh = count not in seen and count > max(seen, default=0) - WINDOW
            self.assertIs(nonces.use("sbc", nonce, count, 1.0), GOOD if fresh else STALE)
            if fresh:
                seen.add(count)
