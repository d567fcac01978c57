"""
How fast a consumer is given what waits for it: as the connection takes it, as
the window of the consumer allows, and while it catches up, not faster than a
few times real time.
"""

from __future__ import annotations

from ..dialects.base import Dialect, Gap, Message
from ..plan import Destination
from .backlog import Backlog
from .entries import Sound


class Outflow:
    """
    The sending end of one connection after another.

    :param replay_speed: times real time, while the consumer catches up.
    :param burst_octets: what is handed over at once; then the transport gets a
        chance to say that it is full.
    :ivar cursor: the position after the last that was sent.
    :ivar blocked: the transport takes no more.
    :ivar resume_at: when there is more to send, where nothing but time is missing.
    """

    def __init__(
        self,
        backlog: Backlog,
        dialect: Dialect,
        destination: Destination,
        replay_speed: int,
        burst_octets: int,
    ) -> None:
        self._backlog = backlog
        self._dialect = dialect
        self._destination = destination
        self._sample_rate = backlog.start.sample_rate
        self._replay_speed = replay_speed
        self._burst_octets = burst_octets
        self._window_samples: int | None = None
        self._window_from = 0
        self._catching_up = False
        self._again = False
        self._next_sound_at = 0.0
        self.cursor = 0
        self.blocked = False
        self.resume_at: float | None = None

    def begin(self, now: float, again: bool) -> None:
        """
        The consumer takes the stream; what waits by now is caught up with.

        :param again: it did so before, so that this is a replay.
        """
        entry = self._backlog.peek()
        self.cursor = self._backlog.fed if entry is None else entry.position
        self._window_from = self.cursor
        self._catching_up = bool(self._backlog)
        self._again = again
        self._next_sound_at = now

    def set_window(self, window_ms: int | None) -> None:
        """How much the consumer takes unacknowledged; None for any amount."""
        self._window_samples = None if window_ms is None else self._samples(window_ms)

    @property
    def free(self) -> bool:
        """Whatever comes next may be sent at once, and as it is."""
        return not (self.blocked or self._catching_up) and self._window_samples is None

    def pump(self, now: float) -> list[Message]:
        """All that may be sent now."""
        self.resume_at = None
        messages: list[Message] = []
        burst = self._burst_octets
        while not self.blocked:
            entry = self._backlog.peek()
            if entry is None:
                # The rest may be on disk.
                self._catching_up = bool(self._backlog) and self._catching_up
                break
            if not isinstance(entry, Sound):
                messages += self._tell()
            elif burst <= 0 or (self._catching_up and now < self._next_sound_at):
                self.resume_at = max(now, self._next_sound_at)
                break
            elif not self._window_open(entry.audio.samples):
                break
            else:
                sounds = self._sound(now)
                burst -= sum(len(sound) for sound in sounds)
                messages += sounds
        return messages

    def _sound(self, now: float) -> list[Message]:
        """The next audio, joined where much waits."""
        late = self._backlog.waiting_samples > self._samples(self._destination.backlog_ms)
        limit = self._samples(self._destination.max_chunk_ms) if late else 0
        audio, frame = self._backlog.take_sound(limit)
        self.cursor = audio.position + audio.samples
        if self._catching_up:
            seconds = audio.samples / (self._sample_rate * self._replay_speed)
            self._next_sound_at = max(now, self._next_sound_at) + seconds
        return self._dialect.audio(audio, frame, self._catching_up and self._again)

    def _tell(self) -> list[Message]:
        told = self._backlog.take_told()
        if isinstance(told, Gap):
            self.cursor = told.position + told.samples
            return self._dialect.event(told, told.position)
        return self._dialect.event(told.event, told.position)

    def _window_open(self, samples: int) -> bool:
        if self._window_samples is None:
            return True
        safe = max(self._window_from, self._backlog.acknowledged_position)
        under_way = self.cursor - safe
        # One message may always go, or a window smaller than it would be a stop.
        return under_way <= 0 or under_way + samples <= self._window_samples

    def _samples(self, milliseconds: int) -> int:
        return milliseconds * self._sample_rate // 1000
