"""
RTP ports that somebody looks at.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from ...plan import Address
from ...rtp.datagram import Datagram
from ..media.rtp_port import PortPair, TakeRTCP

Came = Callable[[list[Datagram], int], None]
"Takes RTP, and the port that it came to."
Reported = Callable[[bytes, Address, int, bool], None]
"Takes RTCP, the peer, our port, and whether it went out."


class WatchedPair:
    """
    A :class:`~..media.rtp_port.PortPair` that does what it did, and shows what
    comes and goes. What the kernel wrote elsewhere (:meth:`sort`) was seen there.
    """

    def __init__(self, pair: PortPair, came: Came, reported: Reported) -> None:
        self.rtp, self.rtcp = pair.rtp, pair.rtcp
        self._pair = pair
        self._came = came
        self._reported = reported
        self._taker: TakeRTCP | None = None
        self._draining = False
        "What is taken for RTCP now came to the port of RTP (:rfc:`5761`)."
        self._sorting = False

    def fileno(self) -> int:
        """See :meth:`PortPair.fileno`."""
        return self._pair.fileno()

    def drain(self, limit: int) -> list[Datagram]:
        """See :meth:`PortPair.drain`."""
        self._draining = True
        try:
            datagrams = self._pair.drain(limit)
        finally:
            self._draining = False
        if datagrams:
            self._came(datagrams, self.rtp)
        return datagrams

    def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
        """See :meth:`PortPair.sort`."""
        self._sorting = True
        try:
            return self._pair.sort(datagrams)
        finally:
            self._sorting = False

    def take_rtcp(self, taker: TakeRTCP) -> None:
        """See :meth:`PortPair.take_rtcp`."""
        self._taker = taker
        self._pair.take_rtcp(self._take)

    def _take(self, octets: bytes, source: Address) -> None:
        if not self._sorting:
            self._reported(octets, source, self.rtp if self._draining else self.rtcp, False)
        if self._taker is not None:
            self._taker(octets, source)

    def send_rtcp(self, octets: bytes, destination: Address, mux: bool) -> None:
        """See :meth:`PortPair.send_rtcp`."""
        self._reported(octets, destination, self.rtp if mux else self.rtcp, True)
        self._pair.send_rtcp(octets, destination, mux)

    def close(self) -> Deferred[None]:
        """See :meth:`PortPair.close`."""
        return self._pair.close()
