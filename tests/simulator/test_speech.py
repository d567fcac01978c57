from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.speech import Speech, SpeechError, bundled, read


class SpeechTestCase(SynchronousTestCase):
    def wav(self, frames: bytes, *, channels: int = 1, width: int = 2, rate: int = 8000) -> Path:
        """A WAV file of these frames."""
        path = Path(self.mktemp())
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(width)
            file.setframerate(rate)
            file.writeframes(frames)
        return path


class ReadTests(SpeechTestCase):
    def test_mono(self) -> None:
        """A mono file is read as it is."""
        speech = read(self.wav(b"\x01\x00\xff\xff\x00\x80"))
        self.assertEqual((speech.samples.tolist(), speech.rate), ([1, -1, -32768], 8000))

    def test_stereo(self) -> None:
        """Of a stereo file the first channel is taken."""
        speech = read(self.wav(b"\x01\x00\x02\x00\x03\x00\x04\x00", channels=2, rate=16000))
        self.assertEqual((speech.samples.tolist(), speech.rate), ([1, 3], 16000))

    def test_unusable(self) -> None:
        """What cannot be played is told with the file's name and the reason."""
        text = Path(self.mktemp())
        text.write_bytes(b"hello")
        for path, reason in (
            (Path("/nonexistent.wav"), "No such file"),
            (text, "no WAV file"),
            (self.wav(b"\x01", width=1), "8 bits a sample; 16 are needed"),
            (self.wav(b"\0\0", rate=500), "at 500 Hz"),
            (self.wav(b""), "no audio"),
        ):
            error = self.assertRaises(SpeechError, read, path)
            self.assertIn(reason, str(error))
            self.assertIn(str(path), str(error))

    def test_bundled(self) -> None:
        """The two bundled files last 12 s each, and one is silent while the other speaks."""
        caller, callee = (read(path) for path in bundled())
        self.assertEqual((caller.seconds, callee.seconds, caller.rate), (12.0, 12.0, 16000))
        self.assertEqual(
            np.count_nonzero(caller.samples.astype(bool) & callee.samples.astype(bool)), 0
        )
        for speech in (caller, callee):
            self.assertGreater(int(np.abs(speech.samples).max()), 10_000)
        self.assertLess(sum(path.stat().st_size for path in bundled()), 800_000)


class SpeechTests(SpeechTestCase):
    def test_same_rate(self) -> None:
        """At its own rate it is what it was, sample by sample."""
        samples = np.array([1, 2, 3], dtype=np.int16)
        self.assertIs(Speech(samples, 8000).at(8000).samples, samples)

    def test_other_rate(self) -> None:
        """A tone keeps its frequency and its level at another rate, in both directions."""
        for rate, other in ((16000, 8000), (8000, 16000), (44100, 8000)):
            times = np.arange(rate // 10) / rate
            made = Speech((10_000 * np.sin(2 * np.pi * 500 * times)).astype(np.int16), rate).at(
                other
            )
            wanted = 10_000 * np.sin(2 * np.pi * 500 * np.arange(other // 10) / other)
            self.assertEqual(made.rate, other)
            self.assertLess(int(np.abs(made.samples - wanted).max()), 40)

    def test_clipping(self) -> None:
        """What overshoots at another rate is clipped and does not wrap around."""
        square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 8), 50)
        made = Speech(square, 16000).at(48000).samples
        self.assertEqual((int(made.max()), int(made.min())), (32767, -32768))
        self.assertLess(int(np.abs(np.diff(made.astype(int))).max()), 40_000)

    def test_lasting(self) -> None:
        """It is cut, or has silence after it."""
        speech = Speech(np.array([1, 2, 3, 4], np.int16), 4)
        self.assertEqual(speech.lasting(0.5).samples.tolist(), [1, 2])
        self.assertEqual(speech.lasting(1.5).samples.tolist(), [1, 2, 3, 4, 0, 0])
