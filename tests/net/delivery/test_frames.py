"""
Frames of audio, and that they keep their order.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import tcp
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.delivery.frames import TEXT, Masks, Volley, binary_frame, frame, write_now


def unmasked(frame: bytes) -> bytes:
    """The payload of a binary frame, worked out octet by octet."""
    assert frame[0] == 0x82
    assert frame[1] & 0x80
    length, at = frame[1] & 0x7F, 2
    if length == 126:
        (length,), at = struct.unpack(">H", frame[2:4]), 4
    elif length == 127:
        (length,), at = struct.unpack(">Q", frame[2:10]), 10
    mask, body = frame[at : at + 4], frame[at + 4 :]
    assert len(body) == length
    return bytes(octet ^ mask[index % 4] for index, octet in enumerate(body))


class FrameTests(SynchronousTestCase):
    def test_literal(self) -> None:
        """The masked frame of RFC 6455 section 5.7, as binary."""
        self.assertEqual(
            binary_frame(b"Hello", bytes.fromhex("37fa213d")),
            bytes.fromhex("828537fa213d7f9f4d5158"),
        )
        self.assertEqual(
            frame(TEXT, b"Hello", bytes.fromhex("37fa213d")),
            bytes.fromhex("818537fa213d7f9f4d5158"),
        )

    @given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
    @settings(deadline=None, max_examples=60)
    def test_any_payload(self, payload: bytes, mask: bytes) -> None:
        """Unmasking gives the payload back, whatever its length."""
        self.assertEqual(unmasked(binary_frame(payload, mask)), payload)

    def test_lengths(self) -> None:
        """At the borders of the three forms of a length."""
        for length in (0, 1, 125, 126, 127, 65_535, 65_536, 70_001):
            payload = bytes(index & 0xFF for index in range(length))
            self.assertEqual(unmasked(binary_frame(payload, b"\x01\x02\x03\x04")), payload)

    def test_autobahn_reads_it(self) -> None:
        """Another implementation takes our frames for what they are."""
        heard: list[tuple[bytes, bool]] = []

        class Server(WebSocketServerProtocol):
            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                heard.append((payload, isBinary))

        factory = WebSocketServerFactory("ws://127.0.0.1:9000")
        factory.protocol = Server
        factory.setProtocolOptions(openHandshakeTimeout=0, autoPingInterval=0)
        server = factory.buildProtocol(None)
        server.makeConnection(StringTransport())
        server.dataReceived(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        masks = Masks()
        for payload in (b"", b"abc", bytes(range(256)) * 20):
            server.dataReceived(binary_frame(payload, masks.next()))
        server.dataReceived(frame(TEXT, "müde".encode(), masks.next()))
        self.assertEqual(
            heard,
            [
                (b"", True),
                (b"abc", True),
                (bytes(range(256)) * 20, True),
                ("müde".encode(), False),
            ],
        )


class MasksTests(SynchronousTestCase):
    def test_never_zero(self) -> None:
        """A mask of zeros is passed over."""
        pool = bytes(8) + b"\x00\x00\x00\x01" + bytes(4096 - 12)
        pools = iter([pool, b"\xff" * 4096])
        masks = Masks(lambda octets: next(pools))
        self.assertEqual(masks.next(), b"\x00\x00\x00\x01")
        self.assertEqual(masks.next(), b"\xff\xff\xff\xff")

    def test_never_twice(self) -> None:
        """Each frame has a mask of its own."""
        masks = Masks()
        self.assertEqual(len({masks.next() for _ in range(3_000)}), 3_000)


class Reactor:
    """As much of a reactor as a connection needs to have something to write."""

    def __init__(self) -> None:
        self.writers: set[object] = set()
        self.later: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def addWriter(self, writer: object) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: object) -> None:
        self.writers.discard(writer)

    def addReader(self, reader: object) -> None:
        """Nothing is read."""

    removeReader = addReader

    def callLater(self, delay: float, call: Callable[..., object], *arguments: object) -> None:
        self.later.append((call, arguments))


def pairs(size: int) -> Iterator[tuple[tcp.Connection, socket.socket, Reactor]]:
    """A real transport over a pair of sockets with small buffers."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    reactor = Reactor()
    transport = tcp.Connection(ours, None, reactor)
    transport.connected = True
    transport.logstr = "test"
    yield transport, theirs, reactor
    ours.close()
    theirs.close()


class WriteTests(SynchronousTestCase):
    def test_at_once(self) -> None:
        """With nothing under way the socket gets it in the same call."""
        for transport, theirs, reactor in pairs(65_536):
            write_now(transport, b"frame")
            self.assertEqual(theirs.recv(100), b"frame")
            self.assertEqual(reactor.writers, set())

    def test_order(self) -> None:
        """
        While the reader takes little by little, and writes of both kinds come in
        between, every octet arrives once and in order.
        """
        for transport, theirs, reactor in pairs(4_096):
            theirs.setblocking(False)
            expected, heard = b"", b""
            for number in range(400):
                octets = bytes([number & 0xFF]) * (1 + number * 37 % 3_000)
                expected += octets
                if number % 7 == 3:
                    transport.write(octets)
                else:
                    write_now(transport, octets)
                if number % 3 == 0:
                    heard += self.read(theirs, 2_000)
                if number % 5 == 0 and transport in reactor.writers:
                    transport.doWrite()
            while len(heard) < len(expected):
                heard += self.read(theirs, 65_536)
                if transport in reactor.writers:
                    transport.doWrite()
            self.assertEqual(heard, expected)

    def test_part(self) -> None:
        """What the socket does not take waits for the reactor, and the next waits behind it."""
        for transport, theirs, reactor in pairs(4_096):
            write_now(transport, b"a" * 1_000_000)
            self.assertIn(transport, reactor.writers)
            write_now(transport, b"b")
            heard = b""
            while not heard.endswith(b"b"):
                heard += theirs.recv(65_536)
                transport.doWrite()
            self.assertEqual(heard, b"a" * 1_000_000 + b"b")

    def test_another_transport(self) -> None:
        """TLS, and whatever is no TCP connection, is written to as ever."""
        transport = StringTransport()
        write_now(transport, b"frame")
        self.assertEqual(transport.value(), b"frame")

    @staticmethod
    def read(theirs: socket.socket, most: int) -> bytes:
        try:
            return theirs.recv(most)
        except BlockingIOError:
            return b""


class VolleyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.transports = [StringTransport() for _ in range(4)]

    def frames(self, transport: StringTransport) -> list[bytes]:
        """The payloads that a transport was given."""
        octets, payloads = transport.value(), []
        while octets:
            length = octets[1] & 0x7F
            end = 6 + length if length < 126 else 8 + struct.unpack(">H", octets[2:4])[0]
            payloads.append(unmasked(octets[:end]))
            octets = octets[end:]
        return payloads

    def test_at_once(self) -> None:
        """Outside of a slot nothing is held."""
        volley = Volley()
        volley.send(self.transports[0], b"now")
        self.assertEqual(self.frames(self.transports[0]), [b"now"])

    def test_together(self) -> None:
        """Within a slot everything is held to its end; each gets its own, masked by its own."""
        volley = Volley()
        with volley.together():
            for number, transport in enumerate(self.transports):
                volley.send(transport, bytes([number]) * 320)
            self.assertEqual([each.value() for each in self.transports], [b""] * 4)
        for number, transport in enumerate(self.transports):
            self.assertEqual(self.frames(transport), [bytes([number]) * 320])
        masks = {transport.value()[4:8] for transport in self.transports}
        self.assertEqual(len(masks), 4)

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40).map(lambda n: bytes(range(n)))))
    )
    @settings(deadline=None, max_examples=80)
    def test_order(self, sent: list[tuple[int, bytes]]) -> None:
        """Whatever is sent to whom, each gets all of its own in order."""
        transports = [StringTransport() for _ in range(4)]
        volley = Volley()
        with volley.together():
            for number, payload in sent:
                volley.send(transports[number], payload)
        for number, transport in enumerate(transports):
            expected = [payload for each, payload in sent if each == number]
            self.assertEqual(self.frames(transport), expected)

    def test_flush(self) -> None:
        """What is held goes out before a text does."""
        volley = Volley()
        with volley.together():
            volley.send(self.transports[0], b"before")
            volley.flush()
            self.transports[0].write(b"\x81\x80....")
            volley.send(self.transports[0], b"after")
        self.assertTrue(self.transports[0].value().startswith(b"\x82\x86"))
        self.assertIn(b"\x81\x80....\x82\x85", self.transports[0].value())

    def test_fault(self) -> None:
        """What was sent before a fault in the slot goes out all the same."""
        volley = Volley()
        with self.assertRaises(ZeroDivisionError), volley.together():
            volley.send(self.transports[0], b"kept")
            raise ZeroDivisionError
        self.assertEqual(self.frames(self.transports[0]), [b"kept"])
