"""The consumer's side of the native protocol, and each rule that it holds a sender to."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.recstream import ConsumerConnection, ConsumerSettings
from twisted_siprec.simulator.stream_record import MAX_VIOLATIONS, Heard, StreamRecord

MEDIA = {"encoding": "L16", "sampleRate": 1000, "channels": 1, "layout": "mono", "chunkMs": 10}
START: dict[str, Any] = {
    "protocol": "recstream",
    "version": "1.0",
    "resumeToken": "token",
    "attempt": 1,
    "startedAt": "2026-01-02T15:00:00.000000Z",
    "media": MEDIA,
    "channels": [{"index": 0}, {"index": 1}],
    "siprec": {},
    "limits": {"replayMs": 30000, "maxChunkMs": 50},
    "capabilities": [],
}
STOP: dict[str, Any] = {
    "reason": "call_ended",
    "durationMs": 20,
    "finalPos": 20,
    "frames": 2,
    "bytes": 40,
    "channels": [],
    "gaps": {},
    "reconnects": 0,
    "replayedFrames": 0,
    "metadataRevision": 0,
}


class Sender:
    """One that keeps the protocol as long as it is not told otherwise."""

    def __init__(self, framed: bool = True, **settings: Any) -> None:
        self.records: dict[str, StreamRecord] = {}
        self.heard: list[Heard] = []
        self.sequence = 0
        self.ack = 0
        self.connect(framed, **settings)

    def connect(self, framed: bool = True, **settings: Any) -> None:
        """Another connection to the same consumer."""
        self.connection = ConsumerConnection(
            self.records,
            framed,
            ConsumerSettings(**settings),
            heard=lambda record, heard: self.heard.append(heard),
        )

    def raw(self, **text: Any) -> list[Any]:
        """A text, and the answers."""
        self.sequence += 1
        envelope = {
            "type": "sync",
            "streamId": "s",
            "seq": self.sequence,
            "ack": self.ack,
            "pos": 0,
            "data": {"wallclock": "2026-01-02T15:00:00.000000Z", "channels": []},
            **text,
        }
        answers = [json.loads(answer) for answer in self.connection.received(json.dumps(envelope))]
        self.ack += len(answers)
        return [(answer["type"], answer["data"]) for answer in answers]

    def say(self, kind: str, body: dict[str, Any], position: int = 0, **changes: Any) -> list[Any]:
        """A text of a body with changes; a change to None takes a member away."""
        changed = {name: value for name, value in {**body, **changes}.items() if value is not None}
        return self.raw(type=kind, pos=position, data=changed)

    def start(self, position: int = 0, **changes: Any) -> list[Any]:
        """The first text."""
        return self.say("start", START, position, **changes)

    def resume(self, position: int = 0, attempt: int = 2, **changes: Any) -> list[Any]:
        """The first text of another connection."""
        body = {
            "resumeToken": "token",
            "attempt": attempt,
            "firstAvailableFrame": 0,
            "start": {**START, "attempt": attempt},
            **changes,
        }
        return self.raw(type="resume", pos=position, data={"lastAckedFrame": None, **body})

    def stop(self, **changes: Any) -> list[Any]:
        """The last text."""
        return self.say("stop", STOP, int(changes.get("finalPos", 20)), **changes)

    def gap(self, position: int, samples: int, filled: str = "none", **changes: Any) -> list[Any]:
        """A span without audio of its own."""
        body = {"pos": position, "samples": samples, "channels": [0], "reason": "paused"}
        return self.say("gap", {**body, "filled": filled}, position, **changes)

    def frame(
        self,
        number: int,
        position: int,
        samples: int = 10,
        flags: int = 0,
        first: int = 0x10,
        track: int = 255,
        reserved: int = 0,
        payload: bytes | None = None,
    ) -> list[Any]:
        """A framed message, and the answers."""
        header = struct.pack(">BBBBIQ", first, flags, track, reserved, number, position)
        octets = bytes(2 * samples) if payload is None else payload
        answers = [json.loads(answer) for answer in self.connection.received(header + octets)]
        self.ack += len(answers)
        return [(answer["type"], answer["data"]) for answer in answers]

    def begun(self) -> Sender:
        """With start and a frame said."""
        self.start()
        self.frame(0, 0)
        return self

    @property
    def violations(self) -> list[str]:
        """What it did wrong."""
        return [violation for record in self.records.values() for violation in record.violations]


class ConversationTests(SynchronousTestCase):
    """With a sender that does nothing wrong."""

    def test_a_good_sender(self) -> None:
        """Ready, acknowledgements as they were asked for, bye; and nothing to complain of."""
        sender = Sender(ack_every_ms=20, window_ms=500)
        ready = {"accept": True, "startAt": "buffered", "ackEveryMs": 20, "windowMs": 500}
        self.assertEqual(sender.start(), [("ready", ready)])
        self.assertEqual(sender.frame(0, 0), [])
        self.assertEqual(sender.frame(1, 10), [("ack", {"frame": 1})])
        self.assertEqual(sender.frame(2, 20, first=0x11, payload=struct.pack(">I", 5)), [])
        sender.gap(25, 5)
        sender.raw(type="a type of tomorrow", data={})
        stop = {"finalPos": 30, "bytes": 50, "frames": 3, "gaps": {"paused": 5}}
        self.assertEqual(sender.stop(**stop), [("ack", {"frame": 2}), ("bye", {"reason": "done"})])
        sender.connection.closed(1000)
        self.assertEqual(sender.violations, [])
        record = sender.records["s"]
        self.assertEqual((record.delivered, record.missing), (25, 5))
        self.assertEqual(
            sender.heard, [Heard(0, 10, bytes(20)), Heard(10, 10, bytes(20)), Heard(20, 5, None)]
        )

    def test_no_channels_yet(self) -> None:
        """Where there is no channel time goes on, and no octet of it is counted."""
        sender = Sender()
        sender.start(media={**MEDIA, "layout": "interleaved", "channels": 0}, channels=[])
        sender.frame(0, 0, first=0x11, payload=struct.pack(">I", 10))
        sender.stop(finalPos=10, bytes=0, frames=1)
        self.assertEqual(sender.violations, [])

    def test_resumes(self) -> None:
        """From the frame and after the text that it has; repeated audio is heard once."""
        sender = Sender().begun()
        sender.raw()
        sender.raw()
        sender.connect()
        self.assertEqual(sender.resume(), [("resumed", {"fromFrame": 1, "lastSeq": 3})])
        sender.frame(1, 5, flags=4)
        self.assertEqual(sender.heard, [Heard(0, 10, bytes(20)), Heard(10, 5, bytes(10))])
        self.assertEqual(sender.records["s"].repeated, 5)
        self.assertEqual(sender.violations, [])

    def test_frames_are_lost_with_a_gap(self) -> None:
        """Frames that a gap stands for are not missed."""
        sender = Sender().begun()
        sender.gap(10, 30)
        sender.frame(4, 40)
        self.assertEqual(sender.violations, [])

    def test_forgets_and_rejects(self) -> None:
        """It can play one that lost its state, or that takes nothing."""
        sender = Sender().begun()
        sender.connect(forgetful=True, start_at="live")
        self.assertEqual(sender.resume(), [("ready", {"accept": True, "startAt": "live"})])
        sender.frame(0, 0, flags=4)
        self.assertEqual(sender.violations, [])
        rejecting = Sender(reject="busy")
        self.assertEqual(rejecting.start(), [("reject", {"code": "busy", "message": "as asked"})])
        rejecting.connection.closed(4003)
        self.assertEqual(rejecting.violations, [])

    def test_plain(self) -> None:
        """Headerless audio is counted; a restart begins where start says."""
        sender = Sender(framed=False)
        self.assertEqual(sender.start(), [])
        sender.connection.received(bytes(20))
        sender.connect(framed=False)
        sender.start(5, attempt=2)
        sender.connection.received(bytes(20))
        sender.connect(framed=False)
        sender.start(18, attempt=3)
        sender.connection.received(bytes(4))
        record = sender.records["s"]
        self.assertEqual((record.delivered, record.repeated, record.unread), (17, 5, 3))
        self.assertEqual(sender.violations, [])

    def test_made_plain(self) -> None:
        """After ready_timeout what comes has no header; a format changes the octets of a sample."""
        sender = Sender()
        sender.start()
        sender.say("error", {"code": "ready_timeout", "message": "", "fatal": False})
        sender.start()
        sender.connection.received(bytes(20))
        wider = {**MEDIA, "channels": 2, "layout": "interleaved"}
        body = {"pos": 10, "media": wider, "channels": [{"index": 0}, {"index": 1}]}
        sender.say("format", body, 10)
        sender.connection.received(bytes(20))
        self.assertEqual(sender.records["s"].delivered, 15)
        self.assertEqual(sender.violations, [])

    def test_own_words(self) -> None:
        """A mark comes back once; after a drain the sender may leave without stop."""
        sender = Sender().begun()
        said = json.loads(sender.connection.say("mark", name="m"))
        self.assertEqual((said["type"], said["seq"], said["data"]), ("mark", 2, {"name": "m"}))
        sender.say("mark", {"name": "m"})
        sender.connection.say("drain", afterMs=1)
        sender.connection.closed(1000)
        self.assertEqual(sender.violations, [])
        sender.say("mark", {"name": "m"})
        self.assertEqual(len(sender.violations), 1)

    def test_late(self) -> None:
        """Of a late delivery, attempt, token and frames may be others; the sum is not."""
        sender = Sender().begun()
        sender.connect()
        sender.start(10, late=True, resumeToken="other")
        sender.frame(1000, 10)
        sender.stop(frames=1001, reconnects=0)
        self.assertEqual(sender.violations, [])

    def test_late_and_never_acknowledged(self) -> None:
        """What died with a connection counts as read, where nobody acknowledged anything."""
        sender = Sender().begun()
        sender.connect()
        sender.start(15, late=True, attempt=2)
        sender.frame(7, 15)
        self.assertEqual((sender.violations, sender.records["s"].unread), ([], 5))
        acknowledging = Sender(ack_every_ms=10).begun()
        acknowledging.connect()
        acknowledging.start(15, late=True, attempt=2)
        acknowledging.frame(7, 15)
        [violation] = acknowledging.violations
        self.assertIn("audio at 15, but nothing for 10 to 15", violation)

    def test_complaints_are_bounded(self) -> None:
        """A sender that does everything wrong fills no memory."""
        sender = Sender()
        sender.start()
        for _ in range(2 * MAX_VIOLATIONS):
            sender.connection.received(b"")
        self.assertEqual(len(sender.violations), MAX_VIOLATIONS)


Wrong = Callable[[Sender], object]


def again(sender: Sender, **settings: Any) -> Sender:
    """On another connection."""
    sender.connect(**settings)
    return sender


BROKEN: tuple[tuple[str, Wrong], ...] = (
    # The promise: delivered or named.
    ("audio at 11, but nothing for 10 to 11", lambda s: s.begun().frame(1, 11)),
    ("gap at 12, but nothing for 10 to 12", lambda s: s.begun().gap(12, 5)),
    (
        "audio at 20, but nothing for 10 to 20",
        lambda s: (s.begun(), again(s).resume(), s.frame(1, 20, flags=4)),
    ),
    (
        "finalPos is 30, but what came ends at 20",
        lambda s: (s.begun(), s.frame(1, 10), s.stop(finalPos=30)),
    ),
    (
        "finalPos is 10, but what came ends at 20",
        lambda s: (s.begun(), s.frame(1, 10), s.stop(finalPos=10)),
    ),
    # The account in stop.
    ("stop says 41 bytes, 40 came", lambda s: (s.begun(), s.frame(1, 10), s.stop(bytes=41))),
    ("stop says 3 frames, 2 came", lambda s: (s.begun(), s.frame(1, 10), s.stop(frames=3))),
    (
        "stop says gaps of {'late': 1} ms, those told are {}",
        lambda s: (s.begun(), s.frame(1, 10), s.stop(gaps={"late": 1})),
    ),
    (
        "stop says gaps of {} ms, those told are {'paused': 5}",
        lambda s: (s.begun(), s.frame(1, 10), s.gap(12, 5, "silence"), s.stop()),
    ),
    (
        "stop says 0 reconnects, 1 came",
        lambda s: (s.begun(), again(s).resume(), s.frame(1, 10, flags=4), s.stop()),
    ),
    (
        "stop says metadata revision 0, the last was 2",
        lambda s: (
            s.begun(),
            s.say("metadata", {"revision": 2, "mode": "delta", "siprec": {}}),
            s.frame(1, 10),
            s.stop(),
        ),
    ),
    # The order of texts.
    ("sync before start", lambda s: s.raw()),
    ("audio before start", lambda s: s.connection.received(b"\0\0")),
    ("a text that is no envelope", lambda s: s.connection.received("{")),
    ("a text that is no envelope", lambda s: s.connection.received("[1]")),
    ("seq 3 after 1", lambda s: (s.start(), setattr(s, "sequence", 2), s.raw())),
    ("seq 1 after 1", lambda s: (s.start(), setattr(s, "sequence", 0), s.raw())),
    ("seq 1 after 1", lambda s: (s.begun(), again(s), setattr(s, "sequence", 0), s.resume())),
    ("a text of stream 'other'", lambda s: (s.start(), s.raw(streamId="other"))),
    ("ack 9, which cannot be but from 0 to 1", lambda s: (s.start(), s.raw(ack=9))),
    ("ack 0, which cannot be but from 1 to 1", lambda s: (s.start(), s.raw(ack=1), s.raw(ack=0))),
    ("start in the middle", lambda s: (s.start(), s.start(attempt=2))),
    ("a message after stop", lambda s: (s.begun(), s.frame(1, 10), s.stop(), s.raw())),
    ("a message after stop", lambda s: (s.begun(), s.frame(1, 10), s.stop(), s.frame(2, 20))),
    (
        "a message after a fatal error",
        lambda s: (s.start(), s.say("error", {"code": "c", "message": "", "fatal": True}), s.raw()),
    ),
    ("mark 'm', which nobody set", lambda s: (s.start(), s.say("mark", {"name": "m"}))),
    (
        "audio at 10, though we paused",
        lambda s: (s.begun(), s.say("paused", {"by": "consumer"}), s.frame(1, 10)),
    ),
    # Another connection.
    ("attempt 1 after 1", lambda s: (s.begun(), again(s).resume(attempt=1))),
    ("resume at attempt 1", lambda s: s.resume(attempt=1)),
    ("another resumeToken", lambda s: (s.begun(), again(s).resume(resumeToken="x"))),
    ("start again, where resume was due", lambda s: (s.begun(), again(s).start(attempt=2))),
    ("resume on a plain connection", lambda s: again(s, framed=False).resume()),
    ("lastAckedFrame is 0, ours was -1", lambda s: (s.begun(), again(s).resume(lastAckedFrame=0))),
    ("frame 0, where 1 was due", lambda s: (s.begun(), again(s).resume(), s.frame(0, 0, flags=4))),
    (
        "frame 0 again, not as a replay",
        lambda s: (s.begun(), again(s, forgetful=True).resume(), s.frame(0, 0)),
    ),
    # Binary messages.
    ("frame 0 after 0", lambda s: s.begun().frame(0, 10)),
    ("frame 2, where 1 was due, and no gap", lambda s: s.begun().frame(2, 10)),
    (
        "frame 2, where 1 was due, and no gap",
        lambda s: (s.begun(), s.gap(5, 5, "silence"), s.frame(2, 10)),
    ),
    ("frame 1, where 0 was due, and no gap", lambda s: (s.start(), s.frame(1, 0))),
    ("frame 1 as a replay on the first connection", lambda s: s.begun().frame(1, 10, flags=4)),
    ("a binary message of 5 octets", lambda s: (s.start(), s.connection.received(b"short"))),
    ("a header of version 0", lambda s: s.begun().frame(1, 10, first=0)),
    ("a header of kind 2", lambda s: s.begun().frame(1, 10, first=0x12)),
    ("a header with flags 0x10", lambda s: s.begun().frame(1, 10, flags=16)),
    ("a header with 1 where 0 is reserved", lambda s: s.begun().frame(1, 10, reserved=1)),
    ("a header of track 0 on a stream of track 255", lambda s: s.begun().frame(1, 10, track=0)),
    (
        "a header of track 255 on a stream of track 1",
        lambda s: (
            s.start(media={**MEDIA, "layout": "separate"}, channels=[{"index": 1}]),
            s.frame(0, 0),
        ),
    ),
    ("silence of 20 octets", lambda s: s.begun().frame(1, 10, first=0x11)),
    ("audio of 1 octets is no whole number", lambda s: s.begun().frame(1, 10, payload=b"\0")),
    (
        "audio of 3 octets is no whole number",
        lambda s: (again(s, framed=False).start(), s.connection.received(bytes(3))),
    ),
    ("51 samples in a message, where 50 are the most", lambda s: s.begun().frame(1, 10, 51)),
    ("20 samples in a window of 15", lambda s: (again(s, window_ms=15).begun(), s.frame(1, 10))),
    # The close.
    ("closed with 1002", lambda s: (s.begun(), s.connection.closed(1002))),
    ("closed with 1000, without stop", lambda s: (s.begun(), s.connection.closed(1000))),
    # The members of texts.
    ("seq is not there", lambda s: (s.start(), s.connection.received('{"type": "x", "data": {}}'))),
    ("pos is -1, below 0", lambda s: (s.start(), s.raw(pos=-1))),
    ("pos is 1.5", lambda s: (s.start(), s.raw(pos=1.5))),
    ("start.resumeToken is not there", lambda s: s.start(resumeToken=None)),
    ("start.attempt is True", lambda s: s.start(attempt=True)),
    ("start.protocol is 'morse', none of recstream", lambda s: s.start(protocol="morse")),
    ("start.media.encoding is 'MP3'", lambda s: s.start(media={**MEDIA, "encoding": "MP3"})),
    ("start.media.sampleRate is 'x'", lambda s: s.start(media={**MEDIA, "sampleRate": "x"})),
    (
        "start.media.channels is 2, with 2 channels",
        lambda s: s.start(media={**MEDIA, "channels": 2}),
    ),
    (
        "start.media.channels is 1, with 2 channels",
        lambda s: s.start(media={**MEDIA, "layout": "interleaved"}),
    ),
    (
        "start.channels has 2 entries on a connection for one",
        lambda s: s.start(media={**MEDIA, "layout": "separate"}),
    ),
    ("start.channels[0] has no index", lambda s: s.start(channels=[{}])),
    ("resume.start.siprec is not there", lambda s: s.resume(start={})),
    ("gap.reason is 'luck'", lambda s: s.begun().gap(10, 5, reason="luck")),
    ("gap.filled is 'noise'", lambda s: s.begun().gap(10, 5, "noise")),
    ("gap.samples is -5, below 0", lambda s: s.begun().gap(10, -5)),
    (
        "dtmf.digit is not there",
        lambda s: (s.start(), s.say("dtmf", {"durationMs": 1, "source": "rfc4733"})),
    ),
    ("stop.reason is 'boredom'", lambda s: (s.begun(), s.frame(1, 10), s.stop(reason="boredom"))),
    (
        "error.fatal is 1",
        lambda s: (s.start(), s.say("error", {"code": "c", "message": "", "fatal": 1})),
    ),
)


class RulesTests(SynchronousTestCase):
    """Each rule, broken by a sender that does nothing else wrong before."""

    def test_each(self) -> None:
        """It is caught, and named."""
        for violation, wrong in BROKEN:
            sender = Sender()
            wrong(sender)
            self.assertTrue(
                any(violation in found for found in sender.violations),
                f"{violation!r} is not among {sender.violations}",
            )
