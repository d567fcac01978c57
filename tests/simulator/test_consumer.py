"""The simulated consumer: what it takes for a broken promise, and its command line."""

from __future__ import annotations

import json
import struct
import wave
from pathlib import Path
from typing import Any

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.delivery.wav import WavFile
from twisted_siprec.plan import Encoding
from twisted_siprec.simulator.consumer import ConsumerError
from twisted_siprec.simulator.consumer_options import Options, server_tls
from twisted_siprec.simulator.recstream import (
    ConsumerConnection,
    ConsumerSettings,
    Heard,
    StreamRecord,
)
from twisted_siprec.simulator.wav import join

MEDIA = {"encoding": "L16", "sampleRate": 1000, "channels": 1, "layout": "mono"}


class ConsumerConnectionTests(SynchronousTestCase):
    """Reading one connection."""

    def setUp(self) -> None:
        self.records: dict[str, StreamRecord] = {}
        self.heard: list[Heard] = []
        self.sequence = 0

    def connection(self, framed: bool = True, **settings: Any) -> ConsumerConnection:
        """Another connection of the same consumer."""
        return ConsumerConnection(
            self.records,
            framed,
            ConsumerSettings(**settings),
            heard=lambda record, heard: self.heard.append(heard),
        )

    def say(
        self, connection: ConsumerConnection, kind: str, position: int = 0, **body: Any
    ) -> list[Any]:
        """A text from the sender, and the answers."""
        self.sequence += 1
        text = {
            "type": kind,
            "streamId": "s",
            "seq": self.sequence,
            "ack": 0,
            "pos": position,
            "data": body,
        }
        answers = [json.loads(answer) for answer in connection.received(json.dumps(text))]
        return [(answer["type"], answer["data"]) for answer in answers]

    def frame(
        self, connection: ConsumerConnection, number: int, position: int, samples: int = 10
    ) -> list[Any]:
        """A framed message, and the answers."""
        header = struct.pack(">BBBBIQ", 0x10, 0, 255, 0, number, position)
        answers = connection.received(header + bytes(2 * samples))
        return [(json.loads(answer)["type"], json.loads(answer)["data"]) for answer in answers]

    def violations(self) -> list[str]:
        """What the sender did wrong."""
        return [violation for record in self.records.values() for violation in record.violations]

    def start(self, connection: ConsumerConnection) -> list[Any]:
        """The first text."""
        return self.say(connection, "start", media=MEDIA, attempt=1)

    def test_a_good_sender(self) -> None:
        """Ready, acknowledgements as they were asked for, bye; and nothing to complain of."""
        connection = self.connection(ack_every_ms=20, window_ms=500)
        ready = {"accept": True, "startAt": "buffered", "ackEveryMs": 20, "windowMs": 500}
        self.assertEqual(self.start(connection), [("ready", ready)])
        self.assertEqual(self.frame(connection, 0, 0), [])
        self.assertEqual(self.frame(connection, 1, 10), [("ack", {"frame": 1})])
        silence = struct.pack(">BBBBIQI", 0x11, 0, 255, 0, 2, 20, 5)
        self.assertEqual(connection.received(silence), [])
        gap = {"pos": 25, "samples": 5, "reason": "paused", "filled": "none"}
        self.say(connection, "gap", 25, **gap)
        stop = {"finalPos": 30, "bytes": 50, "reconnects": 0}
        self.assertEqual(
            self.say(connection, "stop", 30, **stop),
            [("ack", {"frame": 2}), ("bye", {"reason": "done"})],
        )
        self.assertEqual(self.violations(), [])
        record = self.records["s"]
        self.assertEqual((record.delivered, record.missing), (25, 5))
        self.assertEqual(
            self.heard, [Heard(0, 10, bytes(20)), Heard(10, 10, bytes(20)), Heard(20, 5, None)]
        )

    def test_a_hole(self) -> None:
        """Audio that goes on later than it stopped, and no gap."""
        connection = self.connection()
        self.start(connection)
        self.frame(connection, 0, 0)
        self.frame(connection, 1, 11)
        (violation,) = self.violations()
        self.assertIn("audio at 11, but nothing for 10 to 11", violation)

    def test_a_wrong_account(self) -> None:
        """finalPos or bytes that are not what came."""
        connection = self.connection()
        self.start(connection)
        self.frame(connection, 0, 0)
        self.say(connection, "stop", 10, finalPos=20, bytes=21, reconnects=0)
        self.assertEqual(len(self.violations()), 2)

    def test_sequence(self) -> None:
        """A text that is missing or comes twice."""
        connection = self.connection()
        self.start(connection)
        self.sequence += 1
        self.say(connection, "sync")
        self.sequence -= 1
        self.say(connection, "sync")
        self.assertEqual(len(self.violations()), 2)

    def test_frames(self) -> None:
        """A frame number that goes back, a header that is none, half a sample."""
        connection = self.connection()
        self.start(connection)
        self.frame(connection, 1, 0)
        self.frame(connection, 1, 10)
        connection.received(b"short")
        connection.received(bytes(16))
        connection.received(struct.pack(">BBBBIQ", 0x10, 0, 255, 0, 2, 20) + b"\x00")
        self.assertEqual(len(self.violations()), 4)

    def test_nothing_before_start(self) -> None:
        """Texts, audio and rubbish before start."""
        for first in (b"\x00\x00", "{", '{"type": "sync", "data": {}}', "[1]"):
            self.connection().received(first)
        self.assertEqual(len(self.violations()), 4)

    def test_resumes(self) -> None:
        """On a resume, from the frame that it has not got; repeated audio is heard once."""
        first = self.connection()
        self.start(first)
        self.frame(first, 0, 0)
        second = self.connection()
        start = {"media": MEDIA}
        resumed = self.say(second, "resume", 0, start=start, attempt=2)
        self.assertEqual(resumed, [("resumed", {"fromFrame": 1})])
        self.frame(second, 1, 5)
        self.assertEqual(self.heard, [Heard(0, 10, bytes(20)), Heard(10, 5, bytes(10))])
        self.assertEqual(self.records["s"].repeated, 5)
        self.assertEqual(self.violations(), [])

    def test_forgets_and_rejects(self) -> None:
        """It can play one that lost its state, or that takes nothing."""
        self.start(self.connection())
        forgetful = self.connection(forgetful=True, start_at="live")
        answer = self.say(forgetful, "resume", 0, start={"media": MEDIA}, attempt=2)
        self.assertEqual(answer, [("ready", {"accept": True, "startAt": "live"})])
        rejecting = self.connection(reject="busy")
        self.assertEqual(
            self.start(rejecting), [("reject", {"code": "busy", "message": "as asked"})]
        )

    def test_plain(self) -> None:
        """Headerless audio is counted; a restart begins where start says."""
        connection = self.connection(framed=False)
        self.assertEqual(self.start(connection), [])
        connection.received(bytes(20))
        again = self.connection(framed=False)
        self.say(again, "start", 5, media=MEDIA, attempt=2)
        again.received(bytes(20))
        later = self.connection(framed=False)
        self.say(later, "start", 18, media=MEDIA, attempt=3)
        later.received(bytes(4))
        record = self.records["s"]
        self.assertEqual((record.delivered, record.repeated, record.unread), (17, 5, 3))
        self.assertEqual(self.violations(), [])

    def test_made_plain(self) -> None:
        """After ready_timeout what comes has no header; a format changes the octets of a sample."""
        connection = self.connection()
        self.start(connection)
        self.say(connection, "error", 0, code="ready_timeout", message="", fatal=False)
        connection.received(bytes(20))
        self.say(connection, "format", 10, media={**MEDIA, "channels": 2})
        connection.received(bytes(20))
        self.assertEqual(self.records["s"].delivered, 15)

    def test_complaints_are_bounded(self) -> None:
        """A sender that does everything wrong fills no memory."""
        connection = self.connection()
        self.start(connection)
        for _ in range(200):
            connection.received(b"")
        self.assertEqual(len(self.violations()), 100)


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
