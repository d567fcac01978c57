"""
The conversations of all vendors over the real listeners, UDP and TCP, with RTP to the
ports of the answers: the whole server in process, and plain sockets of an SRC.
"""

from __future__ import annotations

import re
import socket
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.vendor_replay import FILES, PACKETS, Replay, WatchedMedia
from twisted_siprec.config.loading import parse
from twisted_siprec.recording_service import RecordingService

CONFIGURATION = """
workers: 0
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: 0}}
    - {{transport: tcp, address: 127.0.0.1, port: 0}}
media:
  address: 127.0.0.1
  ports: [43000, 43999]
  cooldown_s: 0
destinations:
  files:
    url: "file:{directory}"
"""

_LENGTH = re.compile(rb"\r\nContent-Length:\s*(\d+)", re.IGNORECASE)


class SocketWire:
    """An SRC of sockets; what comes is kept until it is asked for."""

    here = "127.0.0.1"

    def __init__(self, srs: tuple[str, int]) -> None:
        self.address = srs
        self.srs = f"sip:srs@{srs[0]}:{srs[1]}"
        self.via = ""
        self.came: deque[bytes] = deque()
        self.waiting: Deferred[None] | None = None
        self.sources: dict[str, tuple[socket.socket, int]] = {}

    def take(self, octets: bytes) -> None:
        """A message came."""
        self.came.append(octets)
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting.callback(None)

    async def message(self) -> bytes:
        """The next one, within 3 s."""
        if not self.came:
            self.waiting = Deferred()
            self.waiting.addTimeout(3, reactor)
            await self.waiting
        return self.came.popleft()

    async def settle(self, holds: Callable[[], None]) -> None:
        """Try for 3 s."""
        for _ in range(150):
            try:
                return holds()
            except AssertionError:
                await deferLater(reactor, 0.02, lambda: None)
        return holds()

    def rtp(self, stream: str, port: int, payload_type: int) -> None:
        """Packets of 20 ms, all at once; numbers go on where they were."""
        if stream not in self.sources:
            source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sources[stream] = (source, 0)
        source, number = self.sources[stream]
        ssrc = source.fileno() + 1
        for each in range(number, number + PACKETS):
            header = bytes((0x80, payload_type)) + each.to_bytes(2, "big")
            header += (160 * each).to_bytes(4, "big") + ssrc.to_bytes(4, "big")
            source.sendto(header + b"\x55" * 160, (self.address[0], port))
        self.sources[stream] = (source, number + PACKETS)

    def close(self) -> None:
        """All sources of RTP."""
        for source, _ in self.sources.values():
            source.close()


class DatagramWire(DatagramProtocol, SocketWire):
    """By UDP."""

    def start(self) -> None:
        """Bind."""
        self.port = reactor.listenUDP(0, self, interface="127.0.0.1", maxPacketSize=65_535)
        self.via = f"UDP 127.0.0.1:{self.port.getHost().port}"

    def datagramReceived(self, octets: bytes, _: tuple[str, int]) -> None:
        """A message."""
        self.take(octets)

    def send(self, octets: bytes) -> None:
        """A message."""
        self.transport.write(octets, self.address)

    async def stop(self) -> None:
        """Close."""
        self.close()
        await self.port.stopListening()


class StreamWire(Protocol, SocketWire):
    """By TCP."""

    buffer = b""

    async def connect(self) -> None:
        """To the listener."""
        await connectProtocol(TCP4ClientEndpoint(reactor, *self.address), self)
        self.via = f"TCP 127.0.0.1:{self.transport.getHost().port}"
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, octets: bytes) -> None:
        """Octets; a message ends where its Content-Length says."""
        self.buffer += octets
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.buffer[: end + 2])
            assert length is not None
            whole = end + 4 + int(length[1])
            if len(self.buffer) < whole:
                return
            message, self.buffer = self.buffer[:whole], self.buffer[whole:]
            self.take(message)

    def connectionLost(self, reason: Any = None) -> None:
        """It was closed."""
        self.gone.callback(None)

    def send(self, octets: bytes) -> None:
        """A message."""
        self.transport.write(octets)

    async def stop(self) -> None:
        """Close."""
        self.close()
        self.transport.loseConnection()
        await self.gone


class VendorTests(TestCase):
    """One test for each file and transport."""

    timeout = 60

    async def begin(self) -> None:
        """The server, on free ports."""
        configuration = parse(CONFIGURATION.format(directory=self.mktemp()))
        self.service = RecordingService(configuration, reactor)
        server = self.service.server
        # Between signalling and the real plane there is one who takes notes.
        self.media = WatchedMedia(server._media)
        server._media = self.media
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def listener(self, transport: str) -> tuple[str, int]:
        """Where one of them is bound."""
        listeners = self.service.listeners
        return next(each.local for each in listeners if each.transport.value == transport)

    async def replay_udp(self, text: str) -> None:
        """By datagrams."""
        await self.begin()
        wire = DatagramWire(self.listener("UDP"))
        wire.start()
        try:
            await Replay(text, wire, self.media).run()
        finally:
            await wire.stop()
        self.all_well()

    async def replay_tcp(self, text: str) -> None:
        """By one connection."""
        await self.begin()
        wire = StreamWire(self.listener("TCP"))
        await wire.connect()
        try:
            await Replay(text, wire, self.media).run()
        finally:
            await wire.stop()
        self.all_well()

    def all_well(self) -> None:
        """No mistake of ours came to light."""
        self.assertNotIn("faults", self.service.server.statistics())
        self.assertEqual(self.flushLoggedErrors(), [])


def _test(transport: str, text: str) -> Callable[[VendorTests], Coroutine[Any, Any, None]]:
    async def test(self: VendorTests) -> None:
        await getattr(self, f"replay_{transport}")(text)

    test.__doc__ = f"The conversation goes as the file has it, by {transport.upper()}."
    return test


for _file in FILES:
    for _transport in ("udp", "tcp"):
        setattr(
            VendorTests,
            f"test_{_file.stem}_{_transport}",
            _test(_transport, _file.read_text()),
        )
