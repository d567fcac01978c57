"""
Twilio Media Streams, and the dialects that were modelled on it: JSON texts, with
20 ms of one party in base64 in each.

What is the same in all of them is :class:`MediaStreams`; how each spells it is
in a class of its own, Twilio's here and the others' in :mod:`~.twilio_kin`.
"""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace

from ..plan import Destination, Encoding, Layout
from . import bodies
from .base import (
    Audio,
    Capabilities,
    Digit,
    Event,
    Marked,
    Message,
    Odd,
    Rearranged,
    Redescribed,
    Reply,
    ResumePoint,
    Stop,
    StreamStart,
)
from .bodies import Body
from .cutting import Cutter
from .foreign import ONE_WAY, Foreign, Headers, Request, Secrets
from .sides import Folding
from .terms import SIDE, SWITCH, Option, Terms, one_of, text
from .texts import Fields, mapping, parsed, word, written

INBOUND, OUTBOUND = "inbound", "outbound"
MAX_PARAMETER = 500
"Characters of the name and the value of a custom parameter together."

SHARED_OPTIONS: Mapping[str, Option] = {
    "inbound": SIDE,
    "tracks": one_of("both", INBOUND, OUTBOUND),
    "frame_ms": Option("a whole number of milliseconds from 10 to 200", "[1-9]0|1[0-9]0|200"),
    "chunk_scope": one_of("stream", "track"),
    "dtmf": SWITCH,
    "account": text("an account's identifier", 128),
}


def identifier(prefix: str, *seed: str) -> str:
    """A name as these dialects have them, the same for the same seed."""
    digest = hashlib.sha256("/".join(seed).encode("utf-8", "replace")).hexdigest()
    return prefix + digest[:32]


def parameters(start: StreamStart) -> dict[str, str]:
    """What is known of the call, as flat texts: the custom parameters."""
    known = start.description
    found = {
        "siprecSessionId": known.recording_session_id,
        "sipCallId": known.call_id,
        "caller": known.caller,
        "called": known.called,
    }
    parties = {participant.id: participant for participant in known.participants}
    for channel in start.channels:
        party = parties.get(channel.plan.participant_id or "")
        if party is not None and channel.plan.role is not None:
            found[f"{channel.plan.role}Aor"] = party.aor
            found[f"{channel.plan.role}Name"] = party.name
    found.update((name, value) for name, value in (*known.extensions, *known.headers))
    return {
        name: value
        for name, value in found.items()
        if value is not None and len(name) + len(value) <= MAX_PARAMETER
    }


class MediaStreams(Foreign, ABC):
    """
    The dialect without its spelling. One connection has one sequence of messages
    and up to two tracks; a new connection is a new stream that begins at 0.
    """

    frame_ms = 20
    "The audio in one message."

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        self._first = self.options.get("inbound", "caller")
        self._tracks = self.options.get("tracks", "both")
        self._frame_ms = int(self.options.get("frame_ms", self.frame_ms))
        self._tells_digits = self.options.get("dtmf", "true") == "true"
        self.account = self.options.get("account") or identifier("AC", destination.name)
        self.stream = self.call = ""
        self._sequence = 0
        self._chunks: dict[str, int] = {}
        self._origin: int | None = None
        self._latest = 0

    # --- spelling ------------------------------------------------------------------

    def hello(self) -> list[Body]:
        """What is said before the start, without a number."""
        return []

    @abstractmethod
    def started(self, tracks: list[str], sequence: int) -> Body:
        """The message ``start``."""

    @abstractmethod
    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """A message ``media``. ``position`` is in samples since the stream began."""

    def digit(self, digit: Digit, track: str, position: int, sequence: int) -> Body | None:
        """A message ``dtmf``; None where there is none."""
        return None

    @abstractmethod
    def marked(self, name: str, sequence: int) -> Body:
        """The echo of a mark."""

    def ended(self, sequence: int) -> Body | None:
        """The message ``stop``; None where the end of the connection says it."""
        return None

    def named(self, start: StreamStart, attempt: int) -> None:
        """Give the stream and the call their names."""
        self.stream = identifier("MZ", start.stream_id, str(attempt))
        self.call = identifier("CA", start.description.recording_session_id)

    # --- the dialect -----------------------------------------------------------------

    def opened(self, subprotocol: str | None) -> Capabilities:
        """Consumers say nothing that we wait for."""
        return ONE_WAY

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """``connected`` and ``start``."""
        self._start = start
        self.named(start, resume.attempt)
        self._sequence, self._chunks, self._origin = 0, {}, None
        self._fold()
        return [
            *map(written, self.hello()),
            written(self.started(self._announced(), self._next_number())),
        ]

    def _fold(self) -> None:
        start = self._start
        self._folding = Folding(start, self._first)
        samples = self._frame_ms * start.sample_rate // 1000
        octets = start.sample_octets // start.width
        self._cutters = {track: Cutter(samples, octets) for track in (INBOUND, OUTBOUND)}

    def _announced(self) -> list[str]:
        """The tracks that there may be: a party who comes later has one too."""
        if self._tracks != "both":
            return [self._tracks]
        if self._start.destination.layout is Layout.INTERLEAVED:
            return [INBOUND, OUTBOUND]
        return [INBOUND if self._folding.present[0] else OUTBOUND]

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """``media``, the tracks by turns."""
        if self._origin is None:
            self._origin = audio.position
        self._latest = audio.position + audio.samples
        cut: list[list[tuple[int, bytes, str]]] = []
        for track, side in zip((INBOUND, OUTBOUND), self._folding.split(audio), strict=True):
            if side is not None and self._tracks in ("both", track):
                frames = self._cutters[track].cut(audio.position, side)
                cut.append([(position, payload, track) for position, payload in frames])
        if len(cut) == 1:
            return [self._media(*piece) for piece in cut[0]]
        return [self._media(*piece) for pieces in zip(*cut, strict=True) for piece in pieces]

    def _media(self, position: int, payload: bytes, track: str) -> str:
        by_track = self.options.get("chunk_scope") == "track"
        scope = track if by_track else ""
        chunk = self._chunks[scope] = self._chunks.get(scope, 0) + 1
        encoded = b64encode(payload).decode("ascii")
        since = position - (self._origin or 0)
        return self.media(track, chunk, since, encoded, self._next_number())

    def _rest(self) -> list[Message]:
        return [
            self._media(position, payload, track)
            for track, cutter in self._cutters.items()
            for position, payload in cutter.rest()
        ]

    def event(self, event: Event, position: int) -> list[Message]:
        """A digit in words; a change of the channels in what is the track of whom."""
        match event:
            case Digit() if self._tells_digits:
                return self._dial(event, position)
            case Rearranged(_, channels):
                rest = self._rest()
                self._start = replace(self._start, channels=channels)
                self._fold()
                return rest
            case Redescribed(description):
                self._start = replace(self._start, description=description)
        return []

    def _dial(self, event: Digit, position: int) -> list[Message]:
        own = tuple(c for c in self._start.channels if c.plan.index == event.channel)
        alone = Folding(replace(self._start, channels=own), self._first) if own else None
        track = INBOUND if alone is None or alone.present[0] else OUTBOUND
        body = self.digit(event, track, position, self._sequence + 1)
        if body is None:
            return []
        self._next_number()
        return [written(body)]

    def mark(self, name: str, position: int) -> list[Message]:
        """At once: nothing is played that a mark could wait for."""
        return [written(self.marked(name, self._next_number()))]

    def stop(self, stop: Stop) -> list[Message]:
        """What is left of a frame, and ``stop``."""
        rest = self._rest()
        body = self.ended(self._sequence + 1)
        return rest if body is None else [*rest, written(body)]

    def _next_number(self) -> int:
        self._sequence += 1
        return self._sequence

    def at(self, position: int) -> str:
        """When a position was, by the wall clock (:rfc:`3339`)."""
        return bodies.timestamp(self._start.started_at + position / self._start.sample_rate)

    def milliseconds(self, samples: int) -> int:
        """Samples as milliseconds."""
        return samples * 1000 // self._start.sample_rate

    def received(self, message: Message) -> list[Reply]:
        """Marks are echoed; audio that would be played is not; the rest is an event."""
        fields = parsed(message)
        if isinstance(fields, Odd):
            return [fields]
        return self.answered(word(fields, "event"), fields)

    def answered(self, kind: str, fields: Fields) -> list[Reply]:
        """What a message of a kind means."""
        match kind:
            case "media" | "clear":
                return []
            case "mark":
                return [Marked(word(mapping(fields, "mark"), "name"))]
            case "":
                return [Odd("no event")]
        return [self.told(kind, fields)]


class TwilioDialect(MediaStreams):
    """Twilio's own ``<Start><Stream>``: mu-law at 8 kHz, numbers as texts."""

    name = "twilio"
    TERMS = Terms(
        layouts=(Layout.INTERLEAVED, Layout.SEPARATE, Layout.MONO),
        encodings=(Encoding.PCMU,),
        rates=(8000,),
        signs=True,
        options={
            **SHARED_OPTIONS,
            "signed_url": Option("a URL", r"(wss?|https?)://[!-~]+"),
            "signature": one_of("HMAC_SHA1", "HMAC_SHA256"),
            "signature_key_id": Option("the identifier of a key", r"[A-Za-z0-9_-]{1,64}"),
        },
    )

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """``X-Twilio-Signature`` over the URL as the consumer believes it was called."""
        headers = super().proof(request, secrets)
        if secrets.key is None:
            return headers
        sha256 = self.options.get("signature") == "HMAC_SHA256"
        url = self.options.get("signed_url", request.url)
        digest = hashlib.sha256 if sha256 else hashlib.sha1
        signature = b64encode(hmac.digest(secrets.key.encode(), url.encode(), digest)).decode()
        headers = (*headers, ("X-Twilio-Signature", signature))
        if sha256:
            key = self.options.get("signature_key_id", "default")
            settings = f"key={key},algorithm=HMAC_SHA256"
            headers = (*headers, ("X-Twilio-Webhooks-Signature-Settings", settings))
        return headers

    def hello(self) -> list[Body]:
        """``connected``, which has no number and no stream."""
        return [{"event": "connected", "protocol": "Call", "version": "1.0.0"}]

    def started(self, tracks: list[str], sequence: int) -> Body:
        """Numbers of messages are texts; those of the format are numbers."""
        return {
            "event": "start",
            "sequenceNumber": str(sequence),
            "streamSid": self.stream,
            "start": {
                "accountSid": self.account,
                "streamSid": self.stream,
                "callSid": self.call,
                "tracks": tracks,
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters(self._start),
            },
        }

    def media(self, track: str, chunk: int, position: int, payload: str, sequence: int) -> str:
        """Written by hand: this is all the work there is in a call."""
        return (
            f'{{"event":"media","sequenceNumber":"{sequence}","streamSid":"{self.stream}",'
            f'"media":{{"track":"{track}","chunk":"{chunk}",'
            f'"timestamp":"{self.milliseconds(position)}","payload":"{payload}"}}}}'
        )

    def digit(self, digit: Digit, track: str, position: int, sequence: int) -> Body | None:
        """Here a track is called by its other name."""
        return {
            "event": "dtmf",
            "streamSid": self.stream,
            "sequenceNumber": str(sequence),
            "dtmf": {"track": f"{track}_track", "digit": digit.digit},
        }

    def marked(self, name: str, sequence: int) -> Body:
        """The same mark."""
        return {
            "event": "mark",
            "sequenceNumber": str(sequence),
            "streamSid": self.stream,
            "mark": {"name": name},
        }

    def ended(self, sequence: int) -> Body | None:
        """``stop``."""
        return {
            "event": "stop",
            "sequenceNumber": str(sequence),
            "streamSid": self.stream,
            "stop": {"accountSid": self.account, "callSid": self.call},
        }
