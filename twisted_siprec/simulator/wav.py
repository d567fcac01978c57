"""
The WAV files of a simulated consumer: one for each stream, or one for all
streams of a recording session that were delivered apart.
"""

from __future__ import annotations

import wave
from pathlib import Path

from ..net.delivery.wav import WavFile
from ..plan import Encoding
from .stream_record import Heard, StreamRecord


def create(path: Path, record: StreamRecord) -> WavFile:
    """A file that takes what a stream's start says; an older one of the name is replaced."""
    path.unlink(missing_ok=True)
    width = int(record.media.get("channels", 1))
    encoding = Encoding(record.media.get("encoding", "L16"))
    return WavFile(path, encoding, record.sample_rate, width)


def write(file: WavFile, record: StreamRecord, audio: Heard) -> None:
    """New audio at its position; silence that came as a word is written by what follows it."""
    if audio.payload is not None:
        file.write(audio.position, audio.payload)


def join(tracks: list[Path], joined: Path) -> None:
    """
    Mono files of 16-bit samples side by side in one, the shorter ones with
    silence at their ends.
    """
    samples = []
    rate = 8000
    for track in tracks:
        with wave.open(str(track), "rb") as file:
            rate = file.getframerate()
            samples.append(file.readframes(file.getnframes()))
    longest = max(len(mono) for mono in samples)
    stride = 2 * len(samples)
    interleaved = bytearray(longest * len(samples))
    for index, mono in enumerate(samples):
        padded = mono.ljust(longest, b"\x00")
        # Two octets a sample: the low ones, then the high ones, each in its stride.
        interleaved[2 * index :: stride] = padded[0::2]
        interleaved[2 * index + 1 :: stride] = padded[1::2]
    with wave.open(str(joined), "wb") as out:
        out.setnchannels(len(samples))
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(interleaved))
