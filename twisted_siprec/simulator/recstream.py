"""
The consumer's side of the native protocol, and a check of what the sender
promises.

Written from the protocol's text alone, not from the sender's code, so that the
two can disagree. A :class:`~.stream_record.StreamRecord` lives as long as the
consumer and outlives connections; a :class:`ConsumerConnection` reads one
WebSocket.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from . import protocol_shapes
from .protocol_shapes import CLOSE_CODES, FrameHeader
from .stream_record import Heard, StreamRecord, Text

FRAMED = "recstream.v1.framed"
PLAIN = "recstream.v1.plain"

MAX_MARKS = 1000
"Of ours that may not have come back yet."


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """How a consumer behaves."""

    ack_every_ms: int | None = None
    window_ms: int | None = None
    start_at: str = "buffered"
    reject: str | None = None
    "The code of a reject; None to accept."
    forgetful: bool = False
    "Answer ``resume`` with ``ready``, as a consumer does that lost its state."
    mute: bool = False
    "Take it without a word, as a consumer does that hangs."


class ConsumerConnection:
    """
    One WebSocket of a consumer.

    :param records: of all streams, by their id; shared by all connections.
    :param heard: takes new audio.
    :param told: takes every text.
    """

    def __init__(
        self,
        records: dict[str, StreamRecord],
        framed: bool,
        settings: ConsumerSettings,
        heard: Callable[[StreamRecord, Heard], None] = lambda record, audio: None,
        told: Callable[[StreamRecord, Text], None] = lambda record, text: None,
    ) -> None:
        self._records = records
        self._framed = framed
        self._settings = settings
        self._heard = heard
        self._told = told
        self._position = 0
        self._attempt = 0
        self._acked_text = 0
        self._next_frame: int | None = None
        "What must come next, unless a gap comes first."
        self._gap_told = False
        "An unfilled gap, since the last audio: frames may be missing."
        self._last_frame = -1
        self._unacknowledged = 0
        self._paused = False
        self._broken_off = False
        "After an error that is fatal."
        self._marks: deque[str] = deque(maxlen=MAX_MARKS)
        self._parting = False
        self.record: StreamRecord | None = None
        self.stopped = False

    def received(self, message: str | bytes) -> list[str]:
        """A message from the sender; returns what to answer."""
        if self.stopped or self._broken_off:
            self._violated("a message after " + ("stop" if self.stopped else "a fatal error"))
            return []
        if isinstance(message, bytes):
            return self._binary(message)
        try:
            text = json.loads(message)
        except ValueError:
            text = None
        if not isinstance(text, dict) or not isinstance(text.get("data"), dict):
            self._violated("a text that is no envelope")
            return []
        return self._text(text)

    def say(self, kind: str, **body: object) -> str:
        """A text of ours, of which nothing need have been asked."""
        if kind == "mark":
            self._marks.append(str(body.get("name")))
        self._parting = self._parting or kind in ("drain", "bye", "reject")
        return self._say(kind, body)

    def closed(self, code: int | None) -> None:
        """The sender closed with this code; None where it vanished, or we closed."""
        record = self.record
        if record is None or code is None:
            return
        if code not in CLOSE_CODES:
            record.violated(f"closed with {code}")
        elif code < 4000 and not self.stopped and not self._parting:
            record.violated(f"closed with {code}, without stop")

    # --- texts ------------------------------------------------------------------

    def _text(self, text: Text) -> list[str]:
        kind = text.get("type")
        first = self.record is None
        if first and kind not in ("start", "resume"):
            self._violated(f"{kind} before start")
            return []
        record = self._record_of(text)
        faults = list(protocol_shapes.faults(text))
        for fault in faults:
            record.violated(fault)
        self._check_envelope(record, text)
        if faults and kind in ("gap", "format", "mark"):
            # Nothing can be made of it.
            return []
        if first:
            return self._begin(record, text)
        self._told(record, text)
        return self._happened(record, str(kind), text)

    def _record_of(self, text: Text) -> StreamRecord:
        if self.record is None:
            stream_id = str(text.get("streamId"))
            self.record = self._records.setdefault(stream_id, StreamRecord(stream_id))
        elif text.get("streamId") != self.record.stream_id:
            self.record.violated(f"a text of stream {text.get('streamId')!r:.60}")
        return self.record

    def _happened(self, record: StreamRecord, kind: str, text: Text) -> list[str]:
        body = text["data"]
        match kind:
            case "gap":
                self._gap(record, body)
            case "metadata":
                record.revision = body.get("revision")
            case "error":
                # Too slow with ready: what follows is headerless, whatever was agreed.
                self._framed = self._framed and body.get("code") != "ready_timeout"
                self._broken_off = body.get("fatal") is True
            case "start" if not self._framed:
                self._position = _whole(text.get("pos"))
            case "start" | "resume":
                record.violated(f"{kind} in the middle of a connection")
            case "format":
                record.start = {**record.start, "media": body["media"]}
                record.start["channels"] = body["channels"]
            case "paused" | "resumed":
                self._paused = kind == "paused" and body.get("by") == "consumer"
            case "mark":
                self._mark(record, body["name"])
            case "stop":
                record.ended(body, self._framed)
                self.stopped = True
                return [*self._acknowledge(record), self._say("bye", {"reason": "done"})]
        return []

    def _begin(self, record: StreamRecord, text: Text) -> list[str]:
        body, resuming = text["data"], text["type"] == "resume"
        known = record.connections > 0
        self._check_beginning(record, body, resuming)
        record.start = body.get("start", {}) if resuming else body
        if self._attempt == 1 and not known:
            record.position = 0
            self._next_frame = None if record.start.get("late") else 0
        record.connections += 1
        self._position = _whole(text.get("pos"))
        self._told(record, text)
        if not self._framed or (record.start.get("late") and record.acknowledged < 0):
            self._pass_over(record)
        if not self._framed or self._settings.mute:
            return []
        if self._settings.reject is not None:
            return [self.say("reject", code=self._settings.reject, message="as asked")]
        if resuming and known and not self._settings.forgetful:
            # A late one may have been through a restart, over which numbers jump.
            self._next_frame = None if record.start.get("late") else record.next_frame
            where: Text = {"fromFrame": record.next_frame, "lastSeq": record.last_told}
            return [self._say("resumed", where)]
        if self._settings.forgetful:
            record.position = None
        ready: Text = {"accept": True, "startAt": self._settings.start_at}
        if self._settings.ack_every_ms is not None:
            ready["ackEveryMs"] = self._settings.ack_every_ms
        if self._settings.window_ms is not None:
            ready["windowMs"] = self._settings.window_ms
        return [self._say("ready", ready)]

    def _pass_over(self, record: StreamRecord) -> None:
        """
        A sender that we acknowledge nothing to cannot know what we had read when a
        connection died: what it has no more is gone, and nobody is to blame.
        """
        if record.position is not None and record.position < self._position:
            record.unread += self._position - record.position
            record.position = self._position

    def _check_beginning(self, record: StreamRecord, body: Text, resuming: bool) -> None:
        """The first text of a connection against what we know of the stream."""
        before = record.start
        start = body.get("start") if resuming else body
        self._attempt = _whole(body.get("attempt"))
        if resuming and not self._framed:
            record.violated("resume on a plain connection")
        if resuming and self._attempt < 2:
            record.violated(f"resume at attempt {self._attempt}")
        if not before or not isinstance(start, dict) or start.get("late"):
            return
        if self._attempt <= _whole(before.get("attempt")):
            record.violated(f"attempt {self._attempt} after {before.get('attempt')}")
        if body.get("resumeToken") != before.get("resumeToken"):
            record.violated("another resumeToken than before")
        if self._framed and not resuming and record.frames:
            record.violated("start again, where resume was due")
        acked = _whole(body.get("lastAckedFrame")) if body.get("lastAckedFrame") is not None else -1
        if acked > record.acknowledged:
            record.violated(f"lastAckedFrame is {acked}, ours was {record.acknowledged}")

    def _check_envelope(self, record: StreamRecord, text: Text) -> None:
        sequence, acknowledged = text.get("seq"), _whole(text.get("ack"))
        first = text.get("type") in ("start", "resume")
        if not isinstance(sequence, int) or sequence <= record.last_sequence:
            record.violated(f"seq {sequence} after {record.last_sequence}")
        else:
            if sequence != record.last_sequence + 1 and not first:
                record.violated(f"seq {sequence} after {record.last_sequence}")
            record.last_sequence = sequence
            record.last_told = record.last_told if first else sequence
        if not record.connections:
            record.inherited = _whole(text["data"].get("attempt")) > 1
        if not record.inherited and not self._acked_text <= acknowledged <= record.said:
            bounds = f"{self._acked_text} to {record.said}"
            record.violated(f"ack {acknowledged}, which cannot be but from {bounds}")
        self._acked_text = max(self._acked_text, acknowledged)

    def _gap(self, record: StreamRecord, body: Text) -> None:
        position, samples, reason = body["pos"], body["samples"], body["reason"]
        record.gaps[reason] = record.gaps.get(reason, 0) + samples
        if body["filled"] == "none":
            record.missing += record.advance(position, samples, "gap")
            self._position = max(self._position, position + samples)
            self._gap_told = True

    def _mark(self, record: StreamRecord, name: str) -> None:
        if name in self._marks:
            self._marks.remove(name)
        else:
            record.violated(f"mark {name!r:.60}, which nobody set")

    def _say(self, kind: str, body: Text) -> str:
        heard = 0
        if self.record is not None:
            self.record.said += 1
            heard = self.record.last_sequence
        said = 1 if self.record is None else self.record.said
        return json.dumps({"type": kind, "seq": said, "ack": heard, "data": body})

    # --- audio -------------------------------------------------------------------------

    def _binary(self, message: bytes) -> list[str]:
        record = self.record
        if record is None:
            self._violated("audio before start")
            return []
        if not self._framed:
            self._audio(record, self._position, len(message) // record.sample_octets, message)
            return []
        header = FrameHeader.parse(message)
        if header is None:
            record.violated(f"a binary message of {len(message)} octets")
            return []
        payload = message[protocol_shapes.HEADER.size :]
        fault = header.fault(record.track, payload)
        if fault is not None:
            record.violated(fault)
            return []
        self._check_frame(record, header)
        if header.silent:
            samples = int.from_bytes(payload, "big")
            self._audio(record, header.position, samples, None)
        else:
            samples = len(payload) // record.sample_octets
            self._audio(record, header.position, samples, payload)
        return self._came(record, samples)

    def _check_frame(self, record: StreamRecord, header: FrameHeader) -> None:
        """The number of a frame, and whether it says that it comes again."""
        frame = header.frame
        if frame <= self._last_frame:
            record.violated(f"frame {frame} after {self._last_frame}")
        elif self._next_frame is not None and frame < self._next_frame:
            record.violated(f"frame {frame}, where {self._next_frame} was due")
        elif self._next_frame is not None and frame > self._next_frame and not self._gap_told:
            record.violated(f"frame {frame}, where {self._next_frame} was due, and no gap")
        if header.replayed and self._attempt == 1:
            record.violated(f"frame {frame} as a replay on the first connection")
        if not header.replayed and frame < record.next_frame:
            record.violated(f"frame {frame} again, not as a replay")
        if frame >= record.next_frame:
            record.frames += 1
        self._last_frame = frame
        self._next_frame = frame + 1
        self._gap_told = False
        record.next_frame = max(record.next_frame, frame + 1)

    def _audio(
        self, record: StreamRecord, position: int, samples: int, payload: bytes | None
    ) -> None:
        if payload is not None and len(payload) % record.sample_octets:
            record.violated(f"audio of {len(payload)} octets is no whole number of samples")
        most = record.max_chunk_samples
        if most is not None and samples > most:
            record.violated(f"{samples} samples in a message, where {most} are the most")
        if self._paused:
            record.violated(f"audio at {position}, though we paused")
        new = record.advance(position, samples, "audio")
        self._position = position + samples
        record.delivered += new
        record.repeated += samples - new
        # Of no channels there is nothing to count, though the time goes on.
        if record.media.get("channels") != 0:
            record.octets += new * record.sample_octets
        if new:
            kept = None if payload is None else payload[(samples - new) * record.sample_octets :]
            self._heard(record, Heard(position + samples - new, new, kept))

    def _came(self, record: StreamRecord, samples: int) -> list[str]:
        """So much came that we have not acknowledged."""
        window_ms = self._settings.window_ms
        before, self._unacknowledged = self._unacknowledged, self._unacknowledged + samples
        if window_ms is not None and before:
            window = window_ms * record.sample_rate // 1000
            if self._unacknowledged > window:
                record.violated(f"{self._unacknowledged} samples in a window of {window}")
        every_ms = self._settings.ack_every_ms
        if every_ms is None or self._unacknowledged * 1000 < every_ms * record.sample_rate:
            return []
        return self._acknowledge(record)

    def _acknowledge(self, record: StreamRecord) -> list[str]:
        self._unacknowledged = 0
        if not self._framed or self._settings.ack_every_ms is None or not record.next_frame:
            return []
        record.acknowledged = record.next_frame - 1
        return [self._say("ack", {"frame": record.acknowledged})]

    def _violated(self, what: str) -> None:
        stream_id = "?" if self.record is None else self.record.stream_id
        self._records.setdefault(stream_id, StreamRecord(stream_id)).violated(what)


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
