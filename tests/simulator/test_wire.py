from __future__ import annotations

from pathlib import Path

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import FakeReactor
from twisted_siprec.plan import ClientTLS
from twisted_siprec.simulator.certificates import make_certificate
from twisted_siprec.simulator.wire import (
    Message,
    StreamWire,
    Target,
    UDPWire,
    WireError,
    open_wire,
    sent_by,
)
from twisted_siprec.sip.events import Address, Transport

OK = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 2\r\n\r\nhi"


class RecordedListener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, Address]] = []
        self.losses: list[str] = []
        self.traces: list[tuple[bool, bytes, Address]] = []

    def received(self, message: Message, source: Address) -> None:
        """A message."""
        self.messages.append((message.start_line, message.body, source))

    def lost(self, reason: str) -> None:
        """The wire is gone."""
        self.losses.append(reason)

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """Octets."""
        self.traces.append((outgoing, octets, peer))


class TargetTests(SynchronousTestCase):
    def test_forms(self) -> None:
        """A URI or a bare host is taken, with the port and the transport that it means."""
        for text, transport, wanted in (
            ("sip:srs@192.0.2.9:5070", None, (Transport.UDP, "192.0.2.9", 5070)),
            ("srs.example.com", None, (Transport.UDP, "srs.example.com", 5060)),
            ("sip:srs@192.0.2.9;transport=tcp", None, (Transport.TCP, "192.0.2.9", 5060)),
            ("sips:srs@192.0.2.9", None, (Transport.TLS, "192.0.2.9", 5061)),
            ("sip:[2001:db8::1]:5062", Transport.TCP, (Transport.TCP, "2001:db8::1", 5062)),
            ("sip:192.0.2.9;transport=udp", Transport.TLS, (Transport.TLS, "192.0.2.9", 5061)),
        ):
            target = Target.parse(text, transport)
            self.assertEqual((target.transport, target.host, target.port), wanted, text)
        self.assertEqual(Target.parse("srs.example.com").uri, "sip:srs.example.com")

    def test_mistakes(self) -> None:
        """What is no SIP URI, or asks for a transport that there is not, is told."""
        self.assertIn("is no SIP URI", str(self.assertRaises(ValueError, Target.parse, "sip:a b")))
        error = self.assertRaises(ValueError, Target.parse, "sip:192.0.2.9;transport=sctp")
        self.assertIn("transport=sctp", str(error))

    def test_sent_by(self) -> None:
        """An IPv6 address is written in brackets."""
        self.assertEqual(sent_by(("2001:db8::1", 5060)), "[2001:db8::1]:5060")
        self.assertEqual(sent_by(("192.0.2.1", 5060)), "192.0.2.1:5060")


class UDPWireTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.listener = RecordedListener()
        self.wire = UDPWire(("192.0.2.9", 5060), self.listener)
        self.wire.open(self.reactor, "")
        self.probe, self.port = self.reactor.ports

    def test_open(self) -> None:
        """Our address is the one that the kernel chooses toward the SRS; it gets a keep-alive."""
        self.assertEqual(self.wire.local, ("192.0.2.1", 5071))
        self.assertEqual(self.probe.connected, ("192.0.2.9", 5060))
        self.assertEqual(self.probe.written, [(b"\r\n\r\n", None)])

    def test_send(self) -> None:
        """A message goes to where it is for, else to the SRS, and is traced."""
        self.wire.send(OK, None)
        self.wire.send(OK, ("192.0.2.7", 5080))
        self.assertEqual(self.port.written, [(OK, ("192.0.2.9", 5060)), (OK, ("192.0.2.7", 5080))])
        self.assertEqual(self.listener.traces[0], (True, OK, ("192.0.2.9", 5060)))

    def test_receive(self) -> None:
        """A message from any address is taken; the probe is not needed any more."""
        self.wire.datagramReceived(OK, ("192.0.2.7", 5080))
        self.wire.datagramReceived(b"\r\n\r\n", ("192.0.2.9", 5060))
        self.assertEqual(self.listener.messages, [("SIP/2.0 200 OK", b"hi", ("192.0.2.7", 5080))])
        self.assertEqual((self.probe.stopped, self.listener.losses), (True, []))

    def test_refused(self) -> None:
        """A refusal is told once, and both ports are closed."""
        self.probe.protocol.connectionRefused()
        self.assertEqual(
            self.listener.losses,
            ["connection refused: nothing listens on UDP 192.0.2.9:5060"],
        )
        self.assertTrue(self.port.stopped and self.probe.stopped)
        self.wire.send(OK, None)
        self.assertEqual(self.port.written, [])

    def test_refused_by_hang_up(self) -> None:
        """Some reactors close a port that was refused; that is the same."""
        self.probe.protocol.doStop()
        self.assertEqual(len(self.listener.losses), 1)

    def test_close(self) -> None:
        """A closed wire says nothing; it may be closed twice."""
        self.wire.close()
        self.wire.close()
        self.assertTrue(self.port.stopped)
        self.assertEqual(self.listener.losses, [])


class StreamWireTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.listener = RecordedListener()
        self.wire = StreamWire(self.listener)
        self.transport = StringTransport(
            hostAddress=IPv4Address("TCP", "192.0.2.1", 40000),
            peerAddress=IPv4Address("TCP", "192.0.2.9", 5060),
        )
        self.wire.makeConnection(self.transport)

    def test_messages(self) -> None:
        """Messages are cut out of the stream wherever it is broken up."""
        for octet in OK + OK:
            self.wire.dataReceived(bytes([octet]))
        self.assertEqual(
            self.listener.messages, [("SIP/2.0 200 OK", b"hi", ("192.0.2.9", 5060))] * 2
        )

    def test_send(self) -> None:
        """A message goes out on the connection."""
        self.wire.send(OK, ("192.0.2.7", 1))
        self.assertEqual(self.transport.value(), OK)
        self.assertEqual(self.wire.local, ("192.0.2.1", 40000))

    def test_lost(self) -> None:
        """A connection that is lost is told once; one that we close is not."""
        self.wire.connectionLost(Failure(ConnectionDone()))
        self.wire.close()
        self.assertEqual(len(self.listener.losses), 1)
        self.assertIn("the connection was lost", self.listener.losses[0])

    def test_closed(self) -> None:
        """After we closed it, nothing goes out, comes in or is told."""
        self.wire.close()
        self.assertTrue(self.transport.disconnecting)
        self.wire.send(OK, None)
        self.wire.dataReceived(OK)
        self.wire.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.transport.value(), self.listener.messages), (b"", []))
        self.assertEqual(self.listener.losses, [])

    def test_garbage(self) -> None:
        """A stream that is no SIP is closed, and told."""
        self.wire.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(len(self.listener.losses), 1)


class OpenTests(SynchronousTestCase):
    def open(self, uri: str, tls: ClientTLS | None = None) -> tuple[FakeReactor, Deferred[object]]:
        """Open a wire."""
        reactor = FakeReactor()
        opening = open_wire(
            reactor,
            Target.parse(uri),
            RecordedListener(),
            tls=tls or ClientTLS(),
            local="192.0.2.1",
        )
        return reactor, Deferred.fromCoroutine(opening)

    def test_tcp(self) -> None:
        """A TCP connection is made to the target, from our address."""
        reactor, opening = self.open("sip:192.0.2.9:5070;transport=tcp")
        host, port, factory, _, bound = reactor.tcpClients[0]
        # The reactor in memory has one address for all hosts.
        self.assertEqual((host, port, bound), ("127.0.0.1", 5070, ("192.0.2.1", 0)))
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(StringTransport())
        self.assertIsInstance(self.successResultOf(opening), StreamWire)

    def test_tcp_refused(self) -> None:
        """A connection that fails is told with its address."""
        reactor, opening = self.open("sip:192.0.2.9:5070;transport=tcp")
        reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        reactor.advance(1)
        error = self.failureResultOf(opening, WireError).value
        self.assertIn("no TCP connection to 192.0.2.9:5070", str(error))

    def test_tls(self) -> None:
        """TLS is on top of TCP, verified by the authority that was given."""
        directory = Path(self.mktemp())
        directory.mkdir()
        certificate, key = make_certificate(directory)
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        reactor, _ = self.open(
            "sips:127.0.0.1",
            ClientTLS(authorities=str(certificate), certificate=str(certificate), key=str(key)),
        )
        self.assertEqual(reactor.tcpClients[0][:2], ("127.0.0.1", 5061))

    def test_bad_certificate(self) -> None:
        """A file that is no certificate is told."""
        _, opening = self.open("sips:127.0.0.1", ClientTLS(authorities="/nonexistent.pem"))
        self.assertIn("/nonexistent.pem", str(self.failureResultOf(opening, WireError).value))
