"""The simulated consumer: its command line and its files."""

from __future__ import annotations

import wave
from pathlib import Path

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.delivery.wav import WavFile
from twisted_siprec.plan import Encoding
from twisted_siprec.simulator.consumer import ConsumerError
from twisted_siprec.simulator.consumer_options import Options, server_tls
from twisted_siprec.simulator.recstream import ConsumerSettings
from twisted_siprec.simulator.wav import join


class OptionsTests(SynchronousTestCase):
    """The command line."""

    def test_all(self) -> None:
        """Options become a consumer's."""
        options = Options()  # type: ignore[no-untyped-call]
        words = ["--listen", "ws://[::1]:9", "--framing", "plain", "--ack-ms", "500"]
        words += ["--window-ms", "1000", "--start-at", "live", "--slow-ms", "5"]
        words += ["--reject", "busy", "--directory", "d", "--join", "--once", "--check"]
        options.parseOptions(words)  # type: ignore[no-untyped-call]
        made = options.consumer_options()
        self.assertEqual((made.listen, made.framing, made.slow_ms), ("ws://[::1]:9", "plain", 5))
        self.assertEqual(made.directory, Path("d"))
        self.assertTrue(made.join)
        self.assertEqual(made.settings, ConsumerSettings(500, 1000, "live", "busy"))
        self.assertIsNone(options.tls())

    def test_refused(self) -> None:
        """What cannot be meant is a usage error, in words."""
        for words in (
            "--framing both",
            "--start-at end",
            "--listen http://127.0.0.1",
            "--listen wss://127.0.0.1:1",
            "--ack-ms x",
            "--slow-ms -1",
        ):
            options = Options()  # type: ignore[no-untyped-call]
            self.assertRaises(usage.UsageError, options.parseOptions, words.split())

    def test_certificate(self) -> None:
        """A certificate that is none is an error with its name."""
        path = Path(self.mktemp())
        self.assertRaises(ConsumerError, server_tls, path, path)
        path.write_text("nothing")
        error = self.assertRaises(ConsumerError, server_tls, path, path)
        self.assertIn(str(path), str(error))


class JoinTests(SynchronousTestCase):
    """Channels that came apart, side by side."""

    def test_joined(self) -> None:
        """Sample by sample; the shorter ends in silence."""
        paths = []
        for name, octets in (("a", b"\x01\x02\x03\x04"), ("b", b"\x05\x06")):
            path = Path(self.mktemp() + name)
            file = WavFile(path, Encoding.L16, 8000, 1)
            file.write(0, octets)
            file.close()
            paths.append(path)
        joined = Path(self.mktemp())
        join(paths, joined)
        with wave.open(str(joined), "rb") as file_read:
            self.assertEqual((file_read.getnchannels(), file_read.getframerate()), (2, 8000))
            self.assertEqual(file_read.readframes(9), b"\x01\x02\x05\x06\x03\x04\x00\x00")
