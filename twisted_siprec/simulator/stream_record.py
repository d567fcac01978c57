"""
What a consumer has of one stream, over all its connections, and where that and
the sender's account differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MAX_VIOLATIONS = 100

Text = dict[str, Any]
"A JSON object as it came: the one place where nothing is known of its shape."


@dataclass(frozen=True, slots=True)
class Heard:
    """New audio of a stream: at its position, and never twice."""

    position: int
    samples: int
    payload: bytes | None
    "None for silence that came as a word."


@dataclass(slots=True)
class StreamRecord:
    """All that a consumer got of one stream, and said on it."""

    stream_id: str
    position: int | None = None
    "The first sample that is neither heard nor named as missing."
    next_frame: int = 0
    frames: int = 0
    "Binary messages with a header that came, those that came again not counted."
    last_sequence: int = 0
    last_told: int = 0
    "The last text that was no start and no resume."
    connections: int = 0
    delivered: int = 0
    missing: int = 0
    repeated: int = 0
    unread: int = 0
    "Sent on a plain connection that died before it was read, and too old to be sent again."
    octets: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    "Samples by reason, as they were told."
    revision: int | None = None
    "Of the last metadata."
    said: int = 0
    "The seq of our last text."
    inherited: bool = False
    "Somebody else had it before us, to whom some of what the sender says refers."
    acknowledged: int = -1
    "The last frame that we said is safe."
    start: Text = field(default_factory=dict)
    stop: Text | None = None
    violations: list[str] = field(default_factory=list)

    @property
    def media(self) -> Text:
        """``media`` of the latest start or format."""
        media = self.start.get("media")
        return media if isinstance(media, dict) else {}

    @property
    def sample_rate(self) -> int:
        """Hz, as the start says."""
        return _positive(self.media.get("sampleRate"), 8000)

    @property
    def sample_octets(self) -> int:
        """Octets of one sample of all channels."""
        width = 2 if self.media.get("encoding") == "L16" else 1
        return _positive(self.media.get("channels"), 1) * width

    @property
    def track(self) -> int:
        """The third octet of its headers: one channel, or all."""
        channels = self.start.get("channels")
        if self.media.get("layout") != "separate" or not isinstance(channels, list) or not channels:
            return 255
        index = channels[0].get("index") if isinstance(channels[0], dict) else None
        return index if isinstance(index, int) else 255

    @property
    def max_chunk_samples(self) -> int | None:
        """The most samples of a channel in one message, as the start says."""
        limits = self.start.get("limits")
        most_ms = limits.get("maxChunkMs") if isinstance(limits, dict) else None
        return most_ms * self.sample_rate // 1000 if isinstance(most_ms, int) else None

    def violated(self, what: str) -> None:
        """The sender broke the protocol."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(f"stream {self.stream_id}: {what}")

    def advance(self, position: int, samples: int, what: str) -> int:
        """
        The span is heard or named; returns how many samples at its end are new.
        A span that begins after where we are leaves a hole that nobody named.
        """
        if self.position is None:
            self.position = position
        if position > self.position:
            self.violated(f"{what} at {position}, but nothing for {self.position} to {position}")
            self.position = position
        new = max(0, position + samples - self.position)
        self.position += new
        return new

    def ended(self, stop: Text, framed: bool) -> None:
        """``stop`` came: compare the sender's account with ours."""
        self.stop = stop
        final = stop.get("finalPos")
        if final != (self.position or 0):
            self.violated(f"finalPos is {final}, but what came ends at {self.position}")
        if self.start.get("late"):
            # Of what was before, a server that was killed may have forgotten some.
            return
        reconnects = stop.get("reconnects")
        if isinstance(reconnects, int) and reconnects < self.connections - 1:
            self.violated(f"stop says {reconnects} reconnects, {self.connections - 1} came")
        if reconnects == 0:
            self._compare(stop, framed)

    def _compare(self, stop: Text, framed: bool) -> None:
        """All of it came on one connection, so all that is counted was seen."""
        if stop.get("bytes") != self.octets:
            self.violated(f"stop says {stop.get('bytes')} bytes, {self.octets} came")
        if framed and stop.get("frames") != self.frames:
            self.violated(f"stop says {stop.get('frames')} frames, {self.frames} came")
        if stop.get("reason") == "consumer_bye":
            # What was told of was cut off with the rest.
            return
        gaps_ms = {name: samples * 1000 // self.sample_rate for name, samples in self.gaps.items()}
        if stop.get("gaps") != gaps_ms:
            self.violated(f"stop says gaps of {stop.get('gaps')} ms, those told are {gaps_ms}")
        if self.revision is not None and stop.get("metadataRevision") != self.revision:
            told = stop.get("metadataRevision")
            self.violated(f"stop says metadata revision {told}, the last was {self.revision}")


def _positive(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) and value > 0 else otherwise
