"""
The way of SIP messages to Homer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.sip_fakes import UDPMemoryReactor
from twisted_siprec.config.tracing import HomerConfiguration
from twisted_siprec.net.traces.homer import Homer
from twisted_siprec.plan import Secret
from twisted_siprec.sip.events import Flow, Traced, Transport

A, B = ("192.0.2.1", 5060), ("198.51.100.7", 5062)
MESSAGE = Traced(
    False,
    Flow(Transport.UDP, "udp-1", A, B, A),
    B,
    b"INVITE x\r\n\r\na=crypto:1 X inline:SECRET\r\n",
    "c1",
    "INVITE x",
)


class NamedReactor(UDPMemoryReactor):
    """One that looks names up when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Deferred[str]] = []

    def resolve(self, name: str) -> Deferred[str]:
        """Look a name up."""
        self.asked.append(Deferred())
        return self.asked[-1]


class HomerTests(SynchronousTestCase):
    """Datagrams and a connection."""

    def homer(self, **settings: Any) -> Homer:
        self.reactor = NamedReactor()
        given = HomerConfiguration(**{"collector": ("127.0.0.1", 9060), **settings})
        homer = Homer(given, self.reactor, lambda: 1_700_000_000.0)
        homer.startService()
        return homer

    def counted(self, homer: Homer) -> tuple[int, int]:
        counters = homer.statistics()
        return counters["sent to Homer"], counters["not sent to Homer"]

    def test_udp(self) -> None:
        """A message is a datagram, without the keys in it."""
        homer = self.homer(node="rec-1")
        homer.traced(MESSAGE)
        [(_, port)] = self.reactor.udp
        [(octets, address)] = port.written
        self.assertEqual(address, ("127.0.0.1", 9060))
        self.assertEqual(octets[:4], b"HEP3")
        for part in (b"rec-1", b"c1", b"INVITE x", b"inline:******\r\n"):
            self.assertIn(part, octets)
        self.assertNotIn(b"SECRET", octets)
        self.assertEqual(self.counted(homer), (1, 0))
        self.successResultOf(homer.stopService())
        self.assertTrue(port.stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """What the system does not take is counted, and so is what is too long."""
        homer = self.homer()
        [(_, port)] = self.reactor.udp
        port.error = BlockingIOError()
        homer.traced(MESSAGE)
        port.error = None
        long = Traced(True, MESSAGE.flow, B, bytes(65_450), "c1", "")
        homer.traced(long)
        homer.traced(Traced(True, MESSAGE.flow, B, bytes(65_530), "c1", ""))
        homer.traced(MESSAGE)
        self.assertEqual(self.counted(homer), (1, 3))
        self.assertEqual(len(port.written), 1)

    def test_name(self) -> None:
        """The name of a collector is looked up again and again; until then all is dropped."""
        homer = self.homer(collector=("homer", 9060))
        homer.traced(MESSAGE)
        self.reactor.asked[0].errback(Failure(OSError("no such name")))
        self.assertEqual(self.reactor.udp, [])
        self.reactor.advance(60)
        self.reactor.asked[1].callback("192.0.2.99")
        homer.traced(MESSAGE)
        self.reactor.advance(60)
        self.reactor.asked[2].callback("192.0.2.100")
        homer.traced(MESSAGE)
        [(_, port)] = self.reactor.udp
        self.assertEqual(
            [address for _, address in port.written], [("192.0.2.99", 9060), ("192.0.2.100", 9060)]
        )
        self.assertEqual(self.counted(homer), (2, 1))
        self.successResultOf(homer.stopService())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_version_6(self) -> None:
        """A collector by IPv6 is reached from a socket of IPv6."""
        self.homer(collector=("::1", 9060)).traced(MESSAGE)
        [(_, port)] = self.reactor.udp
        self.assertEqual((port.interface, port.written[0][1]), ("::", ("::1", 9060)))

    def test_password(self) -> None:
        """It is in every message, read again after a while; without it nothing is sent."""
        path = Path(self.mktemp())
        homer = self.homer(password=Secret(file=str(path)))
        homer.traced(MESSAGE)
        path.write_text("old\n")
        homer.traced(MESSAGE)
        path.write_text("new\n")
        homer.traced(MESSAGE)
        self.reactor.advance(10)
        homer.traced(MESSAGE)
        [(_, port)] = self.reactor.udp
        sent = [octets for octets, _ in port.written]
        chunk = b"\x00\x00\x00\x0e\x00\x09"
        self.assertEqual([octets.count(chunk + b"old") for octets in sent], [1, 1, 0])
        self.assertEqual([octets.count(chunk + b"new") for octets in sent], [0, 0, 1])
        self.assertEqual(self.counted(homer), (3, 1))

    def test_tcp(self) -> None:
        """One connection, on which nothing is written that it does not take, and then another."""
        homer = self.homer(transport="tcp")
        homer.traced(MESSAGE)  # there is none yet
        [(_, _, factory, _, _)] = self.reactor.tcpClients
        protocol, transport = factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        homer.traced(MESSAGE)
        self.assertEqual(transport.value()[:4], b"HEP3")
        transport.clear()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        homer.traced(MESSAGE)
        self.assertEqual(transport.value(), b"")
        transport.producer.resumeProducing()
        homer.traced(MESSAGE)
        self.assertEqual(transport.value()[:4], b"HEP3")
        protocol.connectionLost(Failure(ConnectionDone()))
        homer.traced(MESSAGE)
        self.assertEqual(self.counted(homer), (2, 3))
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.tcpClients), 2)
        homer.stopService()
        self.assertEqual(
            [call for call in self.reactor.getDelayedCalls() if call.func.__name__ == "_resolve"],
            [],
        )
