"""
AudioCodes VoiceAI Connect's Bot API, in the mode of agent assist: a stream for
each participant, all on one connection.

``session.initiate`` is answered with ``session.accepted``, each
``userStream.start`` with ``userStream.started``; then come the chunks. A
conversation that lost its connection goes on by ``session.resume``.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from ..plan import Destination, Encoding, Layout
from . import bodies
from .base import (
    Audio,
    Broken,
    Capabilities,
    ChannelStart,
    Digit,
    Event,
    Farewell,
    Message,
    Odd,
    Ready,
    Rearranged,
    Rejected,
    Reply,
    Respond,
    ResumePoint,
    Stop,
    StreamStart,
)
from .bodies import Body
from .foreign import ANSWERED, Foreign
from .octets import apart
from .terms import LANGUAGE, SWITCH, Terms, text
from .texts import MAX_TEXT, Fields, mappings, number, parsed, word, written
from .transcripts import Transcript

_MEDIA = {
    (Encoding.PCMU, 8000): "raw/mulaw",
    (Encoding.L16, 8000): "raw/lpcm16_8",
    (Encoding.L16, 16000): "raw/lpcm16",
    (Encoding.L16, 24000): "raw/lpcm16_24",
}


class AudioCodesDialect(Foreign):
    """The Bot API over WebSocket, as VoiceAI Connect speaks it to a bot."""

    name = "audiocodes"
    TERMS = Terms(
        encodings=(Encoding.L16, Encoding.PCMU),
        rates=(16000, 8000, 24000),
        options={
            "bot": text("a bot's name", 128),
            "expect_audio": SWITCH,
            "language": LANGUAGE,
            "dtmf": SWITCH,
        },
    )

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._accepted = False

    def opened(self, subprotocol: str | None) -> Capabilities:
        """The bot accepts the session, and each stream in it."""
        return ANSWERED

    # --- what is said --------------------------------------------------------------------

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """``session.initiate``; or ``session.resume`` for a bot that accepted it before."""
        self._start = start
        self._awaited: set[str] = set()
        self._stopping = False
        self._conversation = str(uuid5(NAMESPACE_URL, start.stream_id))
        if self._accepted:
            return [self._text("session.resume", {})]
        known = start.description
        body: Body = {
            "expectAudioMessages": self.options.get("expect_audio", "true") == "true",
            "botName": self.options.get("bot", start.destination.name),
            "caller": known.caller or "",
            "callee": known.called or "",
            "supportedMediaFormats": [self._media_type()],
            "participants": [{"participant": name} for name in self._names()],
        }
        return [self._text("session.initiate", body)]

    def _media_type(self) -> str:
        return _MEDIA.get((self._start.encoding, self._start.sample_rate), "raw/lpcm16")

    def _names(self) -> list[str]:
        """Each stream's participant: by role where that is one person's."""
        start = self._start
        if start.destination.layout is Layout.MONO:
            return ["mixed"]
        roles = [channel.plan.role for channel in start.channels]
        return [
            role if role is not None and roles.count(role) == 1 else self._name(channel)
            for role, channel in zip(roles, start.channels, strict=True)
        ]

    def _name(self, channel: ChannelStart) -> str:
        return channel.plan.label or f"participant-{channel.plan.index}"

    def _text(self, kind: str, body: Body) -> str:
        return written({"type": kind, "conversationId": self._conversation, **body})

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """``userStream.chunk`` of each participant."""
        parts = apart(audio.payload, self._start.width, self._start.encoding)
        return [
            self._text(
                "userStream.chunk",
                {"participant": name, "audioChunk": b64encode(part).decode("ascii")},
            )
            for name, part in zip(self._names(), parts, strict=True)
            if part
        ]

    def event(self, event: Event, position: int) -> list[Message]:
        """A digit is an activity; who comes has a stream begun, who goes has it stopped."""
        match event:
            case Digit() if self.options.get("dtmf") != "false":
                return [self._text("activities", {"activities": [self._dialled(event, position)]})]
            case Rearranged(_, channels):
                before = self._names()
                self._start = replace(self._start, channels=channels)
                after = self._names()
                gone = [name for name in before if name not in after]
                come = [name for name in after if name not in before]
                return [*self._streams("stop", gone), *self._streams("start", come)]
        return []

    def _dialled(self, event: Digit, position: int) -> Body:
        at = self._start.started_at + position / self._start.sample_rate
        body: Body = {
            "type": "event",
            "name": "dtmf",
            "value": event.digit,
            "id": str(uuid5(NAMESPACE_URL, f"{self._conversation}/{position}")),
            "timestamp": bodies.timestamp(at),
        }
        if "language" in self.options:
            body["language"] = self.options["language"]
        return body

    def _streams(self, verb: str, names: list[str]) -> list[str]:
        return [self._text(f"userStream.{verb}", {"participant": name}) for name in names]

    def stop(self, stop: Stop) -> list[Message]:
        """The streams, then the session; the bot closes."""
        self._stopping = True
        ended = {"reasonCode": stop.reason.value, "reason": stop.reason.value.replace("_", " ")}
        return [*self._streams("stop", self._names()), self._text("session.end", dict(ended))]

    # --- what is heard -----------------------------------------------------------------------

    def received(self, message: Message) -> list[Reply]:
        """A JSON text with a type."""
        fields = parsed(message)
        if isinstance(fields, Odd):
            return [fields]
        kind = word(fields, "type")
        if kind.startswith("playStream.") or kind == "connection.validated":
            return []
        if kind.startswith("userStream."):
            return self._about_stream(kind.removeprefix("userStream."), fields)
        match kind:
            case "session.accepted":
                return self._session_accepted(fields)
            case "session.error":
                return self._session_error(fields)
            case "activities":
                return self._activities(fields)
        return [self.told(kind, fields) if kind else Odd("no type")]

    def _session_accepted(self, fields: Fields) -> list[Reply]:
        chosen = word(fields, "mediaFormat")
        if chosen and chosen != self._media_type():
            return [Rejected("media_format", f"{chosen} was not offered")]
        self._accepted = True
        names = self._names()
        self._awaited = set(names)
        return [Respond(text) for text in self._streams("start", names)]

    def _session_error(self, fields: Fields) -> list[Reply]:
        """A bot that cannot resume may take the conversation anew."""
        reason = word(fields, "reason")
        if self._accepted:
            self._accepted = False
            return [Broken(f"session error: {reason}")]
        return [Rejected("session_error", reason)]

    def _about_stream(self, kind: str, fields: Fields) -> list[Reply]:
        match kind:
            case "started":
                return self._stream_started(word(fields, "participant"))
            case "stopped":
                return []
            case "speech.hypothesis" | "speech.recognition":
                return self._spoken(kind == "speech.recognition", fields)
        return [self.told(f"userStream.{kind}", fields)]

    def _stream_started(self, name: str) -> list[Reply]:
        if not self._awaited:
            return []
        if name:
            self._awaited.discard(name)
        else:
            # A bot of one voice does not say whose.
            self._awaited.pop()
        return [] if self._awaited else [Ready()]

    def _spoken(self, final: bool, fields: Fields) -> list[Reply]:
        best = next(iter(mappings(fields, "alternatives")), {})
        spoken = word(best, "text", MAX_TEXT)
        if not spoken:
            return []
        whose = dict(zip(self._names(), self._start.channels, strict=False))
        alone = self._start.destination.layout is Layout.MONO
        transcript = Transcript(
            text=spoken,
            final=final,
            confidence=number(best, "confidence"),
            channel=None if alone else whose.get(word(fields, "participant")),
        )
        return [transcript.said()]

    def _activities(self, fields: Fields) -> list[Reply]:
        said: list[Reply] = []
        for activity in mappings(fields, "activities"):
            name = word(activity, "name") or word(activity, "type") or "activity"
            said.append(self.told(name, activity))
            if name == "hangup":
                said.append(Farewell(name))
        return said
