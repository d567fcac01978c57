"""
A WebSocket server that costs little: it counts what it gets and keeps the
``stop`` of each stream. Listens on a free port, prints it, and on SIGTERM prints
a JSON of the counts. Given a certificate and a key, two PEM files, it takes TLS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import ssl
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Sink(asyncio.Protocol):
    """One connection: an HTTP upgrade, then masked frames."""

    binary_messages = 0
    binary_octets = 0
    connections = 0
    stops: list[dict] = []

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        Sink.connections += 1

    def data_received(self, octets: bytes) -> None:
        self.buffer += octets
        if not self.upgraded:
            self._upgrade()
        if self.upgraded:
            self._frames()

    def _upgrade(self) -> None:
        head, found, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not found:
            return
        key = next(
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 (RFC 6455 says so)
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.buffer = bytearray(rest)
        self.upgraded = True

    def _frames(self) -> None:
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 6:
            opcode, length, header = buffer[at] & 15, buffer[at + 1] & 127, 6
            if length == 126:
                length, header = int.from_bytes(buffer[at + 2 : at + 4], "big"), 8
            elif length == 127:
                length, header = int.from_bytes(buffer[at + 2 : at + 10], "big"), 14
            if len(buffer) - at < header + length:
                break
            if opcode == 2:
                Sink.binary_messages += 1
                Sink.binary_octets += length
            elif opcode in (1, 8, 9):
                self._other(opcode, buffer[at + header - 4 : at + header + length])
            at += header + length
        del buffer[:at]

    def _other(self, opcode: int, masked: bytearray) -> None:
        mask, body = masked[:4], masked[4:]
        payload = bytes(octet ^ mask[index & 3] for index, octet in enumerate(body))
        if opcode == 9:
            self.transport.write(bytes([0x8A, len(payload)]) + payload)
        elif opcode == 8:
            self.transport.write(bytes([0x88, len(payload)]) + payload)
            self.transport.close()
        else:
            message = json.loads(payload)
            if message.get("type") == "stop":
                Sink.stops.append(message["data"])
                self.transport.write(b"\x88\x02\x03\xe8")


async def main() -> None:
    loop = asyncio.get_running_loop()
    context = None
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[1:])
    server = await loop.create_server(Sink, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    print(
        json.dumps(
            {
                "connections": Sink.connections,
                "binary_messages": Sink.binary_messages,
                "binary_octets": Sink.binary_octets,
                "stops": Sink.stops,
            }
        )
    )


asyncio.run(main())
