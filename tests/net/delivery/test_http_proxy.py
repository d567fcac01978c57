"""Connections through an HTTP proxy."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.net.delivery.websocket_peer import FakeEndpoint, FakeTransport
from twisted_siprec.net.delivery.http_proxy import IStreamClientEndpoint, ProxyEndpoint, ProxyError


class Consumer(Protocol):
    """What is connected in the end."""

    heard = b""
    lost = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class ProxyTests(SynchronousTestCase):
    """CONNECT, and what the proxy answers."""

    def setUp(self) -> None:
        self.proxy = FakeEndpoint()
        endpoint = ProxyEndpoint(self.proxy, "speech.example.com", 443)
        verifyObject(IStreamClientEndpoint, endpoint)
        self.done: Deferred[IProtocol] = endpoint.connect(Factory.forProtocol(Consumer))

    def connect(self) -> tuple[Protocol, StringTransport]:
        factory, connecting = self.proxy.attempts[0]
        asking = factory.buildProtocol(None)
        transport = FakeTransport()
        asking.makeConnection(transport)
        connecting.callback(asking)
        return asking, transport

    def test_connected(self) -> None:
        """The request is as :rfc:`9110#section-9.3.6` has it; what follows is the consumer's."""
        asking, transport = self.connect()
        self.assertEqual(
            transport.value(),
            b"CONNECT speech.example.com:443 HTTP/1.1\r\nHost: speech.example.com:443\r\n\r\n",
        )
        for octet in b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n":
            self.assertNoResult(self.done)
            asking.dataReceived(bytes([octet]))
        consumer = self.successResultOf(self.done)
        assert isinstance(consumer, Consumer)
        self.assertIs(consumer.transport, transport)
        asking.dataReceived(b"more")
        self.assertEqual(consumer.heard, b"more")
        asking.connectionLost()
        self.assertTrue(consumer.lost)

    def test_authorization(self) -> None:
        """Credentials are in the request (:rfc:`9110#section-11.7.2`), and nowhere else."""
        endpoint = ProxyEndpoint(self.proxy, "speech.example.com", 443, "Basic c3JzOnM=")
        done = endpoint.connect(Factory.forProtocol(Consumer))
        factory, connecting = self.proxy.attempts[1]
        asking = factory.buildProtocol(None)
        transport = FakeTransport()
        asking.makeConnection(transport)
        connecting.callback(asking)
        self.assertEqual(
            transport.value(),
            b"CONNECT speech.example.com:443 HTTP/1.1\r\nHost: speech.example.com:443\r\n"
            b"Proxy-Authorization: Basic c3JzOnM=\r\n\r\n",
        )
        transport.clear()
        asking.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
        self.successResultOf(done)
        self.assertEqual(transport.value(), b"")

    def test_early_octets(self) -> None:
        """What comes with the answer is the consumer's too."""
        asking, _ = self.connect()
        asking.dataReceived(b"HTTP/1.0 200 OK\r\n\r\nhello")
        consumer = self.successResultOf(self.done)
        assert isinstance(consumer, Consumer)
        self.assertEqual(consumer.heard, b"hello")

    def test_refused(self) -> None:
        """Its status is told, and it is left."""
        asking, transport = self.connect()
        asking.dataReceived(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        failure = self.failureResultOf(self.done, ProxyError)
        self.assertIn("407", failure.getErrorMessage())
        self.assertTrue(transport.disconnecting)
        asking.connectionLost()

    def test_nonsense(self) -> None:
        """Something that is no HTTP, or does not end, or ends too soon."""
        for answer in (b"220 smtp ready\r\n\r\n", b"x" * 20_000, b"\r\n\r\n"):
            self.setUp()
            asking, transport = self.connect()
            asking.dataReceived(answer)
            self.failureResultOf(self.done, ProxyError)
            self.assertTrue(transport.disconnecting)
        self.setUp()
        asking, _ = self.connect()
        asking.connectionLost()
        self.failureResultOf(self.done, ProxyError)

    def test_no_proxy(self) -> None:
        """The proxy cannot be reached."""
        self.proxy.fail(ConnectionRefusedError())
        self.failureResultOf(self.done, ConnectionRefusedError)

    def test_cancelled(self) -> None:
        """Before it is there, and while it thinks."""
        self.done.addErrback(lambda failure: None)
        self.done.cancel()
        self.assertEqual(self.proxy.cancelled, 1)
        self.setUp()
        self.done.addErrback(lambda failure: None)
        asking, transport = self.connect()
        self.done.cancel()
        self.assertTrue(transport.disconnecting)
        asking.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")

    def test_ipv6(self) -> None:
        """An address is written in brackets."""
        ProxyEndpoint(self.proxy, "2001:db8::1", 80).connect(Factory.forProtocol(Consumer))
        asking = self.proxy.attempts[1][0].buildProtocol(None)
        transport = StringTransport()
        asking.makeConnection(transport)
        self.assertTrue(transport.value().startswith(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\n"))
