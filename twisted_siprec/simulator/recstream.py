"""
The consumer's side of the native protocol, and a check of what the sender
promises.

Written from the protocol's text alone, not from the sender's code, so that the
two can disagree. A :class:`StreamRecord` lives as long as the consumer and
outlives connections; a :class:`ConsumerConnection` reads one WebSocket.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FRAMED = "recstream.v1.framed"
PLAIN = "recstream.v1.plain"

_HEADER = struct.Struct(">BBBBIQ")
_REPLAY = 4
MAX_VIOLATIONS = 100

Text = dict[str, Any]
"A JSON object as it came: the one place where nothing is known of its shape."


@dataclass(frozen=True, slots=True)
class Heard:
    """New audio of a stream: at its position, and never twice."""

    position: int
    samples: int
    payload: bytes | None
    "None for silence that came as a word."


@dataclass(slots=True)
class StreamRecord:
    """All that a consumer got of one stream, over all its connections."""

    stream_id: str
    position: int | None = None
    "The first sample that is neither heard nor named as missing."
    next_frame: int = 0
    last_sequence: int = 0
    connections: int = 0
    delivered: int = 0
    missing: int = 0
    repeated: int = 0
    unread: int = 0
    "Sent on a plain connection that died before it was read, and too old to be sent again."
    octets: int = 0
    start: Text = field(default_factory=dict)
    stop: Text | None = None
    violations: list[str] = field(default_factory=list)

    @property
    def media(self) -> Text:
        """``media`` of the latest start or format."""
        media = self.start.get("media")
        return media if isinstance(media, dict) else {}

    @property
    def sample_rate(self) -> int:
        """Hz, as the start says."""
        return int(self.media.get("sampleRate", 8000))

    @property
    def sample_octets(self) -> int:
        """Octets of one sample of all channels."""
        return int(self.media.get("channels", 1)) * (
            2 if self.media.get("encoding") == "L16" else 1
        )

    def violated(self, what: str) -> None:
        """The sender broke the protocol."""
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(f"stream {self.stream_id}: {what}")

    def advance(self, position: int, samples: int, what: str) -> int:
        """
        The span is heard or named; returns how many samples at its end are new.
        A span that begins after where we are leaves a hole that nobody named.
        """
        if self.position is None:
            self.position = position
        if position > self.position:
            self.violated(f"{what} at {position}, but nothing for {self.position} to {position}")
            self.position = position
        new = max(0, position + samples - self.position)
        self.position += new
        return new

    def ended(self, stop: Text) -> None:
        """``stop`` came: compare the sender's account with ours."""
        self.stop = stop
        final = stop.get("finalPos")
        if final != (self.position or 0):
            self.violated(f"finalPos is {final}, but what came ends at {self.position}")
        if stop.get("reconnects") == 0 and stop.get("bytes") != self.octets:
            self.violated(f"stop says {stop.get('bytes')} bytes, {self.octets} came")


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
        self._sequence = 0
        self._position = 0
        self._last_frame: int | None = None
        self._unacknowledged = 0
        self.record: StreamRecord | None = None
        self.stopped = False

    def received(self, message: str | bytes) -> list[str]:
        """A message from the sender; returns what to answer."""
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

    # --- texts ------------------------------------------------------------------

    def _text(self, text: Text) -> list[str]:
        kind, body = text.get("type"), text["data"]
        if self.record is None:
            if kind not in ("start", "resume"):
                self._violated(f"{kind} before start")
                return []
            return self._begin(text)
        record = self.record
        self._check_sequence(record, text)
        self._told(record, text)
        if kind == "gap" and body.get("filled") == "none":
            self._missing(record, int(body["pos"]), int(body["samples"]))
        elif kind == "error" and body.get("code") == "ready_timeout":
            # We were too slow: what follows is headerless, whatever was agreed.
            self._framed = False
        elif kind in ("start", "resume"):
            self._position = int(text.get("pos", 0))
        elif kind == "format" and isinstance(body.get("media"), dict):
            record.start = {**record.start, "media": body["media"]}
        elif kind == "stop":
            record.ended(body)
            self.stopped = True
            return [*self._acknowledge(record), self._say("bye", {"reason": "done"})]
        return []

    def _begin(self, text: Text) -> list[str]:
        stream_id = str(text.get("streamId"))
        known = stream_id in self._records
        record = self._records.setdefault(stream_id, StreamRecord(stream_id))
        self.record = record
        resuming = text["type"] == "resume"
        body = text["data"]
        record.start = body.get("start", {}) if resuming else body
        record.connections += 1
        if body.get("attempt") == 1:
            record.position = 0
        self._position = int(text.get("pos", 0))
        self._check_sequence(record, text)
        self._told(record, text)
        if not self._framed:
            self._begin_plain(record)
            return []
        if self._settings.reject is not None:
            return [self._say("reject", {"code": self._settings.reject, "message": "as asked"})]
        if resuming and known and not self._settings.forgetful:
            return [self._say("resumed", {"fromFrame": record.next_frame})]
        if self._settings.forgetful:
            record.position = None
        ready: Text = {"accept": True, "startAt": self._settings.start_at}
        if self._settings.ack_every_ms is not None:
            ready["ackEveryMs"] = self._settings.ack_every_ms
        if self._settings.window_ms is not None:
            ready["windowMs"] = self._settings.window_ms
        return [self._say("ready", ready)]

    def _begin_plain(self, record: StreamRecord) -> None:
        """
        A plain sender cannot know what we had read when a connection died:
        what is older than its ring is gone, and nobody is to blame.
        """
        if record.position is not None and record.position < self._position:
            record.unread += self._position - record.position
            record.position = self._position

    def _check_sequence(self, record: StreamRecord, text: Text) -> None:
        sequence = text.get("seq")
        if not isinstance(sequence, int) or sequence <= record.last_sequence:
            record.violated(f"seq {sequence} after {record.last_sequence}")
            return
        first = text.get("type") in ("start", "resume")
        if sequence != record.last_sequence + 1 and not first:
            record.violated(f"seq {sequence} after {record.last_sequence}")
        record.last_sequence = sequence

    def _missing(self, record: StreamRecord, position: int, samples: int) -> None:
        record.missing += record.advance(position, samples, "gap")
        self._position = max(self._position, position + samples)

    def _say(self, kind: str, body: Text) -> str:
        self._sequence += 1
        heard = 0 if self.record is None else self.record.last_sequence
        return json.dumps({"type": kind, "seq": self._sequence, "ack": heard, "data": body})

    # --- audio -------------------------------------------------------------------------

    def _binary(self, message: bytes) -> list[str]:
        record = self.record
        if record is None:
            self._violated("audio before start")
            return []
        if not self._framed:
            samples = len(message) // record.sample_octets
            self._audio(record, self._position, samples, message)
            return []
        if len(message) < _HEADER.size:
            record.violated(f"a binary message of {len(message)} octets")
            return []
        first, _, _, reserved, frame, position = _HEADER.unpack_from(message)
        payload = message[_HEADER.size :]
        if first >> 4 != 1 or first & 15 > 1 or reserved:
            record.violated(f"a header that begins with {message[:4].hex()}")
            return []
        if self._last_frame is not None and frame <= self._last_frame:
            record.violated(f"frame {frame} after {self._last_frame}")
        self._last_frame = frame
        record.next_frame = max(record.next_frame, frame + 1)
        if first & 15 == 1:
            samples = int.from_bytes(payload, "big")
            self._audio(record, position, samples, None)
        else:
            samples = len(payload) // record.sample_octets
            self._audio(record, position, samples, payload)
        self._unacknowledged += samples
        every_ms = self._settings.ack_every_ms
        if every_ms is None or self._unacknowledged * 1000 < every_ms * record.sample_rate:
            return []
        return self._acknowledge(record)

    def _audio(
        self, record: StreamRecord, position: int, samples: int, payload: bytes | None
    ) -> None:
        if payload is not None and len(payload) % record.sample_octets:
            record.violated(f"audio of {len(payload)} octets is no whole number of samples")
        new = record.advance(position, samples, "audio")
        self._position = position + samples
        record.delivered += new
        record.repeated += samples - new
        record.octets += new * record.sample_octets
        if new:
            kept = None if payload is None else payload[(samples - new) * record.sample_octets :]
            self._heard(record, Heard(position + samples - new, new, kept))

    def _acknowledge(self, record: StreamRecord) -> list[str]:
        self._unacknowledged = 0
        if not self._framed or self._settings.ack_every_ms is None or not record.next_frame:
            return []
        return [self._say("ack", {"frame": record.next_frame - 1})]

    def _violated(self, what: str) -> None:
        stream_id = "?" if self.record is None else self.record.stream_id
        self._records.setdefault(stream_id, StreamRecord(stream_id)).violated(what)
