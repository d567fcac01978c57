"""
The Vosk server: samples of one channel, and an answer to each message.
"""

from __future__ import annotations

from .base import Message, Odd, Reply, Stop, StreamStart
from .recogniser import Recogniser
from .terms import ALONE, NUMBER, SWITCH, Terms, text
from .texts import MAX_TEXT, Fields, mappings, number, word, written
from .transcripts import Transcript

END_OF_FILE = '{"eof" : 1}'
"Compared octet by octet: without these blanks it is taken for audio."


class VoskDialect(Recogniser):
    """The protocol of ``vosk-server``."""

    name = "vosk"
    TERMS = Terms(
        layouts=ALONE,
        rates=(None, 8000, 16000),
        chunk_ms=200,
        options={
            "send_config": SWITCH,
            "words": SWITCH,
            "max_alternatives": NUMBER,
            "model": text("a model's path on the server"),
        },
    )

    def greeting(self, start: StreamStart) -> list[Message]:
        """The configuration, where the server is one of those that know it."""
        self._partial = ""
        if self.options.get("send_config") == "false":
            return []
        config: dict[str, object] = {
            "sample_rate": start.sample_rate,
            "words": self.options.get("words", "true") == "true",
            "max_alternatives": int(self.options.get("max_alternatives", "0")),
        }
        if "model" in self.options:
            config["model"] = self.options["model"]
        return [written({"config": config})]

    def stop(self, stop: Stop) -> list[Message]:
        """It answers with the last result, and closes."""
        self.stopping = True
        return [END_OF_FILE]

    def heard(self, fields: Fields) -> list[Reply]:
        """A partial result or a final one; most say what the one before said."""
        if "partial" in fields:
            return self._heard_partially(word(fields, "partial", MAX_TEXT))
        self._partial = ""
        best: Fields = fields
        if "alternatives" in fields:
            best = next(iter(mappings(fields, "alternatives")), {})
        elif "text" not in fields:
            return [self.told("message", fields) if fields else Odd("empty")]
        spoken = word(best, "text", MAX_TEXT)
        if not spoken:
            return []
        words = mappings(best, "result")
        scores = [score for score in (number(each, "conf") for each in words) if score is not None]
        transcript = Transcript(
            text=spoken,
            final=True,
            start_ms=self.time.ours_ms(number(words[0], "start")) if words else None,
            end_ms=self.time.ours_ms(number(words[-1], "end"), end=True) if words else None,
            confidence=sum(scores) / len(scores) if scores else None,
            channel=self.channel(),
        )
        return [transcript.said()]

    def _heard_partially(self, spoken: str) -> list[Reply]:
        if not spoken or spoken == self._partial:
            return []
        self._partial = spoken
        return [Transcript(spoken, final=False, channel=self.channel()).said()]
