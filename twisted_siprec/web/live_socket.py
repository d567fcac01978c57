"""
The WebSocket of the live page. A browser cannot put a token into the handshake,
so the first message has it: ``{"type": "hello", "token": "…"}``.

After that the page may send ``follow`` (an id, or null), and for that call
``meter`` (``on``) for its levels and ``listen`` (``on``, and a ``token`` for listening
unless its own is one) for its audio. It gets ``welcome``, ``calls``, ``call``, ``levels``,
``listening`` and ``refused``, and audio as binary messages; see :mod:`~.feed` and
:mod:`~.monitor`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ..config.model import Role
from ..net.media.outlet import Tap
from . import bodies
from .feed import Feed, Viewer
from .gate import PAGE, Gate, Refusal, Visitor
from .listening import Listening
from .monitor import Monitor
from .token_hash import digest

HELLO_S = 5.0
"How long a page may take to say who it is."
PING_S = 20.0
UNAUTHORIZED = 4401
"Close codes from 4000 on are ours (:rfc:`6455#section-7.4.2`)."
UNEXPECTED = 4400
TOO_OFTEN = 4429
_CLOSINGS = {401: UNAUTHORIZED, 403: UNAUTHORIZED, 429: TOO_OFTEN}
_TEXT, _BINARY = 1, 2
"Opcodes (:rfc:`6455#section-5.2`)."


@dataclass(frozen=True, slots=True)
class LivePlace:
    """What all pages share."""

    clock: IReactorTime
    gate: Gate
    feed: Feed
    tap: Callable[[str, Tap], Callable[[], None]]
    "Shows what the consumers of a call get."
    whose: Callable[[str], str | None]
    "The tenant of a call by its id, empty for nobody's; None where there is no such call."
    message_octets: int = 65_536


@implementer(IPushProducer)
class LiveSocket(WebSocketServerProtocol):
    """One page's connection; also the screen of its viewer."""

    _log = Logger()

    def __init__(self, place: LivePlace) -> None:
        super().__init__()
        self.ready = True
        self._place = place
        self._viewer: Viewer | None = None
        self._token = b""
        self._listening: Listening | None = None
        self._monitor: Monitor | None = None
        self._leave_call: Callable[[], None] | None = None
        self._timer: IDelayedCall | None = None
        self._heard = True
        self._producing = False

    # --- the screen ----------------------------------------------------------------

    def show(self, body: bodies.Body) -> None:
        """A message to the page."""
        if self.state == self.STATE_OPEN:
            # Not sendMessage, which holds us to the limit of what we take.
            self.sendFrame(opcode=_TEXT, payload=bodies.octets(body))

    def _show_now(self, body: bodies.Body) -> None:
        """A message that is of no use later."""
        if self.ready:
            self.show(body)

    def _play(self, octets: bytes) -> None:
        if self.ready and self.state == self.STATE_OPEN:
            self.sendFrame(opcode=_BINARY, payload=octets)

    # --- for Autobahn and Twisted --------------------------------------------------

    def onOpen(self) -> None:
        """The handshake is done; whose page it is, is not known yet."""
        transport = cast(IConsumer, self.transport)
        # Until now it was for HTTP to know when the connection takes no more.
        transport.unregisterProducer()
        transport.registerProducer(self, True)
        self._producing = True
        self._timer = self._place.clock.callLater(HELLO_S, self._refuse, "no token came in time")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """The page says something."""
        self._heard = True
        message = None if isBinary else _parsed(payload)
        if message is None:
            self.sendClose(UNEXPECTED, "expected a JSON object with a type")
        elif self._viewer is None:
            self._greet(message)
        else:
            self._told(self._viewer, message)

    def onPong(self, payload: bytes) -> None:
        """The page is still there."""
        self._heard = True

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The page is gone."""
        self._stop_timer()
        self._look_away()
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            self._place.feed.leave(viewer)

    def pauseProducing(self) -> None:
        """The connection takes no more for now."""
        self.ready = False

    def resumeProducing(self) -> None:
        """It does again."""
        self.ready = True

    def stopProducing(self) -> None:
        """The connection is lost, which :meth:`onClose` hears as well."""

    def unregisterProducer(self) -> None:
        """Autobahn calls it before it drops a connection."""
        if self._producing:
            self._producing = False
            cast(IConsumer, self.transport).unregisterProducer()

    # --- the inside ----------------------------------------------------------------

    def _greet(self, message: dict[str, Any]) -> None:
        if message["type"] != "hello":
            self._refuse("expected a hello with a token")
            return
        gate, visitor = self._place.gate, self._visitor
        token = _text(message.get("token"))
        access = gate.admit(Role.VIEW, token, visitor, "look")
        if isinstance(access, Refusal):
            self._refuse(access.detail, _CLOSINGS[access.status])
            return
        self._token = digest(token or "")
        self._listening = listening = Listening(gate, visitor, self._token)
        self._stop_timer()
        self._timer = self._place.clock.callLater(PING_S, self._ping)
        self._viewer = Viewer(self, access)
        roles = access.roles | ({Role.LISTEN} if listening.allowed else set())
        self.show(
            {
                "type": "welcome",
                "listen": gate.tokens.configured(Role.LISTEN, access),
                "tenant": access.tenant,
                "name": access.name,
                "roles": sorted(role.value for role in roles),
            }
        )
        gate.audit.note(visitor.actor(access), "look")
        self._place.feed.join(self._viewer)

    @property
    def _visitor(self) -> Visitor:
        peer = self.transport.getPeer() if self.transport is not None else None
        return Visitor(str(getattr(peer, "host", "?")), PAGE)

    def _told(self, viewer: Viewer, message: dict[str, Any]) -> None:
        id = message.get("id")
        match message["type"]:
            case "follow" if id is None or isinstance(id, str):
                self._look_away()
                self._place.feed.follow(viewer, id)
            case "meter" | "listen" if viewer.follows is not None:
                self._look_closer(viewer, viewer.follows, message)
            case _:
                self.show({"type": "refused", "detail": "not understood"})

    def _meter(self, id: str, on: bool) -> None:
        if not on:
            self._look_away()
        elif self._monitor is None:
            self._monitor = Monitor(self._show_now)
            self._leave_call = self._place.tap(id, self._monitor)

    def _look_closer(self, viewer: Viewer, id: str, message: dict[str, Any]) -> None:
        """At the call that it follows, if that is one that it may see."""
        whose = self._place.whose(id)
        if whose is None or not viewer.access.sees(whose):
            self.show({"type": "refused", "detail": "there is no such call"})
        elif message["type"] == "meter":
            self._meter(id, message.get("on") is True)
        else:
            self._listen(id, whose, message)

    def _listen(self, id: str, whose: str, message: dict[str, Any]) -> None:
        listening = self._listening
        if message.get("on") is not True or listening is None:
            self._hear_no_more()
            return
        refusal = listening.begin(id, whose, _text(message.get("token")))
        if refusal is not None:
            self.show({"type": "refused", "detail": refusal.detail})
            return
        self._meter(id, True)
        if self._monitor is not None:
            self._monitor.play = self._play
        self.show({"type": "listening", "on": True})

    def _hear_no_more(self) -> None:
        if self._monitor is not None:
            self._monitor.play = None
        if self._listening is not None:
            self._listening.end()
        self.show({"type": "listening", "on": False})

    def _look_away(self) -> None:
        if self._listening is not None:
            self._listening.end()
        leave, self._leave_call, self._monitor = self._leave_call, None, None
        if leave is not None:
            leave()

    def _ping(self) -> None:
        self._timer = None
        if not self._heard:
            self.dropConnection(abort=True)
            return
        if not self._still_welcome():
            self._look_away()
            self._refuse("the token holds no more")
            return
        self._heard = False
        self.sendPing()
        self._timer = self._place.clock.callLater(PING_S, self._ping)

    def _still_welcome(self) -> bool:
        """Whether the tokens still hold that the page came and listens by."""
        viewer, listening = self._viewer, self._listening
        if listening is not None and not listening.holds():
            self._hear_no_more()
            self.show({"type": "refused", "detail": "the token for listening holds no more"})
        access = self._place.gate.tokens.access_by_digest(Role.VIEW, self._token)
        return viewer is not None and viewer.access == access

    def _refuse(self, why: str, code: int = UNAUTHORIZED) -> None:
        self._stop_timer()
        self.sendClose(code, why)
        # A page that does not answer the closing handshake is not waited for.
        self._timer = self._place.clock.callLater(HELLO_S, self._drop)

    def _drop(self) -> None:
        self._timer = None
        self.dropConnection(abort=True)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class LiveSocketFactory(WebSocketServerFactory):
    """Makes the sockets. Autobahn's own timers are off: they would run on another reactor."""

    noisy = False

    def __init__(self, place: LivePlace, server: str) -> None:
        super().__init__(server=server, reactor=place.clock)  # type: ignore[no-untyped-call]  # Autobahn
        self.setProtocolOptions(  # type: ignore[no-untyped-call]  # Autobahn
            maxFramePayloadSize=place.message_octets,
            maxMessagePayloadSize=place.message_octets,
            failByDrop=True,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            autoPingTimeout=0,
        )
        self._place = place

    def buildProtocol(self, addr: object) -> LiveSocket:
        """The socket of one page."""
        socket = LiveSocket(self._place)
        socket.factory = self
        return socket


def live_resource(place: LivePlace, server: str) -> Any:
    """What the site answers on the path of the WebSocket."""
    factory = LiveSocketFactory(place, server)
    factory.startFactory()  # type: ignore[no-untyped-call]  # Autobahn
    return WebSocketResource(factory)  # type: ignore[no-untyped-call]  # Autobahn


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _parsed(payload: bytes) -> dict[str, Any] | None:
    """A message of the page's; None where it is none of ours."""
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    return message
