"""
OpenAI's Realtime API as a transcriber: one voice on a connection, in base64.
"""

from __future__ import annotations

from base64 import b64encode

from ..plan import Destination, Encoding
from .base import (
    Audio,
    Broken,
    Capabilities,
    Farewell,
    Message,
    Odd,
    Ready,
    Reply,
    Stop,
    StreamStart,
)
from .bodies import Body
from .foreign import ANSWERED, Headers, Request, Secrets
from .recogniser import Parameters, Recogniser
from .terms import ALONE, LANGUAGE, Option, Terms, one_of, text
from .texts import MAX_TEXT, Fields, mapping, number, word, written
from .transcripts import Transcript

MAX_ITEMS = 64
"Utterances in the making at once; of more, the oldest are forgotten."
_FORMATS = {Encoding.PCMU: "audio/pcmu", Encoding.PCMA: "audio/pcma"}
_BETA_FORMATS = {Encoding.PCMU: "g711_ulaw", Encoding.PCMA: "g711_alaw"}
_COMMIT = '{"type":"input_audio_buffer.commit"}'
_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_BUFFER = "input_audio_buffer."


class _Item:
    """An utterance in the making."""

    def __init__(self) -> None:
        self.text = ""
        self.start_ms: int | None = None
        self.end_ms: int | None = None
        self.committed = False


class OpenAIDialect(Recogniser):
    """A transcription session, in the words of today (``ga``) or of the beta."""

    name = "openai"
    TERMS = Terms(
        layouts=ALONE,
        encodings=(Encoding.PCMU, Encoding.PCMA),
        options={
            "api": one_of("ga", "beta"),
            "model": text("a model"),
            "language": LANGUAGE,
            "prompt": text("a prompt", 1_024),
            "noise_reduction": one_of("none", "near_field", "far_field"),
            "turn_detection": one_of("server_vad", "none"),
            "commit_ms": Option("milliseconds from 1000 to 99999", r"[1-9][0-9]{3,4}"),
            "credential": one_of("bearer", "api-key"),
        },
    )

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._beta = self.options.get("api") == "beta"
        self._detects = self.options.get("turn_detection", "server_vad") != "none"
        self._commit_ms = int(self.options.get("commit_ms", 5_000))

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """Azure calls the key by another name."""
        if secrets.token is None:
            return ()
        if self.options.get("credential") == "api-key":
            return (("api-key", secrets.token),)
        return super().proof(request, secrets)

    def headers(self, start: StreamStart) -> Headers:
        """The beta must be asked for."""
        return (("OpenAI-Beta", "realtime=v1"),) if self._beta else ()

    def parameters(self, start: StreamStart) -> Parameters:
        """What the session is for."""
        return [("intent", "transcription")]

    def opened(self, subprotocol: str | None) -> Capabilities:
        """Audio before ``session.updated`` would be taken in another format."""
        return ANSWERED

    def greeting(self, start: StreamStart) -> list[Message]:
        """``session.update``."""
        self._items: dict[str, _Item] = {}
        self._ready = False
        self._uncommitted = 0
        self._last_commit = False
        if self._beta:
            return [written(self._beta_update(start))]
        inputs: Body = {
            "format": {"type": _FORMATS[start.encoding]},
            "transcription": self._transcription(),
            "noise_reduction": self._noise_reduction(),
            "turn_detection": {"type": "server_vad"} if self._detects else None,
        }
        session = {"type": "transcription", "audio": {"input": inputs}}
        return [written({"type": "session.update", "session": session})]

    def _beta_update(self, start: StreamStart) -> Body:
        session: Body = {
            "input_audio_format": _BETA_FORMATS[start.encoding],
            "input_audio_transcription": self._transcription(),
            "input_audio_noise_reduction": self._noise_reduction(),
            "turn_detection": {"type": "server_vad"} if self._detects else None,
        }
        return {"type": "transcription_session.update", "session": session}

    def _transcription(self) -> Body:
        wanted: Body = {"model": self.options.get("model", "gpt-4o-transcribe")}
        wanted.update(
            (name, self.options[name]) for name in ("language", "prompt") if name in self.options
        )
        return wanted

    def _noise_reduction(self) -> Body | None:
        kind = self.options.get("noise_reduction", "none")
        return None if kind == "none" else {"type": kind}

    def spoken(self, audio: Audio) -> list[Message]:
        """``append``; and ``commit`` now and then where nobody listens for pauses."""
        encoded = b64encode(audio.payload).decode("ascii")
        said: list[Message] = [f'{{"type":"input_audio_buffer.append","audio":"{encoded}"}}']
        self._uncommitted += audio.samples
        if not self._detects and self._uncommitted >= self._commit_ms * 8:
            self._uncommitted = 0
            said.append(_COMMIT)
        return said

    def stop(self, stop: Stop) -> list[Message]:
        """What was said last is committed, and its transcript waited for."""
        self.stopping = True
        self._last_commit = True
        return [_COMMIT]

    def heard(self, fields: Fields) -> list[Reply]:
        """Transcripts grow by deltas until they are completed."""
        kind = word(fields, "type")
        if kind.startswith(_TRANSCRIPTION):
            return [*self._transcribed(kind.removeprefix(_TRANSCRIPTION), fields), *self._done()]
        if kind.startswith(_BUFFER):
            self._buffered(kind.removeprefix(_BUFFER), fields)
            return []
        match kind:
            case "session.updated" | "transcription_session.updated":
                self._ready = True
                return [Ready()]
            case "error":
                return self._failed(fields)
            case "":
                return [Odd("no type")]
        # Everything else is told in great detail, and concerns nobody.
        return []

    def _item(self, fields: Fields) -> _Item:
        name = word(fields, "item_id")
        if name not in self._items:
            self._items[name] = _Item()
            if len(self._items) > MAX_ITEMS:
                del self._items[next(iter(self._items))]
        return self._items[name]

    def _buffered(self, kind: str, fields: Fields) -> None:
        match kind:
            case "speech_started":
                self._item(fields).start_ms = self._at(fields, "audio_start_ms")
            case "speech_stopped":
                self._item(fields).end_ms = self._at(fields, "audio_end_ms")
            case "committed":
                self._item(fields).committed = True
                self._last_commit = False

    def _at(self, fields: Fields, name: str) -> int | None:
        at_ms = number(fields, name)
        return (
            None if at_ms is None else self.time.ours_ms(at_ms / 1000, end=name == "audio_end_ms")
        )

    def _transcribed(self, kind: str, fields: Fields) -> list[Reply]:
        item = self._item(fields)
        match kind:
            case "delta":
                item.text = (item.text + word(fields, "delta", MAX_TEXT))[:MAX_TEXT]
                return [self._transcript(fields, item, final=False).said()]
            case "completed":
                item.text = word(fields, "transcript", MAX_TEXT)
                said: list[Reply] = [self._transcript(fields, item, final=True).said()]
                self._forget(fields)
                return said if item.text else []
            case "failed":
                self._forget(fields)
                return [self.told("transcription_failed", fields.get("error"))]
        return []

    def _transcript(self, fields: Fields, item: _Item, final: bool) -> Transcript:
        return Transcript(
            text=item.text,
            final=final,
            start_ms=item.start_ms,
            end_ms=item.end_ms,
            channel=self.channel(),
            utterance=word(fields, "item_id") or None,
        )

    def _forget(self, fields: Fields) -> None:
        self._items.pop(word(fields, "item_id"), None)

    def _failed(self, fields: Fields) -> list[Reply]:
        """Most errors change nothing. One before we begin means that we never will."""
        error = mapping(fields, "error")
        if self._last_commit and word(error, "code") == "input_audio_buffer_commit_empty":
            self._last_commit = False
            return self._done()
        said: list[Reply] = [self.told("error", error)]
        if not self._ready:
            said.append(Broken(f"refused: {word(error, 'message')[:120]}"))
        return said

    def _done(self) -> list[Reply]:
        """Whether there is nothing more to come."""
        pending = any(item.committed for item in self._items.values())
        done = self.stopping and not self._last_commit and not pending
        return [Farewell("transcribed")] if done else []
