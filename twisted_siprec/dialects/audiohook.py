"""
Genesys AudioHook, version 2: the one published protocol that was made for
passive listeners. We are its client, the consumer its server.

::

    PREPARING ─open─► OPENING ─opened─► OPEN ─close─► CLOSING ─closed─► DISCONNECTED

Every text is numbered, and says the number of the last one heard. The position
is the length of the time line so far, heard or not: whatever is not sent is told
as ``discarded``, or between ``paused`` and ``resumed``. There is nothing in the
protocol for metadata; it goes into ``customConfig`` of ``open``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from ..plan import Destination, Encoding, Layout
from .audiohook_entities import milliseconds, replies
from .audiohook_opening import BOTH, EXTERNAL, INTERNAL, NIL, identity, offer, offers, opening
from .audiohook_position import BY_SERVER, BY_US, RATE, Position, seconds
from .audiohook_signature import proof
from .base import (
    Audio,
    Broken,
    Capabilities,
    Digit,
    Event,
    Farewell,
    Gap,
    Message,
    Odd,
    PauseAsked,
    Paused,
    Ready,
    Rearranged,
    Rejected,
    Reply,
    Respond,
    ResumeAsked,
    Resumed,
    ResumePoint,
    Stop,
    StreamStart,
)
from .bodies import Body
from .foreign import ANSWERED, Foreign, Headers, Request, Secrets
from .octets import apart
from .sides import Folding
from .terms import SIDE, SWITCH, Option, Terms, one_of
from .texts import Fields, count, mapping, mappings, parsed, word, written

FIRST_PING_S = 1.0
PING_EVERY_S = 5.0
MAX_BINARY_OCTETS = 65_536


class AudioHookDialect(Foreign):
    """AudioHook, as its client speaks it to one server."""

    name = "audiohook"
    TERMS = Terms(
        layouts=(Layout.INTERLEAVED,),
        encodings=(Encoding.PCMU, Encoding.L16),
        rates=(RATE,),
        chunk_ms=200,
        options={
            "organization": Option("a UUID", r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
            "external": SIDE,
            "channels": one_of("both", EXTERNAL, INTERNAL),
            "language": Option("a language such as en-US", r"[a-z]{2,3}-[A-Za-z]{2,3}"),
            "probe": SWITCH,
            "custom_config": SWITCH,
            "dtmf": SWITCH,
        },
        signs=True,
    )

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination)
        organization = self.options.get("organization", "")
        self._organization = organization.lower() or identity("organization", destination.name)
        self._attempts = 0
        self._session = self._correlation = NIL
        self._now = 0.0
        self._position = Position()
        self._reset()

    def _reset(self) -> None:
        self._sequence = self._heard = 0
        # A pause of the SRC's lasts from connection to connection.
        self._position = Position(self._position.held)
        self._open = False
        self._discard_to = 0
        "Samples of this session that the server wants none of."
        self._ping_at: float | None = None
        self._pinged: tuple[int, float] | None = None
        self._pongs = 0
        self._round_trip_s: float | None = None
        self._chosen: tuple[str, ...] = BOTH

    # --- the handshake ------------------------------------------------------------------

    def headers(self, start: StreamStart) -> Headers:
        """Who we are; a session of its own for each attempt."""
        self._attempts += 1
        attempt = str(self._attempts)
        self._session = identity("session", start.stream_id, attempt)
        self._correlation = identity("correlation", start.stream_id, attempt)
        return (
            ("Audiohook-Organization-Id", self._organization),
            ("Audiohook-Session-Id", self._session),
            ("Audiohook-Correlation-Id", self._correlation),
        )

    def proof(self, request: Request, secrets: Secrets) -> Headers:
        """``bearer`` is the API key, ``hmac`` the client secret in base64."""
        identified = (self._organization, self._session, self._correlation)
        return proof(request, secrets, identified)

    def opened(self, subprotocol: str | None) -> Capabilities:
        """Nothing is heard before ``opened``, and ``closed`` is waited for."""
        return ANSWERED

    # --- what is said ---------------------------------------------------------------------

    def start(self, start: StreamStart, resume: ResumePoint) -> list[Message]:
        """``open``."""
        self._reset()
        self._start = start
        self._folding = Folding(start, self.options.get("external", "caller"))
        return [self._text("open", opening(start, self._organization, self.options))]

    def audio(self, audio: Audio, frame: int, replay: bool) -> list[Message]:
        """Samples without a header, both sides by turns, in messages of a bounded size."""
        self._position.begin(audio.position)
        said: list[Message] = []
        unwanted = self._position.origin + self._discard_to - audio.position
        if unwanted > 0:
            said = self._discard(audio.position, min(unwanted, audio.samples))
            audio = self._later(audio, min(unwanted, audio.samples))
        self._position.move(audio.position + audio.samples)
        if not audio.samples or not self._chosen:
            return said
        payload = self._folding.folded(audio)
        if self._chosen != BOTH:
            payload = apart(payload, 2, self._start.encoding)[BOTH.index(self._chosen[0])]
        pieces = range(0, len(payload), MAX_BINARY_OCTETS)
        return said + [payload[first : first + MAX_BINARY_OCTETS] for first in pieces]

    def _later(self, audio: Audio, dropped: int) -> Audio:
        """What is left of audio without its beginning."""
        return replace(
            audio,
            position=audio.position + dropped,
            samples=audio.samples - dropped,
            payload=audio.payload[dropped * self._start.sample_octets :],
        )

    def event(self, event: Event, position: int) -> list[Message]:
        """What is missing, and why; a digit where the server is known to take one."""
        self._position.begin(event.position if isinstance(event, Gap) else position)
        match event:
            case Gap(start, samples, _, _, "none"):
                return self._discard(start, samples)
            case Paused(_, by):
                return self._pause(by)
            case Resumed(_, by, _):
                resumed = self._position.resume(by)
                return [] if resumed is None else [self._text("resumed", resumed)]
            case Digit(digit) if self.options.get("dtmf") == "true":
                return [self._text("dtmf", {"digit": digit})]
            case Rearranged(_, channels):
                self._start = replace(self._start, channels=channels)
                self._folding = Folding(self._start, self.options.get("external", "caller"))
        return []

    def _discard(self, position: int, samples: int) -> list[Message]:
        body = self._position.missing(position, samples)
        return [] if body is None else [self._text("discarded", body)]

    def _pause(self, by: str) -> list[Message]:
        return [self._text("paused", {})] if self._position.pause(by) else []

    def error(self, code: str, message: str, fatal: bool) -> list[Message]:
        """``error``; the only thing that we can fall out over is time."""
        return [self._text("error", {"code": 408, "message": message})]

    def stop(self, stop: Stop) -> list[Message]:
        """``close``; nothing is heard after it but ``closed``."""
        self._ping_at = None
        dismissed = stop.reason.value == "consumer_bye"
        return [self._text("close", {"reason": "disconnect" if dismissed else "end"})]

    def _text(self, kind: str, body: Body) -> str:
        self._sequence += 1
        envelope = {
            "version": "2",
            "type": kind,
            "id": self._session,
            "seq": self._sequence,
            "serverseq": self._heard,
            "position": self._position.now,
            "parameters": body,
        }
        return written(envelope)

    # --- what is heard -----------------------------------------------------------------------

    def received(self, message: Message) -> list[Reply]:
        """A text of the server's. One that is out of order ends the connection."""
        fields = parsed(message)
        if isinstance(fields, Odd):
            return [fields]
        fault = self._fault(fields)
        if fault is not None:
            return self._break(409 if fault == "sequence" else 400, f"wrong {fault}")
        self._heard += 1
        take = self._TAKEN.get(word(fields, "type"))
        if take is None:
            return [self.told(word(fields, "type") or "unnamed", fields.get("parameters"))]
        return take(self, mapping(fields, "parameters"), fields)

    def _fault(self, fields: Fields) -> str | None:
        if word(fields, "id") != self._session:
            return "id"
        if count(fields, "seq") != self._heard + 1:
            return "sequence"
        heard = count(fields, "clientseq")
        return "clientseq" if heard is None or heard > self._sequence else None

    def _break(self, code: int, message: str) -> list[Reply]:
        """Tell what is wrong, close, and come again."""
        self._ping_at = None
        return [
            Respond(self._text("error", {"code": code, "message": message})),
            Respond(self._text("close", {"reason": "error"})),
            Broken(message),
        ]

    def _opened(self, parameters: Fields, fields: Fields) -> list[Reply]:
        if self._open:
            return self._break(409, "opened twice")
        media = parameters.get("media")
        if media == []:
            self._chosen = ()
        elif not self._accept(media):
            *said, _ = self._break(400, "media that was not offered")
            return [*said, Rejected("media", "it takes nothing that we offer")]
        self._open = True
        if self.options.get("probe") == "true":
            # That it opened is all we wanted to know.
            return [Farewell("probed", waits=True)]
        self._ping_at = self._now + FIRST_PING_S
        discard_ms = milliseconds(word(parameters, "discardTo")) or 0
        self._discard_to = discard_ms * RATE // 1000
        if parameters.get("startPaused") is True:
            # Nothing of what waits is for a server that begins with a pause.
            said = [Respond(text) for text in self._pause(BY_SERVER)]
            return [*said, PauseAsked(), Ready("live"), *self._held()]
        return [*self._held(), Ready()]

    def _held(self) -> list[Reply]:
        """A pause of the SRC's that began on another connection lasts on this one."""
        return [Respond(text) for text in self._pause(BY_US)] if self._position.held else []

    def _accept(self, media: object) -> bool:
        """Remember which of our offers was taken."""
        if not isinstance(media, list) or len(media) != 1:
            return False
        for channels in offers(self.options):
            if media[0] == offer(self._start.encoding, channels):
                self._chosen = channels
                return True
        return False

    def _asked_to_pause(self, parameters: Fields, fields: Fields) -> list[Reply]:
        """Each is answered, those that change nothing too."""
        if self._position.paused_by(BY_SERVER):
            return [Respond(self._text("paused", {}))]
        if self._position.paused:
            return [Respond(self._text("paused", {})), PauseAsked()]
        return [PauseAsked()]

    def _asked_to_resume(self, parameters: Fields, fields: Fields) -> list[Reply]:
        if self._position.paused_by(BY_US):
            return [Respond(self._text("paused", {})), ResumeAsked()]
        if not self._position.paused:
            body: Body = {"start": self._position.now, "discarded": seconds(0)}
            return [Respond(self._text("resumed", body)), ResumeAsked()]
        return [ResumeAsked()]

    def _ponged(self, parameters: Fields, fields: Fields) -> list[Reply]:
        if self._pinged is None or count(fields, "clientseq") != self._pinged[0]:
            return [Odd("pong without ping")]
        self._round_trip_s = self._now - self._pinged[1]
        self._pinged = None
        self._pongs += 1
        if self._pongs > 1:
            return []
        # The first round trip is told at once.
        return self._ping()

    def _event(self, parameters: Fields, fields: Fields) -> list[Reply]:
        parties = dict(zip(BOTH, self._folding.parties, strict=True))
        channels = [parties[name] for name in self._chosen]
        origin_ms = self._position.origin * 1000 // RATE
        return replies(mappings(parameters, "entities"), channels, origin_ms)

    def _disconnect(self, parameters: Fields, fields: Fields) -> list[Reply]:
        reason = word(parameters, "reason")
        if reason == "unauthorized":
            said = self._text("close", {"reason": "disconnect"})
            return [Respond(said), Rejected(reason, word(parameters, "info"))]
        if reason == "error":
            said = self._text("close", {"reason": "disconnect"})
            return [Respond(said), Broken(f"server error {word(parameters, 'info')}".rstrip())]
        return [Farewell(reason or "disconnect", waits=True)]

    def _reconnect(self, parameters: Fields, fields: Fields) -> list[Reply]:
        """The server drains: this session is closed, and another is opened."""
        self._ping_at = None
        said = self._text("close", {"reason": "reconnect"})
        return [Respond(said), Broken("reconnect")]

    def _closed(self, parameters: Fields, fields: Fields) -> list[Reply]:
        said: list[Reply] = []
        if parameters:
            said.append(self.told("closed", parameters))
        return [*said, Farewell("closed")]

    def _updated(self, parameters: Fields, fields: Fields) -> list[Reply]:
        return [self.told("updated", parameters)]

    _TAKEN: ClassVar[Mapping[str, Callable[[AudioHookDialect, Fields, Fields], list[Reply]]]] = {
        "opened": _opened,
        "pause": _asked_to_pause,
        "resume": _asked_to_resume,
        "pong": _ponged,
        "event": _event,
        "updated": _updated,
        "reconnect": _reconnect,
        "disconnect": _disconnect,
        "closed": _closed,
    }

    # --- time ---------------------------------------------------------------------------------

    def tell_time(self, now: float) -> None:
        """For round trips."""
        self._now = now

    def next_deadline(self) -> float | None:
        """The next ping; by then the last one must have been answered."""
        return self._ping_at

    def expire(self, now: float) -> list[Reply]:
        """A ping, or the end of a server that answers none."""
        self._now = now
        if self._pinged is not None:
            return self._break(408, "no answer to a ping")
        return self._ping()

    def _ping(self) -> list[Reply]:
        self._ping_at = self._now + PING_EVERY_S
        body: Body = {}
        if self._round_trip_s is not None:
            body["rtt"] = f"PT{self._round_trip_s:.3f}S"
        said = self._text("ping", body)
        self._pinged = (self._sequence, self._now)
        return [Respond(said)]
