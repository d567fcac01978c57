"""
What the native protocol's messages must be made of, as its text has it: the
members of each text, their types and words, and the header of binary messages.

Members and types that are not here may come, and mean nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .stream_record import Text


@dataclass(frozen=True, slots=True)
class Member:
    """A member that must be there."""

    kind: type | tuple[type, ...]
    words: tuple[str, ...] = ()
    "What a text may be; any where there are none."

    def fault(self, value: object) -> str | None:
        """What is wrong with a value."""
        # True is an int in Python and no number in JSON.
        whole = self.kind is not bool and isinstance(value, bool)
        if whole or not isinstance(value, self.kind):
            return f"is {value!r:.40}"
        if self.words and value not in self.words:
            return f"is {value!r:.40}, none of {', '.join(self.words)}"
        if isinstance(value, int) and value < 0:
            return f"is {value}, below 0"
        return None


WHOLE, WORD, FLAG = Member(int), Member(str), Member(bool)
OBJECT, LIST = Member(dict), Member(list)
WHOLE_OR_NULL = Member((int, type(None)))
GAP_REASONS = ("rtp_loss", "late", "no_packets", "backpressure", "reconnect", "paused", "muted")
STOP_REASONS = (
    "call_ended",
    "no_media",
    "src_lost",
    "operator",
    "consumer_bye",
    "shutdown",
    "error",
)
BY = Member(str, ("src", "consumer", "policy"))

ENVELOPE: Mapping[str, Member] = {
    "type": WORD,
    "streamId": WORD,
    "seq": WHOLE,
    "ack": WHOLE,
    "pos": WHOLE,
    "data": OBJECT,
}
MEDIA: Mapping[str, Member] = {
    "encoding": Member(str, ("L16", "PCMU", "PCMA")),
    "sampleRate": WHOLE,
    "channels": WHOLE,
    "layout": Member(str, ("interleaved", "separate", "mono")),
    "chunkMs": WHOLE,
}
BODIES: Mapping[str, Mapping[str, Member]] = {
    "start": {
        "protocol": Member(str, ("recstream",)),
        "version": WORD,
        "resumeToken": WORD,
        "attempt": WHOLE,
        "startedAt": WORD,
        "media": OBJECT,
        "channels": LIST,
        "siprec": OBJECT,
        "limits": OBJECT,
        "capabilities": LIST,
    },
    "resume": {
        "resumeToken": WORD,
        "attempt": WHOLE,
        "firstAvailableFrame": WHOLE,
        "lastAckedFrame": WHOLE_OR_NULL,
        "start": OBJECT,
    },
    "gap": {
        "pos": WHOLE,
        "samples": WHOLE,
        "channels": LIST,
        "reason": Member(str, GAP_REASONS),
        "filled": Member(str, ("silence", "concealed", "none")),
    },
    "metadata": {
        "revision": WHOLE,
        "mode": Member(str, ("snapshot", "delta")),
        "siprec": OBJECT,
    },
    "participant": {
        "event": Member(str, ("joined", "left", "held", "resumed")),
        "participantId": WORD,
        "at": WORD,
    },
    "format": {"pos": WHOLE, "channels": LIST, "media": OBJECT},
    "dtmf": {
        "digit": WORD,
        "durationMs": WHOLE,
        "source": Member(str, ("rfc4733", "sip-info")),
    },
    "sync": {"wallclock": WORD, "channels": LIST},
    "paused": {"by": BY},
    "resumed": {"by": BY, "skippedSamples": WHOLE},
    "stats": {"channels": LIST},
    "mark": {"name": WORD},
    "stop": {
        "reason": Member(str, STOP_REASONS),
        "durationMs": WHOLE,
        "finalPos": WHOLE,
        "frames": WHOLE,
        "bytes": WHOLE,
        "channels": LIST,
        "gaps": OBJECT,
        "reconnects": WHOLE,
        "replayedFrames": WHOLE,
        "metadataRevision": WHOLE,
    },
    "error": {"code": WORD, "message": WORD, "fatal": FLAG},
}
CLOSE_CODES = (1000, 1001, 1011, 4000, 4003, 4008, 4029)
"With which a sender closes."

HEADER = struct.Struct(">BBBBIQ")
REPLAY = 4
FLAGS = 15
SILENCE = 1


def faults(text: Text) -> Iterator[str]:
    """What is wrong with a text, in words; nothing with one of a type that is not known."""
    kind = text.get("type")
    yield from _of(text, ENVELOPE, "")
    body = text.get("data")
    known = BODIES.get(kind) if isinstance(kind, str) else None
    if known is None or not isinstance(body, dict):
        return
    yield from _of(body, known, f"{kind}.")
    start = body.get("start") if kind == "resume" else body if kind == "start" else None
    if kind == "resume" and isinstance(start, dict):
        yield from _of(start, BODIES["start"], "resume.start.")
    media = (start or body).get("media") if kind in ("start", "resume", "format") else None
    if isinstance(media, dict):
        yield from _of(media, MEDIA, f"{kind}.media.")
        yield from _widths(media, (start or body).get("channels"), f"{kind}.")


def _of(body: Text, members: Mapping[str, Member], place: str) -> Iterator[str]:
    for name, member in members.items():
        if name not in body:
            yield f"{place}{name} is not there"
        elif (fault := member.fault(body[name])) is not None:
            yield f"{place}{name} {fault}"


def _widths(media: Text, channels: object, place: str) -> Iterator[str]:
    """Whether the channels are as many as the audio has side by side."""
    if not isinstance(channels, list):
        return
    width = len(channels) if media.get("layout") == "interleaved" else 1
    if media.get("channels") != width:
        yield f"{place}media.channels is {media.get('channels')}, with {len(channels)} channels"
    if media.get("layout") == "separate" and len(channels) != 1:
        yield f"{place}channels has {len(channels)} entries on a connection for one"
    for index, channel in enumerate(channels):
        if not isinstance(channel, dict) or not isinstance(channel.get("index"), int):
            yield f"{place}channels[{index}] has no index"


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The sixteen octets before the payload of a framed message."""

    first: int
    flags: int
    track: int
    reserved: int
    frame: int
    position: int

    @classmethod
    def parse(cls, message: bytes) -> FrameHeader | None:
        """None where the message is too short to have one."""
        if len(message) < HEADER.size:
            return None
        return cls(*HEADER.unpack_from(message))

    @property
    def silent(self) -> bool:
        """The payload is a number of samples."""
        return self.first & 15 == SILENCE

    @property
    def replayed(self) -> bool:
        """It comes later than it was heard."""
        return bool(self.flags & REPLAY)

    def fault(self, track: int, payload: bytes) -> str | None:
        """What is wrong with it, on a stream of that track."""
        if self.first >> 4 != 1:
            return f"a header of version {self.first >> 4}"
        if self.first & 15 > SILENCE:
            return f"a header of kind {self.first & 15}"
        if self.flags & ~FLAGS:
            return f"a header with flags {self.flags:#04x}"
        if self.reserved:
            return f"a header with {self.reserved} where 0 is reserved"
        if self.track != track:
            return f"a header of track {self.track} on a stream of track {track}"
        if self.silent and len(payload) != 4:
            return f"silence of {len(payload)} octets, where 4 count its samples"
        return None
