"""
The UDP ports of a stream.

RTP is read when its bridge is due, all at once: the socket's queue in the kernel
is the first stage of the jitter buffer, and the kernel notes when each datagram
came. So an RTP port never wakes the reactor. RTCP is rare and is read the usual
way.
"""

from __future__ import annotations

import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from twisted.internet import udp
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from ...bridge.settings import MediaSettings
from ...plan import Address
from ...rtp.datagram import Datagram
from ...rtp.header import is_rtcp

_TIMESTAMP = 35 if sys.platform == "linux" else None
"SO_TIMESTAMPNS, which the socket module has no name for."
_DROPS = 40 if sys.platform == "linux" else None
"SO_RXQ_OVFL: with each datagram, how many were dropped of its socket before it."
_TIMESPEC = Struct("@ll")
_COUNT = Struct("@I")
_TRUNCATED = int(socket.MSG_TRUNC)
_ANCILLARY_OCTETS = 64

Monotonic = Callable[[], float]
TakeRTCP = Callable[[bytes, Address], None]


class PortPair(Protocol):
    """Where the RTP and the RTCP of one stream come in."""

    rtp: int
    rtcp: int

    def fileno(self) -> int:
        """The descriptor of the RTP socket, for who can read that; -1 where there is none."""

    def drain(self, limit: int) -> list[Datagram]:
        """The RTP that came since the last time, in the order of arrival, as much as allowed."""

    def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
        """What was read of the RTP socket by other means; RTCP is taken out of it."""

    def take_rtcp(self, taker: TakeRTCP) -> None:
        """Give what comes as RTCP, on either port, to ``taker``."""

    def send_rtcp(self, octets: bytes, destination: Address, mux: bool) -> None:
        """Send from the port on which RTCP is received (:rfc:`4961`)."""

    def close(self) -> Deferred[None]:
        """Let the ports go."""


class RTPReceiver(DatagramProtocol):
    """Keeps what comes until it is asked for, whoever reads the socket."""

    def __init__(self, monotonic: Monotonic, limit: int) -> None:
        self._monotonic = monotonic
        self._inbox: deque[Datagram] = deque(maxlen=limit)

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """A reactor read it, where the port has joined one."""
        self._inbox.append(Datagram(datagram, addr, self._monotonic()))

    def drain(self, limit: int) -> list[Datagram]:
        """What came, from the inbox and from the socket."""
        datagrams = list(self._inbox)
        self._inbox.clear()
        if isinstance(self.transport, RTPPort):
            datagrams += self.transport.drain(limit)
        return datagrams


class RTPPort(udp.Port):
    """A UDP port that is bound like any other, but read only by :meth:`drain`."""

    def __init__(
        self,
        port: int,
        protocol: RTPReceiver,
        interface: str,
        settings: MediaSettings,
        monotonic: Monotonic,
        reactor: object,
    ) -> None:
        super().__init__(  # type: ignore[no-untyped-call] # Twisted's
            port, protocol, interface, settings.max_datagram_octets, reactor
        )
        self._monotonic = monotonic
        self._receive_buffer_octets = settings.receive_buffer_octets

    def createInternetSocket(self) -> socket.socket:
        """
        A socket with a long queue and timestamps. The kernel begins to stamp a
        moment after the first socket of the machine asks; what comes before is
        stamped when it is read.
        """
        made: socket.socket = super().createInternetSocket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_octets)
        for option in (_TIMESTAMP, _DROPS):
            if option is not None:
                made.setsockopt(socket.SOL_SOCKET, option, 1)
        return made

    def startReading(self) -> None:
        """Stay out of the reactor: nobody is woken per packet."""

    def drain(self, limit: int) -> list[Datagram]:
        """All datagrams that are in the socket's queue, up to a number."""
        datagrams: list[Datagram] = []
        if not self.connected:
            return datagrams
        receive, octets = self.socket.recvmsg, self.maxPacketSize
        # From the kernel's clock to ours; both are read once for all datagrams.
        offset = self._monotonic() - time.time()
        for _ in range(limit):
            try:
                payload, ancillary, flags, address = receive(octets, _ANCILLARY_OCTETS)
            except BlockingIOError:
                break
            except OSError:
                # An ICMP error of a report that we sent: the next call has the datagrams.
                continue
            if flags & _TRUNCATED:
                payload = b""
            arrived_at, dropped = None, 0
            for _, kind, octets_of in ancillary:
                if kind == _TIMESTAMP:
                    seconds, nanoseconds = _TIMESPEC.unpack_from(octets_of)
                    arrived_at = seconds + nanoseconds * 1e-9 + offset
                elif kind == _DROPS:
                    (dropped,) = _COUNT.unpack_from(octets_of)
            if arrived_at is None:
                arrived_at = self._monotonic()
            datagrams.append(Datagram(payload, address[:2], arrived_at, dropped))
        return datagrams


class RTCPReceiver(DatagramProtocol):
    """Gives RTCP on, and sends ours."""

    def __init__(self, taker: TakeRTCP) -> None:
        self._taker = taker

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Every report is looked at as it comes; there is one in some seconds."""
        self._taker(datagram, addr)

    def connectionRefused(self) -> None:
        """Many SRCs have nobody listening for RTCP; that means nothing."""


class BoundPair:
    """Two ports of this machine."""

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorUDP,
        address: str,
        number: int,
        settings: MediaSettings,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        """:exc:`twisted.internet.error.CannotListenError` where one of them is taken."""
        self.rtp, self.rtcp = number, number + 1
        self._taker: TakeRTCP | None = None
        self._receiver = RTPReceiver(monotonic, settings.max_drain)
        self._rtp_port = RTPPort(number, self._receiver, address, settings, monotonic, reactor)
        self._rtp_port.startListening()  # type: ignore[no-untyped-call] # Twisted's
        self._descriptor = int(self._rtp_port.socket.fileno())
        self._reports = RTCPReceiver(self._take_rtcp)
        try:
            self._rtcp_port = reactor.listenUDP(
                number + 1, self._reports, address, settings.max_datagram_octets
            )
        except CannotListenError:
            self._rtp_port.stopListening()  # type: ignore[no-untyped-call] # Twisted's
            raise

    def fileno(self) -> int:
        """See :meth:`PortPair.fileno`."""
        return self._descriptor

    def drain(self, limit: int) -> list[Datagram]:
        """See :meth:`PortPair.drain`; RTCP that shares the port is taken out (:rfc:`5761`)."""
        return self.sort(self._receiver.drain(limit))

    def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
        """See :meth:`PortPair.sort`."""
        if any(is_rtcp(datagram.octets) for datagram in datagrams):
            for datagram in datagrams:
                if is_rtcp(datagram.octets):
                    self._take_rtcp(datagram.octets, datagram.source)
            return [datagram for datagram in datagrams if not is_rtcp(datagram.octets)]
        return datagrams

    def take_rtcp(self, taker: TakeRTCP) -> None:
        """See :meth:`PortPair.take_rtcp`."""
        self._taker = taker

    def _take_rtcp(self, octets: bytes, source: Address) -> None:
        if self._taker is not None:
            self._taker(octets, source)

    def send_rtcp(self, octets: bytes, destination: Address, mux: bool) -> None:
        """See :meth:`PortPair.send_rtcp`. What cannot be sent is not sent."""
        transport = self._receiver.transport if mux else self._reports.transport
        if transport is None:
            return
        try:
            transport.write(octets, destination)
        except (OSError, ValueError) as error:
            self._log.debug("no RTCP to {to}: {error}", to=destination, error=error)

    def close(self) -> Deferred[None]:
        """See :meth:`PortPair.close`."""
        self._taker = None
        # Closed in the next turn of the reactor, and perhaps another's after that.
        self._descriptor = -1
        closing = [maybeDeferred(port.stopListening) for port in (self._rtp_port, self._rtcp_port)]
        closed: Deferred[None] = Deferred()
        DeferredList(closing, consumeErrors=True).addCallback(lambda _: closed.callback(None))
        return closed


OpenPair = Callable[[str, int], PortPair]
"Binds a pair on an address, from an even port on; raises CannotListenError."
