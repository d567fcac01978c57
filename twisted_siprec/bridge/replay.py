"""
The replay ring of a consumer stream: what was sent and may be asked for again,
and what still waits to be sent, in one order.

Three queues end to end::

    behind      sent, kept for a consumer that comes back
    salvaged    waiting; audio that fell out of the ring, now spans, and what was told amid it
    ahead       waiting

Audio leaves the ring at its old end: from *behind* unnoticed, for it was
delivered; from *ahead* as a span that the consumer is told of in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from .entries import Entry, Sound, Word, append_joined, joined, joins
from .gaps import Span

WORD_OCTETS = 256
"What a text counts for in the ring's size; most are near it, and none is kept encoded."


class ReplayRing:
    """
    Bounded by time and by octets, whatever its consumer does.

    :param max_words: how many texts and spans may wait for which the audio
        around them fell out; past it the oldest texts are given up.
    """

    def __init__(
        self, sample_rate: int, max_ms: int, max_octets: int, max_words: int = 2000
    ) -> None:
        self._max_samples = max_ms * sample_rate // 1000
        self._max_octets = max_octets
        self._max_words = max_words
        self._behind: deque[Entry] = deque()
        self._salvaged: deque[Entry] = deque()
        self._ahead: deque[Entry] = deque()
        self._samples = 0
        self._octets = 0
        self.waiting_samples = 0
        self.unsent_samples = 0
        "Of those that wait, the ones that no connection was ever given."

    def __bool__(self) -> bool:
        """Something waits to be sent."""
        return bool(self._ahead or self._salvaged)

    def head(self) -> int | None:
        """The position of the oldest entry that is still here."""
        for queue in (self._behind, self._salvaged, self._ahead):
            if queue:
                return queue[0].position
        return None

    def first_frame(self) -> int | None:
        """The number of the oldest sent frame that is still here."""
        return next((frame for _, frame in self._frames()), None)

    def append(self, entry: Entry) -> None:
        """The newest entry; it waits."""
        self._ahead.append(entry)
        self._count(entry, +1)
        self._count_waiting(entry, +1)

    def peek(self) -> Entry | None:
        """What is to be sent next."""
        if self._salvaged:
            return self._salvaged[0]
        return self._ahead[0] if self._ahead else None

    def take(self) -> Entry:
        """Take out what :meth:`peek` showed; :meth:`keep` it once it is sent."""
        if self._salvaged:
            return self._salvaged.popleft()
        entry = self._ahead.popleft()
        self._count(entry, -1)
        self._count_waiting(entry, -1)
        return entry

    def take_sound(self, max_samples: int) -> Sound:
        """
        The next audio, joined with what follows it up to ``max_samples``.
        Only audio that was never sent is joined: a frame keeps its extent.
        """
        first = self.take()
        assert isinstance(first, Sound)  # noqa: S101 - the caller peeked
        parts = [first.audio]
        samples = first.audio.samples
        while first.frame is None and not self._salvaged and self._ahead:
            following = self._ahead[0]
            if not isinstance(following, Sound) or not joins(parts[-1], following.audio):
                break
            samples += following.audio.samples
            if samples > max_samples:
                break
            parts.append(following.audio)
            self.take()
        return first if len(parts) == 1 else Sound(joined(parts))

    def keep(self, entry: Entry) -> None:
        """It was sent, and may be asked for again."""
        self._behind.append(entry)
        self._count(entry, +1)

    def acknowledge(self, frame: int) -> list[Entry]:
        """All up to and with this frame is with the consumer; returns what was let go."""
        gone: list[Entry] = []
        last = 0
        for index, number in self._frames():
            if number > frame:
                break
            last = index + 1
        for _ in range(last):
            gone.append(self._forget())
        return gone

    @property
    def is_full(self) -> bool:
        """Nothing more goes in without something being lost."""
        return self._over()

    @property
    def is_half_full(self) -> bool:
        """What waits takes half of the bounds, so that no more need be fetched from elsewhere."""
        waiting = 2 * self.waiting_samples
        return waiting > self._max_samples or waiting * self._octets > (
            self._max_octets * self._samples
        )

    def make_room(self) -> list[Entry]:
        """Let go of what was sent, as far as the bounds ask for it; returns it."""
        gone: list[Entry] = []
        while self._over() and self._behind:
            gone.append(self._forget())
        return gone

    def waiting(self) -> list[Entry]:
        """All that waits, in order."""
        return [*self._salvaged, *self._ahead]

    def unsent(self) -> list[Entry]:
        """All that waits, from the first on that no connection was ever given."""
        waiting = self.waiting()
        sent = [
            index
            for index, entry in enumerate(waiting)
            if isinstance(entry, Sound) and entry.frame is not None
        ]
        return waiting[sent[-1] + 1 :] if sent else waiting

    def skip_sent(self, frame: int) -> None:
        """What waits again and is of a frame before this one needs not to be sent again."""
        while not self._salvaged and any(
            isinstance(entry, Sound) and entry.frame is not None and entry.frame < frame
            for entry in self._ahead
        ):
            self.keep(self.take())

    def forget_sent(self) -> list[Entry]:
        """What was sent will not be asked for again; returns it."""
        return [self._forget() for _ in range(len(self._behind))]

    def rewind(self, frame: int = 0) -> None:
        """Everything sent after the frame before this one waits again, texts too."""
        again: deque[Entry] = deque()
        while self._behind:
            entry = self._behind[-1]
            if isinstance(entry, Sound) and entry.frame is not None and entry.frame < frame:
                break
            again.appendleft(self._behind.pop())
            self._count_waiting(entry, +1)
        for entry in self._salvaged:
            self._count(entry, +1)
        again.extend(self._salvaged)
        again.extend(self._ahead)
        self._salvaged.clear()
        self._ahead = again

    def insert(self, spans: list[Span]) -> None:
        """Spans to be told before anything else."""
        self._salvaged.extendleft(reversed(spans))

    def trim(self, reason: str) -> tuple[list[Entry], list[tuple[Span, bool]]]:
        """
        Keep within the bounds.

        :returns: what was let go of without a loss (it had been sent, or is a
            text too many); and the spans that were lost while they waited,
            each with whether it had been sent on an earlier connection.
        """
        gone = self.make_room()
        lost: list[tuple[Span, bool]] = []
        while self._over() and self._ahead:
            self._salvage(reason, lost)
        gone.extend(self._drop_words())
        return gone, lost

    def abandon(self, reason: str) -> list[tuple[Span, bool]]:
        """Turn all waiting audio into spans; texts stay in their places."""
        lost: list[tuple[Span, bool]] = []
        while self._ahead:
            self._salvage(reason, lost)
        return lost

    def _salvage(self, reason: str, lost: list[tuple[Span, bool]]) -> None:
        entry = self._ahead.popleft()
        self._count(entry, -1)
        self._count_waiting(entry, -1)
        if isinstance(entry, Sound):
            span = Span(entry.position, entry.audio.samples, reason)
            lost.append((span, entry.frame is not None))
            entry = span
        append_joined(self._salvaged, entry, same_reason=True)

    def _drop_words(self) -> list[Entry]:
        excess = len(self._salvaged) - self._max_words
        if excess <= 0:
            return []
        # Some more than must be, or each entry to come would have all of them gone through.
        excess += self._max_words // 8
        dropped: list[Entry] = []
        kept: deque[Entry] = deque()
        for entry in self._salvaged:
            if isinstance(entry, Word) and excess > 0:
                excess -= 1
                dropped.append(entry)
            else:
                # The audio between them is gone, so spans that are neighbours now touch.
                append_joined(kept, entry, same_reason=excess <= 0)
        self._salvaged = kept
        return dropped

    def _forget(self) -> Entry:
        entry = self._behind.popleft()
        self._count(entry, -1)
        return entry

    def _frames(self) -> Iterator[tuple[int, int]]:
        for index, entry in enumerate(self._behind):
            if isinstance(entry, Sound) and entry.frame is not None:
                yield index, entry.frame

    def _over(self) -> bool:
        return self._samples > self._max_samples or self._octets > self._max_octets

    def _count_waiting(self, entry: Entry, sign: int) -> None:
        if isinstance(entry, Sound):
            self.waiting_samples += sign * entry.audio.samples
            if entry.frame is None:
                self.unsent_samples += sign * entry.audio.samples

    def _count(self, entry: Entry, sign: int) -> None:
        if isinstance(entry, Sound):
            self._samples += sign * entry.audio.samples
            self._octets += sign * len(entry.audio.payload)
        elif isinstance(entry, Word):
            self._octets += sign * WORD_OCTETS


class FrameIndex:
    """
    Where each frame that was ever sent ended, for a consumer that comes back
    without the last of them. Frames of one length follow one another, so the
    index is a few runs, however long the call.
    """

    def __init__(self, max_runs: int = 512) -> None:
        self._runs: deque[_Run] = deque(maxlen=max_runs)

    def add(self, frame: int, position: int, samples: int) -> None:
        """The next frame. One sent again is known already."""
        last = self._runs[-1] if self._runs else None
        if last is not None and frame < last.frame + last.count:
            return
        if last is not None and last.samples == samples and last.end == position:
            last.count += 1
        else:
            self._runs.append(_Run(frame, position, samples, 1))

    def end_of(self, frame: int) -> int:
        """The position after a frame; of one that is forgotten, the oldest that is known."""
        for run in reversed(self._runs):
            if run.frame <= frame:
                return run.position + (frame - run.frame + 1) * run.samples
        return self._runs[0].position if self._runs else 0


@dataclass(slots=True)
class _Run:
    frame: int
    position: int
    samples: int
    count: int

    @property
    def end(self) -> int:
        return self.position + self.count * self.samples
