"""
The sockets from which a simulated stream sends: an even port for RTP and the
odd one after it for RTCP (:rfc:`3550#section-11`).
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, SOCK_DGRAM, socket
from typing import Protocol

from ..sip.events import Address

_ATTEMPTS = 200
_DATAGRAM_OCTETS = 2048


class NoPortError(Exception):
    """No pair of UDP ports is free on the local address; give another one by --local."""


class MediaPort(Protocol):
    """Where a stream is sent from."""

    port: int

    def connect(self, remote: Address) -> None:
        """From now on, send there."""

    def send(self, packet: bytes | memoryview) -> object:
        """Send RTP. Raises OSError where it cannot be sent."""

    def send_report(self, packet: bytes) -> object:
        """Send RTCP, to the port after the one of RTP. Raises OSError as well."""

    def receive(self, reports: bool) -> bytes | None:
        """A datagram that came on the port of RTP, or of RTCP; None where none did."""

    def close(self) -> None:
        """Give the ports back. It may be closed twice."""


class SocketPair:
    """Two UDP sockets. They are read for handshakes only: an SRS has nothing to say by RTP."""

    def __init__(self, host: str) -> None:
        self._rtp, self._rtcp = _even_pair(host)
        self.port: int = self._rtp.getsockname()[1]
        self.send = self._rtp.send
        self._reports_to: Address | None = None

    def connect(self, remote: Address) -> None:
        """From now on, send there; again where the SRS moved its port."""
        self._rtp.connect(remote)
        self._reports_to = (remote[0], remote[1] + 1)

    def send_report(self, packet: bytes) -> object:
        """Send RTCP."""
        return self._rtcp.sendto(packet, self._reports_to) if self._reports_to else 0

    def receive(self, reports: bool) -> bytes | None:
        """A datagram, of whomever it is."""
        try:
            return (self._rtcp if reports else self._rtp).recv(_DATAGRAM_OCTETS)
        except OSError:
            # There is none, or what we sent was refused (ICMP).
            return None

    def close(self) -> None:
        """Close both."""
        self._rtp.close()
        self._rtcp.close()


def _even_pair(host: str) -> tuple[socket, socket]:
    """An even port and the odd one after it, wherever the kernel has them free."""
    family = AF_INET6 if ":" in host else AF_INET
    for _ in range(_ATTEMPTS):
        rtp, rtcp = socket(family, SOCK_DGRAM), socket(family, SOCK_DGRAM)
        try:
            rtp.bind((host, 0))
            port = rtp.getsockname()[1]
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                rtp.setblocking(False)
                rtcp.setblocking(False)
                return rtp, rtcp
        except OSError:
            # The neighbour is taken, or the host is not ours: the count decides.
            pass
        rtp.close()
        rtcp.close()
    raise NoPortError(f"no even UDP port with its neighbour is free on {host}")
