"""
The kin of Twilio Media Streams: Telnyx, Exotel, Plivo and Wavix. The same
messages by other names, some of whose numbers are texts and some numbers.
"""

from __future__ import annotations

from base64 import b64encode
from uuid import NAMESPACE_URL, uuid5

from ..plan import Encoding, Layout
from .base import Digit, Marked, Reply, StreamStart
from .bodies import Body
from .terms import Terms
from .texts import Fields, word, written
from .twilio import INBOUND, OUTBOUND, SHARED_OPTIONS, MediaStreams, identifier, parameters

MAX_EXTRA = 512
"Characters of Plivo's extra headers."


def _uuid(*seed: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(seed)))


class TelnyxDialect(MediaStreams):
    """Telnyx: snake case, the encoding by its RTP name."""

    name = "telnyx"
    TERMS = Terms(
        encodings=(Encoding.PCMU, Encoding.PCMA, Encoding.L16),
        rates=(8000, 16000),
        options=SHARED_OPTIONS,
    )

    def named(self, start: StreamStart, attempt: int) -> None:
        """UUIDs, and one with a version before it."""
        self.stream = _uuid(start.stream_id, str(attempt))
        self.call = identifier("v3:", start.description.recording_session_id)

    def hello(self) -> list[Body]:
        """``connected``."""
        return [{"event": "connected", "version": "1.0.0"}]

    def started(self, tracks: list[str], sequence: int) -> Body:
        """What is known of the call is in the client state, which is opaque to Telnyx."""
        start = self._start
        known = parameters(start)
        return {
            "event": "start",
            "sequence_number": str(sequence),
            "stream_id": self.stream,
            "start": {
                "user_id": self.account,
                "call_control_id": self.call,
                "call_session_id": _uuid(start.description.recording_session_id),
                "from": start.description.caller or "",
                "to": start.description.called or "",
                "client_state": b64encode(written(known).encode()).decode("ascii"),
                "custom_parameters": known,
                "media_format": {
                    "encoding": start.encoding.value,
                    "sample_rate": start.sample_rate,
                    "channels": 1,
                },
            },
        }

    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """``media``."""
        return (
            f'{{"event":"media","sequence_number":"{sequence}",'
            f'"media":{{"track":"{track}","chunk":"{chunk}",'
            f'"timestamp":"{self.milliseconds(position)}","payload":"{payload}"}},'
            f'"stream_id":"{self.stream}"}}'
        )

    def digit(self, digit: Digit, track: str, position: int, sequence: int) -> Body | None:
        """With the time when it was pressed."""
        return {
            "event": "dtmf",
            "stream_id": self.stream,
            "occurred_at": self.at(position),
            "sequence_number": str(sequence),
            "dtmf": {"digit": digit.digit},
        }

    def marked(self, name: str, sequence: int) -> Body:
        """The same mark."""
        return {
            "event": "mark",
            "stream_id": self.stream,
            "sequence_number": str(sequence),
            "mark": {"name": name},
        }

    def ended(self, sequence: int) -> Body | None:
        """``stop``."""
        return {
            "event": "stop",
            "sequence_number": str(sequence),
            "stop": {"user_id": self.account, "call_control_id": self.call},
            "stream_id": self.stream,
        }


class ExotelDialect(MediaStreams):
    """Exotel: linear, 100 ms, one party on a connection, and every number a text."""

    name = "exotel"
    TERMS = Terms(
        layouts=(Layout.MONO, Layout.SEPARATE),
        encodings=(Encoding.L16,),
        rates=(8000, 16000, 24000),
        options={name: option for name, option in SHARED_OPTIONS.items() if name != "tracks"},
    )
    frame_ms = 100

    def named(self, start: StreamStart, attempt: int) -> None:
        """Hexadecimal names."""
        self.stream = identifier("", start.stream_id, str(attempt))
        self.call = identifier("", start.description.recording_session_id)

    def hello(self) -> list[Body]:
        """``connected`` and nothing else."""
        return [{"event": "connected"}]

    def started(self, tracks: list[str], sequence: int) -> Body:
        """``start``."""
        known = self._start.description
        return {
            "event": "start",
            "sequence_number": str(sequence),
            "stream_sid": self.stream,
            "start": {
                "stream_sid": self.stream,
                "call_sid": self.call,
                "account_sid": self.account,
                "from": known.caller or "",
                "to": known.called or "",
                "custom_parameters": parameters(self._start),
                "media_format": {
                    "encoding": "audio/x-raw",
                    "sample_rate": str(self._start.sample_rate),
                    "bit_rate": "16",
                },
            },
        }

    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """There is one track, so none is named."""
        return (
            f'{{"event":"media","sequence_number":"{sequence}","stream_sid":"{self.stream}",'
            f'"media":{{"chunk":"{chunk}","timestamp":"{self.milliseconds(position)}",'
            f'"payload":"{payload}"}}}}'
        )

    def digit(self, digit: Digit, track: str, position: int, sequence: int) -> Body | None:
        """With its length."""
        return {
            "event": "dtmf",
            "sequence_number": str(sequence),
            "stream_sid": self.stream,
            "dtmf": {"duration": str(digit.duration_ms), "digit": digit.digit},
        }

    def marked(self, name: str, sequence: int) -> Body:
        """The same mark."""
        return {
            "event": "mark",
            "sequence_number": str(sequence),
            "stream_sid": self.stream,
            "mark": {"name": name},
        }

    def ended(self, sequence: int) -> Body | None:
        """``stop``, with why."""
        return {
            "event": "stop",
            "sequence_number": str(sequence),
            "stream_sid": self.stream,
            "stop": {
                "call_sid": self.call,
                "account_sid": self.account,
                "reason": "callended",
            },
        }


class PlivoDialect(MediaStreams):
    """Plivo: numbers are numbers, but for the timestamp, which is the wall clock's."""

    name = "plivo"
    TERMS = Terms(
        encodings=(Encoding.PCMU, Encoding.L16),
        rates=(8000, 16000),
        options=SHARED_OPTIONS,
    )
    _encodings = {Encoding.PCMU: "audio/x-mulaw", Encoding.L16: "audio/x-l16"}

    def named(self, start: StreamStart, attempt: int) -> None:
        """UUIDs."""
        self.stream = _uuid(start.stream_id, str(attempt))
        self.call = _uuid(start.description.recording_session_id)

    def started(self, tracks: list[str], sequence: int) -> Body:
        """What is known of the call is in the extra headers, as far as they hold it."""
        start = self._start
        extra = ""
        for name, value in parameters(start).items():
            pair = f"{name}={value}".replace(";", ",")
            if len(extra) + len(pair) < MAX_EXTRA:
                extra += f";{pair}" if extra else pair
        self._extra = written(extra)
        return {
            "event": "start",
            "sequenceNumber": sequence,
            "start": {
                "callId": self.call,
                "streamId": self.stream,
                "accountId": self.account,
                "tracks": tracks,
                "mediaFormat": {
                    "encoding": self._encodings[start.encoding],
                    "sampleRate": start.sample_rate,
                },
            },
            "extra_headers": extra,
        }

    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """``media``; the time is in milliseconds since 1970."""
        samples = position + (self._origin or 0)
        at = self._start.started_at + samples / self._start.sample_rate
        return (
            f'{{"event":"media","sequenceNumber":{sequence},"streamId":"{self.stream}",'
            f'"media":{{"track":"{track}","timestamp":"{round(at * 1000)}","chunk":{chunk},'
            f'"payload":"{payload}"}},"extra_headers":{self._extra}}}'
        )

    def digit(self, digit: Digit, track: str, position: int, sequence: int) -> Body | None:
        """``dtmf``."""
        at = self._start.started_at + position / self._start.sample_rate
        return {
            "event": "dtmf",
            "sequenceNumber": sequence,
            "streamId": self.stream,
            "dtmf": {"track": track, "digit": digit.digit, "timestamp": str(round(at * 1000))},
            "extra_headers": "",
        }

    def marked(self, name: str, sequence: int) -> Body:
        """A checkpoint was played."""
        return {
            "event": "playedStream",
            "sequenceNumber": sequence,
            "streamId": self.stream,
            "name": name,
        }

    def answered(self, kind: str, fields: Fields) -> list[Reply]:
        """Other names for the same wishes."""
        match kind:
            case "playAudio" | "clearAudio" | "sendDTMF":
                return []
            case "checkpoint":
                return [Marked(word(fields, "name"))]
        return super().answered(kind, fields)


class WavixDialect(MediaStreams):
    """Wavix: linear at 24 kHz, the time of day in each message."""

    name = "wavix"
    TERMS = Terms(encodings=(Encoding.L16,), rates=(24000,), options=SHARED_OPTIONS)

    def named(self, start: StreamStart, attempt: int) -> None:
        """UUIDs."""
        self.stream = _uuid(start.stream_id, str(attempt))
        self.call = _uuid(start.description.recording_session_id)

    def hello(self) -> list[Body]:
        """``connected``."""
        return [{"event": "connected", "event_time": self.at(0)}]

    def started(self, tracks: list[str], sequence: int) -> Body:
        """``start``, with no room for what is known of the call."""
        channel = "both" if tracks == [INBOUND, OUTBOUND] else tracks[0]
        return self._envelope("start", 0, stream_type="oneway", channel=channel) | {
            "sequence_number": sequence
        }

    def _envelope(self, event: str, position: int, **fields: object) -> Body:
        return {
            "event": event,
            "event_time": self.at(position),
            "call_id": self.call,
            "stream_id": self.stream,
            **fields,
        }

    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """``media``."""
        samples = position + (self._origin or 0)
        return (
            f'{{"event":"media","event_time":"{self.at(samples)}","call_id":"{self.call}",'
            f'"stream_id":"{self.stream}","sequence_number":{sequence},'
            f'"media":{{"payload":"{payload}","track":"{track}",'
            f'"timestamp":{self.milliseconds(position)},"chunk":{chunk}}}}}'
        )

    def marked(self, name: str, sequence: int) -> Body:
        """The same mark."""
        body = self._envelope("mark", self._latest, sequence_number=sequence)
        return body | {"mark": {"name": name}}

    def ended(self, sequence: int) -> Body | None:
        """``stop``."""
        return self._envelope("stop", self._latest, sequence_number=sequence)
