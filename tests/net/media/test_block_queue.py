"""The queue of blocks."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.consumers import Block
from twisted_siprec.net.media.block_queue import BlockQueue


class BlockQueueTests(SynchronousTestCase):
    """In order, then None for ever."""

    def test_waiting(self) -> None:
        """A reader that waits has a block as soon as there is one."""
        queue = BlockQueue()
        waiting = queue.next_block()
        self.assertNoResult(waiting)
        block = Block(stopped=(1,))
        queue.put(block)
        self.assertIs(self.successResultOf(waiting), block)

    def test_end(self) -> None:
        """What was put before the end is read before it."""
        queue = BlockQueue()
        first, second = Block(stopped=(1,)), Block(stopped=(2,))
        queue.put(first)
        queue.put(second)
        queue.end()
        read = [self.successResultOf(queue.next_block()) for _ in range(4)]
        self.assertEqual(read, [first, second, None, None])

    def test_end_while_waiting(self) -> None:
        """The end reaches a reader that waits."""
        queue = BlockQueue()
        waiting = queue.next_block()
        queue.end()
        self.assertIsNone(self.successResultOf(waiting))
