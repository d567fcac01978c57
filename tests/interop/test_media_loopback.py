"""The media plane with the sockets and the clock of this machine."""

from __future__ import annotations

import socket
import time

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase

from twisted_siprec.audio.g711 import PCMA_DECODED, PCMU_DECODED
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio, Gap, StreamStart
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.net.media.rtp_port import BoundPair
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, ChannelPlan, Codec, Destination, EndReason, StreamPlan
from twisted_siprec.report import DeliveryStatistics
from twisted_siprec.rtp.header import RTPPacket

PACKETS = 40


class _Shelf:
    """An outlet that keeps what it gets."""

    def __init__(self, start: StreamStart) -> None:
        self.start = start
        self.audio: list[Audio] = []
        self.events: list[object] = []

    def carry(self, audio: Audio) -> None:
        self.audio.append(audio)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        self.carry(Audio(position, samples, payload))

    def tell(self, event: object) -> None:
        self.events.append(event)

    def stop(
        self, reason: EndReason, duration_ms: int, channels: object
    ) -> Deferred[DeliveryStatistics]:
        self.reason = reason
        return succeed(DeliveryStatistics("shelf", self.start.stream_id))


class _Party:
    """A sender of RTP on loopback."""

    def __init__(self, payload_type: int, ssrc: int, octets: bytes) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.payload_type, self.ssrc, self.octets = payload_type, ssrc, octets
        self.sent = 0

    def send(self, port: int) -> None:
        number, self.sent = self.sent, self.sent + 1
        part = self.octets[160 * number : 160 * number + 160]
        packet = RTPPacket(self.payload_type, number == 0, number, 160 * number, self.ssrc, part)
        self.socket.sendto(bytes(packet), ("127.0.0.1", port))


class MediaLoopbackTests(TestCase):
    """Real datagrams in, the same samples out."""

    timeout = 20

    def setUp(self) -> None:
        self.shelves: list[_Shelf] = []
        settings = MediaSettings(first_port=42000, last_port=42999, rtcp_interval_s=0.2)
        self.media = LocalMedia(reactor, settings, self._open_outlet)
        self.plan = BridgePlan(
            bridge="b1",
            call_id="c1",
            local_address="127.0.0.1",
            streams=(
                StreamPlan(0, (Codec(0, "PCMU", 8000),)),
                StreamPlan(1, (Codec(8, "PCMA", 8000),)),
            ),
            channels=(ChannelPlan(0, (0,)), ChannelPlan(1, (1,))),
            destinations=(Destination("shelf", "ws://localhost/"),),
            description=Description("b1", "c1"),
            started_at=time.time(),
        )

    def _open_outlet(self, start: StreamStart, report: object) -> _Shelf:
        self.shelves.append(_Shelf(start))
        return self.shelves[-1]

    async def test_call(self) -> None:
        """Both parties of a call are on one timeline, to the sample, and nothing is lost."""
        opened = await self.media.open(self.plan)
        octets = np.random.default_rng(7).integers(0, 256, (2, 160 * PACKETS)).astype(np.uint8)
        parties = (_Party(0, 11, octets[0].tobytes()), _Party(8, 12, octets[1].tobytes()))
        for party in parties:
            self.addCleanup(party.socket.close)

        def send() -> None:
            for party, ports in zip(parties, opened.ports, strict=True):
                if party.sent < PACKETS:
                    party.send(ports.rtp)

        sending = LoopingCall(send)
        running = sending.start(0.02)
        await deferLater(reactor, 0.02 * PACKETS + 0.1, lambda: None)
        sending.stop()
        await running
        while any(party.sent < PACKETS for party in parties):
            send()
        closed = await self.media.close("b1", EndReason.CALL_ENDED)

        self.assertIs(closed.reason, EndReason.CALL_ENDED)
        self.assertEqual([stream.packets for stream in closed.streams], [PACKETS, PACKETS])
        self.assertEqual([stream.lost for stream in closed.streams], [0, 0])
        audio = b"".join(part.payload for part in self.shelves[0].audio)
        both = np.frombuffer(audio, dtype="<i2").reshape(-1, 2)
        for channel, table in ((0, PCMU_DECODED), (1, PCMA_DECODED)):
            wanted = table[octets[channel]].tobytes()
            at = both[:, channel].tobytes().find(wanted)
            self.assertNotEqual(at, -1)
            # Loopback brings both within some milliseconds.
            self.assertLess(at // 2, 80)

    async def test_reports(self) -> None:
        """A heard stream gets receiver reports at the port after its own, from ours."""
        opened = await self.media.open(self.plan)
        party = _Party(0, 11, bytes(160 * 4))
        reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(party.socket.close)
        self.addCleanup(reports.close)
        reports.setblocking(False)
        try:
            reports.bind(("127.0.0.1", party.socket.getsockname()[1] + 1))
        except OSError:
            self.skipTest("somebody has the port beside")
        for _ in range(4):
            party.send(opened.ports[0].rtp)
        await deferLater(reactor, 0.6, lambda: None)
        octets, source = reports.recvfrom(2048)
        self.assertEqual(octets[1], 201)
        self.assertEqual(octets[8:12], (11).to_bytes(4, "big"))
        self.assertEqual(source, ("127.0.0.1", opened.ports[0].rtcp))
        await self.media.close("b1", EndReason.CALL_ENDED)

    async def test_nothing_came(self) -> None:
        """A call without a packet ends with no_media."""
        await self.media.open(self.plan)
        closed = await self.media.close("b1", EndReason.CALL_ENDED)
        self.assertIs(closed.reason, EndReason.NO_MEDIA)
        self.assertEqual(closed.duration_ms, 0)
        self.assertIs(self.shelves[0].reason, EndReason.NO_MEDIA)
        self.assertEqual([e for e in self.shelves[0].events if isinstance(e, Gap)], [])


class BoundPairTests(TestCase):
    """The ports of a stream, as sockets."""

    timeout = 10

    def setUp(self) -> None:
        settings = MediaSettings(max_datagram_octets=200)
        self.taken: list[bytes] = []
        for number in range(43000, 43200, 2):
            try:
                self.pair = BoundPair(reactor, "127.0.0.1", number, settings)
                break
            except CannotListenError:
                continue
        self.pair.take_rtcp(lambda octets, source: self.taken.append(octets))
        self.addCleanup(self.pair.close)
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.sender.close)
        self.sender.bind(("127.0.0.1", 0))

    def send(self, *datagrams: bytes) -> None:
        for octets in datagrams:
            self.sender.sendto(octets, ("127.0.0.1", self.pair.rtp))

    def test_drain(self) -> None:
        """All that is in the socket comes in order, with its sender."""
        self.send(b"a", b"b", b"c")
        drained = self.pair.drain(100)
        self.assertEqual([one.octets for one in drained], [b"a", b"b", b"c"])
        self.assertEqual({one.source for one in drained}, {self.sender.getsockname()})
        self.assertEqual(self.pair.drain(100), [])

    def test_arrival(self) -> None:
        """The time is that of the arrival, not that of the reading."""
        # The kernel begins to stamp a moment after the first socket asks for it.
        time.sleep(0.1)
        before = time.monotonic()
        self.send(b"a")
        after = time.monotonic()
        time.sleep(0.05)
        (one,) = self.pair.drain(100)
        self.assertLess(before - 0.005, one.arrived_at)
        self.assertLess(one.arrived_at, after + 0.005)

    def test_burst(self) -> None:
        """What piles up in a long stall is all there, and is taken in bounded parts."""
        self.send(*[b"x" * 172] * 500)
        self.assertEqual([len(self.pair.drain(200)) for _ in range(4)], [200, 200, 100, 0])

    def test_too_long(self) -> None:
        """A datagram longer than any that we take is cut to nothing."""
        self.send(b"x" * 201, b"y" * 200)
        self.assertEqual([len(one.octets) for one in self.pair.drain(100)], [0, 200])

    async def test_unread(self) -> None:
        """The reactor never looks at an RTP port."""
        self.send(b"a")
        await deferLater(reactor, 0.02, lambda: None)
        self.assertEqual(len(self.pair.drain(100)), 1)

    async def test_rtcp(self) -> None:
        """RTCP comes by its own port, and out of the RTP port where it shares it."""
        report = bytes.fromhex("80c9000100000099")
        self.sender.sendto(report, ("127.0.0.1", self.pair.rtcp))
        await deferLater(reactor, 0.02, lambda: None)
        self.assertEqual(self.taken, [report])
        self.send(b"\x80\x00rtp", report, b"\x80\x00rtp")
        self.assertEqual([one.octets for one in self.pair.drain(100)], [b"\x80\x00rtp"] * 2)
        self.assertEqual(self.taken, [report, report])

    def test_report(self) -> None:
        """Ours leave from the port that takes the SRC's; what cannot be sent is not sent."""
        self.sender.settimeout(2)
        for mux, number in ((False, self.pair.rtcp), (True, self.pair.rtp)):
            self.pair.send_rtcp(b"report", self.sender.getsockname(), mux)
            self.assertEqual(self.sender.recvfrom(100), (b"report", ("127.0.0.1", number)))
        self.pair.send_rtcp(b"report", ("255.255.255.255", 9), False)

    async def test_taken(self) -> None:
        """A pair of which one port is taken is not bound at all; a closed one is free."""
        number = self.pair.rtp
        bound = (reactor, "127.0.0.1", number, MediaSettings())
        self.assertRaises(CannotListenError, BoundPair, *bound)
        await self.pair.close()
        blocker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(blocker.close)
        blocker.bind(("127.0.0.1", number + 1))
        self.assertRaises(CannotListenError, BoundPair, *bound)
        await deferLater(reactor, 0.01, lambda: None)
        blocker.close()
        again = BoundPair(reactor, "127.0.0.1", number, MediaSettings())
        await again.close()
        self.assertEqual(again.drain(10), [])
        self.pair = again
