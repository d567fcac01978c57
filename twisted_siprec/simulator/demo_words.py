"""
``siprec-demo --transcribe``: the words as they come, and at the end what was heard
beside what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from .demo_view import DemoView
from .display import Display
from .speech import said_by
from .stream_record import Heard, StreamRecord
from .transcription import Line, Recogniser, Transcription, load
from .words import word_errors, words


class DemoWords:
    """
    The recogniser of a demonstration, and its thread.

    Raises :exc:`.transcription.TranscriptionError`.

    :param recogniser: None for the one that is installed.
    """

    def __init__(self, reactor: Any, view: DemoView, recogniser: Recogniser | None = None) -> None:
        # One thread, so that all is listened to in the order in which it came.
        self._threads = ThreadPool(1, 1, "transcription")
        run = partial(deferToThreadPool, reactor, self._threads)
        self._transcription = Transcription(recogniser or load(), run, view.said)

    def start(self) -> None:
        """Listen from now on."""
        self._threads.start()

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """The consumer has new audio."""
        self._transcription.heard(record, audio)

    async def finish(self) -> tuple[Line, ...]:
        """
        All lines.

        Raises :exc:`.transcription.TranscriptionError`.
        """
        return await self._transcription.finish()

    def stop(self) -> None:
        """What has not been listened to is left."""
        self._threads.stop()


def tell_words(lines: Sequence[Line], display: Display) -> None:
    """What was said and what was heard, speaker by speaker, with the word errors."""
    for speaker in dict.fromkeys(line.speaker for line in lines):
        said = said_by(speaker)
        heard = " ".join(line.text for line in lines if line.speaker == speaker)
        errors = word_errors(words(said), words(heard))
        display.line(f"{display.bold(speaker)} said:  {said}")
        display.line(f"{' ' * len(speaker)} heard: {heard}")
        display.line(f"{' ' * len(speaker)} word errors: {errors} of {len(words(said))}")
