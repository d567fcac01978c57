from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.demo_view import DemoView
from twisted_siprec.simulator.demo_words import tell_words
from twisted_siprec.simulator.display import Display
from twisted_siprec.simulator.speech import said_by
from twisted_siprec.simulator.stream_record import Heard, StreamRecord
from twisted_siprec.simulator.transcription import (
    Line,
    Transcription,
    TranscriptionError,
    load,
)


@dataclass
class Said:
    """A line as the recogniser has it."""

    line_id: int
    start_time: float
    text: str
    is_complete: bool


@dataclass
class Event:
    """What a recogniser tells."""

    line: Said | None


@dataclass
class FakeStream:
    """A voice whose words are those that the test puts in."""

    heard: list[tuple[list[float], int]] = field(default_factory=list)
    coming: list[Event] = field(default_factory=list)
    listener: Callable[[Any], None] = print
    done: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.done.append("start")

    def add_listener(self, listener: Callable[[Any], None]) -> None:
        self.listener = listener

    def add_audio(self, audio_data: list[float], sample_rate: int) -> None:
        self.heard.append((audio_data, sample_rate))
        self.tell()

    def stop(self) -> None:
        self.done.append("stop")
        self.tell()

    def close(self) -> None:
        self.done.append("close")

    def tell(self) -> None:
        coming, self.coming = self.coming, []
        for event in coming:
            self.listener(event)


class FakeRecogniser:
    """Hands out the streams that the test made."""

    def __init__(self, *streams: FakeStream) -> None:
        self.left = list(streams)

    def create_stream(self, update_interval: float) -> FakeStream:
        return self.left.pop(0)


class Thread:
    """Runs what it is given when the test says so, in order."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[..., list[Line]], *arguments: Any) -> Deferred[list[Line]]:
        done: Deferred[list[Line]] = Deferred()
        self.waiting.append(lambda: maybeDeferred(work, *arguments).chainDeferred(done))
        return done

    def catch_up(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


def record(*roles: str, layout: str = "interleaved") -> StreamRecord:
    """What a consumer has of a stream."""
    made = StreamRecord("s")
    made.start = {
        "media": {
            "layout": layout,
            "sampleRate": 16000,
            "encoding": "L16",
            "channels": len(roles),
        },
        "channels": [{"index": index, "role": role} for index, role in enumerate(roles)],
    }
    return made


def audio(position: int, *columns: list[int]) -> Heard:
    """Samples of all channels."""
    payload = np.array(columns, dtype="<i2").T.tobytes()
    return Heard(position, len(columns[0]), payload)


class TranscriptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.caller, self.callee = FakeStream(), FakeStream()
        self.thread = Thread()
        self.told: list[Line] = []
        recogniser = FakeRecogniser(self.caller, self.callee)
        self.transcription = Transcription(recogniser, self.thread, self.told.append)
        self.record = record("caller", "callee")

    def finish(self) -> Deferred[tuple[Line, ...]]:
        """The end, the thread having done all that it was given."""
        finished = Deferred.fromCoroutine(self.transcription.finish())
        self.thread.catch_up()
        return finished

    def test_channels(self) -> None:
        """Each channel goes to a voice of its own, from -1 to 1, at its rate."""
        self.transcription.heard(self.record, audio(0, [16384, 0], [-32768, 32767]))
        self.assertEqual((self.caller.heard, self.callee.heard), ([], []))
        self.thread.catch_up()
        self.assertEqual(self.caller.heard, [([0.5, 0.0], 16000)])
        self.assertEqual(self.callee.heard, [([-1.0, 32767 / 32768], 16000)])
        self.assertEqual(self.caller.done, ["start"])

    def test_silence(self) -> None:
        """Silence in a word, and what is missing, are heard as silence: time goes on."""
        self.transcription.heard(self.record, Heard(0, 2, None))
        self.transcription.heard(self.record, audio(5, [16384], [0]))
        self.thread.catch_up()
        self.assertEqual(self.caller.heard, [([0.0, 0.0], 16000), ([0.0, 0.0, 0.0, 0.5], 16000)])

    def test_versions(self) -> None:
        """Each version of a line is told once, however often the recogniser tells of it."""
        begun, over = Said(7, 1.26, " hello ", False), Said(7, 1.26, "Hello.", True)
        self.caller.coming = [Event(begun), Event(begun), Event(None), Event(over), Event(over)]
        self.callee.coming = [Event(Said(1, 0.0, "  ", True))]
        self.transcription.heard(self.record, audio(0, [1], [1]))
        self.thread.catch_up()
        self.assertEqual(
            self.told,
            [Line("caller", 1.3, "hello", final=False), Line("caller", 1.3, "Hello.")],
        )

    def test_finish(self) -> None:
        """The last lines come at the end; all are in the order in which they began."""
        self.transcription.heard(self.record, audio(0, [1], [1]))
        self.thread.catch_up()
        self.caller.coming = [Event(Said(0, 2.0, "second", True))]
        self.callee.coming = [Event(Said(0, 1.0, "first", True))]
        finished = self.finish()
        self.thread.catch_up()
        self.assertEqual(
            self.successResultOf(finished),
            (Line("callee", 1.0, "first"), Line("caller", 2.0, "second")),
        )
        self.assertEqual(self.caller.done, ["start", "stop", "close"])

    def test_nothing_heard(self) -> None:
        """Without audio there are no lines."""
        self.assertEqual(self.successResultOf(self.finish()), ())

    def test_failure(self) -> None:
        """A recogniser that fails is told of at the end, and costs nothing before."""
        del self.caller.heard
        self.transcription.heard(self.record, audio(0, [1], [1]))
        self.thread.catch_up()
        self.assertEqual(len(self.callee.heard), 1)
        finished = self.finish()
        self.thread.catch_up()
        failure = self.failureResultOf(finished, TranscriptionError)
        self.assertIn("the recogniser failed: ", str(failure.value))
        self.assertIn("heard", str(failure.value))

    def test_apart(self) -> None:
        """Channels on connections of their own are voices of their own, by their roles."""
        one, other = record("caller", layout="separate"), record("callee", layout="separate")
        other.stream_id = "t"
        self.caller.coming = [Event(Said(0, 0.0, "I", True))]
        self.callee.coming = [Event(Said(0, 0.0, "you", True))]
        self.transcription.heard(one, audio(0, [1]))
        self.transcription.heard(other, audio(0, [2]))
        self.thread.catch_up()
        self.assertEqual(self.told, [Line("caller", 0.0, "I"), Line("callee", 0.0, "you")])


class LoadTests(SynchronousTestCase):
    def test_missing(self) -> None:
        """Where the recogniser is not installed, the error says how it is."""
        modules = dict(sys.modules)
        self.patch(sys, "modules", modules)
        modules["moonshine_voice"] = None  # type: ignore[assignment]  # that is how it is absent
        error = self.assertRaises(TranscriptionError, load)
        self.assertIn("pip install 'twisted_siprec[transcribe]'", str(error))


class ShownTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = StringIO()

    def test_live(self) -> None:
        """A line that is over stays; one that is not is on the line of the meters."""
        self.stream.isatty = lambda: True  # type: ignore[method-assign]
        view = DemoView(Display(self.stream, colours=False))
        view.said(Line("caller", 1.5, "I would like to move my delivery to the other", final=False))
        view.heard(record("caller"), Heard(0, 16000, None))
        view.said(Line("caller", 1.5, "I would like."))
        view.heard(record("caller"), Heard(16000, 16000, None))
        first, second = self.stream.getvalue().split("\n")
        self.assertTrue(first.endswith("   1.5 s  caller: I would like."), first)
        self.assertIn("   caller: ld like to move my delivery to the other", first)
        self.assertNotIn("move", second)

    def test_beside(self) -> None:
        """What was heard is beside what was said, with the errors."""
        lines = (
            Line("caller", 0.1, "Hello, I would like to move my delivery to Friday, please."),
            Line("callee", 3.8, "Of course, what did your order number?"),
            Line("caller", 6.6, "It is 4711."),
            Line("callee", 8.9, "Thank you. It comes on Friday morning."),
        )
        tell_words(lines, Display(self.stream, colours=False))
        self.assertEqual(
            self.stream.getvalue().splitlines(),
            [
                f"caller said:  {said_by('caller')}",
                (
                    "       heard: Hello, I would like to move my delivery to Friday, please. "
                    "It is 4711."
                ),
                "       word errors: 0 of 17",
                f"callee said:  {said_by('callee')}",
                (
                    "       heard: Of course, what did your order number? "
                    "Thank you. It comes on Friday morning."
                ),
                "       word errors: 1 of 14",
            ],
        )

    def test_mixed(self) -> None:
        """Who is both is held against what both said, in turn."""
        self.assertEqual(
            said_by("both"),
            "Hello, I would like to move my delivery to Friday, please. Of course. What is your "
            "order number? It is four seven one one. Thank you. It comes on Friday morning.",
        )
