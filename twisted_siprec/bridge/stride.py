"""
A consumer stream in stride: nothing waits, nothing is odd, and each chunk is as
long as the one before. Then a chunk needs no decision: it is numbered, headed,
kept for a consumer that comes back, and sent.

The delivery ends a stride with the first thing else that it is told, and what was
sent meanwhile goes into ring and account then, as if it had gone there one by one.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_CHUNKS = 16
"Of a stride; then the ring gets what is its own, so that its bounds hold but for these."


class Stride:
    """
    Some chunks in a row.

    :param head: what comes before the audio of a frame, of a position, of a length.
    :ivar position: of the chunk that comes next.
    :ivar samples: of each chunk.
    :ivar payloads: what was sent.
    """

    __slots__ = ("_frame", "_head", "payloads", "position", "samples")

    def __init__(
        self, head: Callable[[int, int, int], bytes], frame: int, position: int, samples: int
    ) -> None:
        self._head = head
        self._frame = frame
        self.payloads: list[bytes] = []
        self.position = position
        self.samples = samples

    def goes_on(self, position: int, samples: int) -> bool:
        """Whether such a chunk is the next one."""
        return (
            position == self.position
            and samples == self.samples
            and len(self.payloads) < MAX_CHUNKS
        )

    def message(self, payload: bytes) -> bytes:
        """The next chunk as it is sent; it is sent for good."""
        kept, position = self.payloads, self.position
        head = self._head(self._frame + len(kept), position, self.samples)
        kept.append(payload)
        self.position = position + self.samples
        return head + payload if head else payload
