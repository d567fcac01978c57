"""The inbox of a stream, whoever reads the socket. The sockets are in tests/interop."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.media.rtp_port import RTCPReceiver, RTPReceiver
from twisted_siprec.plan import Address
from twisted_siprec.rtp.datagram import Datagram

HERE = ("192.0.2.1", 4000)


class RTPReceiverTests(SynchronousTestCase):
    """What a reactor delivers is kept until it is drained."""

    def test_inbox(self) -> None:
        """Datagrams are kept with their time, in order, and given once."""
        now = iter((1.0, 2.0))
        receiver = RTPReceiver(lambda: next(now), 10)
        receiver.datagramReceived(b"a", HERE)
        receiver.datagramReceived(b"b", HERE)
        kept = [Datagram(b"a", HERE, 1.0), Datagram(b"b", HERE, 2.0)]
        self.assertEqual(receiver.drain(10), kept)
        self.assertEqual(receiver.drain(10), [])

    def test_bounded(self) -> None:
        """The oldest make room."""
        receiver = RTPReceiver(lambda: 1.0, 2)
        for octets in (b"a", b"b", b"c"):
            receiver.datagramReceived(octets, HERE)
        self.assertEqual([datagram.octets for datagram in receiver.drain(10)], [b"b", b"c"])


class RTCPReceiverTests(SynchronousTestCase):
    """RTCP is given on as it comes."""

    def test_given(self) -> None:
        """Octets and sender; a refusal by the network is nothing."""
        taken: list[tuple[bytes, Address]] = []
        receiver = RTCPReceiver(lambda octets, source: taken.append((octets, source)))
        receiver.datagramReceived(b"report", HERE)
        receiver.connectionRefused()
        self.assertEqual(taken, [(b"report", HERE)])
