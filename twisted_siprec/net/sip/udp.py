"""
SIP over UDP: one message in one datagram.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from ...sip.events import Address, Flow, Transport
from .local_address import LocalAddresses

Receive = Callable[[bytes, Flow], None]
"Takes one message, or what the framing of a connection gave."
Admit = Callable[[Flow], bool]
"Whether to read on what comes on a flow; where not, the peer hears nothing."


class SIPDatagrams(DatagramProtocol):
    """
    One UDP listener.

    :param key: names the listener in the flows of what comes by it.
    """

    noisy = False
    _log = Logger()

    def __init__(self, key: str, receive: Receive, admit: Admit, addresses: LocalAddresses) -> None:
        self.key = key
        self._addresses = addresses
        self.local: Address = ("", 0)
        self.advertised: Address = ("", 0)
        self._receive = receive
        self._admit = admit

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """A message, a keep-alive or noise."""
        # IPv6 addresses come with a flow label and a scope.
        remote = (addr[0], addr[1])
        local = self._addresses.concrete(self.local, addr[0])
        advertised = self._addresses.concrete(self.advertised, addr[0])
        flow = Flow(Transport.UDP, self.key, local, remote, advertised)
        if self._admit(flow):
            self._receive(datagram, flow)

    def send(self, octets: bytes, destination: Address) -> bool:
        """Send a message; False where the system does not take it."""
        if self.transport is None:
            return False
        try:
            self.transport.write(octets, destination)
        except (OSError, MessageLengthError, ValueError) as error:
            self._log.warn(
                "{octets} octets of SIP to {destination} by UDP: {error}",
                octets=len(octets),
                destination=destination,
                error=error,
            )
            return False
        return True
