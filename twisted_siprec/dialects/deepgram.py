"""
Deepgram's live recognition, and the many that imitate it: all is said in the
URL, then come the samples. Channels are recognised each by itself.
"""

from __future__ import annotations

from ..plan import Encoding
from .base import Broken, Farewell, Message, Odd, Reply, Stop, StreamStart
from .foreign import Headers, Request, Secrets
from .recogniser import Parameters, Recogniser
from .terms import LANGUAGE, NUMBER, SWITCH, Option, Terms, one_of, text
from .texts import MAX_TEXT, Fields, count, mapping, mappings, number, word
from .transcripts import Transcript

_PASSED = {
    "model": text("a model"),
    "language": LANGUAGE,
    "version": text("a version"),
    "interim_results": SWITCH,
    "punctuate": SWITCH,
    "smart_format": SWITCH,
    "numerals": SWITCH,
    "diarize": SWITCH,
    "vad_events": SWITCH,
    "detect_entities": SWITCH,
    "mip_opt_out": SWITCH,
    "endpointing": Option("milliseconds, or false", r"[0-9]{1,6}|false"),
    "utterance_end_ms": NUMBER,
    "redact": text("what to redact"),
    "keyterm": text("a term"),
}
"Options that are parameters of the URL as they are."

_ENCODINGS = {Encoding.L16: "linear16", Encoding.PCMU: "mulaw", Encoding.PCMA: "alaw"}


class DeepgramDialect(Recogniser):
    """``/v1/listen``."""

    name = "deepgram"
    quiet_after_s = 4.0
    TERMS = Terms(
        encodings=(Encoding.L16, Encoding.PCMU, Encoding.PCMA),
        rates=(None, 8000, 16000, 24000),
        options={
            **_PASSED,
            "tag": text("a tag"),
            "credential": one_of("token", "bearer"),
            "tell_call": SWITCH,
        },
    )

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """An API key is a Token, a temporary one a Bearer."""
        if secrets.token is None or self.options.get("credential") == "bearer":
            return super().proof(request, secrets)
        return (("Authorization", f"Token {secrets.token}"),)

    def parameters(self, start: StreamStart) -> Parameters:
        """The format, the operator's wishes, and whose call it is."""
        said = [
            ("encoding", _ENCODINGS[start.encoding]),
            ("sample_rate", str(start.sample_rate)),
            ("channels", str(start.width)),
        ]
        if start.width > 1:
            said.append(("multichannel", "true"))
        said += [(name, self.options[name]) for name in _PASSED if name in self.options]
        if "tag" in self.options:
            said.append(("tag", self.options["tag"]))
        if self.options.get("tell_call", "true") == "true":
            known = start.description
            said.append(("extra", f"siprec_session:{known.recording_session_id}"))
            said.append(("extra", f"sip_call_id:{known.call_id}"))
        return said

    @property
    def _outgrown(self) -> bool:
        """More is heard than this connection was told of."""
        return self._start is not None and self._start.width > self._width

    def next_deadline(self) -> float | None:
        """At once, where there are more channels than it was told of."""
        return self._now if self._outgrown and not self.stopping else super().next_deadline()

    def expire(self, now: float) -> list[Reply]:
        """More channels take another connection; silence takes a word."""
        if self._outgrown:
            return [Broken("there are more channels now")]
        return super().expire(now)

    def alive(self) -> Message | None:
        """Without audio or this for 10 s, the connection is closed (NET-0001)."""
        return '{"type":"KeepAlive"}'

    def stop(self, stop: Stop) -> list[Message]:
        """What is still in the making is asked for; ``Metadata`` ends it."""
        self.stopping = True
        return ['{"type":"CloseStream"}']

    def heard(self, fields: Fields) -> list[Reply]:
        """``Results`` are transcripts; the rest is told as it is."""
        kind = word(fields, "type")
        match kind:
            case "Results":
                return self._results(fields)
            case "Metadata" if self.stopping:
                return [self.told(kind, fields), Farewell(kind)]
            case "":
                return [Odd("no type")]
        return [self.told(kind, fields)]

    def _results(self, fields: Fields) -> list[Reply]:
        alternatives = mappings(mapping(fields, "channel"), "alternatives")
        best = alternatives[0] if alternatives else {}
        spoken = word(best, "transcript", MAX_TEXT)
        if not spoken:
            return []
        indexes = fields.get("channel_index")
        first = indexes[0] if isinstance(indexes, list) and indexes else 0
        start_s, length_s = number(fields, "start"), number(fields, "duration")
        end_s = None if start_s is None or length_s is None else start_s + length_s
        words = mappings(best, "words")
        speaker = count(words[0], "speaker") if words else None
        transcript = Transcript(
            text=spoken,
            final=fields.get("is_final") is True,
            start_ms=self.time.ours_ms(start_s),
            end_ms=self.time.ours_ms(end_s, end=True),
            confidence=number(best, "confidence"),
            channel=self.channel(first if isinstance(first, int) else 0),
            speaker=None if speaker is None else str(speaker),
        )
        return [transcript.said()]
