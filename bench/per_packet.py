"""
The baseline: what one writes first with Twisted and Autobahn. A DatagramProtocol
for each stream in the reactor, a dictionary for jitter buffer, numpy for each
chunk, ``sendMessage`` for each call. No loss, SSRC or source handling, no
replay, no gaps: all that it does, ``twistd siprec`` does too.

    per_packet.py CALLS FIRST_PORT WEBSOCKET_PORT

Prints ``ready`` when all ports are bound and all sockets connected.
"""

from __future__ import annotations

import sys

import numpy as np
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor, task
from twisted.internet.protocol import DatagramProtocol

CHUNK_PACKETS = 5


def _ulaw_table() -> np.ndarray:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype("<i2")


ULAW = _ulaw_table()


class Stream(DatagramProtocol):
    """Keeps the payloads of one stream by sequence number."""

    def __init__(self) -> None:
        self.payloads: dict[int, bytes] = {}
        self.next: int | None = None

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        sequence = int.from_bytes(datagram[2:4], "big")
        if self.next is None:
            self.next = sequence
        self.payloads[sequence] = datagram[12:]

    def chunk(self) -> np.ndarray:
        silence = b"\xff" * 160
        taken = []
        for _ in range(CHUNK_PACKETS):
            taken.append(self.payloads.pop(self.next, silence))
            self.next = (self.next + 1) & 0xFFFF
        return ULAW[np.frombuffer(b"".join(taken), np.uint8)]


class Call(WebSocketClientProtocol):
    """One WebSocket, fed with stereo chunks."""

    connected_calls = 0

    def onOpen(self) -> None:
        Call.connected_calls += 1
        if Call.connected_calls == self.factory.calls:
            print("ready", flush=True)
        task.LoopingCall(self.emit).start(0.1, now=False)

    def emit(self) -> None:
        streams = self.factory.streams
        if any(len(stream.payloads) < CHUNK_PACKETS + 3 for stream in streams):
            return
        stereo = np.stack([stream.chunk() for stream in streams], axis=1)
        self.sendMessage(stereo.tobytes(), isBinary=True)


def main() -> None:
    calls, first, port = (int(argument) for argument in sys.argv[1:])
    url = f"ws://127.0.0.1:{port}"
    for index in range(calls):
        factory = WebSocketClientFactory(url)
        factory.protocol = Call
        factory.calls = calls
        factory.streams = [Stream(), Stream()]
        for offset, stream in enumerate(factory.streams):
            reactor.listenUDP(first + 4 * index + 2 * offset, stream, interface="127.0.0.1")
        host, port = url.removeprefix("ws://").split(":")
        reactor.connectTCP(host, int(port), factory)
    reactor.run()


main()
