"""A WebSocket server by hand, for connections over a fake transport."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from zope.interface import implementer

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class FakeTransport(StringTransport):
    """A transport that remembers how it was ended."""

    aborted = False

    def abortConnection(self) -> None:
        """As TCP has it."""
        self.aborted = True
        self.disconnecting = True


class Peer:
    """The server's end of one connection."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.transport = FakeTransport()
        protocol.makeConnection(self.transport)
        self.request = self.transport.value().decode()
        self.transport.clear()

    def header(self, name: str) -> str | None:
        """A header field of the handshake's request."""
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def accept(self, subprotocol: str | None = None) -> None:
        """Answer the handshake."""
        key = (self.header("Sec-WebSocket-Key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - RFC 6455
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: " + accept,
        ]
        if subprotocol is not None:
            lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode())
        self.protocol.dataReceived(b"\r\n".join(lines) + b"\r\n\r\n")

    def refuse(self, status: str) -> None:
        """Answer it with an HTTP status."""
        self.protocol.dataReceived(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        self.end()

    def send(self, opcode: int, payload: bytes) -> None:
        """One short frame."""
        assert len(payload) < 126
        self.protocol.dataReceived(bytes([0x80 | opcode, len(payload)]) + payload)

    def close(self, code: int) -> None:
        """Close politely: the frame, then the transport."""
        self.send(8, struct.pack(">H", code))
        self.end()

    def end(self) -> None:
        """The transport is gone."""
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        self.protocol.connectionLost(Failure(ConnectionDone()))

    def frames(self) -> list[tuple[int, bytes]]:
        """What we sent since: opcodes and payloads, unmasked."""
        octets = self.transport.value()
        self.transport.clear()
        frames = []
        while octets:
            opcode, length = octets[0] & 15, octets[1] & 127
            assert octets[1] & 128, "a client masks"
            at = 2
            if length == 126:
                (length,) = struct.unpack_from(">H", octets, 2)
                at = 4
            mask, at = octets[at : at + 4], at + 4
            payload = bytes(o ^ mask[i % 4] for i, o in enumerate(octets[at : at + length]))
            frames.append((opcode, payload))
            octets = octets[at + length :]
        return frames


@implementer(IStreamClientEndpoint)
class FakeEndpoint:
    """An endpoint whose connections are made by the test."""

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, Deferred[Any]]] = []
        self.cancelled = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Remember, and wait."""
        connecting: Deferred[Any] = Deferred(self._cancel)
        self.attempts.append((protocolFactory, connecting))
        return connecting

    def succeed(self) -> Peer:
        """The latest attempt has TCP."""
        factory, connecting = self.attempts[-1]
        peer = Peer(factory.buildProtocol(None))
        connecting.callback(peer.protocol)
        return peer

    def fail(self, error: Exception) -> None:
        """The latest attempt has not."""
        self.attempts[-1][1].errback(error)

    def _cancel(self, connecting: Deferred[Any]) -> None:
        self.cancelled += 1
