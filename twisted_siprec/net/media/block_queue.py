"""
From the clock that plays to the coroutine that delivers.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, succeed

from ...bridge.consumers import Block


class BlockQueue:
    """The blocks of a bridge, and after the last of them None, for one reader."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._reader: Deferred[Block | None] | None = None
        self._ended = False

    def put(self, block: Block) -> None:
        """The next block; the reader has it at once where it waits."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.callback(block)
        else:
            self._blocks.append(block)

    def end(self) -> None:
        """No more comes."""
        self._ended = True
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.callback(None)

    def next_block(self) -> Deferred[Block | None]:
        """Fires with the next block, or with None after the last one."""
        if self._blocks:
            return succeed(self._blocks.popleft())
        if self._ended:
            return succeed(None)
        self._reader = Deferred()
        return self._reader
