"""
The account of a consumer stream: what became of each of its samples.

Every sample between start and stop is either handed to the connection in an
audio message, or it lies in a span that the consumer is told of. At any time::

    position = delivered + missing + what still waits

and nothing waits when the stream has ended. A span can be declared lost after
it was handed over, when a consumer that resumes says that it has not got it;
then it moves from one column to the other, once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Samples that are in no audio message, and why."""

    position: int
    samples: int
    reason: str

    @property
    def end(self) -> int:
        """The position of the first sample after it."""
        return self.position + self.samples


class Account:
    """
    The ledger of one consumer stream.

    :param max_spans: how many separate spans are remembered for a consumer
        that resumes; of older ones only the sums are kept.
    :param position: where it goes on that was begun earlier, and
    :param missing: what of the samples before was not delivered.
    """

    def __init__(
        self, sample_rate: int, max_spans: int = 4096, position: int = 0, missing: int = 0
    ) -> None:
        self._sample_rate = sample_rate
        self._max_spans = max_spans
        self._spans: list[Span] = []
        self._floor = position
        self._by_reason: dict[str, int] = {}
        self.position = position
        self.delivered = position - missing
        self.missing = missing

    @property
    def gaps_ms(self) -> tuple[tuple[str, int], ...]:
        """Milliseconds by reason, of spans that are filled and of those that are not."""
        return tuple(
            (reason, samples * 1000 // self._sample_rate)
            for reason, samples in sorted(self._by_reason.items())
        )

    def gaps_without(self, spans: list[Span]) -> tuple[tuple[str, int], ...]:
        """Samples by reason, but for those of these spans."""
        by_reason = dict(self._by_reason)
        for span in spans:
            by_reason[span.reason] = by_reason.get(span.reason, 0) - span.samples
        return tuple((reason, samples) for reason, samples in sorted(by_reason.items()) if samples)

    def advance(self, samples: int) -> None:
        """More of the call, heard or not."""
        self.position += samples

    def hand(self, samples: int) -> None:
        """Samples went to the connection for the first time."""
        self.delivered += samples

    def fill(self, samples: int, reason: str) -> None:
        """A span whose place in the audio is filled: it counts by its reason only."""
        self._by_reason[reason] = self._by_reason.get(reason, 0) + samples

    def lose(self, span: Span, handed: bool = False) -> None:
        """
        These samples will be in no audio message. What was lost before is not
        lost again.

        :param handed: they had been handed over, to a connection that died
            with them.
        """
        for piece in self._unclaimed(span):
            self.missing += piece.samples
            if handed:
                self.delivered -= piece.samples
            self.fill(piece.samples, piece.reason)
            self._insert(piece)
        self._bound()

    def close_at(self, position: int) -> None:
        """The stream ends at a position that is before the last; nothing after it counts."""
        for span in self.between(position, self.position):
            self.missing -= span.samples
            self._by_reason[span.reason] -= span.samples
        self._spans = self.between(0, position)
        self.position = position
        self.delivered = position - self.missing

    def between(self, start: int, end: int) -> list[Span]:
        """The lost spans within [start, end), clipped to it, in order."""
        first = max(0, bisect_right(self._spans, start, key=_position) - 1)
        clipped = []
        for span in self._spans[first:]:
            if span.position >= end:
                break
            low, high = max(span.position, start), min(span.end, end)
            if low < high:
                clipped.append(Span(low, high - low, span.reason))
        return clipped

    def _unclaimed(self, span: Span) -> list[Span]:
        pieces = []
        position = max(span.position, self._floor)
        for known in self.between(position, span.end):
            if position < known.position:
                pieces.append(Span(position, known.position - position, span.reason))
            position = known.end
        if position < span.end:
            pieces.append(Span(position, span.end - position, span.reason))
        return pieces

    def _insert(self, piece: Span) -> None:
        at = bisect_left(self._spans, piece.position, key=_position)
        if at:
            before = self._spans[at - 1]
            if before.end == piece.position and before.reason == piece.reason:
                joined = before.samples + piece.samples
                self._spans[at - 1] = Span(before.position, joined, before.reason)
                return
        insort(self._spans, piece)

    def _bound(self) -> None:
        excess = len(self._spans) - self._max_spans
        if excess > 0:
            self._floor = self._spans[excess - 1].end
            del self._spans[:excess]


def _position(span: Span) -> int:
    return span.position
