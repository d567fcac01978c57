"""Reading with the kernel's own call, from sockets of this machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorUDP
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twisted_siprec.bridge.batch import NAME_OCTETS, PacketBuffer
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.net.media.recvmmsg import (
    MAX_RUN,
    HandReading,
    KernelReading,
    Reading,
    available,
    source_address,
    source_name,
)
from twisted_siprec.net.media.rtp_port import BoundPair
from twisted_siprec.rtp.datagram import Datagram


class NameTests(SynchronousTestCase):
    """Addresses as the kernel has them."""

    def test_there_and_back(self) -> None:
        """Both families keep host and port; what is no address has no name."""
        for address in (("192.0.2.1", 4000), ("2001:db8::1", 65535)):
            name = source_name(address)
            assert name is not None
            self.assertEqual((len(name), source_address(name)), (NAME_OCTETS, address))
        self.assertEqual(source_name(("192.0.2.1", 4000))[2:8].hex(), "0fa0c0000201")  # type: ignore[index]
        self.assertIsNone(source_name(("src.example.com", 4000)))
        self.assertIsNone(source_name(("fe80::1%eth0", 4000)))


class ReadingTests(TestCase):
    """The kernel's way and the way by hand give the same."""

    def setUp(self) -> None:
        if not available():
            self.skipTest("no recvmmsg on this system")
        self.settings = MediaSettings(receive_buffer_octets=4096)
        self.pairs: list[BoundPair] = []
        self.numbers: Iterator[int] = iter(range(43_000, 43_900, 2))

    def tearDown(self) -> Deferred[object]:
        return gatherResults([pair.close() for pair in self.pairs])

    def bind(self, address: str = "127.0.0.1") -> tuple[BoundPair, socket.socket]:
        """A pair, and a socket that sends to it."""
        assert IReactorUDP.providedBy(reactor)
        pair = BoundPair(reactor, address, next(self.numbers), self.settings)
        self.pairs.append(pair)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sender = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        sender.bind((address, 0))
        sender.connect((address, pair.rtp))
        return pair, sender

    def read(self, reading: Reading, buffer: PacketBuffer, pairs: list[BoundPair]) -> list[int]:
        reading.begin()
        counts = [reading.read(pair) for pair in pairs]
        reading.end()
        self.assertEqual(buffer.used, sum(counts))
        return counts

    def test_the_same(self) -> None:
        """Octets, addresses, lengths and times of two sockets, in one round and in the next."""
        for way in ("kernel", "hand"):
            buffer = PacketBuffer(2 * MAX_RUN, 256)
            kernel = KernelReading(buffer, time.monotonic)
            reading: Reading = kernel if way == "kernel" else HandReading(buffer)
            (first, sender), (second, other) = self.bind(), self.bind()
            self.read(reading, buffer, [first])
            before = time.monotonic()
            for octets in (b"one", b"twotwo", bytes(200)):
                sender.send(octets)
            other.send(b"elsewhere")
            self.assertEqual(self.read(reading, buffer, [first, second]), [3, 1], way)
            self.assertEqual(buffer.lengths[:4].tolist(), [3, 6, 200, 9])
            payloads = [buffer.payload(at) for at in range(4)]
            self.assertEqual(payloads, [b"one", b"twotwo", bytes(200), b"elsewhere"])
            sources = [source_address(buffer.name(at)) for at in range(4)]
            self.assertEqual(sources, [sender.getsockname()] * 3 + [other.getsockname()])
            for at in buffer.arrived_at[:4].tolist():
                self.assertTrue(before - 0.01 <= at <= time.monotonic() + 0.01, way)
            self.assertEqual(self.read(reading, buffer, [first, second]), [0, 0])

    def test_both_families(self) -> None:
        """An address of one family leaves nothing behind for one of the other."""
        try:
            six, sender = self.bind("::1")
        except OSError:
            self.skipTest("no IPv6 on this machine")
        four, other = self.bind()
        buffer = PacketBuffer(MAX_RUN, 256)
        reading = KernelReading(buffer, time.monotonic)
        for pair, came_from in ((six, sender), (four, other), (six, sender)):
            came_from.send(b"here")
            self.read(reading, buffer, [pair])
            self.assertEqual(buffer.name(0), source_name(came_from.getsockname()[:2]))

    def test_too_long(self) -> None:
        """A datagram for which there is no room says how long it was, and is empty."""
        buffer = PacketBuffer(MAX_RUN, 256)
        pair, sender = self.bind()
        sender.send(bytes(900))
        sender.send(b"next")
        self.read(KernelReading(buffer, time.monotonic), buffer, [pair])
        self.assertEqual(buffer.lengths[:2].tolist(), [900, 4])
        self.assertEqual([buffer.payload(0), buffer.payload(1)], [b"", b"next"])

    def test_many(self) -> None:
        """No more than a run of one socket in one round; the rest comes in the next."""
        self.settings = MediaSettings()
        buffer = PacketBuffer(4 * MAX_RUN, 256)
        pair, sender = self.bind()
        for _ in range(MAX_RUN + 5):
            sender.send(b"one")
        reading = KernelReading(buffer, time.monotonic)
        self.assertEqual(self.read(reading, buffer, [pair]), [MAX_RUN])
        self.assertEqual(self.read(reading, buffer, [pair]), [5])

    def test_dropped(self) -> None:
        """What a full socket dropped is counted with the datagrams after it, both ways."""
        buffer = PacketBuffer(MAX_RUN, 2048)
        pair, sender = self.bind()
        for _ in range(40):
            sender.send(bytes(1000))
        came = pair.drain(MAX_RUN)
        sender.send(b"after")
        self.read(KernelReading(buffer, time.monotonic), buffer, [pair])
        self.assertEqual(int(buffer.dropped[0]), 40 - len(came))
        sender.send(b"after")
        (after,) = pair.drain(MAX_RUN)
        self.assertEqual(after.dropped, 40 - len(came))
        self.assertGreater(after.dropped, 0)
        self.assertEqual({one.dropped for one in came}, {0})

    def test_closed(self) -> None:
        """A port that is closed has no descriptor, and gives nothing."""
        buffer = PacketBuffer(MAX_RUN, 256)
        pair, _ = self.bind()
        closed = self.pairs.pop().close()
        self.addCleanup(lambda: closed)
        self.assertEqual(pair.fileno(), -1)
        self.assertEqual(self.read(KernelReading(buffer, time.monotonic), buffer, [pair]), [0])

    def test_refused(self) -> None:
        """An ICMP error of a report that we sent on the port hides no datagram."""
        buffer = PacketBuffer(MAX_RUN, 256)
        pair, sender = self.bind()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            nobody = gone.getsockname()
        pair.send_rtcp(b"report", nobody, mux=True)
        sender.send(b"one")
        reading = KernelReading(buffer, time.monotonic)
        self.assertEqual(self.read(reading, buffer, [pair]), [1])


class BufferTests(SynchronousTestCase):
    """Rows that are filled by hand."""

    def test_append(self) -> None:
        """One datagram after the other, each with all that is known of it."""
        buffer = PacketBuffer(4, 100)
        name = source_name(("192.0.2.1", 4000))
        assert name is not None
        buffer.append(Datagram(b"\x80\x00\x00\x01" + bytes(8), ("192.0.2.1", 4000), 1.5, 7), name)
        self.assertEqual(buffer.heads[0].tolist(), [0x80000001, 0, 0])
        self.assertEqual((buffer.arrived_at[0], buffer.dropped[0]), (1.5, 7))
        self.assertEqual((buffer.used, buffer.name(0)), (1, name))
