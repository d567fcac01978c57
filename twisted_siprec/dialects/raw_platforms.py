"""
Vonage, Asterisk and siphon: a preamble and samples, and a few words in return.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from ..plan import Encoding, Layout
from . import bodies
from .base import (
    Digit,
    Farewell,
    Message,
    Odd,
    PauseAsked,
    Reply,
    Respond,
    ResumeAsked,
    Stop,
    StreamStart,
)
from .bodies import Body
from .raw import FIRST, FRAME, SUBPROTOCOL, Preambled
from .terms import ALONE, SWITCH, Terms, one_of
from .texts import MAX_WORD, Fields, mapping, parsed, word, written

MAX_HEADERS = 512
"Characters of the call's attributes in Vonage's first text."


class VonageDialect(Preambled):
    """Vonage Voice: one voice, in frames of exactly 20 ms."""

    name = "vonage"
    whole_frames = True
    TERMS = Terms(layouts=(Layout.MONO, Layout.SEPARATE), rates=(16000, 8000, 24000))

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """The attributes of the call stand beside the format, while there is room."""
        known = start.description
        body: Body = {
            "event": "websocket:connected",
            "content-type": f"audio/l16;rate={start.sample_rate}",
        }
        party = start.channels[0].plan if start.track is not None and start.channels else None
        attributes = {
            "callerID": known.caller,
            "siprecSession": known.recording_session_id,
            "sipCallId": known.call_id,
            "called": known.called,
            "channel": None if start.track is None else str(start.track),
            "participantId": None if party is None else party.participant_id,
            **dict(known.extensions),
        }
        room = MAX_HEADERS
        for name, value in attributes.items():
            if value is not None and len(name) + len(value) <= room and name not in body:
                body[name] = value
                room -= len(name) + len(value)
        return written(body)

    def digit(self, digit: Digit) -> str | None:
        """``websocket:dtmf``."""
        body = {"event": "websocket:dtmf", "digit": digit.digit, "duration": digit.duration_ms}
        return written(body)

    def answered(self, fields: Fields) -> list[Reply]:
        """Nothing is being played, so whoever waits for its end need not."""
        match word(fields, "action"):
            case "clear":
                return [Respond(written({"event": "websocket:cleared"}))]
            case "notify":
                body = {"event": "websocket:notify", "payload": mapping(fields, "payload")}
                return [Respond(written(body))]
        return super().answered(fields)


class AsteriskDialect(Preambled):
    """Asterisk's ``chan_websocket``: a channel of its own for each party."""

    name = "asterisk"
    subprotocol = "media"
    whole_frames = True
    TERMS = Terms(
        layouts=ALONE,
        encodings=(Encoding.PCMU, Encoding.PCMA, Encoding.L16),
        rates=(8000, 16000, 24000),
        options={**SUBPROTOCOL, "control": one_of("json", "plain"), "dtmf": SWITCH},
    )

    @property
    def _plain(self) -> bool:
        return self.options.get("control") == "plain"

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """``MEDIA_START``; variables only in its newer form."""
        known = start.description
        octets = start.sample_rate // 50 * (2 if start.encoding is Encoding.L16 else 1)
        channel = str(uuid5(NAMESPACE_URL, f"{start.stream_id}/{attempt}"))
        self._channel_id = f"siprec-{channel}"
        fields: Body = {
            "connection_id": channel,
            "channel": f"WebSocket/siprec-{channel[:8]}",
            "channel_id": self._channel_id,
            "format": _asterisk_format(start.encoding, start.sample_rate),
            "optimal_frame_size": octets,
            "ptime": 20,
        }
        if self._plain:
            return self._say("MEDIA_START", fields)
        variables = {
            "SIPREC_SESSION": known.recording_session_id,
            "SIPREC_CALL_ID": known.call_id,
            "SIPREC_CALLER": known.caller or "",
            "SIPREC_CALLED": known.called or "",
        }
        plan = start.channels[0].plan if start.track is not None and start.channels else None
        if plan is not None:
            variables["SIPREC_CHANNEL"] = str(plan.index)
            variables["SIPREC_ROLE"] = plan.role or ""
            variables["SIPREC_PARTICIPANT"] = plan.participant_id or ""
        return self._say("MEDIA_START", {**fields, "channel_variables": variables})

    def _say(self, event: str, fields: Body) -> str:
        if not self._plain:
            return written({"event": event, **fields})
        words = (
            f"{name}:{value if isinstance(value, str) else written(value)}"
            for name, value in fields.items()
        )
        return " ".join([event, *words])

    def digit(self, digit: Digit) -> str | None:
        """``DTMF_END``."""
        if self.options.get("dtmf") == "false":
            return None
        return self._say("DTMF_END", {"channel_id": self._channel_id, "digit": digit.digit})

    def received(self, message: Message) -> list[Reply]:
        """A command, as JSON or as a bare word with its argument."""
        if isinstance(message, bytes):
            return []
        if message.lstrip().startswith("{"):
            fields = parsed(message)
            return [fields] if isinstance(fields, Odd) else self._commanded(fields)
        name, _, argument = message.strip()[:MAX_WORD].partition(" ")
        fields = {"command": name, "correlation_id": argument, "direction": argument}
        return self._commanded(fields)

    def _commanded(self, fields: Fields) -> list[Reply]:
        name = word(fields, "command")
        if not name:
            return self.answered(fields)
        correlation: Body = {"correlation_id": word(fields, "correlation_id")}
        match name:
            case "HANGUP":
                return [Farewell(name)]
            case "GET_STATUS":
                return [Respond(self._say("STATUS", {"channel_id": self._channel_id, **_STATUS}))]
            case "REPORT_QUEUE_DRAINED":
                drained: Body = {"channel_id": self._channel_id}
                return [Respond(self._say("QUEUE_DRAINED", drained))]
            case "MARK_MEDIA":
                return [Respond(self._say("MEDIA_MARK_PROCESSED", correlation))]
            case "STOP_MEDIA_BUFFERING":
                return [Respond(self._say("MEDIA_BUFFERING_COMPLETED", correlation))]
            case "SET_MEDIA_DIRECTION":
                only_out = word(fields, "direction").lower() == "out"
                return [PauseAsked() if only_out else ResumeAsked()]
        return [] if name in _ABOUT_PLAYING else [Odd(f"unknown command {name[:40]!r}")]


_STATUS: Body = {
    "queue_length": 0,
    "xon_level": 800,
    "xoff_level": 900,
    "queue_full": False,
    "bulk_media": False,
    "media_paused": False,
}
_ABOUT_PLAYING = frozenset(
    {"ANSWER", "START_MEDIA_BUFFERING", "FLUSH_MEDIA", "PAUSE_MEDIA", "CONTINUE_MEDIA"}
)


def _asterisk_format(encoding: Encoding, sample_rate: int) -> str:
    """The name of a format, as ``core show codecs`` has it."""
    if encoding is not Encoding.L16:
        return "ulaw" if encoding is Encoding.PCMU else "alaw"
    return "slin" if sample_rate == 8000 else f"slin{sample_rate // 1000}"


class SiphonDialect(Preambled):
    """siphon-rtp's tee: an envelope with a type, and frames."""

    name = "siphon"
    TERMS = Terms(
        encodings=(Encoding.L16, Encoding.PCMU, Encoding.PCMA),
        rates=(None, 8000, 16000, 24000),
        options={**FIRST, **FRAME, **SUBPROTOCOL, "dtmf": SWITCH},
    )

    def preamble(self, start: StreamStart, attempt: int) -> str | None:
        """``start``, with all that there is to know of the samples."""
        self._stream_id = start.stream_id
        body: Body = {
            "streamId": start.stream_id,
            "callId": start.description.call_id,
            "direction": "send",
            "media": self._media(start),
            "tracks": self._tracks(start),
        }
        return bounded_envelope(body, start)

    def _media(self, start: StreamStart) -> Body:
        linear = start.encoding is Encoding.L16
        return {
            "encoding": start.encoding.value,
            "sampleRate": start.sample_rate,
            "channels": self.channels,
            "bitDepth": 16 if linear else 8,
            "endianness": "little",
            "ptime": self._frame_ms,
        }

    def _tracks(self, start: StreamStart) -> list[str]:
        if self.channels == 1:
            return (
                [start.channels[0].plan.role or "mixed"] if start.track is not None else ["mixed"]
            )
        return ["caller", "callee"]

    def digit(self, digit: Digit) -> str | None:
        """``dtmf``."""
        if self.options.get("dtmf") == "false":
            return None
        roles = {c.plan.index: c.plan.role for c in self._start.channels}
        body: Body = {
            "streamId": self._stream_id,
            "digit": digit.digit,
            "durationMs": digit.duration_ms,
        }
        role = roles.get(-1 if digit.channel is None else digit.channel)
        if role is not None:
            body["track"] = role
        return _enveloped("dtmf", body)

    def ending(self, stop: Stop) -> Message | None:
        """``stop``, with the reason."""
        return _enveloped("stop", {"streamId": self._stream_id, "reason": stop.reason.value})

    def answered(self, fields: Fields) -> list[Reply]:
        """``stop`` ends the stream; what is about playing is for nobody."""
        kind, body = word(fields, "type"), mapping(fields, "data")
        match kind:
            case "stop":
                return [Farewell(word(body, "reason") or kind)]
            case "mark":
                return [Respond(_enveloped("mark", dict(body)))]
            case "clear" | "play_start" | "play_stop":
                return []
            case "event":
                return [self.told(word(body, "name") or kind, body.get("payload"))]
        return super().answered(fields)


def _enveloped(kind: str, body: Body) -> str:
    return written({"type": kind, "data": body})


def bounded_envelope(body: Body, start: StreamStart) -> str:
    """``start`` with what is known of the call, as far as there is room."""
    metadata = bodies.description(start.description)
    whole = _enveloped("start", {**body, "metadata": metadata})
    return whole if len(whole) < 65_536 else _enveloped("start", body)
