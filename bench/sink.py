"""
A WebSocket server that costs little. It counts what it gets and keeps of each
stream when each audio message came, which samples they were, and what ``stop`` said.
Listens on a free port (or the one given), prints it, and on SIGTERM prints a JSON.

    sink.py [--port PORT] [CERTIFICATE KEY]

With a certificate and a key, two PEM files, it takes TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import signal
import ssl
import time
from array import array

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OCTETS = 2
"Of a sample of one channel."


class Stream:
    """What came of one stream, as its ``start`` names it."""

    def __init__(self, start: dict) -> None:
        media, siprec = start["data"]["media"], start["data"]["siprec"]
        self.call = siprec["sipCallId"]
        self.labels = [each["label"] for each in start["data"]["channels"]]
        self.rate = media["sampleRate"]
        self.octets = OCTETS * media["channels"]
        self.position = 0
        self.spans: list[list[int]] = []
        "First sample and end of what is in audio messages."
        self.jumps: list[list[int]] = []
        "The same of gaps that the position jumps over."
        self.gaps: list[dict] = []
        self.came, self.ends = array("d"), array("d")
        "When each audio message came, by the monotonic clock, and the time at its end."
        self.stop: dict | None = None

    def started(self, message: dict) -> None:
        self.position = message["pos"]

    def audio(self, octets: int, now: float) -> None:
        end = self.position + octets // self.octets
        if self.spans and self.spans[-1][1] == self.position:
            self.spans[-1][1] = end
        else:
            self.spans.append([self.position, end])
        self.position = end
        self.came.append(now)
        self.ends.append(end / self.rate)

    def text(self, message: dict) -> None:
        body = message["data"]
        if message["type"] == "gap":
            self.gaps.append(body)
            if body["filled"] == "none":
                self.position = body["pos"] + body["samples"]
                self.jumps.append([body["pos"], self.position])
        elif message["type"] == "stop":
            self.stop = body

    def told(self) -> dict:
        return {
            "call": self.call,
            "labels": self.labels,
            "rate": self.rate,
            "spans": self.spans,
            "jumps": self.jumps,
            "gaps": self.gaps,
            "came": base64.b64encode(self.came.tobytes()).decode(),
            "ends": base64.b64encode(self.ends.tobytes()).decode(),
            "stop": self.stop,
        }


class Sink(asyncio.Protocol):
    """One connection: an HTTP upgrade, then masked frames."""

    binary_messages = 0
    binary_octets = 0
    connections = 0
    streams: dict[str, Stream] = {}

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.upgraded = False
        self.stream: Stream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        Sink.connections += 1

    def data_received(self, octets: bytes) -> None:
        self.buffer += octets
        if not self.upgraded:
            self._upgrade()
        if self.upgraded:
            self._frames(time.monotonic())

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

    def _frames(self, now: float) -> None:
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
                if self.stream is not None:
                    self.stream.audio(length, now)
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
            self._text(json.loads(payload))

    def _text(self, message: dict) -> None:
        if message.get("type") == "start":
            stream = Sink.streams.get(message["streamId"])
            if stream is None:
                stream = Sink.streams[message["streamId"]] = Stream(message)
            stream.started(message)
            self.stream = stream
        elif self.stream is not None:
            self.stream.text(message)
            if message["type"] == "stop":
                self.transport.write(b"\x88\x02\x03\xe8")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--port", type=int, default=0)
    options.add_argument("certificate", nargs="*", help="and its key")
    chosen = options.parse_args()
    loop = asyncio.get_running_loop()
    context = None
    if chosen.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*chosen.certificate)
    server = await loop.create_server(Sink, "127.0.0.1", chosen.port, ssl=context, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    streams = {name: stream.told() for name, stream in Sink.streams.items()}
    counts = {
        "connections": Sink.connections,
        "binary_messages": Sink.binary_messages,
        "binary_octets": Sink.binary_octets,
        "stops": [each["stop"] for each in streams.values() if each["stop"]],
        "streams": streams,
    }
    print(json.dumps(counts))


if __name__ == "__main__":
    asyncio.run(main())
