"""The account of a consumer stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.gaps import Account, Span


class AccountTests(SynchronousTestCase):
    """What became of each sample."""

    def test_lost_once(self) -> None:
        """A span that overlaps what was lost before counts only where it is new."""
        account = Account(1000)
        account.advance(100)
        account.lose(Span(20, 30, "paused"))
        account.lose(Span(10, 60, "reconnect"))
        self.assertEqual(account.missing, 60)
        self.assertEqual(account.gaps_ms, (("paused", 30), ("reconnect", 30)))
        self.assertEqual(
            account.between(0, 100),
            [Span(10, 10, "reconnect"), Span(20, 30, "paused"), Span(50, 20, "reconnect")],
        )

    def test_lost_after_it_was_handed(self) -> None:
        """What was delivered and turns out lost changes columns."""
        account = Account(8000)
        account.advance(100)
        account.hand(100)
        account.lose(Span(0, 40, "reconnect"), handed=True)
        account.lose(Span(0, 40, "reconnect"), handed=True)
        self.assertEqual((account.delivered, account.missing), (60, 40))

    def test_between_clips(self) -> None:
        """Spans are cut to what was asked for; touching spans of one reason are one."""
        account = Account(1000)
        account.advance(100)
        account.lose(Span(10, 10, "muted"))
        account.lose(Span(20, 10, "muted"))
        self.assertEqual(account.between(15, 25), [Span(15, 10, "muted")])
        self.assertEqual(account.between(30, 90), [])

    def test_filled_counts_by_reason_only(self) -> None:
        """A gap that is filled is in the audio, so it is not missing."""
        account = Account(8000)
        account.fill(800, "rtp_loss")
        self.assertEqual(account.missing, 0)
        self.assertEqual(account.gaps_ms, (("rtp_loss", 100),))

    def test_close_at(self) -> None:
        """A stream that ends early has no gaps after its end."""
        account = Account(1000)
        account.advance(100)
        account.hand(50)
        account.lose(Span(50, 50, "paused"))
        account.close_at(70)
        self.assertEqual((account.position, account.delivered, account.missing), (70, 50, 20))
        self.assertEqual(account.gaps_ms, (("paused", 20),))

    def test_close_at_before_what_was_handed(self) -> None:
        """What was handed beyond the end is not delivered either."""
        account = Account(1000)
        account.advance(100)
        account.hand(100)
        account.close_at(70)
        self.assertEqual((account.position, account.delivered, account.missing), (70, 70, 0))

    def test_bounded(self) -> None:
        """Of many spans the oldest are forgotten, their sums are not, nor lost twice."""
        account = Account(1000, max_spans=2)
        account.advance(1000)
        for position in (0, 100, 200, 300):
            account.lose(Span(position, 10, "paused"))
        self.assertEqual(
            account.between(0, 1000), [Span(200, 10, "paused"), Span(300, 10, "paused")]
        )
        account.lose(Span(0, 110, "reconnect"))
        self.assertEqual(account.missing, 40)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=20))
    def test_as_a_set_of_samples(self, spans: list[tuple[int, int]]) -> None:
        """However spans overlap, what is missing is their union."""
        account = Account(1000)
        account.advance(100)
        samples: set[int] = set()
        for number, (position, count) in enumerate(spans):
            account.lose(Span(position, count, "ab"[number % 2]))
            samples |= set(range(position, position + count))
        self.assertEqual(account.missing, len(samples))
        between = account.between(0, 100)
        self.assertEqual({s for span in between for s in range(span.position, span.end)}, samples)
        self.assertEqual(sum(span.samples for span in between), len(samples))
        self.assertEqual(sum(ms for _, ms in account.gaps_ms), len(samples))
