"""
Transcripts, as all dialects tell them: one shape, on the call's own time.

A recogniser counts from the first audio that it got on this connection. What it
did not get (a pause, a connection that was down) is no part of its time, so that
its seconds are not ours; :class:`Heard` knows the way from one to the other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from .base import ChannelStart, Said
from .texts import written

MAX_ANCHORS = 256


@dataclass(frozen=True, slots=True)
class Transcript:
    """What somebody said, as a recogniser has it."""

    text: str
    final: bool
    start_ms: int | None = None
    end_ms: int | None = None
    confidence: float | None = None
    channel: ChannelStart | None = None
    utterance: str | None = None
    "The consumer's own name for it, by which a later version replaces an earlier one."
    speaker: str | None = None

    def said(self) -> Said:
        """As an event of the call. What is not known is left out."""
        body: dict[str, object] = {"text": self.text, "final": self.final}
        plan = None if self.channel is None else self.channel.plan
        optional = {
            "startMs": self.start_ms,
            "endMs": self.end_ms,
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "channel": None if plan is None else plan.index,
            "participantId": None if plan is None else plan.participant_id,
            "role": None if plan is None else plan.role,
            "utterance": self.utterance,
            "speaker": self.speaker,
        }
        body.update((name, value) for name, value in optional.items() if value is not None)
        return Said("transcript", written(body))


class Heard:
    """
    What a consumer has heard on this connection, and where on our timeline that
    lies. The newest anchors are kept; what is older is placed by the oldest.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._heard: list[int] = []
        self._positions: list[int] = []
        self.samples = 0
        "How much it has heard: its own position."
        self._next = -1

    def add(self, position: int, samples: int) -> None:
        """It is given this."""
        if position != self._next:
            self._heard.append(self.samples)
            self._positions.append(position)
            del self._heard[:-MAX_ANCHORS], self._positions[:-MAX_ANCHORS]
        self.samples += samples
        self._next = position + samples

    def ours_ms(self, seconds: float | None, end: bool = False) -> int | None:
        """
        A time of the consumer's in milliseconds since the stream's position 0.

        :param end: of something, so that it lies before a break and not behind it.
        """
        if seconds is None:
            return None
        if not self._heard:
            return round(seconds * 1000)
        heard = seconds * self._rate
        after = bisect_left if end else bisect_right
        index = max(0, after(self._heard, heard) - 1)
        position = self._positions[index] + heard - self._heard[index]
        return round(position * 1000 / self._rate)
