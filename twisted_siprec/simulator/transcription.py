"""
The words of a call while it is recorded, by a recogniser that needs no network:
moonshine-voice, which the extra ``transcribe`` installs with its English model.

It takes a good part of a second at a time, so it is a thread of its own that listens;
what it heard comes back by Deferreds, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from .demo_proof import channel_names
from .speech import Samples
from .stream_record import Heard, StreamRecord

EVERY_S = 0.5
"How often a line that is being said is looked at again."
_FULL_SCALE = 32768.0


class TranscriptionError(Exception):
    """There is no recogniser, or it failed; the words say what to do about it."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a party says between two pauses."""

    speaker: str
    start_s: float
    text: str
    final: bool = True
    "It is over; else there may be another version of it."


class RecogniserStream(Protocol):
    """One voice, as the recogniser takes it."""

    def start(self) -> None:
        """Begin."""

    def add_listener(self, listener: Callable[[Any], None]) -> None:
        """Who is called with what happens to a line."""

    def add_audio(self, audio_data: list[float], sample_rate: int) -> None:
        """Samples from -1 to 1."""

    def stop(self) -> object:
        """No more comes: the last line is over."""

    def close(self) -> None:
        """Give back what it holds."""


class Recogniser(Protocol):
    """What makes them."""

    def create_stream(self, update_interval: float) -> RecogniserStream:
        """For one voice."""


class Run(Protocol):
    """Calls a function in the thread of the recogniser, one after the other."""

    def __call__(self, work: Callable[..., list[Line]], /, *arguments: Any) -> Deferred[list[Line]]:
        """Fires with what it returns."""


def load() -> Recogniser:
    """
    The recogniser with the model of its own package.

    Raises :exc:`TranscriptionError`.
    """
    try:
        from moonshine_voice import ModelArch, Transcriber, get_model_path
    except (ImportError, OSError) as error:
        raise TranscriptionError(
            f"--transcribe needs the recogniser: pip install 'twisted_siprec[transcribe]' ({error})"
        ) from error
    model = get_model_path("tiny-en")
    if not model.is_dir():
        raise TranscriptionError(f"this moonshine-voice comes without its model {model}")
    recogniser: Recogniser = Transcriber(str(model), ModelArch.TINY)
    return recogniser


class Voice:
    """One channel: audio in, lines out. In the thread of the recogniser only."""

    def __init__(self, speaker: str, recogniser: Recogniser) -> None:
        self._speaker = speaker
        self._recogniser = recogniser
        self._stream: RecogniserStream | None = None
        self._position = 0
        self._new: list[Line] = []
        self._shown: dict[int, Line] = {}
        "The latest version of each line, by the recogniser's number for it."

    def hear(self, position: int, samples: Samples, rate: int) -> list[Line]:
        """New audio, and silence for what was left out before it; what is new of the lines."""
        missing = np.zeros(max(0, position - self._position), dtype=np.int16)
        self._position = position + len(samples)
        audio = np.concatenate((missing, samples)) / _FULL_SCALE
        if self._stream is None:
            self._stream = self._recogniser.create_stream(update_interval=EVERY_S)
            self._stream.add_listener(self._happened)
            self._stream.start()
        self._stream.add_audio(audio.tolist(), rate)
        return self._drained()

    def finish(self) -> list[Line]:
        """It is over; the last lines."""
        if self._stream is not None:
            self._stream.stop()
            self._stream.close()
        return self._drained()

    def _drained(self) -> list[Line]:
        new, self._new = self._new, []
        return new

    def _happened(self, event: Any) -> None:
        """The recogniser tells of one change by several events: each version counts once."""
        line: Any = event.line
        if line is None or not (text := line.text.strip()):
            return
        made = Line(self._speaker, round(line.start_time, 1), text, line.is_complete)
        if self._shown.get(line.line_id) != made:
            self._shown[line.line_id] = made
            self._new.append(made)


class Transcription:
    """
    All channels of a recording session.

    :param told: called with each version of each line.
    """

    def __init__(self, recogniser: Recogniser, run: Run, told: Callable[[Line], None]) -> None:
        self._recogniser = recogniser
        self._run = run
        self._told = told
        self._voices: dict[tuple[str, int], Voice] = {}
        self._fault: Failure | None = None
        self.lines: list[Line] = []
        "Those that are over, as they ended."

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """New audio of a consumer: 16-bit samples, or silence."""
        names = channel_names(record)
        if audio.payload is None:
            columns = np.zeros((len(names), audio.samples), dtype=np.int16)
        else:
            columns = np.frombuffer(audio.payload, dtype="<i2").reshape(-1, len(names)).T
        for column, name in enumerate(names):
            self._listen(
                (record.stream_id, column),
                name,
                audio.position,
                columns[column].copy(),
                record.sample_rate,
            )

    async def finish(self) -> tuple[Line, ...]:
        """
        When all that was heard has been listened to: the lines in the order of their
        beginnings.

        Raises :exc:`TranscriptionError`.
        """
        for voice in self._voices.values():
            await self._run(voice.finish).addCallbacks(self._learn, self._failed)
        if self._fault is not None:
            raise TranscriptionError(f"the recogniser failed: {self._fault.getErrorMessage()}")
        return tuple(sorted(self.lines, key=lambda line: line.start_s))

    def _listen(self, key: tuple[str, int], name: str, *audio: Any) -> None:
        if key not in self._voices:
            self._voices[key] = Voice(name, self._recogniser)
        self._run(self._voices[key].hear, *audio).addCallbacks(self._learn, self._failed)

    def _learn(self, lines: list[Line]) -> None:
        for line in lines:
            if line.final:
                self.lines.append(line)
            self._told(line)

    def _failed(self, failure: Failure) -> None:
        self._fault = self._fault or failure
