"""
What a simulated consumer writes: the audio of each stream in a WAV file, and
what it was told in JSON lines.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..net.delivery.wav import WavFile
from . import wav
from .stream_record import Heard, StreamRecord, Text


@dataclass(slots=True)
class _Files:
    audio: WavFile | None = None
    audio_path: Path | None = None
    events: Path | None = None


class ConsumerFiles:
    """
    The files of all its streams.

    :param directory: where they go; None to write nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._files: dict[str, _Files] = {}

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """New audio."""
        files = self._of(record)
        if files.audio is not None:
            wav.write(files.audio, record, audio)

    def told(self, record: StreamRecord, text: Text) -> None:
        """A text."""
        files = self._of(record)
        if files.events is not None:
            with files.events.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(text) + "\n")

    def close(self, record: StreamRecord) -> Path | None:
        """The stream has ended: its audio can be read."""
        files = self._files.get(record.stream_id)
        if files is None or files.audio is None:
            return None
        files.audio.close()
        return files.audio_path

    def _of(self, record: StreamRecord) -> _Files:
        files = self._files.get(record.stream_id)
        if files is None:
            files = self._files[record.stream_id] = _Files()
            directory = self._directory
            if directory is not None:
                directory.mkdir(parents=True, exist_ok=True)
                name = _file_name(record)
                files.events = directory / f"{name}.jsonl"
                files.events.write_text("")
                files.audio_path = directory / f"{name}.wav"
                files.audio = wav.create(files.audio_path, record)
        return files


def session_of(record: StreamRecord) -> str:
    """The recording session of a stream."""
    siprec = record.start.get("siprec")
    identity = siprec.get("recordingSessionId") if isinstance(siprec, dict) else None
    return str(identity or record.stream_id)


def plain(words: str) -> str:
    """Words as the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words)[:80].strip("._") or "call"


def _file_name(record: StreamRecord) -> str:
    track = "" if record.track == 255 else f"-ch{record.track}"
    return f"{plain(session_of(record))}-{plain(record.stream_id)[:8]}{track}"
