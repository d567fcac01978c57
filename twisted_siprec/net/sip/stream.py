"""
SIP over TCP and TLS: connections, and what they may cost us.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ...config.model import Connections
from ...sip.events import Address, Discarded, Flow, Limits, Transport
from ...sip.framing import StreamFraming
from ..tls import identities
from .local_address import WILDCARDS
from .udp import Admit, Receive

CLOSE_TIMEOUT_S = 5.0
"A peer that does not let us close in order is cut off after this."


@implementer(IHandshakeListener, IPushProducer)
class SIPStream(Protocol):
    """
    One TCP or TLS connection, whichever side opened it.

    While the peer does not read what we write, we do not read what it writes:
    all that we say, we say because of that.
    """

    flow: Flow | None = None

    def __init__(self, owner: SIPStreams, key: str, limits: Limits) -> None:
        self.key = key
        self._owner = owner
        self._framing = StreamFraming(limits)
        self._idle: IDelayedCall | None = None
        self._message: IDelayedCall | None = None
        self._closing: IDelayedCall | None = None
        self._shaking = owner.transport is Transport.TLS

    # --- IProtocol ------------------------------------------------------------

    def connectionMade(self) -> None:
        """Admit the peer, or drop it without a word."""
        transport = self._transport
        self.flow = self._owner.flow_of(self, ())
        if not self._owner.admitted(self):
            self.flow = None
            transport.abortConnection()
            return
        transport.registerProducer(self, True)
        self._idle = self._owner.later(self._owner.connections.idle_s, self.close)

    def handshakeCompleted(self) -> None:
        """TLS is up, and the peer's certificate, if there is one, is verified."""
        self._shaking = False
        if self.flow is not None:
            self.flow = self._owner.flow_of(self, identities(self._transport.getPeerCertificate()))
            if not self._owner.admits(self.flow):
                self.abort()

    def dataReceived(self, data: bytes) -> None:
        """Octets; the framing knows what they mean."""
        if self.flow is None or self._closing is not None:
            return
        if self._idle is not None:
            self._idle.reset(self._owner.connections.idle_s)
        for message in self._framing.receive(data):
            self._stop_message_timer()
            self._owner.receive(message, self.flow)
        if not self._framing.incomplete:
            self._stop_message_timer()
        elif self._message is None:
            self._message = self._owner.later(self._owner.connections.message_s, self.abort)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone, whoever closed it."""
        self._stop_message_timer()
        for timer in (self._idle, self._closing):
            if timer is not None and timer.active():
                timer.cancel()
        if self._shaking and reason.check(SSL.Error):
            self._owner.handshake_failed(self, reason)
        self._owner.lost(self)

    # --- IPushProducer ------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The peer does not read: neither do we."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The peer reads again."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is going away."""

    # --- for the owner ------------------------------------------------------------

    def send(self, octets: bytes) -> None:
        """Write a message."""
        self._transport.write(octets)

    def close(self) -> None:
        """Close, what was written first; by force where the peer does not let us."""
        if self._closing is None:
            self._closing = self._owner.later(CLOSE_TIMEOUT_S, self.abort)
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def abort(self) -> None:
        """Close at once: the peer is too slow."""
        self._transport.abortConnection()

    @property
    def _transport(self) -> Any:
        # The interfaces of TCP and TLS transports have no common name that has all of it.
        return self.transport

    def _stop_message_timer(self) -> None:
        timer, self._message = self._message, None
        if timer is not None and timer.active():
            timer.cancel()


class SIPStreams(Factory):
    """
    The connections of one listener, or those that we opened with one transport.

    :param receive: takes what comes.
    :param lost: is told the key of each connection that is gone.
    :param admit: whether to read on what comes on a connection.
    :param expect: whether to take a connection, of whose peer only the address is known.
    :param discarded: is told of connections that came to nothing.
    :param listening: the connections are peers', and count against the limits.
    """

    noisy = False
    protocol = SIPStream
    _log = Logger()

    def __init__(
        self,
        name: str,
        transport: Transport,
        clock: IReactorTime,
        receive: Receive,
        lost: Callable[[str], None],
        admit: Admit,
        expect: Admit,
        discarded: Callable[[Discarded], None],
        connections: Connections,
        limits: Limits,
        *,
        listening: bool = True,
    ) -> None:
        self.name = name
        self.transport = transport
        self.connections = connections
        self.advertised: Address | None = None
        self.receive = receive
        self.streams: dict[str, SIPStream] = {}
        self._clock = clock
        self._lost = lost
        self._admit = admit
        self._expect = expect
        self._discarded = discarded
        self._limits = limits
        self._listening = listening
        self._count = 0
        self._per_peer: Counter[str] = Counter()
        self.refused = 0
        "Connections over the limits."
        self.failed = 0
        "TLS handshakes of peers that came to nothing."

    def buildProtocol(self, addr: IAddress | None) -> SIPStream | None:
        """A protocol for a connection; None, which closes it, where there are too many."""
        peer = str(getattr(addr, "host", ""))
        if self._listening and (
            len(self.streams) >= self.connections.total
            or self._per_peer[peer] >= self.connections.per_source
        ):
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # powers of two: the log stays short
                self._log.warn(
                    "Connection of {peer} refused, there are too many; {count} so far",
                    peer=peer,
                    count=self.refused,
                )
            return None
        self._count += 1
        return SIPStream(self, f"{self.name}-{self._count}", self._limits)

    def flow_of(self, stream: SIPStream, names: tuple[str, ...]) -> Flow:
        """The flow of a connection."""
        transport = cast(Any, stream.transport)
        host, peer = transport.getHost(), transport.getPeer()
        local = (str(host.host), int(host.port))
        remote = (str(peer.host), int(peer.port))
        advertised = self.advertised or local
        if advertised[0] in WILDCARDS:
            advertised = (local[0], advertised[1])
        return Flow(self.transport, stream.key, local, remote, advertised, names)

    def admitted(self, stream: SIPStream) -> bool:
        """Whether a new connection stays. Those that we opened do."""
        flow = cast(Flow, stream.flow)
        if self._listening and not self._expect(flow):
            return False
        self.streams[stream.key] = stream
        self._per_peer[flow.remote[0]] += 1
        return True

    def admits(self, flow: Flow) -> bool:
        """Whether a connection stays of whom we know now what its certificate says."""
        return not self._listening or self._admit(flow)

    def handshake_failed(self, stream: SIPStream, reason: Failure) -> None:
        """A peer came, and TLS could not be agreed upon: a certificate, or a version."""
        if not self._listening or stream.flow is None:
            return
        self.failed += 1
        self._discarded(Discarded("TLS handshake failed", stream.flow, 0))
        if self.failed & (self.failed - 1) == 0:  # powers of two: the log stays short
            self._log.warn(
                "TLS handshake with {peer} failed: {reason}; {count} so far",
                peer=stream.flow.remote[0],
                reason=_ssl_reason(reason),
                count=self.failed,
            )

    def lost(self, stream: SIPStream) -> None:
        """A connection is gone."""
        if self.streams.pop(stream.key, None) is None or stream.flow is None:
            return
        peer = stream.flow.remote[0]
        self._per_peer[peer] -= 1
        if self._per_peer[peer] <= 0:
            del self._per_peer[peer]
        self._lost(stream.key)

    def later(self, delay_s: float, call: Callable[[], None]) -> IDelayedCall:
        """A timer on the clock of the connections."""
        return self._clock.callLater(delay_s, call)


def _ssl_reason(failure: Failure) -> str:
    """What OpenSSL says; it may say nothing, where the peer only went away."""
    arguments = getattr(failure.value, "args", ())
    told = [str(part[-1]) for part in (arguments[0] if arguments else ()) if part[-1]]
    return ", ".join(told) or type(failure.value).__name__
