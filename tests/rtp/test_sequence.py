"""Sequence numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.sequence import Order, Sequence

NEXT, REORDERED, DUPLICATE, LEAPT = Order


class SequenceTests(SynchronousTestCase):
    """The rules of RFC 3550 appendix A.1."""

    def test_wrap(self) -> None:
        """After 65535 comes 65536, and a late 65535 is still before it."""
        sequence = Sequence(65533)
        taken = [sequence.receive(number) for number in (65534, 0, 65535, 1)]
        self.assertEqual(taken, [(NEXT, 65534), (NEXT, 65536), (REORDERED, 65535), (NEXT, 65537)])
        self.assertEqual((sequence.lost, sequence.received), (0, 5))

    def test_loss(self) -> None:
        """What is skipped is lost until it comes."""
        sequence = Sequence(10)
        self.assertEqual(sequence.receive(14), (NEXT, 14))
        self.assertEqual(sequence.lost, 3)
        self.assertEqual(sequence.receive(12), (REORDERED, 12))
        self.assertEqual(sequence.lost, 2)

    def test_duplicates(self) -> None:
        """A number is taken once, newest or not."""
        sequence = Sequence(10)
        sequence.receive(12)
        sequence.receive(11)
        for number in (12, 11, 10):
            self.assertEqual(sequence.receive(number), (DUPLICATE, number))
        self.assertEqual(sequence.received, 3)

    def test_before_the_first(self) -> None:
        """A packet older than the first one moves the beginning."""
        sequence = Sequence(10)
        self.assertEqual(sequence.receive(8), (REORDERED, 8))
        self.assertEqual((sequence.first, sequence.lost), (8, 1))

    def test_limits(self) -> None:
        """2999 ahead is loss and 100 back is late; one more of either is a leap."""
        self.assertEqual(Sequence(0).receive(2999), (NEXT, 2999))
        self.assertEqual(Sequence(0).receive(3000), (LEAPT, 3000))
        sequence = Sequence(1000)
        self.assertEqual(sequence.receive(900), (REORDERED, 900))
        self.assertEqual(sequence.receive(899), (LEAPT, 899))
        self.assertEqual((sequence.highest, sequence.received), (1000, 2))

    @settings(deadline=None, max_examples=100)
    @given(
        st.integers(0, 65535),
        st.lists(st.integers(-60, 60), max_size=200),
    )
    def test_reference(self, first: int, steps: list[int]) -> None:
        """Near numbers, in any order, are counted as a set of them would count."""
        sequence = Sequence(first)
        seen, number = {first}, first
        for step in steps:
            number = max(number + step, max(seen) - 90)
            order, extended = sequence.receive(number & 0xFFFF)
            self.assertEqual(extended, number)
            self.assertEqual(order is DUPLICATE, number in seen)
            self.assertEqual(order is NEXT, number > max(seen))
            seen.add(number)
        self.assertEqual(sequence.received, len(seen))
        self.assertEqual(sequence.lost, max(seen) - min(seen) + 1 - len(seen))
