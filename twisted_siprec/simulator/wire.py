"""
How the simulated SRC's messages travel: one UDP port, or one TCP or TLS
connection, for all of its calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IAddress, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory, DatagramProtocol, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from ..errors import RemoteError
from ..net.client_tls import CertificateError, ConsumerTLS
from ..plan import ClientTLS
from ..sip.events import Address, Transport
from ..sip.framing import PING, StreamFraming
from ..sip.message import Request, Response, parse
from ..sip.values import bracketed, parse_uri

Message = Request | Response


class WireError(Exception):
    """The SRS cannot be reached; see that it runs, and that host, port and transport are right."""


@dataclass(frozen=True, slots=True)
class Target:
    """The SRS as the user named it."""

    uri: str
    transport: Transport
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, transport: Transport | None = None) -> Target:
        """
        A SIP URI, or a host with or without a port.

        Raises ValueError with the reason.
        """
        written = text if text.lower().startswith(("sip:", "sips:")) else f"sip:{text}"
        uri = parse_uri(written)
        if uri is None or not uri.host:
            raise ValueError(f"{text!r} is no SIP URI; sip:srs@192.0.2.1:5060 is one")
        asked = (uri.parameters.get("transport") or "udp").upper()
        if transport is None:
            if uri.scheme == "sips":
                asked = "TLS"
            if asked not in Transport.__members__:
                raise ValueError(f"transport={asked.lower()}: only udp, tcp and tls are known")
            transport = Transport(asked)
        port = uri.port or (5061 if transport is Transport.TLS else 5060)
        return cls(written, transport, uri.host.strip("[]"), port)


class Listener(Protocol):
    """Who is told what comes over a wire."""

    def received(self, message: Message, source: Address) -> None:
        """A message of the SRS."""

    def lost(self, reason: str) -> None:
        """The wire carries nothing any more."""

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """Octets of a message, as they went out or came in."""


class Wire(Protocol):
    """A way to the SRS, that is open."""

    local: Address

    def send(self, octets: bytes, destination: Address | None) -> None:
        """Send a message; the destination counts over UDP only."""

    def close(self) -> None:
        """Carry nothing any more, and do not tell. It may be closed twice."""


async def open_wire(
    reactor: Any, target: Target, listener: Listener, *, local: str = "", tls: ClientTLS
) -> Wire:
    """
    Open the way to the SRS.

    Raises :exc:`WireError`.
    """
    if target.transport is Transport.UDP:
        address = await _resolved(reactor, target.host)
        datagrams = UDPWire((address, target.port), listener)
        try:
            datagrams.open(reactor, local)
        except OSError as error:
            raise WireError(
                f"no UDP port can be opened on {local or 'this host'}: {error}"
            ) from error
        return datagrams
    endpoint: IStreamClientEndpoint = HostnameEndpoint(
        reactor,
        target.host,
        target.port,
        timeout=10,
        bindAddress=(local, 0) if local else None,
    )
    if target.transport is Transport.TLS:
        try:
            endpoint = wrapClientTLS(ConsumerTLS().creator(tls, target.host), endpoint)
        except CertificateError as error:
            raise WireError(str(error)) from error
    factory = ClientFactory.forProtocol(lambda: StreamWire(listener))
    try:
        connection: Any = await endpoint.connect(factory)
    except (ConnectError, DNSLookupError, OSError) as error:
        raise WireError(
            f"no {target.transport.value} connection to {target.host}:{target.port}: {error}"
        ) from error
    wire: StreamWire = connection
    return wire


async def _resolved(reactor: Any, host: str) -> str:
    try:
        address: str = await reactor.resolve(host) if ":" not in host else host
    except (DNSLookupError, OSError) as error:
        raise WireError(f"{host} has no address: {error}") from error
    return address


def _any_like(host: str) -> str:
    """The unspecified address of the family of this one."""
    return "::" if ":" in host else ""


def _understood(octets: bytes) -> Message | None:
    try:
        return parse(octets)
    except RemoteError:
        return None


class UDPWire(DatagramProtocol):
    """
    One UDP port, which takes messages from any address: a proxy or another
    interface of the SRS may answer.
    """

    transport: Any  # the reactor sets it before anything here is called

    local: Address = ("", 0)

    def __init__(self, remote: Address, listener: Listener) -> None:
        self.remote = remote
        self._listener = listener
        self._probe: _Probe | None = None
        self._closed = False

    def open(self, reactor: Any, local: str) -> None:
        """Bind it, and find out by which of our addresses the SRS is reached."""
        self._probe = _Probe(self.remote, self._refused)
        reactor.listenUDP(0, self._probe, interface=local or _any_like(self.remote[0]))
        local = local or self._probe.local_host
        port = reactor.listenUDP(0, self, interface=local, maxPacketSize=65_535)
        self.local = (local, port.getHost().port)

    def send(self, octets: bytes, destination: Address | None) -> None:
        """Send a datagram."""
        if not self._closed:
            peer = destination or self.remote
            self._listener.traced(True, octets, peer)
            self.transport.write(octets, peer)

    def close(self) -> None:
        """Close the port."""
        self._end_probe()
        if not self._closed:
            self._closed = True
            self.transport.stopListening()

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """A message, or a keep-alive."""
        self._end_probe()
        message = _understood(datagram)
        if message is not None:
            self._listener.traced(False, datagram, addr)
            self._listener.received(message, (addr[0], addr[1]))

    def _refused(self) -> None:
        self.close()
        self._listener.lost(
            f"connection refused: nothing listens on UDP {self.remote[0]}:{self.remote[1]}"
        )

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.end()
            self._probe = None


class _Probe(DatagramProtocol):
    """
    Finds out whether anything listens: only a connected port is told of a
    refusal (ICMP). What it sends is a keep-alive (:rfc:`5626#section-3.5.1`).
    """

    transport: Any  # the reactor sets it before anything here is called

    local_host = ""

    def __init__(self, remote: Address, refused: Callable[[], None]) -> None:
        self._remote = remote
        self._refused = refused
        self._ended = False

    def startProtocol(self) -> None:
        """Connect it; the kernel chooses our address."""
        self.transport.connect(*self._remote)
        self.local_host = self.transport.getHost().host
        self.transport.write(PING)

    def connectionRefused(self) -> None:
        """Nothing listens there."""
        if not self._ended:
            self.end()
            self._refused()

    def stopProtocol(self) -> None:
        """The port is closed: by the reactor, where it took the refusal for a hang-up."""
        if not self._ended:
            self._ended = True
            self._refused()

    def end(self) -> None:
        """Enough was found out."""
        if not self._ended:
            self._ended = True
            self.transport.stopListening()


class StreamWire(TwistedProtocol):
    """One TCP or TLS connection."""

    transport: Any  # set before connectionMade

    local: Address = ("", 0)

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._framing = StreamFraming()
        self._closed = False
        self._remote: Address = ("", 0)

    def connectionMade(self) -> None:
        """Both ends are known now."""
        self.local = _pair(self.transport.getHost())
        self._remote = _pair(self.transport.getPeer())

    def send(self, octets: bytes, destination: Address | None) -> None:
        """Send a message on the connection."""
        if not self._closed:
            self._listener.traced(True, octets, self._remote)
            self.transport.write(octets)

    def close(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Octets of messages."""
        for octets in self._framing.receive(data):
            message = _understood(octets)
            if message is not None and not self._closed:
                self._listener.traced(False, octets, self._remote)
                self._listener.received(message, self._remote)
        if self._framing.broken and not self._closed:
            self.close()
            self._listener.lost("what the SRS sent on the connection is no SIP")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The SRS closed it, or the network did."""
        if not self._closed:
            self._closed = True
            self._listener.lost(f"the connection was lost: {reason.getErrorMessage()}")


def _pair(address: IAddress) -> Address:
    return str(getattr(address, "host", "")), int(getattr(address, "port", 0))


def sent_by(local: Address) -> str:
    """A host and port as Via and Contact name them."""
    return f"{bracketed(local[0])}:{local[1]}"
