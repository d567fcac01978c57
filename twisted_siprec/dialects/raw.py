"""
One text that says what comes, and then the samples as they are: the plainest of
dialects, of which every platform has its own.

What is the same in all of them is :class:`Preambled`; the plain one, jambonz and
FreeSWITCH are here, Vonage, Asterisk and siphon in :mod:`~.raw_platforms`. Where
channels are interleaved there are two, always: a consumer that was told so once
must not be surprised by a third party.
"""

from __future__ import annotations

from dataclasses import replace

from ..plan import Destination, Encoding, Layout
from . import bodies
from .base import (
    Audio,
    Digit,
    Event,
    Farewell,
    Message,
    Odd,
    Rearranged,
    Reply,
    Respond,
    ResumePoint,
    Stop,
    StreamStart,
)
from .bodies import Body
from .cutting import Cutter
from .foreign import Foreign
from .octets import silence
from .sides import Folding
from .terms import SIDE, SWITCH, Option, Terms, one_of, text
from .texts import Fields, mapping, parsed, word, written

MAX_METADATA = 8_000
"Characters of the first text; jambonz and FreeSWITCH have room for 8 KiB."

FIRST = {"first": SIDE}
"Who is on the left."
FRAME = {"frame_ms": Option("a whole number of milliseconds from 10 to 1000", "[1-9][0-9]?0|1000")}
SUBPROTOCOL = {"subprotocol": Option("a subprotocol, or none", r"[A-Za-z0-9._-]{1,64}")}


def bounded(body: Body, start: StreamStart) -> str:
    """A body with what is known of the call in it, as far as there is room."""
    whole = written({**body, "siprec": bodies.description(start.description)})
    return whole if len(whole) < MAX_METADATA else written(body)


class Preambled(Foreign):
    """A preamble, and samples in messages of one length."""

    subprotocol = ""
    frame_ms = 20
    whole_frames = False
    "A frame that is not full is filled up with silence."

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        chosen = self.options.get("subprotocol", self.subprotocol)
        self.subprotocols = (chosen,) if chosen not in ("", "none") else ()
        self._frame_ms = int(self.options.get("frame_ms", self.frame_ms))

    # --- what each does in its own way ------------------------------------------------

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """The first text."""
        return None

    def digit(self, digit: Digit) -> str | None:
        """A key press."""
        return None

    def ending(self, stop: Stop) -> Message | None:
        """The last message."""
        return None

    def answered(self, fields: Fields) -> list[Reply]:
        """What a text of the consumer's means."""
        name = word(fields, "event") or word(fields, "type") or "message"
        return [self.told(name, fields)]

    # --- the dialect --------------------------------------------------------------------

    @property
    def channels(self) -> int:
        """Side by side."""
        return 2 if self.destination.layout is Layout.INTERLEAVED else 1

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """The preamble."""
        self._start = start
        self._fold()
        samples = self._frame_ms * start.sample_rate // 1000
        quiet = silence(start.encoding, self.channels)
        self._cutter = Cutter(samples, len(quiet), quiet if self.whole_frames else None)
        preamble = self.preamble(start, resume.attempt)
        return [] if preamble is None else [preamble]

    def _fold(self) -> None:
        self._folding = Folding(self._start, self.options.get("first", "caller"))

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """Frames; what is left of them waits for the next."""
        payload = audio.payload if self.channels == 1 else self._folding.folded(audio)
        return [cut for _, cut in self._cutter.cut(audio.position, payload)]

    def event(self, event: Event, position: int) -> list[Message]:
        """A digit, where there is a word for it."""
        match event:
            case Digit():
                said = self.digit(event)
                return [] if said is None else [said]
            case Rearranged(_, channels):
                self._start = replace(self._start, channels=channels)
                self._fold()
        return []

    def stop(self, stop: Stop) -> list[Message]:
        """What is left of a frame, and the last message."""
        rest: list[Message] = [cut for _, cut in self._cutter.rest()]
        ending = self.ending(stop)
        return rest if ending is None else [*rest, ending]

    def received(self, message: Message) -> list[Reply]:
        """Audio of the consumer's is for nobody; texts mean something."""
        if isinstance(message, bytes):
            return []
        fields = parsed(message)
        return [fields] if isinstance(fields, Odd) else self.answered(fields)


class RawDialect(Preambled):
    """Our own: a JSON of what comes (or nothing), and the samples."""

    name = "raw"
    frame_ms = 100
    TERMS = Terms(
        encodings=(Encoding.L16, Encoding.PCMU, Encoding.PCMA),
        rates=(None, 8000, 16000, 24000),
        options={
            **FIRST,
            **FRAME,
            **SUBPROTOCOL,
            "preamble": one_of("json", "none"),
            "dtmf": SWITCH,
        },
    )

    @property
    def _talks(self) -> bool:
        return self.options.get("preamble") != "none"

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """The format, the channels and the metadata, in the words of the native protocol."""
        if not self._talks:
            return None
        body: Body = {
            "event": "start",
            "streamId": start.stream_id,
            "startedAt": bodies.timestamp(start.started_at),
            "attempt": attempt,
            "media": bodies.media(start) | {"channels": self.channels},
            "channels": bodies.channels(start.channels),
            "siprec": bodies.description(start.description),
        }
        return written(body)

    def digit(self, digit: Digit) -> str | None:
        """``dtmf``."""
        if not self._talks or self.options.get("dtmf") == "false":
            return None
        body: Body = {"event": "dtmf", "digit": digit.digit, "durationMs": digit.duration_ms}
        if digit.channel is not None:
            body["channel"] = digit.channel
        return written(body)

    def ending(self, stop: Stop) -> Message | None:
        """``stop``."""
        return written({"event": "stop", "reason": stop.reason.value}) if self._talks else None


class JambonzDialect(Preambled):
    """The ``listen`` of jambonz, which is drachtio's ``mod_audio_fork``."""

    name = "jambonz"
    subprotocol = "audio.drachtio.org"
    TERMS = Terms(
        rates=(None, 8000, 16000, 24000),
        options={
            **FIRST,
            **FRAME,
            **SUBPROTOCOL,
            "account": text("an account's identifier"),
            "dtmf": SWITCH,
            "polite": SWITCH,
            "flush": SWITCH,
        },
    )
    _mix = {Layout.INTERLEAVED: "stereo", Layout.SEPARATE: "mono", Layout.MONO: "mixed"}

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """The attributes of the call, flat, and ours beside them."""
        known = start.description
        body: Body = {
            "sampleRate": start.sample_rate,
            "mixType": self._mix[start.destination.layout],
            "callSid": known.recording_session_id,
            "direction": "inbound",
            "from": known.caller or "",
            "to": known.called or "",
            "callId": known.call_id,
            "callStatus": "in-progress",
            "sipStatus": 200,
            "accountSid": self.options.get("account", start.destination.name),
        }
        if start.track is not None:
            body["channel"] = start.track
        return bounded(body, start)

    def digit(self, digit: Digit) -> str | None:
        """The duration is in ticks of the RTP clock, and a text."""
        if self.options.get("dtmf") == "false":
            return None
        duration = str(digit.duration_ms * 8)
        return written({"event": "dtmf", "dtmf": digit.digit, "duration": duration})

    def ending(self, stop: Stop) -> Message | None:
        """An empty message asks for what the consumer has yet to say."""
        return b"" if self.options.get("flush") == "true" else None

    def answered(self, fields: Fields) -> list[Reply]:
        """What would be played is done at once, so that nobody waits for it."""
        kind, asked = word(fields, "type"), mapping(fields, "data")
        polite = self.options.get("polite", "true") == "true"
        match kind:
            case "playAudio" if polite:
                done = {"type": "playDone", "data": {"id": word(asked, "id")}}
                return [Respond(written(done))]
            case "mark" if polite:
                cleared = {"name": word(asked, "name"), "event": "cleared"}
                return [Respond(written({"type": "mark", "data": cleared}))]
            case "playAudio" | "mark" | "killAudio" | "clearMarks":
                return []
            case "disconnect":
                return [Farewell(kind)]
        return super().answered(fields)


class FreeSWITCHDialect(Preambled):
    """FreeSWITCH's ``mod_audio_stream``: metadata of the operator's choice, and samples."""

    name = "freeswitch"
    TERMS = Terms(
        rates=(None, 8000, 16000),
        options={
            **FIRST,
            **FRAME,
            **SUBPROTOCOL,
            "metadata": text("the first text, or none", 4_096),
            "dtmf": SWITCH,
        },
    )

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """The text that was configured, as it is; else what is known of the call."""
        metadata = self.options.get("metadata")
        if metadata is not None:
            return None if metadata == "none" else metadata
        known = start.description
        body: Body = {
            "callId": known.call_id,
            "from": known.caller or "",
            "to": known.called or "",
            "sampleRate": start.sample_rate,
            "channels": self.channels,
        }
        if start.track is not None:
            body["channel"] = start.track
        return bounded(body, start)

    def digit(self, digit: Digit) -> str | None:
        """There is no word for it, so it is an option."""
        if self.options.get("dtmf") != "true":
            return None
        return written({"event": "dtmf", "digit": digit.digit, "duration": digit.duration_ms})

    def answered(self, fields: Fields) -> list[Reply]:
        """What would be played is dropped."""
        return [] if word(fields, "type") == "streamAudio" else super().answered(fields)
