"""The embedded destination: files of calls."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.dialects.base import (
    Audio,
    ChannelStart,
    Digit,
    Gap,
    Progress,
    Rearranged,
    Redescribed,
    Resumed,
    StreamStart,
)
from twisted_siprec.net.delivery.recordings import (
    Recording,
    RecordingSettings,
    directory_of,
    file_name,
)
from twisted_siprec.net.delivery.wav import WavFile
from twisted_siprec.participants import Description
from twisted_siprec.plan import ChannelPlan, Destination, Encoding, EndReason
from twisted_siprec.report import DeliveryStatistics, LinkDown, LinkUp, StreamStatistics


def samples(position: int, count: int) -> bytes:
    """Two channels whose samples say where they belong."""
    return b"".join(p.to_bytes(2, "little") * 2 for p in range(position, position + count))


class RecordingTests(SynchronousTestCase):
    """A consumer stream on disk."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.clock = Clock()
        self.reports: list[Any] = []
        self.jobs: list[tuple[Callable[[], int], Deferred[int]]] = []
        self.at_once = True

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def in_thread(self, job: Callable[[], int]) -> Deferred[int]:
        """A thread that is this one, now or when the test says so."""
        if self.at_once:
            return maybeDeferred(job)
        done: Deferred[int] = Deferred()
        self.jobs.append((job, done))
        return done

    def work(self) -> None:
        """Do the one job that waits."""
        ((job, done),), self.jobs = self.jobs, []
        maybeDeferred(job).chainDeferred(done)

    def start(self, encoding: Encoding = Encoding.L16, track: int | None = None) -> StreamStart:
        """A stereo stream to the directory."""
        return StreamStart(
            "0123456789",
            "b1",
            1_767_366_000.0,
            encoding,
            8000,
            (ChannelStart(ChannelPlan(0, (0,))), ChannelStart(ChannelPlan(1, (1,)))),
            Destination("files", f"file:{self.directory}"),
            Description("b1", "call/../@src"),
            track,
        )

    def recording(
        self, start: StreamStart | None = None, settings: RecordingSettings | None = None
    ) -> Recording:
        """A recording to the directory."""
        return Recording(
            self.clock, start or self.start(), self.reports.append, self.in_thread, settings
        )

    def stop(self, recording: Recording) -> Deferred[DeliveryStatistics]:
        """The call has ended."""
        return recording.stop(EndReason.CALL_ENDED, 1000, (StreamStatistics(0, packets=50),))

    def read(self, pattern: str = "*.wav") -> tuple[int, int, bytes]:
        """Channels, rate and samples of the one file."""
        (path,) = self.directory.glob(pattern)
        with wave.open(str(path), "rb") as file:
            return file.getnchannels(), file.getframerate(), file.readframes(file.getnframes())

    def document(self) -> Any:
        """The JSON beside it."""
        (path,) = self.directory.glob("*.json")
        return json.loads(path.read_text())

    def test_a_call(self) -> None:
        """A stereo WAV of all that was heard, and a JSON with the account."""
        recording = self.recording()
        for position in range(0, 8000, 800):
            recording.carry(Audio(position, 800, samples(position, 800)))
            self.clock.advance(0.1)
        statistics = self.successResultOf(self.stop(recording))
        self.assertEqual(self.read(), (2, 8000, samples(0, 8000)))
        self.assertEqual(
            (statistics.final_position, statistics.delivered, statistics.missing), (8000, 8000, 0)
        )
        self.assertTrue(statistics.complete)
        self.assertEqual(
            sorted(path.name for path in self.directory.iterdir()),
            [
                "20260102T150000Z-call_.._src-01234567.json",
                "20260102T150000Z-call_.._src-01234567.wav",
            ],
        )
        document = self.document()
        self.assertEqual(document["file"], "20260102T150000Z-call_.._src-01234567.wav")
        self.assertEqual(document["siprec"]["sipCallId"], "call/../@src")
        self.assertEqual(document["statistics"]["reason"], "call_ended")
        self.assertEqual(document["statistics"]["channels"][0]["packets"], 50)
        self.assertEqual(self.reports, [LinkUp("b1", "files", 1)])
        self.assertIs(self.successResultOf(self.stop(recording)), statistics)

    def test_valid_while_it_grows(self) -> None:
        """A crash leaves a file that can be read, up to the last batch, under its .part name."""
        recording = self.recording()
        self.clock.advance(0)
        recording.carry(Audio(0, 800, samples(0, 800)))
        self.clock.advance(1.0)
        self.assertEqual(self.read("*.wav.part"), (2, 8000, samples(0, 800)))
        (part,) = self.directory.glob("*.json.part")
        self.assertEqual(json.loads(part.read_text())["siprec"]["recordingSessionId"], "b1")
        self.stop(recording)

    def test_gaps_are_silence_in_the_file(self) -> None:
        """Positions in the file are positions in the call."""
        recording = self.recording()
        recording.carry(Audio(0, 100, samples(0, 100)))
        recording.tell(Gap(100, 50, (0, 1), "paused", "none"))
        recording.carry(Audio(150, 100, samples(150, 100)))
        recording.carry(Audio(300, 100, samples(300, 100)))
        statistics = self.successResultOf(self.stop(recording))
        silence = bytes(200)
        self.assertEqual(
            self.read()[2],
            samples(0, 100) + silence + samples(150, 100) + silence + samples(300, 100),
        )
        self.assertEqual((statistics.delivered, statistics.missing), (300, 100))
        self.assertEqual(dict(statistics.gaps_ms), {"paused": 6, "no_packets": 6})

    def test_events(self) -> None:
        """What happened is in the JSON with its position; too much of it is counted."""
        recording = self.recording(settings=RecordingSettings(max_events=3))
        recording.carry(Audio(0, 100, samples(0, 100)))
        recording.tell(Digit("5", 80, 0, None, "rfc4733"))
        recording.tell(Progress(0, ()))
        recording.tell(Gap(0, 80, (0,), "rtp_loss", "concealed"))
        recording.tell(Redescribed(Description("b1", "call", src="sip:new")))
        recording.tell(Rearranged(100, (ChannelStart(ChannelPlan(0, (0,), label="9")),)))
        recording.tell(Resumed(100, "src", 0))
        self.successResultOf(self.stop(recording))
        document = self.document()
        self.assertEqual(
            [(event["type"], event["pos"]) for event in document["events"]],
            [("dtmf", 100), ("gap", 0), ("metadata", 100)],
        )
        self.assertEqual(document["eventsNotRecorded"], 2)
        self.assertEqual(document["siprec"]["src"], "sip:new")
        self.assertEqual(document["channels"][0]["label"], "9")
        self.assertEqual(document["statistics"]["gaps"], {"rtp_loss": 10})

    def test_batches_are_in_order(self) -> None:
        """While one is written the next waits, however long that takes."""
        self.at_once = False
        recording = self.recording()
        self.clock.advance(0)
        for position in (0, 100, 200):
            recording.carry(Audio(position, 100, samples(position, 100)))
            self.clock.advance(1.0)
        self.assertEqual(len(self.jobs), 1)
        self.work()
        self.clock.advance(1.0)
        done = self.stop(recording)
        self.work()
        self.assertNoResult(done)
        self.work()
        self.successResultOf(done)
        self.assertEqual(self.read()[2], samples(0, 300))

    def test_a_slow_disk(self) -> None:
        """What waits is bounded; the oldest of more than that is a gap."""
        self.at_once = False
        recording = self.recording(settings=RecordingSettings(max_waiting_octets=1000))
        self.clock.advance(0)
        for position in (0, 100, 200, 300):
            recording.carry(Audio(position, 100, samples(position, 100)))
        self.work()
        self.at_once = True
        statistics = self.successResultOf(self.stop(recording))
        self.assertEqual((statistics.delivered, statistics.missing), (200, 200))
        self.assertEqual(statistics.gaps_ms, (("backpressure", 25),))
        self.assertEqual(self.read()[2], bytes(800) + samples(200, 200))

    def test_a_full_disk(self) -> None:
        """It is told, the call goes on, and when there is room again nothing is missing."""
        self.directory.write_text("in the way")
        recording = self.recording()
        recording.carry(Audio(0, 100, samples(0, 100)))
        self.clock.advance(0)
        ((down),) = self.reports
        self.assertIsInstance(down, LinkDown)
        self.assertEqual(down.retry_in_s, 5.0)
        recording.carry(Audio(100, 100, samples(100, 100)))
        self.directory.unlink()
        self.clock.advance(5.0)
        statistics = self.successResultOf(self.stop(recording))
        self.assertEqual(self.read()[2], samples(0, 200))
        self.assertEqual((statistics.delivered, statistics.missing), (200, 0))
        self.assertEqual(self.reports[1:], [LinkUp("b1", "files", 1)])

    def test_a_disk_that_stays_full(self) -> None:
        """At the end of the call what could not be written is a gap."""
        self.directory.write_text("in the way")
        recording = self.recording()
        recording.carry(Audio(0, 100, samples(0, 100)))
        statistics = self.successResultOf(self.stop(recording))
        self.assertEqual((statistics.delivered, statistics.missing), (0, 100))
        self.assertFalse(statistics.complete)
        self.assertIsNone(self.reports[-1].retry_in_s)

    def test_a_name_that_is_taken(self) -> None:
        """Two recordings of one name do not overwrite each other."""
        for _ in range(2):
            recording = self.recording()
            recording.carry(Audio(0, 100, samples(0, 100)))
            self.successResultOf(self.stop(recording))
        self.assertEqual(len(list(self.directory.glob("*.wav"))), 2)
        self.assertEqual(len(list(self.directory.glob("*-2.json"))), 1)

    def test_after_stop_nothing(self) -> None:
        """What comes late changes nothing."""
        recording = self.recording()
        self.stop(recording)
        recording.carry(Audio(0, 100, samples(0, 100)))
        recording.tell(Digit("5", 80, 0, None, "rfc4733"))
        self.assertEqual(self.successResultOf(self.stop(recording)).final_position, 0)
        self.assertEqual(self.document()["events"], [])

    def test_our_own_mistake(self) -> None:
        """Whoever waits for the account gets one, even if the writing has a fault."""
        self.at_once = False
        recording = self.recording()
        self.clock.advance(0)
        done = self.stop(recording)
        _, writing = self.jobs.pop()
        writing.errback(ZeroDivisionError())
        self.assertFalse(self.successResultOf(done).complete)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class NameTests(SynchronousTestCase):
    """Where files go."""

    def test_directories(self) -> None:
        """file:DIRECTORY, as a URL or as people write it."""
        self.assertEqual(directory_of("file:recordings"), Path("recordings"))
        self.assertEqual(directory_of("file:/var/calls"), Path("/var/calls"))
        self.assertEqual(directory_of("file:///var/my%20calls"), Path("/var/my calls"))
        self.assertEqual(directory_of("file:"), Path())

    def test_a_peer_chooses_no_path(self) -> None:
        """Whatever a Call-ID holds, it stays one harmless name."""
        for call_id in ("../../etc/passwd", "a\0b", "....", "", "x" * 500):
            start = StreamStart(
                "../s",
                "b",
                0.0,
                Encoding.L16,
                8000,
                (),
                Destination("files", "file:x"),
                Description("b", call_id),
                1,
            )
            name = file_name(start)
            self.assertRegex(name, r"^19700101T000000Z-[A-Za-z0-9._-]{1,64}-s-ch1$")
            self.assertNotIn("/", name)


class WavFileTests(SynchronousTestCase):
    """The format."""

    def test_no_channels_yet(self) -> None:
        """A call that begins without a stream has a file, to which the first one goes."""
        path = Path(self.mktemp())
        file = WavFile(path, Encoding.L16, 8000, 0)
        file.write(0, b"")
        file.write(3, b"\x01\x00")
        file.close()
        with wave.open(str(path)) as recorded:
            self.assertEqual(recorded.getnchannels(), 1)
            self.assertEqual(recorded.readframes(9), bytes(6) + b"\x01\x00")

    def test_g711(self) -> None:
        """Format 7 and its fact chunk; silence is that of the law."""
        path = Path(self.mktemp())
        file = WavFile(path, Encoding.PCMU, 8000, 1)
        file.write(2, b"\x01")
        file.close()
        file.close()
        octets = path.read_bytes()
        self.assertEqual(octets[:4] + octets[8:16], b"RIFFWAVEfmt ")
        self.assertEqual(int.from_bytes(octets[4:8], "little"), len(octets) - 8)
        self.assertEqual(octets[20:24], b"\x07\x00\x01\x00")
        self.assertEqual(octets[38:50], b"fact\x04\x00\x00\x00\x03\x00\x00\x00")
        self.assertEqual(octets[50:], b"data\x03\x00\x00\x00\xff\xff\x01")

    def test_too_long(self) -> None:
        """A WAV file ends at 4 GiB, and says so rather than lie."""
        file = WavFile(Path(self.mktemp()), Encoding.L16, 8000, 2)
        self.assertRaises(OSError, file.write, 2**30, b"\x00" * 4)
        file.close()
