"""Frames of one length."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.dialects.cutting import Cutter


class CutterTests(SynchronousTestCase):
    """Chunks in, frames out."""

    def test_carried_over(self) -> None:
        """What is left of a chunk begins the next frame."""
        cutter = Cutter(4, 1)
        self.assertEqual(cutter.cut(0, b"abcdef"), [(0, b"abcd")])
        self.assertEqual(cutter.cut(6, b"gh"), [(4, b"efgh")])
        self.assertEqual(cutter.rest(), [])

    def test_jump(self) -> None:
        """Where the position jumps, what is left is a frame by itself."""
        cutter = Cutter(4, 2)
        self.assertEqual(cutter.cut(10, b"aabb"), [])
        self.assertEqual(cutter.cut(100, b"ccddeeff"), [(10, b"aabb"), (100, b"ccddeeff")])

    def test_filled_up(self) -> None:
        """Where a frame must be whole, silence is in it."""
        cutter = Cutter(4, 2, b"..")
        self.assertEqual(cutter.cut(0, b"aabbccddee"), [(0, b"aabbccdd")])
        self.assertEqual(cutter.rest(), [(4, b"ee......")])
        self.assertEqual(cutter.rest(), [])
        self.assertEqual(cutter.cut(5, b"ff"), [])
        self.assertEqual(cutter.rest(), [(5, b"ff......")])

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.binary(max_size=9), max_size=9), st.integers(1, 7))
    def test_nothing_is_lost(self, chunks: list[bytes], samples: int) -> None:
        """Any chunks: all octets in their order, each frame at its position."""
        cutter = Cutter(samples, 1)
        position, frames = 0, []
        for chunk in chunks:
            frames += cutter.cut(position, chunk)
            position += len(chunk)
        self.assertTrue(all(len(payload) == samples for _, payload in frames))
        frames += cutter.rest()
        whole = b"".join(chunks)
        self.assertEqual(b"".join(payload for _, payload in frames), whole)
        for at, payload in frames:
            self.assertEqual(whole[at : at + len(payload)], payload)
