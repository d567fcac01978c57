"""
What ``siprec-demo`` shows while it runs: the SIP messages between SRC and SRS,
what the consumer is told, and the level of what it hears.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log10
from pathlib import Path
from typing import Any

import numpy as np
from twisted.logger import LogEvent, LogLevel, formatEvent

from ..sip.events import Address
from .client_plan import CallResult, StreamResult
from .consumer import Consumer, ConsumerOptions
from .demo_proof import channel_names
from .display import Display, message_line, meter, whole_message
from .stream_record import Heard, StreamRecord, Text
from .transcription import Line

_PLAIN_EVERY_S = 2.0
"How often the levels are told in a pipe."
_LOUDEST = 32768.0
_SILENT_DBFS = -60.0
_SAYING = 40
"So many characters of an unfinished line are shown: its end."


class DemoView:
    """Watches the client and the consumer, and shows both."""

    def __init__(self, display: Display, trace: bool = False) -> None:
        self._display = display
        self._trace = trace
        self._levels: dict[str, float] = {}
        self._shown_s = 0.0
        self._saying = ""
        self.seconds = 0.0
        "Delivered so far, on the stream that is furthest."

    # --- the client ------------------------------------------------------------------

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A SIP message."""
        show = whole_message if self._trace else message_line
        self._display.line(show(outgoing, octets))

    def waiting(self, call_id: str, seconds: float) -> None:
        """The server is silent."""
        self._display.line(f"the server has not answered for {seconds:g} s")

    def answered(self, call_id: str, answer_s: float, streams: tuple[StreamResult, ...]) -> None:
        """The audio goes out."""
        for stream in streams:
            if stream.destination is not None:
                host, port = stream.destination
                self._display.line(f"SRC ══▶ SRS  RTP of stream {stream.label} to {host}:{port}")
        self._display.line(self._display.dim(f"answered in {answer_s * 1000:.1f} ms"))

    def held(self, call_id: str, held: bool) -> None:
        """The demonstration holds no call."""

    def ended(self, result: CallResult) -> None:
        """The call is over."""
        if result.error is not None:
            self._display.line(self._display.bad(result.error))

    # --- the consumer ----------------------------------------------------------------

    def told(self, record: StreamRecord, text: Text) -> None:
        """The consumer is told something."""
        words = describe(text)
        if words:
            self._display.line(f"SRS ──▶ consumer  {words}")

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """The consumer hears something."""
        names = channel_names(record)
        levels = levels_dbfs(audio.payload, len(names))
        self._levels.update(zip(names, levels, strict=True))
        self.seconds = max(self.seconds, (audio.position + audio.samples) / record.sample_rate)
        self._display.fleeting(self._meters())
        if not self._display.terminal and self.seconds >= self._shown_s + _PLAIN_EVERY_S:
            self._shown_s = self.seconds
            self._display.line(self._words())

    def said(self, line: Line) -> None:
        """The recogniser has new words."""
        if line.final:
            self._saying = ""
            speaker = self._display.bold(f"{line.speaker}:")
            self._display.line(f"{line.start_s:6.1f} s  {speaker} {line.text}")
        else:
            self._saying = f"   {line.speaker}: {line.text[-_SAYING:]}"

    def logged(self, event: LogEvent) -> None:
        """An event of the log: only what the server warns of, and what is wrong, is shown."""
        level = event["log_level"]
        failure: Any = event.get("log_failure")
        if level >= LogLevel.error or failure is not None:
            trace = f"\n{failure.getTraceback()}" if failure is not None else ""
            self._display.line(self._display.bad(f"server: {formatEvent(event)}{trace}"))
        elif level is LogLevel.warn and event["log_namespace"].startswith("twisted_siprec"):
            self._display.line(self._display.dim(f"server: {formatEvent(event)}"))

    def _meters(self) -> str:
        bars = "  ".join(
            f"{name} {self._display.good(meter(dbfs))}" for name, dbfs in self._levels.items()
        )
        return f"{self.seconds:6.1f} s delivered   {bars}{self._display.dim(self._saying)}"

    def _words(self) -> str:
        levels = ", ".join(
            f"{name} {dbfs:.0f} dBFS" if dbfs > _SILENT_DBFS else f"{name} silent"
            for name, dbfs in self._levels.items()
        )
        return f"{self.seconds:.1f} s delivered: {levels}"


class WatchedConsumer(Consumer):
    """A consumer that shows what it gets."""

    def __init__(
        self,
        reactor: Any,
        directory: Path,
        framing: str,
        view: DemoView,
        listen: Callable[[StreamRecord, Heard], None] | None = None,
    ) -> None:
        super().__init__(reactor, ConsumerOptions(directory=directory, framing=framing, join=True))
        self._view = view
        self._listen = listen
        self.gaps: list[Text] = []
        "The gaps that were announced."

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """New audio."""
        super().heard(record, audio)
        self._view.heard(record, audio)
        if self._listen is not None:
            self._listen(record, audio)

    def told(self, record: StreamRecord, text: Text) -> None:
        """A text."""
        super().told(record, text)
        if text.get("type") == "gap":
            self.gaps.append(text["data"])
        self._view.told(record, text)


def levels_dbfs(payload: bytes | None, width: int) -> list[float]:
    """The level of each channel of 16-bit samples, against full scale; None is silence."""
    if not payload:
        return [-inf] * width
    samples = np.frombuffer(payload, dtype="<i2").reshape(-1, width).astype(np.float64)
    power = np.sqrt(np.mean(samples**2, axis=0)) / _LOUDEST
    return [20 * log10(each) if each > 0 else -inf for each in power]


def _start(body: Text) -> str:
    media = body.get("media", {})
    people = body.get("siprec", {}).get("participants") or []
    named = " and ".join(f"{each.get('name') or '?'} <{each.get('aor')}>" for each in people)
    return (
        f"start: {media.get('encoding')} {media.get('sampleRate')} Hz, "
        f"{media.get('channels')} × {media.get('layout')}" + (f"; {named}" if named else "")
    )


_DESCRIPTIONS: dict[str, Callable[[Text], str]] = {
    "start": _start,
    "resume": lambda body: (
        f"resume: attempt {body.get('attempt')}, from frame {body.get('firstAvailableFrame')} on"
    ),
    "gap": lambda body: (
        f"gap: {body.get('samples')} samples at {body.get('pos')}, {body.get('reason')}"
    ),
    "metadata": lambda body: f"metadata: revision {body.get('revision')}",
    "participant": lambda body: f"participant {body.get('participantId')} {body.get('event')}",
    "dtmf": lambda body: f"key {body.get('digit')}",
    "stop": lambda body: (
        f"stop: {body.get('reason')}, {body.get('finalPos')} samples, "
        f"{body.get('frames')} frames, {body.get('reconnects')} reconnections"
    ),
    "error": lambda body: f"error {body.get('code')}: {body.get('message')}",
}


def describe(text: Text) -> str:
    """A text of the native protocol in words; empty for what is of no interest here."""
    describer = _DESCRIPTIONS.get(str(text.get("type")))
    return describer(text["data"]) if describer is not None else ""
