"""
``recstream.v1``, the native protocol: JSON texts for what happens, binary
messages for what is heard.

Two levels, chosen by the subprotocol that the consumer selects. *Plain*: the
text ``start``, then headerless samples; nothing is waited for. *Framed*: each
binary message has a header of 16 octets, the consumer says ``ready``, and it
can acknowledge, resume and limit what is under way::

    0      version << 4 | kind      kind 0 audio, 1 silence (u32 samples, no audio)
    1      flags                    1 discontinuity, 2 concealed, 4 replay, 8 held
    2      track                    channel index, or 255 for all channels
    3      reserved, 0
    4-7    frame number
    8-15   position of the first sample
    16-    payload
"""

from __future__ import annotations

import json
from struct import Struct

from ..plan import Destination, ParticipantEvent
from . import bodies
from .base import (
    Audio,
    Capabilities,
    Digit,
    Event,
    Gap,
    Message,
    Paused,
    Progress,
    Rearranged,
    Redescribed,
    Reply,
    Resumed,
    ResumePoint,
    Stop,
    StreamStart,
    Synchronisation,
)
from .bodies import Body
from .native_replies import Envelope
from .native_told import Told

FRAMED = "recstream.v1.framed"
PLAIN = "recstream.v1.plain"

OFFERS = {"any": (FRAMED, PLAIN), "framed": (FRAMED,), "plain": (PLAIN,)}
"The subprotocols that are offered, by the ``framing`` of the destination."

HEADER = Struct(">BBBBIQ")
SILENCE = Struct(">I")
VERSION = 1
KIND_AUDIO = 0
KIND_SILENCE = 1
FLAG_DISCONTINUITY = 1
FLAG_CONCEALED = 2
FLAG_REPLAY = 4
FLAG_HELD = 8
ALL_TRACKS = 255


class RecstreamDialect:
    """The native protocol as the sender speaks it to one consumer."""

    name = "recstream"

    def __init__(self, destination: Destination) -> None:
        self.subprotocols: tuple[str, ...] = OFFERS.get(destination.framing, OFFERS["any"])
        self._destination = destination
        self._framed = False
        self._stream_id = ""
        self._track = ALL_TRACKS
        self._start: StreamStart | None = None
        self._sequence = 0
        self._heard = 0
        self._position = 0
        self._told = Told()
        self._started_at = 0
        "The seq of the connection's first text."

    def headers(self, start: StreamStart) -> tuple[tuple[str, str], ...]:
        """The stream's id, which a consumer needs to check a signed handshake."""
        return (("X-Recstream-Stream-Id", start.stream_id),)

    def opened(self, subprotocol: str | None) -> Capabilities:
        """Framed where the consumer selected it, plain for anything else."""
        self._framed = subprotocol == FRAMED
        if not self._framed:
            self._told.keep(0)
            return Capabilities(head=self._no_head)
        return Capabilities(
            waits_for_ready=True,
            acknowledges=True,
            resumes=True,
            falls_back_to=PLAIN,
            head=self._head,
        )

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """``start``; or ``resume`` for a framed consumer that took the stream before."""
        self._start = start
        self._sequence = max(self._sequence, start.texts_before)
        self._started_at = self._sequence + 1
        self._stream_id = start.stream_id
        self._track = ALL_TRACKS if start.track is None else start.track & 0xFF
        self._position = resume.position
        body = self._start_body(start, resume)
        if self._framed and resume.attempt > 1 and resume.established:
            return [
                self._text(
                    "resume",
                    {
                        "resumeToken": resume.token,
                        "attempt": resume.attempt,
                        "firstAvailableFrame": resume.first_frame,
                        "lastAckedFrame": resume.last_acknowledged,
                        "start": body,
                    },
                )
            ]
        return [self._text("start", body)]

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """One binary message; silence in a word where frames have headers to say so."""
        self._position = audio.position + audio.samples
        if not self._framed:
            return [audio.payload]
        flags = (
            FLAG_DISCONTINUITY * audio.discontinuity
            | FLAG_CONCEALED * audio.concealed
            | FLAG_REPLAY * replay
            | FLAG_HELD * audio.held
        )
        kind = KIND_SILENCE if audio.silence else KIND_AUDIO
        header = HEADER.pack(
            VERSION << 4 | kind, flags, self._track, 0, frame & 0xFFFFFFFF, audio.position
        )
        return [header + (SILENCE.pack(audio.samples) if audio.silence else audio.payload)]

    def _head(self, frame: int, position: int, samples: int) -> bytes:
        """The header of audio that has no flags."""
        self._position = position + samples
        first = VERSION << 4 | KIND_AUDIO
        return HEADER.pack(first, 0, self._track, 0, frame & 0xFFFFFFFF, position)

    def _no_head(self, frame: int, position: int, samples: int) -> bytes:
        """Plain audio has no header, but texts tell where it is."""
        self._position = position + samples
        return b""

    def event(self, event: Event, position: int) -> list[Message]:
        """One text; none where a consumer that resumed has it already."""
        self._position = position
        if event in self._told:
            return []
        kind, body = self._word(event)
        text = self._text(kind, body)
        self._told.add(event, self._sequence)
        return [text]

    def mark(self, name: str, position: int) -> list[Message]:
        """The consumer's mark, back with where we are."""
        self._position = position
        return [self._text("mark", {"name": name})]

    def error(self, code: str, message: str, fatal: bool) -> list[Message]:
        """A quarrel in words; ``fatal`` says that we close after it."""
        return [self._text("error", {"code": code, "message": message, "fatal": fatal})]

    def stop(self, stop: Stop) -> list[Message]:
        """The end, with the account: finalPos is what was delivered and what is in gaps."""
        self._position = stop.final_position
        body: Body = {
            "reason": stop.reason.value,
            "durationMs": stop.duration_ms,
            "finalPos": stop.final_position,
            "frames": stop.frames,
            "bytes": stop.octets,
            "channels": [bodies.statistics(stream) for stream in stop.channels],
            "gaps": dict(stop.gaps_ms),
            "reconnects": stop.reconnects,
            "replayedFrames": stop.replayed_frames,
            "metadataRevision": stop.metadata_revision,
        }
        return [self._text("stop", body)]

    def received(self, message: Message) -> list[Reply]:
        """What the consumer said, as one reply."""
        envelope = Envelope.parse(message)
        self._heard = max(self._heard, envelope.sequence)
        if envelope.kind in ("ready", "resumed"):
            last = envelope.resumes_after
            self._told.keep(last if last < self._started_at else 0)
        return [envelope.reply(self._framed)]

    def _word(self, event: Event) -> tuple[str, Body]:
        """An event's type and body. ``metadata`` has the XML only where it is asked for."""
        match event:
            case Gap():
                return "gap", bodies.gap(event)
            case Digit():
                return "dtmf", _digit(event)
            case Synchronisation():
                return "sync", _synchronisation(event)
            case Redescribed():
                return "metadata", self._redescribed(event)
            case Rearranged():
                return "format", self._rearranged(event)
            case ParticipantEvent():
                return "participant", _participant(event)
            case Paused():
                return "paused", {"by": event.by}
            case Resumed():
                return "resumed", {"by": event.by, "skippedSamples": event.skipped}
            case Progress():
                return "stats", {"channels": [bodies.statistics(one) for one in event.streams]}

    def _text(self, kind: str, body: Body) -> str:
        self._sequence += 1
        envelope = {
            "type": kind,
            "streamId": self._stream_id,
            "seq": self._sequence,
            "ack": self._heard,
            "pos": self._position,
            "data": body,
        }
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))

    def _start_body(self, start: StreamStart, resume: ResumePoint) -> Body:
        limits = {
            "replayMs": self._destination.replay_ms,
            "maxChunkMs": self._destination.max_chunk_ms,
        }
        capabilities = ["resume", "pause", "window", "dtmf", "metadata"]
        siprec = bodies.description(start.description)
        if self._destination.include_xml and start.description.xml is not None:
            siprec["xml"] = start.description.xml
        late: Body = {"late": True} if start.late else {}
        return {
            "protocol": "recstream",
            "version": "1.0",
            **late,
            "resumeToken": resume.token,
            "attempt": resume.attempt,
            "startedAt": bodies.timestamp(start.started_at),
            "media": bodies.media(start),
            "channels": bodies.channels(start.channels),
            "siprec": siprec,
            "limits": limits,
            "capabilities": capabilities if self._framed else ["pause", "dtmf", "metadata"],
        }

    def _redescribed(self, event: Redescribed) -> Body:
        known = event.description
        body: Body = {
            "revision": known.revision,
            "mode": bodies.mode(known),
            "siprec": bodies.description(known),
        }
        if self._destination.include_xml and known.xml is not None:
            body["xml"] = known.xml
        return body

    def _rearranged(self, event: Rearranged) -> Body:
        body: Body = {"pos": event.position, "channels": bodies.channels(event.channels)}
        if self._start is not None:
            interleaved = self._destination.layout.value == "interleaved"
            width = len(event.channels) if interleaved else 1
            body["media"] = {**bodies.media(self._start), "channels": width}
        return body


def _digit(event: Digit) -> Body:
    body: Body = {"digit": event.digit, "durationMs": event.duration_ms, "source": event.source}
    if event.channel is not None:
        body["channel"] = event.channel
    if event.participant_id is not None:
        body["participantId"] = event.participant_id
    return body


def _participant(event: ParticipantEvent) -> Body:
    return {"event": event.event, "participantId": event.participant_id, "at": event.at}


def _synchronisation(event: Synchronisation) -> Body:
    channels: list[Body] = []
    for index, (ssrc, rtp_timestamp, drift_ppm) in enumerate(event.channels):
        channel: Body = {"index": index, "driftPpm": round(drift_ppm, 3)}
        if ssrc is not None:
            channel["ssrc"] = ssrc
        if rtp_timestamp is not None:
            channel["rtpTimestamp"] = rtp_timestamp
        channels.append(channel)
    return {"wallclock": bodies.timestamp(event.wallclock), "channels": channels}
