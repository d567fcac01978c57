"""
What every dialect shares: the events of a consumer stream, and what a consumer
can say back.

A **dialect** translates. It holds no connection, no clock and no queue; the
delivery (:mod:`twisted_siprec.bridge.delivery`) decides what is sent when,
keeps what may be needed again, and does the accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..participants import Description
from ..plan import ChannelPlan, Destination, Encoding, EndReason, ParticipantEvent
from ..report import StreamStatistics

# --- what is delivered ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChannelStart:
    """One channel, and what is known of its codec when the stream starts."""

    plan: ChannelPlan
    codec: str | None = None
    ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class StreamStart:
    """The beginning of a consumer stream: all that ``start`` tells."""

    stream_id: str
    bridge: str
    started_at: float
    "POSIX seconds of position 0."
    encoding: Encoding
    sample_rate: int
    channels: tuple[ChannelStart, ...]
    "In the order of the interleaved samples; one where the layout is separate."
    destination: Destination
    description: Description
    track: int | None = None
    "The index of the one channel where the layout is separate, None where all are in one."
    late: bool = False
    "The call is over; what is delivered waited on disk."
    texts_before: int = 0
    "Of a late one: texts that were said in its name earlier, or more."

    @property
    def width(self) -> int:
        """Samples side by side in the audio: 1 for mono and for separate channels."""
        return 1 if self.destination.layout.value != "interleaved" else len(self.channels)

    @property
    def sample_octets(self) -> int:
        """Octets of one sample of all channels that are side by side."""
        return self.width * (2 if self.encoding is Encoding.L16 else 1)


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which one or more channels have no audio of their own, and why."""

    position: int
    samples: int
    channels: tuple[int, ...]
    reason: str
    "rtp_loss, no_packets, late, backpressure, reconnect, paused or muted."
    filled: str
    "silence or concealed: the span is in the audio. none: it is not; the position jumps over it."


@dataclass(frozen=True, slots=True)
class Digit:
    """A key press, told once."""

    digit: str
    duration_ms: int
    channel: int | None
    participant_id: str | None
    source: str
    "rfc4733 or sip-info."


@dataclass(frozen=True, slots=True)
class Audio:
    """
    The audio of all channels of a consumer stream from ``position`` on, encoded
    and interleaved as its start says.
    """

    position: int
    samples: int
    payload: bytes
    silence: bool = False
    "All of it is digital silence; a dialect that has a word for that may use it."
    discontinuity: bool = False
    concealed: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """Wall clock against media position (``sync``)."""

    position: int
    wallclock: float
    channels: tuple[tuple[int | None, int | None, float], ...] = ()
    "Per channel SSRC, RTP timestamp at the position, drift in ppm."


@dataclass(frozen=True, slots=True)
class Redescribed:
    """The metadata changed."""

    description: Description


@dataclass(frozen=True, slots=True)
class Rearranged:
    """Channels, codecs or layout are others from ``position`` on (``format``)."""

    position: int
    channels: tuple[ChannelStart, ...]


@dataclass(frozen=True, slots=True)
class Paused:
    """No audio from here on; what was said meanwhile is not recorded."""

    position: int
    by: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Audio again. The position has moved on by ``skipped``."""

    position: int
    by: str
    skipped: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Counters so far (``stats``)."""

    position: int
    streams: tuple[StreamStatistics, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of a consumer stream, with the account of it."""

    reason: EndReason
    duration_ms: int
    final_position: int
    frames: int
    octets: int
    channels: tuple[StreamStatistics, ...]
    gaps_ms: tuple[tuple[str, int], ...]
    reconnects: int
    replayed_frames: int
    metadata_revision: int


Event = (
    Gap
    | Digit
    | Synchronisation
    | Redescribed
    | Rearranged
    | ParticipantEvent
    | Paused
    | Resumed
    | Progress
)
"What happens between start and stop besides audio, in order with it."

# --- what a consumer says ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """The consumer takes the stream."""

    start_at: str = "buffered"
    "buffered or live."
    ack_every_ms: int | None = None
    window_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The consumer does not take the stream."""

    code: str
    message: str
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """All up to and with this frame is safe with the consumer."""

    frame: int


@dataclass(frozen=True, slots=True)
class Continue:
    """After ``resume``: the consumer goes on from this frame."""

    from_frame: int


@dataclass(frozen=True, slots=True)
class Window:
    """How much unacknowledged media the consumer takes."""

    window_ms: int


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """The consumer wants no audio for now."""


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """The consumer wants audio again."""


@dataclass(frozen=True, slots=True)
class Marked:
    """To be echoed with the position."""

    name: str


@dataclass(frozen=True, slots=True)
class Said:
    """An event for others: a transcript, a verdict."""

    name: str
    payload: str


@dataclass(frozen=True, slots=True)
class DrainAsked:
    """The consumer is going away: connect again, there if it says where."""

    reconnect_to: str | None
    after_ms: int


@dataclass(frozen=True, slots=True)
class Farewell:
    """The consumer wants no more of this stream."""

    reason: str
    waits: bool = False
    "For our stop; after that it says farewell again, without waiting."


@dataclass(frozen=True, slots=True)
class Respond:
    """An answer that the dialect itself knows, to be sent at once."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """The connection is of no use any more: it is closed, and another is made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that the dialect does not know or that is malformed: counted and logged."""

    reason: str


Reply = (
    Ready
    | Rejected
    | Acknowledged
    | Continue
    | Window
    | PauseAsked
    | ResumeAsked
    | Marked
    | Said
    | DrainAsked
    | Farewell
    | Respond
    | Broken
    | Odd
)

# --- the translation ---------------------------------------------------------------

Message = str | bytes
"A WebSocket message: text or binary."


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dialect can do, given the subprotocol that the consumer selected."""

    waits_for_ready: bool = False
    acknowledges: bool = False
    resumes: bool = False
    announces_gaps: bool = True
    falls_back_to: str | None = None
    "The subprotocol to go on with where the consumer does not say that it is ready in time."
    sends_again: bool = True
    "A consumer that comes back without resuming gets what is in the ring, not only what is new."
    hangs_up: bool = False
    "The consumer has nothing to say after stop: we close."
    head: Callable[[int, int, int], bytes] | None = field(default=None, compare=False, repr=False)
    """
    Where audio of which nothing is to be told is one binary message, of the samples
    as they are and this before them: made of the frame number, the position and the
    samples of a channel. It replaces :meth:`Dialect.audio` for such a message.
    """


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """What is told to a consumer on a reconnection."""

    token: str
    attempt: int
    first_frame: int
    "The oldest frame that is still here."
    last_acknowledged: int | None
    position: int = 0
    "Where the audio of this connection begins, as far as we know before the consumer spoke."
    established: bool = True
    "The consumer took the stream on an earlier connection; where not, there is nothing to resume."


class Dialect(Protocol):
    """
    A WebSocket application protocol, from the sender's side. One instance for
    each consumer stream; it lives across reconnections.
    """

    name: str
    subprotocols: tuple[str, ...]

    def headers(self, start: StreamStart) -> tuple[tuple[str, str], ...]:
        """Handshake header fields besides those of the configuration."""

    def opened(self, subprotocol: str | None) -> Capabilities:
        """The connection is up; everything after this is written for this subprotocol."""

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """The first messages of a connection; a resumption where its attempt is above 1."""

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """Audio in messages. ``frame`` counts from 0 for the stream, across reconnections."""

    def event(self, event: Event, position: int) -> list[Message]:
        """An event in messages; an empty list where the dialect has no word for it."""

    def mark(self, name: str, position: int) -> list[Message]:
        """The echo of a mark."""

    def error(self, code: str, message: str, fatal: bool) -> list[Message]:
        """What went wrong between us and the consumer, where the dialect has a word for it."""

    def stop(self, stop: Stop) -> list[Message]:
        """The last messages of the stream."""

    def received(self, message: Message) -> list[Reply]:
        """What the consumer said. Never raises, whatever it is."""
