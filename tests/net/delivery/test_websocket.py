"""One WebSocket connection to a consumer."""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.net.delivery.websocket_peer import Peer
from twisted_siprec.net.delivery.websocket import (
    ConnectionFactory,
    ConnectionSettings,
    Ending,
    Handshake,
)

URL = "ws://consumer.example.com:9000/calls?x=1"


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def opened(self, subprotocol: str | None) -> None:
        self.heard.append(("opened", subprotocol))

    def received(self, message: str | bytes) -> None:
        self.heard.append(message)

    def closed(self, ending: Ending) -> None:
        self.heard.append(ending)

    def blocked(self) -> None:
        self.heard.append("blocked")

    def unblocked(self) -> None:
        self.heard.append("unblocked")


class ConnectionTests(SynchronousTestCase):
    """From handshake to end."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.listener = Listener()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def connect(self, **handshake: Any) -> Peer:
        """A connection that has sent its handshake."""
        settings = ConnectionSettings(max_message_octets=100)
        factory = ConnectionFactory(
            self.clock, Handshake(URL, **handshake), self.listener, settings, "siprec/1"
        )
        return Peer(factory.buildProtocol(None))

    def opened(self) -> Peer:
        """A connection that is open."""
        peer = self.connect()
        peer.accept()
        self.listener.heard.clear()
        return peer

    def test_handshake(self) -> None:
        """Target, host, subprotocols and header fields are as they were asked for."""
        peer = self.connect(
            subprotocols=("a", "b"),
            headers=(("Authorization", "Bearer x"), ("X-Name", "Ann\r\nB: c")),
        )
        self.assertTrue(peer.request.startswith("GET /calls?x=1 HTTP/1.1\r\n"))
        self.assertEqual(peer.header("Host"), "consumer.example.com:9000")
        self.assertEqual(peer.header("Sec-WebSocket-Protocol"), "a,b")
        self.assertEqual(peer.header("Authorization"), "Bearer x")
        self.assertEqual(peer.header("X-Name"), "Ann  B: c")
        self.assertEqual(peer.header("User-Agent"), "siprec/1")
        self.assertIsNone(peer.header("Sec-WebSocket-Extensions"))
        self.assertIsNone(peer.header("B"))
        peer.accept("b")
        self.assertEqual(self.listener.heard, [("opened", "b")])
        peer.end()

    def test_messages(self) -> None:
        """Texts are text and audio is binary, both ways; what is no text is mended."""
        peer = self.opened()
        peer.protocol.send("käse\ud800")
        peer.protocol.send(b"\x00\x01")
        self.assertEqual(peer.frames(), [(1, "käse?".encode()), (2, b"\x00\x01")])
        peer.send(1, "schön".encode())
        peer.send(2, b"\xff")
        self.assertEqual(self.listener.heard, ["schön", b"\xff"])
        peer.end()

    def test_back_pressure(self) -> None:
        """The transport's full and empty are told; it has a push producer, and lets go of it."""
        peer = self.opened()
        producer = peer.transport.producer
        verifyObject(IPushProducer, producer)
        self.assertTrue(peer.transport.streaming)
        producer.pauseProducing()
        producer.resumeProducing()
        producer.stopProducing()
        self.assertEqual(self.listener.heard, ["blocked", "unblocked"])
        peer.protocol.drop("enough")
        self.assertIsNone(peer.transport.producer)
        peer.end()

    def test_refused(self) -> None:
        """An HTTP status instead of a WebSocket is told as such."""
        peer = self.connect()
        peer.refuse("403 Forbidden")
        (ending,) = self.listener.heard
        self.assertEqual((ending.status, ending.clean), (403, False))
        self.assertIn("403", ending.reason)

    def test_closed_by_the_consumer(self) -> None:
        """Its code and its politeness are told."""
        peer = self.opened()
        peer.close(4003)
        (ending,) = self.listener.heard
        self.assertEqual((ending.code, ending.clean), (4003, True))

    def test_vanished(self) -> None:
        """No closing handshake: not clean."""
        peer = self.opened()
        peer.end()
        (ending,) = self.listener.heard
        self.assertEqual((ending.code, ending.clean), (None, False))

    def test_leave(self) -> None:
        """A close frame with our code; dropped if the consumer does not answer."""
        peer = self.opened()
        peer.protocol.leave(1001, "shutdown")
        self.assertEqual(peer.frames(), [(8, struct.pack(">H", 1001) + b"shutdown")])
        self.assertFalse(peer.transport.disconnecting)
        self.clock.advance(2.0)
        self.assertTrue(peer.transport.aborted)
        peer.end()

    def test_leave_before_it_is_open(self) -> None:
        """There is nobody to be polite to."""
        peer = self.connect()
        peer.protocol.leave(1000, "enough")
        self.assertTrue(peer.transport.aborted)
        peer.end()
        self.assertEqual(self.listener.heard[0].reason, "enough")

    def test_a_consumer_that_closes_and_stays(self) -> None:
        """After its close frame the transport is dropped by us, if it does not do so."""
        peer = self.opened()
        peer.send(8, struct.pack(">H", 1000))
        self.clock.advance(2.0)
        self.assertTrue(peer.transport.aborted)
        peer.end()

    def test_pings(self) -> None:
        """A ping each 20 s; anything that comes is an answer; nothing is the end."""
        peer = self.opened()
        self.clock.advance(20.0)
        ((opcode, _),) = peer.frames()
        self.assertEqual(opcode, 9)
        peer.send(10, b"")
        self.clock.advance(20.0)
        self.assertFalse(peer.transport.aborted)
        self.clock.advance(20.0)
        self.assertTrue(peer.transport.aborted)
        peer.end()
        self.assertEqual(self.listener.heard[0].reason, "no answer to a ping")

    def test_too_large_a_message(self) -> None:
        """A message beyond the limit ends the connection before it is read."""
        peer = self.opened()
        peer.protocol.dataReceived(bytes([0x81, 126]) + struct.pack(">H", 101))
        self.assertTrue(peer.transport.aborted)
        peer.end()

    def test_an_endless_answer(self) -> None:
        """A handshake's answer that does not end is not read on."""
        peer = self.connect()
        peer.protocol.dataReceived(b"HTTP/1.1 101 x\r\n" + b"X: y\r\n" * 12_000)
        self.assertTrue(peer.transport.aborted)
        peer.end()

    def test_no_http(self) -> None:
        """Octets that are no HTTP refuse the handshake, and raise nothing."""
        for answer in (b"\xff\xfe\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"x y\r\n: \r\n\r\n"):
            self.listener.heard.clear()
            peer = self.connect()
            peer.protocol.dataReceived(answer)
            self.assertTrue(peer.transport.aborted, answer)
            peer.end()
            self.assertIsNone(self.listener.heard[0].status)

    def test_secrets_are_not_in_the_repr(self) -> None:
        """A handshake can be logged."""
        handshake = Handshake(URL, (), (("Authorization", "Bearer topsecret"),))
        self.assertNotIn("topsecret", repr(handshake))
