"""
What a simulated party says: speech from WAV files, at the rate that its codec
takes. How it is sent is in :mod:`.sending`.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

MAX_SECONDS = 3600.0
"A longer recording is refused: all of it is held in memory."


class SpeechError(Exception):
    """
    The speech cannot be read or sent: a mono or stereo PCM file of 16 bits a sample
    is needed, and an encoder whose frames fill the packets.
    """


@dataclass(frozen=True, slots=True)
class Speech:
    """Mono audio and its rate in Hz."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> Speech:
        """
        The same at another rate, by way of the spectrum: exact for whatever
        lies below half of both rates. The same object where the rate is the
        same already, so that nothing is lost.
        """
        if rate == self.rate or not len(self.samples):
            return Speech(self.samples, rate)
        length = round(len(self.samples) * rate / self.rate)
        spectrum = np.fft.rfft(self.samples)
        kept = np.zeros(length // 2 + 1, dtype=spectrum.dtype)
        common = min(len(kept), len(spectrum))
        kept[:common] = spectrum[:common]
        wave_form = np.fft.irfft(kept, length) * (length / len(self.samples))
        return Speech(np.clip(np.rint(wave_form), -32768, 32767).astype(np.int16), rate)

    def lasting(self, seconds: float) -> Speech:
        """The same with silence after it, or cut, so that it lasts ``seconds``."""
        length = round(seconds * self.rate)
        padded = np.zeros(length, dtype=np.int16)
        kept = min(length, len(self.samples))
        padded[:kept] = self.samples[:kept]
        return Speech(padded, self.rate)


def read(path: Path) -> Speech:
    """
    The speech in a WAV file; of a stereo file, the first channel.

    Raises :exc:`SpeechError`.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            if width != 2:
                raise SpeechError(f"{path}: {8 * width} bits a sample; 16 are needed")
            if not 1000 <= rate <= 192_000 or file.getnframes() > MAX_SECONDS * rate:
                raise SpeechError(
                    f"{path}: {file.getnframes()} samples at {rate} Hz; "
                    f"at most {MAX_SECONDS:.0f} s can be played"
                )
            frames = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it is no WAV file"
        raise SpeechError(f"{path}: {reason}") from error
    interleaved = np.frombuffer(frames, dtype="<i2")
    samples = interleaved[: len(interleaved) // channels * channels : channels].astype(np.int16)
    if not len(samples):
        raise SpeechError(f"{path}: there is no audio in it")
    return Speech(samples, rate)


CONVERSATION = (
    ("caller", "Hello, I would like to move my delivery to Friday, please."),
    ("callee", "Of course. What is your order number?"),
    ("caller", "It is four seven one one."),
    ("callee", "Thank you. It comes on Friday morning."),
)
"What is said in the two files that come with the package, and by whom."


def said_by(speaker: str) -> str:
    """What one of them says in all; what both say for any other name."""
    speakers = {name for name, _ in CONVERSATION}
    return " ".join(
        text for name, text in CONVERSATION if speaker == name or speaker not in speakers
    )


def bundled() -> tuple[Path, Path]:
    """The caller's and the callee's half of the conversation that comes with the package."""
    here = Path(__file__).parent
    return here / "caller.wav", here / "callee.wav"
