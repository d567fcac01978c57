"""Streams whose keys come by DTLS, in the media plane, with peers in memory."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.dtls_peer import Peer, identity
from tests.media_fakes import FakeOutlet, FakePair, FakePorts
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import StreamStart
from twisted_siprec.errors import LocalError
from twisted_siprec.net.media.association import Stage
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    Address,
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    DTLSPeer,
    EndReason,
    SRTPKey,
    SRTPKeys,
    StreamPlan,
)
from twisted_siprec.report import HandshakeDone, HandshakeFailed, Report, StreamStatistics
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.rtcp import CanonicalName, parse
from twisted_siprec.rtp.srtp import SRTP

PCMU = Codec(0, "PCMU", 8000)
SRC: Address = ("192.0.2.1", 4000)
SRC_RTCP: Address = ("192.0.2.1", 4001)
SUITE = "AEAD_AES_256_GCM"
STREAM = StreamPlan(0, (PCMU,), source=SRC, rtcp=SRC_RTCP)
SDES = SRTPKey("AES_CM_128_HMAC_SHA1_80", bytes(range(30)))
SENDER_REPORT = bytes.fromhex("80c80006 00000046 e1e2e3e4f1f2f3f4 00000100 00000002 00000140")


def by(name: str = "src", **changes: object) -> StreamPlan:
    """The stream, with keys by a handshake with somebody."""
    peer = DTLSPeer((identity(name).fingerprint,), begins=True)
    return replace(STREAM, dtls=peer, **changes)  # type: ignore[arg-type]  # by name


class KeyedTestCase(SynchronousTestCase):
    """A bridge of one stream."""

    def setUp(self) -> None:
        self.make()

    def make(self, **changes: object) -> None:
        asked: dict[str, object] = {"first_port": 20000, "last_port": 20019}
        settings = MediaSettings(**{**asked, **changes})  # type: ignore[arg-type]
        self.clock, self.ports = Clock(), FakePorts()
        self.clock.advance(100.0)
        self.reports: list[Report] = []
        self.number = 0
        self.media = LocalMedia(
            self.clock,  # type: ignore[arg-type]  # it listens to nothing here
            settings,
            self.open_outlet,
            monotonic=self.clock.seconds,
            wallclock=self.clock.seconds,
            open_pair=self.ports.open,
            new_id=lambda: "id",
            token=lambda octets: b"\x09" * octets,
            chance=lambda: 0.5,
            identity=identity("srs"),
        )
        self.media.listen(self.reports.append)

    def open_outlet(self, start: StreamStart, report: object) -> FakeOutlet:
        return FakeOutlet(start)

    def open(self, stream: StreamPlan, bridge: str = "b1") -> None:
        plan = BridgePlan(
            bridge, "c1", "192.0.2.9", (stream,), (ChannelPlan(0, (0,)),), (),
            Description(bridge, "c1"), 0.0,
        )  # fmt: skip
        self.successResultOf(self.media.open(plan))

    def update(self, stream: StreamPlan) -> None:
        description = Description("b1", "c1")
        channels = (ChannelPlan(0, (0,)),)
        update = BridgeUpdate("b1", (stream,), channels, description)
        self.successResultOf(self.media.update(update))

    def close(self, bridge: str = "b1") -> StreamStatistics:
        closed = self.successResultOf(self.media.close(bridge, EndReason.CALL_ENDED))
        self.clock.advance(0)
        return closed.streams[0]

    @property
    def pair(self) -> FakePair:
        return self.ports.pairs[0]

    def client(self, name: str = "src") -> Peer:
        return Peer(name, "srs", begins=True, remote=("192.0.2.9", 20000))

    def carry(
        self, *peers: Peer, control: tuple[Peer, ...] = (), seconds: float = 0.15, at: int = 0
    ) -> None:
        """Everything between the SRC and our ports, for a while."""
        pair = self.ports.pairs[at]
        for _ in range(round(seconds / 0.005)):
            for peer in peers:
                for octets in peer.take():
                    pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
            for peer in control:
                for octets in peer.take():
                    assert pair.taker is not None
                    pair.taker(octets, SRC_RTCP)
            self.clock.advance(0.005)
            sent, pair.sent = pair.sent, []
            for octets, destination, from_rtp in sent:
                for peer in peers if from_rtp else control:
                    self.assertEqual(destination, SRC if from_rtp else SRC_RTCP)
                    peer.association.receive(octets, peer.association.remote)

    def keyed(self, peer: Peer) -> SRTP:
        """What the SRC sends by, after its handshake."""
        keys = peer.association.keys
        assert keys is not None, (peer.association.stage, peer.association.failure)
        return SRTP(keys)

    def send(self, srtp: SRTP | None, count: int, seconds: float = 0.3) -> None:
        """The next packets, now."""
        for _ in range(count):
            packet = bytes(RTPPacket(0, False, self.number, 160 * self.number, 70, b"\xff" * 160))
            self.number += 1
            octets = (srtp.protect(packet) or b"") if srtp is not None else packet
            self.pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
            self.clock.advance(0.02)
        self.carry(seconds=seconds)

    @property
    def counts(self) -> tuple[int, int]:
        """Packets taken and discarded."""
        (statistics,) = self.media.statistics("b1")
        return statistics.packets, statistics.discarded

    @property
    def told(self) -> list[HandshakeDone | HandshakeFailed]:
        return [
            report
            for report in self.reports
            if isinstance(report, (HandshakeDone, HandshakeFailed))
        ]


class HandshakeTests(KeyedTestCase):
    """RFC 5764: the SRC begins."""

    def test_heard(self) -> None:
        """After the handshake the stream is heard; the end of the call is said by DTLS too."""
        self.open(by())
        client = self.client()
        self.carry(client)
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])
        self.send(self.keyed(client), 5)
        self.assertEqual(self.counts, (5, 0))
        self.close()
        for octets, _, _ in self.pair.sent:
            client.association.receive(octets, client.association.remote)
        self.assertIs(client.association.stage, Stage.CLOSED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_soon(self) -> None:
        """No flight waits longer than a slot once the SRC has its cookie."""
        self.open(by())
        self.carry(self.client(), seconds=0.06)
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])

    def test_not_before(self) -> None:
        """Without keys nothing is heard, plain or protected, and it is counted."""
        self.open(by())
        self.send(None, 4)
        self.send(SRTP(SRTPKeys((SDES,), SDES)), 3)
        self.assertEqual(self.counts, (0, 7))

    def test_stranger(self) -> None:
        """Another certificate gives no keys; that is told once, and who is right is let in."""
        self.open(by())
        stranger = self.client("stranger")
        self.carry(stranger)
        self.assertIs(stranger.association.stage, Stage.FAILED)
        self.carry(self.client("stranger"))
        (failed,) = self.told
        assert isinstance(failed, HandshakeFailed)
        self.assertIn("RTP: the certificate is not the one", failed.reason)
        client = self.client()
        self.carry(client)
        self.assertEqual(self.told[1:], [HandshakeDone("b1", 0, SUITE)])
        self.send(self.keyed(client), 3)
        self.assertEqual(self.counts[0], 3)

    def test_stranger_later(self) -> None:
        """Who knocks while the stream is heard changes nothing."""
        self.open(by())
        client = self.client()
        self.carry(client)
        self.send(self.keyed(client), 3)
        self.carry(self.client("stranger"))
        srtp = self.keyed(client)
        for _ in range(3):
            srtp.protect(bytes(RTPPacket(0, False, 0, 0, 70, b"")))
        self.send(srtp, 3)
        self.assertEqual(self.counts, (6, 0))
        self.assertEqual(len(self.told), 1)

    def test_again(self) -> None:
        """An SRC that has forgotten its keys makes others, and nothing is lost."""
        self.open(by())
        first, second = self.client(), self.client()
        self.carry(first)
        self.send(self.keyed(first), 3)
        self.carry(second)
        self.send(self.keyed(second), 3)
        self.assertEqual(self.counts, (6, 0))
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])

    def test_together(self) -> None:
        """A stream with keys by DTLS goes together with others, and leaves for a handshake."""
        self.open(by())
        first, second = self.client(), self.client()
        self.carry(first)
        self.send(self.keyed(first), 60, seconds=0.0)
        self.assertEqual(self.media.streams_together, 1)
        self.carry(second)
        self.assertEqual(self.media.streams_together, 0)
        self.send(self.keyed(second), 60)
        self.assertEqual(self.counts, (120, 0))

    def test_nobody(self) -> None:
        """No handshake is told of after a time, once; one that comes later is welcome."""
        self.open(by())
        self.clock.pump([0.1] * 300)
        self.assertEqual(self.told, [HandshakeFailed("b1", 0, "RTP: no handshake came")])
        self.carry(self.client())
        self.assertEqual(self.told[1:], [HandshakeDone("b1", 0, SUITE)])

    def test_unfinished(self) -> None:
        """A handshake that stops is given up, and its place is free again."""
        self.make(max_handshakes=1)
        self.open(by())
        self.open(by(), "b2")
        stopped, waiting = self.client(), self.client()
        for _ in range(2):
            for octets in stopped.take():
                self.pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
            self.clock.pump([0.01] * 4)
            for octets, _, _ in self.pair.sent:
                stopped.association.receive(octets, stopped.association.remote)
            self.pair.sent.clear()
        self.carry(waiting, at=1)
        self.assertEqual(self.told, [])
        self.clock.pump([0.1] * 101)
        self.assertEqual(
            [each for each in self.told if each.bridge == "b1"],
            [HandshakeFailed("b1", 0, "RTP: no end of the handshake within 10 s")],
        )
        self.carry(self.client(), at=1)
        self.assertIn(HandshakeDone("b2", 0, SUITE), self.told)

    def test_right_of_way(self) -> None:
        """Who comes from the host of the SDP need not wait for others to end."""
        self.open(by())
        elsewhere = ("203.0.113.9", 9)
        slow = self.client("stranger")
        for _ in range(2):
            for octets in slow.take():
                self.pair.queue.append(Datagram(octets, elsewhere, self.clock.seconds()))
            self.clock.pump([0.01] * 4)
            for octets, to, _ in self.pair.sent:
                self.assertEqual(to, elsewhere)
                slow.association.receive(octets, slow.association.remote)
            self.pair.sent.clear()
        self.carry(self.client())
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])

    def test_cookie_only(self) -> None:
        """A ClientHello that never comes again keeps nobody busy for long."""
        self.open(by())
        (hello,) = self.client().take()
        self.pair.queue.append(Datagram(hello, SRC, self.clock.seconds()))
        self.clock.pump([0.01] * 300)
        self.assertEqual(len(self.pair.sent), 1)
        self.carry(self.client())
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])

    def test_other_host(self) -> None:
        """Where only the host of the SDP is heard, no other one shakes hands."""
        self.make(expect_signalled_source=True)
        self.open(by(source=("192.0.2.77", 4000)))
        self.carry(self.client())
        self.assertEqual((self.told, self.pair.sent), ([], []))

    def test_no_identity(self) -> None:
        """Without a certificate a plan with DTLS is a mistake of ours, told as such."""
        self.media = LocalMedia(
            self.clock,  # type: ignore[arg-type]  # it listens to nothing here
            MediaSettings(),
            self.open_outlet,
            monotonic=self.clock.seconds,
            open_pair=self.ports.open,
        )
        self.assertRaises(LocalError, self.open, by())


class BeginningTests(KeyedTestCase):
    """The SRC is passive, and so we begin."""

    def test_begin(self) -> None:
        """Our ClientHellos go out as the ports are bound, and the stream is heard after."""
        peer = DTLSPeer((identity("src").fingerprint,), begins=False)
        self.open(replace(STREAM, dtls=peer))
        server = Peer("src", "srs", begins=False)
        control = Peer("src", "srs", begins=False)
        remote = ("192.0.2.9", 20000)
        server.association.remote = control.association.remote = remote
        self.carry(server, control=(control,))
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)])
        self.assertIs(control.association.stage, Stage.KEYED)
        self.send(self.keyed(server), 3)
        self.assertEqual(self.counts, (3, 0))

    def test_one_batch(self) -> None:
        """Audio that is read together with the end of the handshake is heard."""
        peer = DTLSPeer((identity("src").fingerprint,), begins=False)
        self.open(replace(STREAM, dtls=peer, rtcp_mux=True))
        server = Peer("src", "srs", begins=False)
        server.association.remote = ("192.0.2.9", 20000)
        while server.association.stage is not Stage.KEYED:
            for octets in server.take():
                self.pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
            self.clock.advance(0.01)
            sent, self.pair.sent = self.pair.sent, []
            for octets, _, _ in sent:
                server.association.receive(octets, server.association.remote)
        srtp = self.keyed(server)
        for octets in server.take():
            self.pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
        for number in range(3):
            packet = bytes(RTPPacket(0, False, number, 160 * number, 70, b"\xff" * 160))
            octets = srtp.protect(packet) or b""
            self.pair.queue.append(Datagram(octets, SRC, self.clock.seconds()))
        self.clock.pump([0.01] * 10)
        self.assertEqual(self.counts, (3, 0))

    def test_nowhere(self) -> None:
        """An SDP without an address leaves us nobody to begin with."""
        peer = DTLSPeer((identity("src").fingerprint,), begins=False)
        self.open(replace(STREAM, dtls=peer, source=None, rtcp=None))
        self.clock.advance(0)
        reason = "the SDP does not say where to begin the handshake"
        self.assertIn(HandshakeFailed("b1", 0, f"RTP: {reason}"), self.told)


class RTCPTests(KeyedTestCase):
    """RFC 5764 section 3: an association for each port."""

    def heard(self, mux: bool) -> tuple[Peer, Peer]:
        self.open(by(rtcp_mux=mux, rtcp=SRC if mux else SRC_RTCP))
        media, control = self.client(), self.client()
        self.carry(media, control=(control,))
        self.send(self.keyed(media), 3)
        return media, control

    def reports_by(self, peer: Peer, from_rtp: bool) -> bool:
        """Whether our reports come from this port, protected by the keys of this peer."""
        srtp = self.keyed(peer)
        self.pair.sent.clear()
        self.clock.pump([0.1] * 60)
        found = [octets for octets, _, rtp in self.pair.sent if rtp is from_rtp]
        self.assertEqual(len(found), len(self.pair.sent))
        opened = [srtp.unprotect_rtcp(octets) or b"" for octets in found]
        return any(
            isinstance(report, CanonicalName) for octets in opened for report in parse(octets)
        )

    def test_own_port(self) -> None:
        """Reports have keys of their own, both ways."""
        media, control = self.heard(mux=False)
        self.assertNotEqual(media.association.keys, control.association.keys)
        self.assertTrue(self.reports_by(control, from_rtp=False))

    def test_one_port(self) -> None:
        """Reports share the keys of RTP; DTLS on the other port is none of this stream."""
        media, control = self.heard(mux=True)
        self.assertIsNone(control.association.keys)
        self.assertTrue(self.reports_by(media, from_rtp=True))

    def test_not_without(self) -> None:
        """Until there are keys for them no reports go out."""
        self.open(by())
        media = self.client()
        self.carry(media)
        self.send(self.keyed(media), 3)
        self.pair.sent.clear()
        self.clock.pump([0.1] * 60)
        self.assertEqual(self.pair.sent, [])

    def test_stranger(self) -> None:
        """Where only the port of RTCP is a stranger's, the stream is heard, and it is told."""
        self.open(by())
        self.carry(self.client(), control=(self.client("stranger"),))
        self.assertEqual(
            sorted(type(each).__name__ for each in self.told), ["HandshakeDone", "HandshakeFailed"]
        )

    def test_received(self) -> None:
        """A report that is protected is read, and answered where it came from; no other is."""
        media, control = self.heard(mux=False)
        del media
        srtp = self.keyed(control)
        taker, elsewhere = self.pair.taker, ("192.0.2.1", 4077)
        assert taker is not None
        taker(SENDER_REPORT, elsewhere)
        self.pair.sent.clear()
        self.clock.pump([0.1] * 60)
        self.assertEqual({to for _, to, _ in self.pair.sent}, {SRC_RTCP})
        taker(srtp.protect_rtcp(SENDER_REPORT) or b"", elsewhere)
        self.pair.sent.clear()
        self.clock.pump([0.1] * 60)
        self.assertEqual({to for _, to, _ in self.pair.sent}, {elsewhere})


class ReinviteTests(KeyedTestCase):
    """What a re-INVITE changes."""

    def test_same(self) -> None:
        """The same fingerprint is the same association: nothing begins anew."""
        self.open(by())
        client = self.client()
        self.carry(client)
        srtp = self.keyed(client)
        self.send(srtp, 3)
        self.update(by(packet_ms=30))
        self.send(srtp, 3)
        self.assertEqual(self.counts, (6, 0))

    def test_another(self) -> None:
        """Until the new one has shaken hands the old one is heard; both without a loss."""
        self.open(by())
        old, new = self.client(), self.client("other")
        self.carry(old)
        srtp = self.keyed(old)
        self.send(srtp, 3)
        self.update(by("other"))
        self.send(srtp, 3)
        self.carry(new)
        self.send(self.keyed(new), 3)
        self.assertEqual(self.counts, (9, 0))
        self.assertEqual(self.told, [HandshakeDone("b1", 0, SUITE)] * 2)

    def test_another_fails(self) -> None:
        """Where the certificate is not the new one, nothing is heard any more."""
        self.open(by())
        old = self.client()
        self.carry(old)
        srtp = self.keyed(old)
        self.send(srtp, 3)
        self.update(by("other"))
        self.carry(self.client())
        self.assertIsInstance(self.told[-1], HandshakeFailed)
        self.send(srtp, 3)
        self.assertEqual(self.counts, (3, 3))

    def test_association(self) -> None:
        """Another tls-id alone is another association."""
        self.open(by())
        first, second = self.client(), self.client()
        self.carry(first)
        peer = DTLSPeer((identity("src").fingerprint,), association="another")
        self.update(replace(STREAM, dtls=peer))
        self.carry(second)
        self.send(self.keyed(second), 3)
        self.assertEqual(self.counts, (3, 0))
        self.assertEqual(len(self.told), 2)

    def test_plain_and_back(self) -> None:
        """From a key in the SDP to a handshake, to nothing at all, and to a handshake."""
        keys = SRTPKeys((SDES,), SDES)
        self.open(replace(STREAM, crypto=keys))
        self.send(SRTP(keys), 3)
        self.update(by())
        self.send(SRTP(keys), 1)
        client = self.client()
        self.carry(client)
        self.send(self.keyed(client), 3)
        self.assertEqual(self.counts, (6, 1))
        self.update(STREAM)
        self.send(None, 3)
        self.assertEqual(self.counts, (9, 1))
        self.update(by())
        self.send(None, 2)
        client = self.client()
        self.carry(client)
        self.send(self.keyed(client), 3)
        self.assertEqual(self.counts, (12, 3))
        self.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
