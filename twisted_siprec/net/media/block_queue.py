"""
From the clock that plays to the coroutine that delivers.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, succeed

from ...bridge.consumers import Alike, Block


class BlockQueue:
    """The blocks of a bridge, and after the last of them None, for one reader."""

    def __init__(self) -> None:
        self._blocks: deque[Block | Alike] = deque()
        self._reader: Deferred[Block | Alike | None] | None = None
        self._ended = False

    @property
    def idle(self) -> bool:
        """The reader has all there was, and waits for more."""
        return self._reader is not None

    def put(self, block: Block | Alike) -> None:
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

    def next_block(self) -> Deferred[Block | Alike | None]:
        """Fires with the next block, or with None after the last one."""
        if self._blocks:
            return succeed(self._blocks.popleft())
        if self._ended:
            return succeed(None)
        self._reader = Deferred()
        return self._reader
