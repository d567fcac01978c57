"""
One WebSocket connection to a consumer: Autobahn's protocol, held to our rules.

Autobahn does the handshake, the control frames and what comes in. Its timers
are all switched off: they run on a reactor of their own choosing. Ours run on
the one we are given, and bound the same things: that the consumer answers
pings, and that a connection that is closing ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.interfaces import IConsumer, IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from ...dialects.base import Message
from .frames import Volley

MAX_HANDSHAKE_OCTETS = 64 * 1024
"Of a consumer's answer to the handshake. Past it, it is no WebSocket server."


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What a connection may cost."""

    max_message_octets: int = 1024 * 1024
    "Of a message from the consumer; a transcript fits."
    ping_every_s: float = 20.0
    "A consumer from which nothing came for two of these is gone."
    close_timeout_s: float = 2.0
    "From the closing handshake's begin until the connection is dropped."


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended."""

    reason: str
    clean: bool = False
    "By the closing handshake."
    code: int | None = None
    "The consumer's close code."
    status: int | None = None
    "The HTTP status that refused the handshake."


class ConnectionListener(Protocol):
    """What happens to a connection, told to whoever opened it."""

    def opened(self, subprotocol: str | None) -> None:
        """The handshake is done."""

    def received(self, message: Message) -> None:
        """A message came."""

    def closed(self, ending: Ending) -> None:
        """It is over; nothing comes after this."""

    def blocked(self) -> None:
        """The transport takes no more for now."""

    def unblocked(self) -> None:
        """It does again."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What we ask a consumer for."""

    url: str
    subprotocols: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    "Not in the repr: credentials are among them."


@implementer(IPushProducer)
class _Valve:
    """Tells the listener when the transport's buffer is full and when it has room."""

    def __init__(self, listener: ConnectionListener) -> None:
        self._listener = listener

    def pauseProducing(self) -> None:
        """The buffer is full."""
        self._listener.blocked()

    def resumeProducing(self) -> None:
        """There is room."""
        self._listener.unblocked()

    def stopProducing(self) -> None:
        """The connection is lost, which the protocol hears as well."""


class Connection(WebSocketClientProtocol):
    """A WebSocket to one consumer, from its handshake to its end."""

    factory: ConnectionFactory
    volley = Volley()
    "One for all connections of the process: they are sent to together."

    def __init__(
        self, clock: IReactorTime, listener: ConnectionListener, settings: ConnectionSettings
    ) -> None:
        super().__init__()
        self._clock = clock
        self._listener = listener
        self._settings = settings
        self._timer: IDelayedCall | None = None
        self._heard = True
        self._open = False
        self._producing = False
        self._status: int | None = None
        self._fault: str | None = None

    # --- for the link ---------------------------------------------------------

    def send(self, message: Message) -> None:
        """
        The one way out for texts and audio alike; after the end, nowhere.
        Autobahn queues nothing here, so frames of ours keep their order with its own.
        """
        if not self._open or self.state != self.STATE_OPEN:
            return
        if isinstance(message, str):
            # Metadata can hold what is no text (half a surrogate pair in JSON).
            self.volley.say(self.transport, message.encode("utf-8", "replace"))
        else:
            self.volley.send(self.transport, message)

    def leave(self, code: int, reason: str) -> None:
        """Close it: politely where it is open, and in any case soon."""
        if not self._open:
            self.drop(reason)
            return
        self.volley.flush()
        self.sendCloseFrame(code=code, reasonUtf8=reason.encode("utf-8", "replace")[:120])
        self._end_soon()

    def drop(self, reason: str) -> None:
        """End it at once."""
        if self._fault is None:
            self._fault = reason
        self.dropConnection(abort=True)

    # --- for Autobahn and Twisted ------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Octets of the consumer's; before the handshake is done, not too many of them."""
        self._heard = True
        if not self._open and len(self.data) + len(data) > MAX_HANDSHAKE_OCTETS:
            self.drop("the answer to the handshake does not end")
            return
        super().dataReceived(data)

    def processHandshake(self) -> None:
        """Autobahn trusts the consumer to write HTTP; one that writes anything else is refused."""
        try:
            super().processHandshake()  # type: ignore[no-untyped-call]  # Autobahn
        except (ValueError, LookupError) as error:
            self.drop(f"the answer to the handshake is no HTTP: {error}")

    def failHandshake(self, reason: str) -> None:
        """The consumer did not agree to a WebSocket."""
        words = str(getattr(self, "http_status_line", "")).split()
        if len(words) > 1 and words[1].isdecimal():
            self._status = int(words[1])
        self._fault = reason
        super().failHandshake(reason)  # type: ignore[no-untyped-call]  # Autobahn

    def onOpen(self) -> None:
        """The handshake is done."""
        self._open = True
        self._consumer().registerProducer(_Valve(self._listener), True)
        self._producing = True
        self._timer = self._clock.callLater(self._settings.ping_every_s, self._ping)
        self._listener.opened(self.websocket_protocol_in_use)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message, its text known to be UTF-8."""
        self._listener.received(payload if isBinary else payload.decode("utf-8"))

    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:
        """The consumer closes, or answers our closing: either way it is soon over."""
        result: bool | None = super().onCloseFrame(code, reasonRaw)
        self._end_soon()
        return result

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """It is over."""
        self._stop_timer()
        self._open = False
        remote = getattr(self, "remoteCloseCode", None)
        words = self._fault or self.wasNotCleanReason or reason or f"closed with {remote}"
        clean = remote is not None and self._fault is None
        self._listener.closed(Ending(words, clean, remote, self._status))

    def unregisterProducer(self) -> None:
        """Autobahn calls it before it drops a connection, whether or not there was a producer."""
        if self._producing:
            self._producing = False
            self._consumer().unregisterProducer()

    def _consumer(self) -> IConsumer:
        """The transport, which Twisted declares as less than it is."""
        return cast(IConsumer, self.transport)

    # --- timers --------------------------------------------------------------------

    def _ping(self) -> None:
        if not self._heard:
            self.drop("no answer to a ping")
            return
        self._heard = False
        self.sendPing()
        self._timer = self._clock.callLater(self._settings.ping_every_s, self._ping)

    def _end_soon(self) -> None:
        self._stop_timer()
        timeout_s = self._settings.close_timeout_s
        self._timer = self._clock.callLater(timeout_s, self._end_now)

    def _end_now(self) -> None:
        self._timer = None
        self.dropConnection(abort=True)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


class ConnectionFactory(WebSocketClientFactory):
    """Makes the one connection of an attempt."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        handshake: Handshake,
        listener: ConnectionListener,
        settings: ConnectionSettings,
        user_agent: str,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Autobahn
            url=handshake.url,
            protocols=list(handshake.subprotocols),
            useragent=user_agent,
            headers=_clean(handshake.headers),
            reactor=reactor,
        )
        self.setProtocolOptions(  # type: ignore[no-untyped-call]  # Autobahn
            maxFramePayloadSize=settings.max_message_octets,
            maxMessagePayloadSize=settings.max_message_octets,
            failByDrop=True,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            autoPingInterval=0,
            autoPingTimeout=0,
        )
        self._listener = listener
        self._settings = settings

    def buildProtocol(  # type: ignore[override]  # its factory is set below
        self, addr: object
    ) -> Connection:
        """The connection, once."""
        connection = Connection(self.reactor, self._listener, self._settings)
        connection.factory = self
        return connection


def _clean(headers: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Header values hold what peers sent us: none of it may begin another header."""
    return {
        name: "".join(character if character.isprintable() else " " for character in value)
        for name, value in headers
    }
