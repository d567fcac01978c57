"""
What the call has yielded and the consumer may still need: one time line of
audio, gaps and texts, its ring and its account.

What goes in is contiguous, whatever is fed: a jump of the position is a gap, an
overlap is cut off. What comes out is numbered in frames, and each sample of it
is either handed over or accounted for.

With a :class:`~.journal.Journal`, what the ring cannot hold is on disk and comes
back through :meth:`Backlog.recalled`; what does not come back is a gap too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..dialects.base import (
    Audio,
    Event,
    Gap,
    Paused,
    Rearranged,
    Redescribed,
    Resumed,
    StreamStart,
)
from .entries import Entry, Sound, Word, audio_from, end_of, from_position
from .gaps import Span
from .journal import Ending, Journal, Keeping, Standing
from .replay import FrameIndex, ReplayRing
from .stride import Stride
from .tally import Tally

RECONNECT = "reconnect"
BACKPRESSURE = "backpressure"
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """Bounds that keep a pathological call small; the ring's own are the destination's."""

    max_words: int = 2000
    max_spans: int = 4096
    max_runs: int = 512


class Backlog:
    """
    The time line of one consumer stream.

    :ivar start: what a ``start`` said now would say: changes that left the
        ring are in it.
    :ivar tally: what was counted.
    :ivar drop_reason: why audio that falls out of the ring is lost: the
        consumer is slow, or not there.
    :ivar acknowledges: the consumer says what it has, or said that it will: so
        what was sent before that is not with it for certain.
    """

    def __init__(
        self,
        start: StreamStart,
        limits: BacklogLimits,
        journal: Journal | None = None,
        standing: Standing | None = None,
    ) -> None:
        begin = standing or Standing()
        self.start = start
        self.tally = Tally(start, limits.max_spans, begin)
        self.account = self.tally.account
        self.drop_reason = RECONNECT
        self.acknowledges = False
        self.acknowledged_position = begin.position
        self._ring = ReplayRing(
            start.sample_rate,
            start.destination.replay_ms,
            start.destination.replay_bytes,
            limits.max_words,
        )
        self._frames = FrameIndex(limits.max_runs)
        self._jump_reason = "no_packets"
        self._paused_at: int | None = None
        self._given_up = False
        self._journal = journal
        self._fed = begin.position
        self._kept_from = begin.position
        "The position from which on all that is needed is on disk, if anything is."
        "The position up to which the ring was fed; what is behind it is on disk."

    def __bool__(self) -> bool:
        """Something waits to be sent."""
        return bool(self._ring) or self._on_disk

    @property
    def waiting_samples(self) -> int:
        """Audio that waits to be sent."""
        on_disk = self.account.position - self._fed if self._on_disk else 0
        return self._ring.waiting_samples + on_disk

    @property
    def fed(self) -> int:
        """The position up to which what waits can be sent at once."""
        return self._fed if self._on_disk else self.account.position

    @property
    def spooled(self) -> bool:
        """What there is no room for goes to disk."""
        return self._journal is not None

    @property
    def _on_disk(self) -> bool:
        return self._journal is not None and self._journal.overflowed

    @property
    def head(self) -> int:
        """The position of the oldest that can be sent."""
        head = self._ring.head()
        return self.fed if head is None else head

    @property
    def first_frame(self) -> int:
        """The oldest frame that can be sent again, or the next new one."""
        first = self._ring.first_frame()
        return self.tally.next_frame if first is None else first

    @property
    def unacknowledged(self) -> bool:
        """A consumer that acknowledges has not done so for all that was sent."""
        last = -1 if self.tally.acknowledged is None else self.tally.acknowledged
        return self.acknowledges and not self._given_up and last + 1 < self.tally.next_frame

    # --- in ----------------------------------------------------------------------

    def carry(self, audio: Audio) -> None:
        """The next audio."""
        expected = self.account.position
        if audio.position > expected:
            self._skip_to(audio.position, self._jump_reason)
        elif audio.position < expected:
            audio = audio_from(audio, expected)
        if audio.samples <= 0:
            return
        self.account.advance(audio.samples)
        if self._paused_at is not None or self._given_up:
            reason = RECONNECT if self._paused_at is None else PAUSED
            self.account.lose(Span(audio.position, audio.samples, reason))
            return
        self._jump_reason = "no_packets"
        self._append(Sound(audio))
        self._trim()

    def tell(self, event: Event) -> None:
        """What happened, in order with the audio."""
        match event:
            case Gap(filled="none"):
                self._skip_to(event.position + event.samples, event.reason)
                self._trim()
                return
            case Gap():
                self.account.fill(event.samples, event.reason)
            case Resumed():
                self._skip_to(event.position, PAUSED)
            case Paused():
                self._jump_reason = PAUSED
            case Redescribed():
                self.tally.revision = event.description.revision
        self._say(event)
        self._trim()

    def pause(self) -> None:
        """The consumer wants no audio: what comes from here on is a gap."""
        if self._paused_at is None:
            self._say(Paused(self.account.position, "consumer"))
            self._paused_at = self.account.position

    def unpause(self) -> None:
        """The consumer wants audio again, or there is another consumer now."""
        if self._paused_at is None:
            return
        position, self._paused_at = self._paused_at, None
        for span in self.account.between(position, self.account.position):
            self._append(span)
        skipped = self.account.position - position
        self._say(Resumed(self.account.position, "consumer", skipped))

    def _skip_to(self, position: int, reason: str) -> None:
        """From where we are to ``position`` there is no audio."""
        span = Span(self.account.position, position - self.account.position, reason)
        if span.samples <= 0:
            return
        self.account.advance(span.samples)
        self.account.lose(span)
        if self._paused_at is None and not self._given_up:
            self._append(span)

    def _say(self, event: Event) -> None:
        if not self._given_up:
            self._append(Word(event, self.account.position))

    def _append(self, entry: Entry) -> None:
        """The newest entry, into the ring; onto the disk too, or alone, where it must be."""
        journal = self._journal
        if journal is not None and journal.state is not Keeping.RESTING:
            self._fold(self._ring.make_room())
            if journal.overflowed or self._ring.is_full:
                journal.overflow(entry, self.standing())
                return
            journal.copy((entry,), self.standing())
        self._ring.append(entry)
        self._fed = max(self._fed, end_of(entry))
        if journal is not None and journal.state is Keeping.RESTING:
            self._fold(self._ring.make_room())
            if self._ring.is_full or self._ring.unsent_samples > journal.after_samples:
                copied = self._ring.unsent()
                self._kept_from = copied[0].position if copied else self._fed
                journal.copy(copied, self.standing())

    # --- the disk ---------------------------------------------------------------------

    def recall(self) -> None:
        """Ask for what is on disk, where there is room for it."""
        journal = self._journal
        if journal is not None and self._on_disk and not self._ring.is_half_full:
            journal.recall(self.standing())

    def recalled(self, entries: tuple[Entry, ...], through: int) -> None:
        """This came back from the disk: all there is up to and with a number."""
        if self._journal is None or self._given_up:
            return
        for entry in entries:
            self._name_hole(entry.position)
            cut = from_position(entry, self._fed)
            if cut is not None:
                if isinstance(cut, Span):
                    self.account.lose(cut)
                self._ring.append(cut)
                self._fed = max(self._fed, end_of(cut))
        self._journal.recalled(through)
        if not self._on_disk:
            self._name_hole(self.account.position)
        self._trim()

    def _name_hole(self, position: int) -> None:
        """What is before a position should have come back, and did not."""
        if self._fed < position:
            self.tally.lose([(Span(self._fed, position - self._fed, RECONNECT), False)])
            for span in self.account.between(self._fed, position):
                self._ring.append(span)
            self._fed = position

    def release(self) -> None:
        """The consumer has it all: the copy on disk is not needed any more."""
        copying = self._journal is not None and self._journal.state is Keeping.COPYING
        if copying and not self._ring and not self.unacknowledged:
            self.forget_disk()

    def forget_disk(self) -> None:
        """Nothing that is on disk is needed any more."""
        if self._journal is not None:
            self._journal.release()
            self._fed = self.account.position

    def standing(self) -> Standing:
        """
        What became of all that is not needed any more. What was sent before
        anything was kept is not on disk, and counts as delivered.
        """
        return self._standing_at(max(self._safe, self._kept_from))

    @property
    def _safe(self) -> int:
        """What is before this need not be sent again, whatever becomes of the connection."""
        if self.tally.acknowledged is None:
            return self.head
        return min(self.acknowledged_position, self.head)

    def _standing_at(self, position: int) -> Standing:
        after = self.account.between(position, self.account.position)
        return Standing(
            position,
            self.account.missing - sum(span.samples for span in after),
            self.account.gaps_without(after),
            self.tally.next_frame,
            self.tally.texts,
            self.tally.connections,
            self.tally.replayed,
        )

    def put_by(self, ending: Ending) -> Standing:
        """The call is over: what waits is for later."""
        standing = self._standing_at(self._safe)
        if self._journal is not None:
            self._journal.put_by(tuple(self._ring.waiting()), standing, ending)
        return standing

    def end_at(self, position: int) -> None:
        """A stream of an earlier time is known to end there."""
        self.account.advance(max(0, position - self.account.position))
        if not self._on_disk:
            self._name_hole(self.account.position)

    # --- out ---------------------------------------------------------------------------

    def peek(self) -> Entry | None:
        """What is to be sent next."""
        return self._ring.peek()

    def take_told(self) -> Gap | Word:
        """The next entry, which is no audio, as it is to be told."""
        entry = self._ring.take()
        self._ring.keep(entry)
        if isinstance(entry, Span):
            channels = tuple(channel.plan.index for channel in self.start.channels)
            return Gap(entry.position, entry.samples, channels, entry.reason, "none")
        assert isinstance(entry, Word)  # noqa: S101 - the caller peeked
        return entry

    def take_sound(self, max_samples: int) -> tuple[Audio, int]:
        """The next audio, joined with what follows up to ``max_samples``, and its frame number."""
        sound = self._ring.take_sound(max_samples)
        audio, frame = sound.audio, sound.frame
        if frame is None:
            frame = self.tally.next_frame
            self.tally.next_frame += 1
            self.tally.octets += len(audio.payload)
            self.account.hand(audio.samples)
            self._frames.add(frame, audio.position, audio.samples)
        else:
            self.tally.replayed += 1
        self._ring.keep(Sound(audio, frame))
        return audio, frame

    # --- past us --------------------------------------------------------------------

    def is_level(self, position: int) -> bool:
        """Audio that begins at a position goes straight through: nothing waits or is amiss."""
        resting = self._journal is None or self._journal.state is Keeping.RESTING
        ours = self._paused_at is None and not self._given_up
        return position == self.account.position and resting and ours and not self._ring

    def passed(self, stride: Stride) -> None:
        """What was sent in stride: it was handed over, and may be asked for again."""
        samples, position = stride.samples, self.account.position
        for number, payload in enumerate(stride.payloads):
            at, frame = position + number * samples, self.tally.next_frame + number
            self._ring.keep(Sound(Audio(at, samples, payload), frame))
            self._frames.add(frame, at, samples)
            self.tally.octets += len(payload)
        self.tally.next_frame += len(stride.payloads)
        self.account.advance(stride.position - position)
        self.account.hand(stride.position - position)
        self._fed = stride.position
        self._jump_reason = "no_packets"
        self._trim()

    def acknowledge(self, frame: int) -> bool:
        """All up to this frame is safe; False for one that was never sent."""
        if frame >= self.tally.next_frame:
            return False
        self.acknowledges = True
        if self.tally.acknowledged is None or frame > self.tally.acknowledged:
            self.tally.acknowledged = frame
            end = self._frames.end_of(frame)
            self.acknowledged_position = max(self.acknowledged_position, end)
            self._fold(self._ring.acknowledge(frame))
        return True

    # --- another connection ---------------------------------------------------------------

    def rewind(self) -> None:
        """
        All of the ring waits again, for a consumer that starts over. What was not
        acknowledged and is older than the ring is lost after all, and told so; of
        one that acknowledges nothing, it counts as delivered.
        """
        self._ring.rewind()
        if self.acknowledges:
            self._lose_before_head(self.acknowledged_position)

    def forget_sent(self) -> None:
        """This consumer takes nothing twice."""
        self._fold(self._ring.forget_sent())

    def rewind_unsafe(self) -> None:
        """All waits again that the consumer may not have, as far as it said what it has."""
        self._ring.rewind(0 if self.tally.acknowledged is None else self.tally.acknowledged + 1)

    def rewind_to(self, frame: int) -> bool:
        """
        What the consumer has not got waits again: all from ``frame`` on. What
        of it is older than the ring is lost after all, and told so.

        :returns: False for a frame that was never sent.
        """
        if frame > self.tally.next_frame:
            return False
        self._ring.rewind(frame)
        self._ring.skip_sent(frame)
        self._lose_before_head(self._frames.end_of(frame - 1) if frame else 0)
        return True

    def _lose_before_head(self, has: int) -> None:
        """The consumer has all up to a position; from there to what waits, nothing is left."""
        entry = self._ring.peek()
        first = self.fed if entry is None else entry.position
        if has < first:
            self.tally.lose([(Span(has, first - has, RECONNECT), True)])
            self._ring.insert(self.account.between(has, first))

    def skip_waiting(self) -> None:
        """The consumer wants what is live; what waits becomes a gap."""
        self.tally.lose(self._ring.abandon(RECONNECT))
        self._forget_waiting_disk()

    def give_up(self, reason: str) -> None:
        """
        There is no consumer any more: what waits is lost, and all that comes.
        What an earlier connection was handed stays delivered, for nobody can
        be told otherwise.
        """
        abandoned = self._ring.abandon(reason)
        self.tally.lose([(span, False) for span, handed in abandoned if not handed])
        self._forget_waiting_disk()
        self._given_up = True

    def _forget_waiting_disk(self) -> None:
        """What is on disk will not be recalled."""
        if self._on_disk:
            self._name_hole(self.account.position)
        self.forget_disk()

    def close_at(self, position: int) -> None:
        """The stream ends here for its consumer, though the call goes on."""
        before = self.account.delivered
        self.account.close_at(position)
        self.tally.octets -= (before - self.account.delivered) * self.start.sample_octets
        self.forget_disk()
        self._given_up = True

    # --- within the bounds ----------------------------------------------------------------------

    def _trim(self) -> None:
        if self._journal is not None and self._journal.state is not Keeping.RESTING:
            self._fold(self._ring.make_room())
            return
        gone, lost = self._ring.trim(self.drop_reason)
        self._fold(gone)
        self.tally.lose(lost)

    def _fold(self, gone: list[Entry]) -> None:
        for entry in gone:
            if isinstance(entry, Word):
                if isinstance(entry.event, Rearranged):
                    self.start = replace(self.start, channels=entry.event.channels)
                elif isinstance(entry.event, Redescribed):
                    self.start = replace(self.start, description=entry.event.description)
