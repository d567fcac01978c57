"""
The WebSocket of the live page. A browser cannot put a token into the handshake,
so the first message has it: ``{"type": "hello", "token": "…"}``.

After that the page may send ``follow`` (an id, or null). It gets ``welcome``,
``calls``, ``call`` and ``refused``; see :mod:`~.feed`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from . import bodies
from .feed import Feed, Viewer
from .permission import Permission, Tokens

HELLO_S = 5.0
"How long a page may take to say who it is."
PING_S = 20.0
UNAUTHORIZED = 4401
"Close codes from 4000 on are ours (:rfc:`6455#section-7.4.2`)."
UNEXPECTED = 4400


@dataclass(frozen=True, slots=True)
class LivePlace:
    """What all pages share."""

    clock: IReactorTime
    tokens: Tokens
    feed: Feed
    message_octets: int = 65_536


@implementer(IPushProducer)
class LiveSocket(WebSocketServerProtocol):
    """One page's connection; also the screen of its viewer."""

    def __init__(self, place: LivePlace) -> None:
        super().__init__()
        self.ready = True
        self._place = place
        self._viewer: Viewer | None = None
        self._timer: IDelayedCall | None = None
        self._heard = True
        self._producing = False

    # --- the screen ----------------------------------------------------------------

    def show(self, body: bodies.Body) -> None:
        """A message to the page."""
        self.sendMessage(bodies.octets(body), False)  # type: ignore[no-untyped-call]  # Autobahn

    # --- for Autobahn and Twisted --------------------------------------------------

    def onOpen(self) -> None:
        """The handshake is done; whose page it is, is not known yet."""
        cast(IConsumer, self.transport).registerProducer(self, True)
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
        tokens = self._place.tokens
        token = message.get("token")
        good = message["type"] == "hello" and isinstance(token, str)
        if not good or not tokens.allow(Permission.OPERATE, str(token)):
            self._refuse("the token is not the one of the configuration")
            return
        self._stop_timer()
        self._timer = self._place.clock.callLater(PING_S, self._ping)
        self._viewer = Viewer(self)
        self.show({"type": "welcome", "listen": tokens.configured(Permission.LISTEN)})
        self._place.feed.join(self._viewer)

    def _told(self, viewer: Viewer, message: dict[str, Any]) -> None:
        id = message.get("id")
        if message["type"] == "follow" and (id is None or isinstance(id, str)):
            self._place.feed.follow(viewer, id)
        else:
            self.show({"type": "refused", "detail": "not understood"})

    def _ping(self) -> None:
        if not self._heard:
            self.dropConnection(abort=True)
            return
        self._heard = False
        self.sendPing()
        self._timer = self._place.clock.callLater(PING_S, self._ping)

    def _refuse(self, why: str) -> None:
        self._stop_timer()
        self.sendClose(UNAUTHORIZED, why)
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


def _parsed(payload: bytes) -> dict[str, Any] | None:
    """A message of the page's; None where it is none of ours."""
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    return message
