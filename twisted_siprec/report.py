"""
What the media plane answers: reports while a call goes on, and its statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Address, EndReason


@dataclass(frozen=True, slots=True)
class StreamPorts:
    """The ports bound for a stream."""

    index: int
    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """What came on one stream, all in packets unless named otherwise."""

    index: int
    label: str | None = None
    codec: str | None = None
    ssrc: int | None = None
    packets: int = 0
    octets: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    reordered: int = 0
    discarded: int = 0
    "Not RTP, an unknown payload type, or from a source that has no business here."
    concealed_ms: int = 0
    silent_ms: int = 0
    max_jitter_ms: float = 0.0
    codec_changes: int = 0
    ssrc_changes: int = 0
    dropped: int = 0
    "By our own kernel, because we did not read in time; they are among the lost."
    slipped: int = 0
    "Samples by which the timeline was moved to follow the clock of the source."
    jitter_ms: float = 0.0
    "Now, or at the end."
    mos: float | None = None
    "The mean opinion score (:mod:`.rtp.quality`)."
    rtt_ms: float | None = None
    "Of RTCP to the source and back; None where the source does not help to measure it."
    contributors: tuple[int, ...] = ()
    "The CSRCs that its packets named: who was mixed into it (:rfc:`7866#section-8.1.4`)."


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """What one consumer stream got: the account of native-protocol section 6."""

    destination: str
    stream_id: str
    channel: int | None = None
    "The channel's index where the layout is separate."
    final_position: int = 0
    delivered: int = 0
    "Samples per channel that are in audio messages handed to the connection."
    missing: int = 0
    "Samples per channel in gaps with filled: none."
    frames: int = 0
    octets: int = 0
    gaps_ms: tuple[tuple[str, int], ...] = ()
    "(reason, ms)."
    reconnects: int = 0
    replayed_frames: int = 0
    acknowledged_frame: int | None = None
    complete: bool = True
    "False where the consumer was unreachable at the end and a part was given up."
    spooled: int = 0
    "Samples per channel that are in the spool, and are delivered later."


@dataclass(frozen=True, slots=True)
class BridgeOpened:
    """The ports are bound and receive from now on."""

    bridge: str
    ports: tuple[StreamPorts, ...]


@dataclass(frozen=True, slots=True)
class BridgeClosed:
    """All was delivered, or given up and named."""

    bridge: str
    reason: EndReason
    duration_ms: int
    streams: tuple[StreamStatistics, ...]
    deliveries: tuple[DeliveryStatistics, ...]


@dataclass(frozen=True, slots=True)
class StreamHeard:
    """The first packet of a stream, or the first after silence."""

    bridge: str
    index: int
    source: Address


@dataclass(frozen=True, slots=True)
class StreamSilent:
    """An active stream from which nothing came for some time."""

    bridge: str
    index: int
    silent_ms: int


@dataclass(frozen=True, slots=True)
class HandshakeDone:
    """A stream has keys by DTLS."""

    bridge: str
    index: int
    suite: str


@dataclass(frozen=True, slots=True)
class HandshakeFailed:
    """A stream has no keys, and so nothing of it is heard until a handshake succeeds."""

    bridge: str
    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A destination is connected."""

    bridge: str
    destination: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A destination is not connected (any more)."""

    bridge: str
    destination: str
    reason: str
    retry_in_s: float | None
    "None where it will not be tried again."


@dataclass(frozen=True, slots=True)
class ConsumerSaid:
    """An event that a consumer sent back (a transcript, a verdict)."""

    bridge: str
    destination: str
    name: str
    payload: str
    "JSON."


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """A mistake of ours ended a bridge; its account is had by closing it."""

    bridge: str
    reason: str


Report = (
    StreamHeard
    | StreamSilent
    | HandshakeDone
    | HandshakeFailed
    | LinkUp
    | LinkDown
    | ConsumerSaid
    | BridgeFailed
)
