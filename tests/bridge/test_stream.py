"""The reception of one stream, datagram by datagram."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.codec import encoder
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Address, Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.events import DigitPressed
from twisted_siprec.rtp.header import RTPPacket

PCMU, PCMA = Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)
G722, L16 = Codec(9, "G722", 8000), Codec(96, "L16", 8000)
WIDE, EVENT = Codec(97, "L16", 16000), Codec(101, "TELEPHONE-EVENT", 8000)
NOISE, UNKNOWN = Codec(13, "CN", 8000), Codec(18, "G728", 8000)
HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 5000)
OPENED = 50.0


def samples(number: int) -> bytes:
    """20 ms of L16 that count on from packet to packet."""
    return (np.arange(160 * number, 160 * number + 160) % 30000 + 1).astype(">i2").tobytes()


def datagram(
    number: int,
    arrived_ms: float | None = None,
    *,
    payload: bytes | None = None,
    payload_type: int = 96,
    sequence: int | None = None,
    timestamp: int | None = None,
    ssrc: int = 7,
    source: Address = HERE,
) -> Datagram:
    """The packet of a number: 20 ms of audio that comes 20 ms after the one before."""
    packet = RTPPacket(
        payload_type,
        False,
        (65530 + number if sequence is None else sequence) & 0xFFFF,
        (0xFFFFFF00 + 160 * number if timestamp is None else timestamp) & 0xFFFFFFFF,
        ssrc,
        samples(number) if payload is None else payload,
    )
    arrived = 20 * number if arrived_ms is None else arrived_ms
    return Datagram(bytes(packet), source, OPENED + arrived / 1000)


class StreamTests(SynchronousTestCase):
    """L16 at 8 kHz, so that every sample says which one it is."""

    def setUp(self) -> None:
        self.stream = self.make()

    def make(
        self,
        codecs: tuple[Codec, ...] = (L16, PCMU, G722, WIDE, EVENT, NOISE, UNKNOWN),
        **changes: object,
    ) -> Stream:
        plan = StreamPlan(0, codecs, source=HERE, label="1")
        changes = {"conceal": False, **changes}
        return Stream(plan, MediaSettings(**changes), OPENED)  # type: ignore[arg-type]

    def heard(self, end_ms: int) -> list[tuple[int, int]]:
        """The packets that are heard, each whole, and where: (number, ms)."""
        start = self.stream._playout.played // MS
        played = self.stream.play(end_ms * MS)
        self.missing = [(m.start // MS, m.end // MS, m.reason) for m in played.missing]
        if played.samples is None:
            return []
        found = []
        for at, first in enumerate(played.samples.tolist()):
            if first % 160 == 1 and (at == 0 or at % 8 == 0):
                found.append((first // 160, start + at // 8))
        return found

    def test_in_order(self) -> None:
        """Placed by arrival, then by timestamps over the wrap, both packets of probation too."""
        self.stream.receive([datagram(n) for n in range(10)])
        self.assertEqual(self.heard(200), [(n, 20 * n) for n in range(10)])
        self.assertEqual(self.missing, [])
        self.assertEqual(self.stream.first_arrival, OPENED)

    def test_anchor_is_the_arrival(self) -> None:
        """The first packet lies where it arrived; how late the others are means nothing."""
        self.stream.receive([datagram(0, 30), datagram(1, 95), datagram(2, 71)])
        self.assertEqual(self.heard(200), [(0, 30), (1, 50), (2, 70)])

    def test_wrong_order_at_first(self) -> None:
        """The first packets in the wrong order are all heard, in the right one."""
        self.stream.receive([datagram(n, at) for n, at in ((1, 0), (0, 2), (2, 40), (3, 60))])
        self.assertEqual(self.heard(100), [(0, 0), (1, 20), (2, 40), (3, 60)])

    def test_any_padding(self) -> None:
        """Contributors, extension and padding are not heard."""
        plain = [datagram(n) for n in range(3)]
        octets = plain[1].octets
        odd = (
            bytes([0xB1]) + octets[1:12] + b"\0\0\0\x09" + b"\xbe\xde\0\0" + octets[12:] + b"\0\x02"
        )
        self.stream.receive([plain[0], plain[1]._replace(octets=odd), plain[2]])
        self.assertEqual(self.heard(60), [(0, 0), (1, 20), (2, 40)])

    def test_discarded(self) -> None:
        """What is no RTP and what nobody negotiated is counted, and not taken for loss."""
        keep_alive = datagram(2, payload_type=77, payload=b"")
        junk = Datagram(b"SIP/2.0 200 OK", HERE, OPENED)
        self.stream.receive([datagram(0), datagram(1), junk, keep_alive])
        after = [datagram(n, 20 * n - 20, timestamp=0xFFFFFF00 + 160 * n - 160) for n in (3, 4)]
        self.stream.receive(after)
        self.assertEqual(self.heard(80), [(0, 0), (1, 20), (3, 40), (4, 60)])
        self.assertEqual((self.missing, self.stream.statistics().discarded), ([], 2))

    def test_intruder(self) -> None:
        """A second sender is not heard while the first goes on, and heard when it is silent."""
        self.stream.receive([datagram(n) for n in range(3)])
        self.stream.receive([datagram(n, ssrc=9, source=THERE) for n in range(3, 6)])
        self.assertEqual(self.stream.statistics().discarded, 3)
        self.stream.receive([datagram(n, ssrc=9, source=THERE) for n in range(110, 113)])
        assert self.stream.source is not None
        self.assertEqual((self.stream.source.address, self.stream.source.ssrc), (THERE, 9))

    def test_moved(self) -> None:
        """When the SRC says that it moves, the new address is heard at once."""
        self.stream.receive([datagram(n) for n in range(3)])
        self.stream.update(StreamPlan(0, (L16,), source=THERE))
        self.stream.receive([datagram(n, source=THERE) for n in range(3, 6)])
        self.assertEqual([number for number, _ in self.heard(120)], [0, 1, 2, 3, 4, 5])
        self.stream.receive([datagram(n, source=HERE) for n in range(6, 9)])
        self.assertEqual(self.stream.statistics().discarded, 3)

    def test_signalled_source(self) -> None:
        """Where only the signalled host is wanted, another one is never heard."""
        self.stream = self.make(expect_signalled_source=True)
        self.stream.receive([datagram(n, source=THERE) for n in range(3)])
        self.assertIsNone(self.stream.source)
        self.stream.receive([datagram(n, source=("192.0.2.1", 9)) for n in range(3)])
        self.assertIsNotNone(self.stream.source)

    def test_new_ssrc(self) -> None:
        """A new SSRC goes on where it arrives; none of its packets is lost."""
        self.stream.receive([datagram(n) for n in range(3)])
        self.stream.receive(
            [datagram(n, sequence=n + 9000, timestamp=160 * n, ssrc=8) for n in range(3, 6)]
        )
        self.assertEqual(self.heard(120), [(n, 20 * n) for n in range(6)])
        counted = self.stream.statistics()
        self.assertEqual((counted.ssrc_changes, counted.lost, counted.packets), (1, 0, 6))

    def test_new_ssrc_early(self) -> None:
        """A source that comes a little before the end of the last one does not cut it off."""
        self.stream.receive([datagram(n, 20 * n + 30 * (n == 0)) for n in range(3)])
        self.stream.receive([datagram(n, sequence=n, timestamp=160 * n, ssrc=8) for n in (3, 4)])
        self.assertEqual(self.heard(130), [(n, 20 * n + 30) for n in range(5)])

    def test_two_at_once(self) -> None:
        """Of two sources on one port, turn and turn about, only the first is heard."""
        both = [datagram(n, ssrc=ssrc) for n in range(10) for ssrc in (7, 8)]
        self.stream.receive([datagram(-1), *both])
        assert self.stream.source is not None
        self.assertEqual((self.stream.source.ssrc, self.stream.statistics().ssrc_changes), (7, 0))

    def test_restart(self) -> None:
        """A leap of the numbers is taken after two in a row, and is no loss."""
        self.stream.receive([datagram(n) for n in range(2)])
        self.stream.receive([datagram(n, sequence=20000 + n) for n in range(2, 5)])
        self.assertEqual(self.heard(100), [(n, 20 * n) for n in range(5)])
        self.assertEqual((self.missing, self.stream.statistics().lost), ([], 0))

    def test_counts(self) -> None:
        """Lost, duplicate, reordered and late are what the words say."""
        self.stream.receive([datagram(n) for n in (0, 1, 3, 2, 2, 5)])
        self.heard(110)
        self.stream.receive([datagram(4, 130)])
        counted = self.stream.statistics()
        self.assertEqual((counted.packets, counted.lost, counted.late), (6, 0, 1))
        self.assertEqual((counted.duplicate, counted.reordered), (1, 2))
        self.assertEqual((counted.octets, counted.label, counted.codec), (1920, "1", "L16"))

    def test_change_of_codec(self) -> None:
        """A payload type that was answered is decoded from its first packet on."""
        self.stream = self.make((PCMU, L16))
        loud = [datagram(n, payload_type=0, payload=b"\x80" * 160) for n in range(2)]
        self.stream.receive([*loud, datagram(2), datagram(3, payload_type=0, payload=b"\0" * 160)])
        played = self.stream.play(80 * MS)
        assert played.samples is not None
        wanted = [32124] * 320 + list(range(321, 481)) + [-32124] * 160
        self.assertEqual(played.samples.tolist(), wanted)
        self.assertEqual(self.stream.statistics().codec_changes, 2)

    def test_change_of_clock(self) -> None:
        """A format of another clock rate is placed by its arrival."""
        wide = [datagram(n, payload_type=97, timestamp=320 * n, payload=bytes(640)) for n in (2, 3)]
        self.stream.receive([datagram(0), datagram(1), *wide])
        played = self.stream.play(80 * MS)
        self.assertEqual((played.rate, played.heard, played.missing), (16000, 80 * MS, ()))

    def test_g722(self) -> None:
        """160 ticks of G.722 are 320 samples, and an hour of them drifts by none."""
        octets = encoder(Codec(9, "G722", 8000)).encode(np.full(640, 1000, dtype=np.int16))
        parts = [octets[:160], octets[160:]]
        self.stream.receive(
            [datagram(n, payload_type=9, payload=part) for n, part in enumerate(parts)]
        )
        played = self.stream.play(40 * MS)
        assert played.samples is not None
        self.assertEqual((played.rate, len(played.samples), played.heard), (16000, 640, 40 * MS))
        self.assertLess(abs(int(played.samples[600]) - 1000), 40)
        self.stream.play(3_600_000 * MS)
        late = [
            datagram(n, payload_type=9, payload=parts[0], sequence=65532 + n % 180_000)
            for n in (180_000, 180_001)
        ]
        self.stream.receive(late)
        self.assertEqual(self.stream.buffered, 3_600_040 * MS)

    def test_silence_of_a_sender(self) -> None:
        """A leap of the timestamps in step with time is a pause, and no loss."""
        self.stream.receive([datagram(0), datagram(1), datagram(7, sequence=65532)])
        self.assertEqual(self.heard(160), [(0, 0), (1, 20), (7, 140)])
        self.assertEqual(self.missing, [(40, 140, "no_packets")])
        self.assertEqual(self.stream.statistics().silent_ms, 100)

    def test_comfort_noise(self) -> None:
        """What follows comfort noise is not missed."""
        self.stream.receive(
            [datagram(0), datagram(1), datagram(2, payload_type=13, payload=b"\x40")]
        )
        self.heard(400)
        self.stream.receive([datagram(20, sequence=65533)])
        self.assertEqual(self.heard(500), [(20, 400)])
        self.assertEqual(self.missing, [(420, 500, "no_packets")])

    def test_key_press(self) -> None:
        """A key is told once; its packets are no loss, and their span no gap."""
        self.stream.receive([datagram(0), datagram(1)])
        for number in range(2, 10):
            duration = 160 * min(number - 1, 5)
            payload = bytes((3, 0x80 * (number > 6))) + duration.to_bytes(2, "big")
            self.stream.receive(
                [datagram(number, payload_type=101, payload=payload, timestamp=0xFFFFFF00 + 320)]
            )
        self.stream.receive([datagram(10, timestamp=0xFFFFFF00 + 160 * 7)])
        self.assertEqual(self.stream.pressed(OPENED), [DigitPressed("3", 100)])
        self.assertEqual(self.heard(160), [(0, 0), (1, 20), (10, 140)])
        self.assertEqual((self.missing, self.stream.statistics().lost), ([], 0))
        self.assertEqual(self.stream.pressed(OPENED), [])

    def test_key_press_without_its_end(self) -> None:
        """A press of which the end is lost is told when nothing more came."""
        self.stream.receive([datagram(0), datagram(1)])
        press = datagram(2, payload_type=101, payload=b"\x0b\x0a\x01\x40")
        self.stream.receive([press])
        self.assertEqual(self.stream.pressed(OPENED + 0.1), [])
        self.assertEqual(self.stream.pressed(OPENED + 0.3), [DigitPressed("#", 40)])

    def test_muted(self) -> None:
        """In a pause nothing is kept, neither voice nor keys, but counted it is."""
        self.stream.receive([datagram(0), datagram(1)])
        self.stream.muted = True
        press = datagram(3, payload_type=101, payload=b"\x0b\x8a\x01\x40")
        self.stream.receive([datagram(2), press])
        self.stream.muted = False
        self.stream.receive([datagram(n) for n in (4, 5)])
        self.assertEqual([number for number, _ in self.heard(120)], [0, 1, 4, 5])
        self.assertEqual(
            (self.stream.pressed(OPENED + 9), self.stream.statistics().packets), ([], 6)
        )

    def test_held(self) -> None:
        """What comes on a stream that the SRC holds is not recorded, and not missed."""
        self.stream.receive([datagram(0), datagram(1)])
        self.stream.update(StreamPlan(0, (L16,), source=HERE, active=False))
        self.stream.receive([datagram(2), datagram(3)])
        self.assertEqual(self.heard(200), [(0, 0), (1, 20)])
        self.assertEqual(self.missing, [])

    def test_timestamps_leap_ahead(self) -> None:
        """Timestamps that run a second ahead of the arrivals are anchored anew, none is lost."""
        self.stream.receive([datagram(n) for n in range(2)])
        self.stream.receive([datagram(n, timestamp=90_000 + 160 * n) for n in range(2, 5)])
        self.assertEqual(self.heard(100), [(n, 20 * n) for n in range(5)])

    def test_timestamps_leap_back(self) -> None:
        """Timestamps that fall a second behind are anchored anew at the third such packet."""
        self.stream.receive([datagram(n) for n in range(2)])
        self.heard(40)
        self.stream.receive([datagram(n, timestamp=(160 * n - 90_000)) for n in range(2, 8)])
        self.assertEqual(self.heard(160), [(n, 20 * n) for n in range(4, 8)])
        self.assertEqual(self.stream.statistics().late, 3)

    def test_always_late(self) -> None:
        """A network that has become slower is followed after half a second."""
        self.stream.receive([datagram(n) for n in range(2)])
        for number in range(2, 40):
            self.stream.play((20 * number + 40) * MS)
            self.stream.receive([datagram(number, 20 * number + 130)])
        self.assertEqual(self.stream.statistics().late, 26)
        self.assertEqual(self.stream.buffered // MS, 20 * 39 + 130 + 20)

    def test_drift(self) -> None:
        """A source that is 200 ppm slow is heard for ten minutes, and nothing is lost to it."""
        chunk = 0
        for number in range(30_000):
            arrived = 20 * number * 1.0002
            while (chunk + 1) * 100 + 60 < arrived:
                chunk += 1
                self.stream.play(chunk * 100 * MS)
            one = datagram(number, arrived, payload=bytes(320))
            self.stream.receive([one])
        counted = self.stream.statistics()
        self.assertEqual((counted.late, counted.lost, counted.silent_ms), (0, 0, 0))
        self.assertLess(abs(self.stream.drift_ppm - 200), 3)

    def test_timestamp_at(self) -> None:
        """The RTP timestamp of a place, for synchronisation."""
        self.assertIsNone(self.stream.timestamp_at(0))
        self.stream.receive([datagram(0), datagram(1)])
        self.assertEqual(self.stream.timestamp_at(0), 0xFFFFFF00)
        self.assertEqual(self.stream.timestamp_at(40 * MS), 64)

    def test_flood(self) -> None:
        """However many packets come, no more are kept than allowed."""
        self.stream = self.make(max_pending_packets=8)
        self.stream.receive([datagram(n, 0) for n in range(40)])
        self.assertEqual(len(self.heard(900)), 8)

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 30),
                st.sampled_from([0, 9, 13, 18, 77, 96, 97, 101]),
                st.binary(max_size=40),
            ),
            max_size=40,
        ),
        st.integers(20, 700),
    )
    def test_anything(self, packets: list[tuple[int, int, bytes]], step: int) -> None:
        """Any packets in any order: nothing raises, and every chunk is as long as it should be."""
        stream = self.make()
        for number, (sequence, payload_type, payload) in enumerate(packets):
            stream.receive(
                [
                    datagram(
                        number,
                        sequence=sequence,
                        payload_type=payload_type,
                        payload=payload,
                        timestamp=sequence * 7919 * step,
                    ),
                    Datagram(payload, HERE, OPENED),
                ]
            )
            played = stream.play((number + 1) * step * MS)
            if played.samples is not None:
                self.assertEqual(len(played.samples), step * played.rate // 1000)
            for missing in played.missing:
                self.assertLess(missing.start, missing.end)
        stream.pressed(OPENED + 99)
        stream.statistics()
