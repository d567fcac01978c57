"""
AssemblyAI's streaming, version 3: mono, in messages of 50 ms to a second; what
was said comes in turns.
"""

from __future__ import annotations

from ..plan import Encoding
from .base import (
    Audio,
    Capabilities,
    Farewell,
    Message,
    Odd,
    Ready,
    Reply,
    Stop,
    StreamStart,
)
from .cutting import Cutter
from .foreign import ANSWERED, Headers, Request, Secrets
from .octets import silence
from .recogniser import Parameters, Recogniser
from .terms import ALONE, NUMBER, SWITCH, Option, Terms, text
from .texts import MAX_TEXT, Fields, count, mappings, number, word
from .transcripts import Transcript

FRAME_MS = 100
_ENCODINGS = {Encoding.L16: "pcm_s16le", Encoding.PCMU: "pcm_mulaw"}
_PASSED = {
    "speech_model": text("a model"),
    "format_turns": SWITCH,
    "language_detection": SWITCH,
    "keyterms_prompt": text("a JSON list of terms", 4_096),
    "end_of_turn_confidence_threshold": Option("a number from 0 to 1", r"0|1|0?\.[0-9]{1,6}"),
    "min_turn_silence": NUMBER,
    "max_turn_silence": NUMBER,
    "inactivity_timeout": NUMBER,
}


class AssemblyAIDialect(Recogniser):
    """``/v3/ws``."""

    name = "assemblyai"
    TERMS = Terms(
        layouts=ALONE,
        encodings=(Encoding.L16, Encoding.PCMU),
        rates=(None, 8000, 16000, 24000),
        least_chunk_ms=50,
        options=_PASSED,
    )

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """The API key, with no word before it."""
        return () if secrets.token is None else (("Authorization", secrets.token),)

    def parameters(self, start: StreamStart) -> Parameters:
        """The format and the operator's wishes."""
        return [
            ("sample_rate", str(start.sample_rate)),
            ("encoding", _ENCODINGS[start.encoding]),
            *((name, self.options[name]) for name in _PASSED if name in self.options),
        ]

    def opened(self, subprotocol: str | None) -> Capabilities:
        """It says ``Begin``."""
        return ANSWERED

    def greeting(self, start: StreamStart) -> list[Message]:
        """Nothing; the URL has said it."""
        quiet = silence(start.encoding, 1)
        self._cutter = Cutter(FRAME_MS * start.sample_rate // 1000, len(quiet), quiet)
        timeout_s = int(self.options.get("inactivity_timeout", 0))
        self.quiet_after_s = timeout_s / 2 if timeout_s else None
        self._wait()
        return []

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """Too little in one message is an error, so what is short is filled up."""
        self._wait()
        return self._framed(self._cutter.cut(audio.position, audio.payload))

    def _framed(self, frames: list[tuple[int, bytes]]) -> list[Message]:
        for position, _ in frames:
            self.time.add(position, self._cutter.samples)
        return [payload for _, payload in frames]

    def alive(self) -> Message | None:
        """Only where a timeout was asked for."""
        return '{"type":"KeepAlive"}'

    def stop(self, stop: Stop) -> list[Message]:
        """An open session costs: it is always terminated."""
        self.stopping = True
        return [*self._framed(self._cutter.rest()), '{"type":"Terminate"}']

    def heard(self, fields: Fields) -> list[Reply]:
        """``Turn`` is a transcript."""
        kind = word(fields, "type")
        match kind:
            case "Begin":
                return [self.told(kind, fields), Ready()]
            case "Turn":
                return self._turn(fields)
            case "Termination":
                return [self.told(kind, fields), Farewell(kind)]
            case "Heartbeat":
                return []
            case "":
                return [Odd("no type")]
        return [self.told(kind, fields)]

    def _turn(self, fields: Fields) -> list[Reply]:
        spoken = word(fields, "transcript", MAX_TEXT)
        if not spoken:
            return []
        # With formatting, a turn ends twice: as it was heard, and as it is written.
        awaited = self.options.get("format_turns") == "true"
        formatted = fields.get("turn_is_formatted") is not False
        words = mappings(fields, "words")
        turn = count(fields, "turn_order")
        transcript = Transcript(
            text=spoken,
            final=fields.get("end_of_turn") is True and (formatted or not awaited),
            start_ms=self._at(words[0], "start") if words else None,
            end_ms=self._at(words[-1], "end") if words else None,
            confidence=number(fields, "end_of_turn_confidence"),
            channel=self.channel(),
            utterance=None if turn is None else str(turn),
        )
        return [transcript.said()]

    def _at(self, spoken: Fields, name: str) -> int | None:
        at_ms = number(spoken, name)
        return None if at_ms is None else self.time.ours_ms(at_ms / 1000, end=name == "end")
