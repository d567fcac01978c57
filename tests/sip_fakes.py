"""
A reactor in memory that listens on UDP too, and what is read from it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.testing import MemoryReactorClock


class UDPPort:
    """A UDP socket in memory: its protocol's transport, and the port that is returned."""

    def __init__(self, interface: str, port: int, max_packet_size: int) -> None:
        self.interface = interface
        self.port = port
        self.max_packet_size = max_packet_size
        self.written: list[tuple[bytes, tuple[str, int]]] = []
        self.error: Exception | None = None
        self.stopped = False

    def write(self, octets: bytes, address: tuple[str, int]) -> None:
        """Send a datagram."""
        if self.error is not None:
            raise self.error
        self.written.append((octets, address))

    def getHost(self) -> IPv4Address | IPv6Address:
        """Where it is bound."""
        kind = IPv6Address if ":" in self.interface else IPv4Address
        return kind("UDP", self.interface, self.port)

    def stopListening(self) -> None:
        """Close it."""
        self.stopped = True


class Names:
    """A resolver of these names; an IP address is its own."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def resolveHostName(
        self, receiver: Any, host: str, portNumber: int = 0, *_: Any, **__: Any
    ) -> None:
        """Answer at once."""
        receiver.resolutionBegan(None)
        address = host if isIPAddress(host) else self.names.get(host)
        if address is not None:
            receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()


class UDPMemoryReactor(MemoryReactorClock):
    """Twisted's reactor in memory, with ``listenUDP``."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver: Any = Names({})
        self.udp: list[tuple[DatagramProtocol, UDPPort]] = []

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> UDPPort:
        """Listen; port 0 becomes 40000 and so on."""
        bound = UDPPort(interface, port or 40_000 + len(self.udp), maxPacketSize)
        protocol.transport = bound
        self.udp.append((protocol, bound))
        return bound
