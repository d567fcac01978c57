"""
A TCP relay between the server and a consumer, which resets its connections, stops
reading, and reads in small sips.
"""

from __future__ import annotations

from typing import Any

from twisted.protocols.portforward import ProxyFactory, ProxyServer

SIP_OCTETS = 512
SIP_EVERY_S = 0.05
"10 kB/s: a third of what a stream of 8 kHz, L16, two channels takes."
READ_OCTETS = 65_536


class _Relayed(ProxyServer):
    """One connection that goes through the relay."""

    factory: Relay

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.open.add(self)
        if self.factory.sipping:
            self.transport.bufferSize = SIP_OCTETS

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.discard(self)
        super().connectionLost(reason)

    def dataReceived(self, octets: bytes) -> None:
        super().dataReceived(octets)
        if self.factory.stalled:
            self.transport.pauseProducing()
        elif self.factory.sipping:
            self.transport.pauseProducing()
            self.factory.reactor.callLater(SIP_EVERY_S, self._sip)

    def _sip(self) -> None:
        if self in self.factory.open and not self.factory.stalled:
            self.transport.resumeProducing()


class Relay(ProxyFactory):
    """Passes on what comes, until it is told not to."""

    noisy = False
    protocol = _Relayed

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        super().__init__(host, port)
        self.reactor = reactor
        self.open: set[_Relayed] = set()
        self.stalled = False
        self.sipping = False

    def reset(self) -> None:
        """RST on all connections, with what is under way in them."""
        for each in list(self.open):
            each.transport.abortConnection()

    def stall(self) -> None:
        """Read nothing more from the server on the connections that there are."""
        self.stalled = True
        for each in self.open:
            each.transport.pauseProducing()

    def sip(self) -> None:
        """Read a little from the server, now and then."""
        self.sipping = True
        for each in self.open:
            each.transport.bufferSize = SIP_OCTETS

    def let_go(self) -> None:
        """Read as fast as it comes."""
        self.stalled = self.sipping = False
        for each in self.open:
            each.transport.bufferSize = READ_OCTETS
            each.transport.resumeProducing()
