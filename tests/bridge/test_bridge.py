"""A whole bridge without sockets: packets in, blocks out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.bridge import Bridge, Phase, Surroundings
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import (
    Audio,
    Digit,
    Event,
    Gap,
    Paused,
    Progress,
    Rearranged,
    Redescribed,
    Resumed,
    StreamStart,
    Synchronisation,
)
from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Destination,
    Encoding,
    KeyPress,
    Layout,
    ParticipantEvent,
    StreamPlan,
)
from twisted_siprec.report import StreamHeard, StreamSilent
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

L16, G722 = Codec(96, "L16", 8000), Codec(9, "G722", 8000)
EVENT = Codec(101, "TELEPHONE-EVENT", 8000)
OPENED = 1000.0
DESCRIPTION = Description("b1", "c1")
TWO_STREAMS = (StreamPlan(0, (L16, EVENT)), StreamPlan(1, (L16, EVENT)))
TWO_CHANNELS = (ChannelPlan(0, (0,), participant_id="p0"), ChannelPlan(1, (1,)))
WS = Destination("one", "ws://consumer.example.com/")


class BridgeTestCase(SynchronousTestCase):
    """Two parties, packets of 20 ms, chunks of 100 ms, played 60 ms after their end."""

    def open(
        self,
        streams: tuple[StreamPlan, ...] = TWO_STREAMS,
        channels: tuple[ChannelPlan, ...] = TWO_CHANNELS,
        destinations: tuple[Destination, ...] = (WS,),
        paused: bool = False,
        settings: MediaSettings | None = None,
        masks: bool = False,
    ) -> None:
        plan = BridgePlan(
            "b1",
            "c1",
            "192.0.2.9",
            streams,
            channels,
            destinations,
            DESCRIPTION,
            0.0,
            paused,
            masks,
        )
        identifiers = iter("abcdefgh")
        surroundings = Surroundings(
            settings or MediaSettings(), lambda now: now + 7000.0, lambda: next(identifiers)
        )
        self.bridge = Bridge(plan, surroundings, OPENED)
        self.starts: dict[int, StreamStart] = {}
        self.items: dict[int, list[Audio | Event]] = {}
        self.stopped: list[int] = []
        self.withdrawn: list[int] = []
        self.numbers: dict[int, int] = {}

    def send(
        self,
        index: int,
        at_ms: float,
        packets: int = 1,
        value: int = 100,
        codec: Codec = L16,
        skip: int = 0,
    ) -> None:
        """Packets of a constant value, in time; each comes when it is due."""
        payload = np.full(160, value, dtype=">i2").tobytes()
        self.numbers[index] = self.numbers.get(index, 0) + skip
        for number in range(packets):
            n = self.numbers[index]
            self.numbers[index] = n + 1
            packet = RTPPacket(codec.payload_type, False, n, 160 * n, 70 + index, payload)
            arrived = OPENED + (at_ms + 20 * number) / 1000
            source = ("192.0.2.1", 4000 + index)
            self.bridge.receive(index, [Datagram(bytes(packet), source, arrived)])

    def expire(self, at_ms: float) -> None:
        self.bridge.expire(OPENED + at_ms / 1000)
        self.take()

    def finish(self, at_ms: float) -> None:
        self.bridge.finish(OPENED + at_ms / 1000)
        self.take()

    def update(
        self,
        at_ms: float,
        streams: tuple[StreamPlan, ...] = TWO_STREAMS,
        channels: tuple[ChannelPlan, ...] = TWO_CHANNELS,
        **changes: object,
    ) -> None:
        update = BridgeUpdate("b1", streams, channels, DESCRIPTION, **changes)  # type: ignore[arg-type]
        self.bridge.update(update, OPENED + at_ms / 1000)
        self.take()

    def take(self) -> None:
        for block in self.bridge.outputs():
            self.starts.update(block.opened)
            for number, items in block.parts:
                self.items.setdefault(number, []).extend(items)
            self.stopped += block.stopped
            self.withdrawn += block.withdrawn

    def audio(self, outlet: int = 0) -> list[Audio]:
        return [item for item in self.items.get(outlet, []) if isinstance(item, Audio)]

    def events(self, outlet: int = 0) -> list[Event]:
        return [item for item in self.items.get(outlet, []) if not isinstance(item, Audio)]

    def levels(self, outlet: int = 0, width: int = 2, rate: int = 8000) -> list[tuple[int, ...]]:
        """One row of sample values for each 20 ms, taken from their middle."""
        octets = b"".join(audio.payload for audio in self.audio(outlet))
        rows = np.frombuffer(octets, dtype="<i2").reshape(-1, width)
        return [tuple(row) for row in rows[rate // 100 :: rate // 50].tolist()]


class BridgeTests(BridgeTestCase):
    """What consumers get of a call."""

    # --- the clock ---

    def test_clock(self) -> None:
        """Each chunk is played 60 ms after its end, counted from the first packet."""
        self.open()
        self.assertEqual(self.bridge.next_deadline(), OPENED + 0.020)
        self.send(0, 10, packets=2)
        self.expire(35)
        self.assertEqual(self.bridge.phase, Phase.RUNNING)
        self.assertAlmostEqual(self.bridge.next_deadline() or 0, OPENED + 0.170)
        self.expire(169)
        self.assertEqual(self.audio(), [])
        self.expire(170)
        self.assertEqual([(a.position, a.samples) for a in self.audio()], [(0, 800)])
        self.assertAlmostEqual(self.bridge.next_deadline() or 0, OPENED + 0.270)

    def test_start(self) -> None:
        """Consumers are told of position 0 and of the sources when the first packet has come."""
        self.open()
        self.send(1, 10.5, packets=2)
        self.send(0, 10.0)
        self.expire(35)
        start = self.starts[0]
        self.assertEqual((start.stream_id, start.sample_rate, start.width), ("a", 8000, 2))
        self.assertAlmostEqual(start.started_at, OPENED + 7000.010)
        self.assertEqual([(c.codec, c.ssrc) for c in start.channels], [("L16", None), ("L16", 71)])
        self.assertEqual(start.description, DESCRIPTION)

    def test_nothing_comes(self) -> None:
        """After two seconds the clock starts without a packet: silence, and a gap of it."""
        self.open()
        self.expire(1999)
        self.assertEqual(self.starts, {})
        self.expire(2000)
        self.expire(2160)
        audio = self.audio()[0]
        self.assertEqual((audio.position, audio.samples, audio.silence), (0, 800, True))
        self.assertEqual(audio.payload, bytes(3200))
        self.assertEqual(self.events(), [Gap(0, 800, (0, 1), "no_packets", "silence")])
        self.assertFalse(self.bridge.heard)

    def test_one_timeline(self) -> None:
        """The parties are where they arrived, and a silent one holds nobody up."""
        self.open()
        self.send(0, 10, packets=5, value=1)
        self.send(1, 50, packets=3, value=2)
        self.expire(170)
        self.assertEqual(self.levels(), [(1, 0), (1, 0), (1, 2), (1, 2), (1, 2)])
        self.assertEqual(self.events(), [])
        self.send(0, 110, packets=5, value=1)
        self.expire(270)
        self.assertEqual(self.levels()[5:], [(1, 0)] * 5)
        self.assertEqual(self.events(), [Gap(800, 800, (1,), "no_packets", "silence")])

    def test_stall(self) -> None:
        """After a stall all that was missed is played at once, and nothing is lost."""
        self.open()
        self.send(0, 10, packets=50, value=1)
        self.send(1, 10, packets=50, value=2)
        self.expire(1100)
        self.assertEqual([a.position for a in self.audio()], [800 * n for n in range(10)])
        self.assertEqual(self.levels(), [(1, 2)] * 50)
        self.assertEqual(self.events(), [])

    def test_catching_up_is_bounded(self) -> None:
        """One call takes not the whole of a slot after a long stall."""
        self.open(settings=MediaSettings(max_catch_up=3))
        self.expire(2000)
        self.expire(9000)
        self.assertEqual(len(self.audio()), 3)

    def test_late_once(self) -> None:
        """Where the wait is fixed, a late packet costs a gap and no delay: the next is in time."""
        self.open(settings=MediaSettings(jitter_max_ms=0))
        self.send(0, 10, packets=4)
        self.expire(170)
        self.send(0, 175)
        self.send(0, 175, packets=4)
        self.expire(270)
        self.assertEqual([a.position for a in self.audio()], [0, 800])
        self.assertIn(Gap(640, 160, (0,), "late", "silence"), self.events())

    def test_late_twice(self) -> None:
        """A late packet makes the wait longer at once, and the next that is as late is heard."""
        self.open()
        self.send(0, 10, packets=4)
        self.expire(170)
        self.send(0, 175, packets=3)
        self.expire(270)
        self.assertEqual([a.position for a in self.audio()], [0])
        self.send(0, 275)
        self.expire(305)
        self.assertEqual([a.position for a in self.audio()], [0, 800])
        gaps = [gap for gap in self.events() if isinstance(gap, Gap) and gap.channels == (0,)]
        self.assertEqual(gaps, [Gap(640, 160, (0,), "late", "silence")])

    # --- the end ---

    def test_finish(self) -> None:
        """The end plays all that came, up to now; the last message is shorter."""
        self.open()
        self.send(0, 10, packets=12, value=1)
        self.send(1, 10, packets=12, value=2)
        self.expire(200)
        self.finish(250)
        self.assertEqual(
            [(a.position, a.samples) for a in self.audio()], [(0, 800), (800, 800), (1600, 320)]
        )
        self.assertEqual(self.levels(), [(1, 2)] * 12)
        self.assertEqual(self.bridge.duration_ms, 240)
        self.assertIsNone(self.bridge.next_deadline())

    def test_finish_before_anything(self) -> None:
        """A call that ends without a packet has a start, and a duration of nothing."""
        self.open()
        self.finish(500)
        self.assertEqual((len(self.starts), self.audio(), self.bridge.duration_ms), (1, [], 0))

    def test_finish_before_the_first_chunk(self) -> None:
        """A call that is over before anything was due has all its audio."""
        self.open()
        self.send(0, 10, packets=3, value=1)
        self.finish(55)
        self.assertEqual(self.levels(), [(1, 0)] * 3)

    def test_after_the_end(self) -> None:
        """What comes after the end changes nothing."""
        self.open()
        self.finish(500)
        self.send(0, 510, packets=4)
        self.update(520, described=True)
        self.expire(9000)
        self.finish(9000)
        self.assertEqual((self.items, self.bridge.statistics()[0].packets), ({}, 0))

    # --- destinations ---

    def test_rates_and_layouts(self) -> None:
        """Each destination has its rate, layout, encoding and length of a message."""
        self.open(
            destinations=(
                Destination("a", "ws://a/", layout=Layout.MONO, chunk_ms=200),
                Destination("b", "ws://b/", layout=Layout.SEPARATE, sample_rate=16000),
                Destination("c", "ws://c/", encoding=Encoding.PCMA),
            )
        )
        self.send(0, 10, packets=10, value=100)
        self.send(1, 10, packets=10, value=20)
        self.expire(170)
        self.assertEqual(self.audio(0), [])
        self.expire(270)
        mono = self.audio(0)
        self.assertEqual([(a.position, a.samples, len(a.payload)) for a in mono], [(0, 1600, 3200)])
        self.assertEqual(self.levels(0, width=1), [(120,)] * 10)
        self.assertEqual([self.starts[n].track for n in range(4)], [None, 0, 1, None])
        self.assertEqual([len(self.starts[n].channels) for n in range(4)], [2, 1, 1, 2])
        self.assertEqual([a.samples for a in self.audio(1)], [1600, 1600])
        self.assertEqual(self.levels(1, width=1, rate=16000)[1:], [(100,)] * 9)
        self.assertEqual(self.levels(2, width=1, rate=16000)[1:], [(20,)] * 9)
        self.assertEqual(self.audio(3)[0].payload, bytes([0xD3, 0xD4]) * 800)

    def test_wideband(self) -> None:
        """One stream that may be wideband makes 16 kHz of all, where nothing else is asked for."""
        self.open(streams=(StreamPlan(0, (L16,)), StreamPlan(1, (G722, L16))))
        self.expire(2000)
        self.assertEqual(self.starts[0].sample_rate, 16000)

    def test_gaps_of_a_longer_message(self) -> None:
        """Gaps that go on are one, before the audio that they lie in."""
        self.open(destinations=(Destination("a", "ws://a/", chunk_ms=300), WS))
        self.expire(2000)
        self.expire(2360)
        self.assertEqual(self.items[0][0], Gap(0, 2400, (0, 1), "no_packets", "silence"))
        self.assertIsInstance(self.items[0][1], Audio)
        self.assertEqual(len(self.events(1)), 3)

    def test_no_destination(self) -> None:
        """A bridge to nowhere runs, and counts."""
        self.open(destinations=())
        self.send(0, 10, packets=10)
        self.expire(300)
        self.finish(310)
        self.assertEqual((self.items, self.bridge.duration_ms), ({}, 300))

    def test_sum(self) -> None:
        """Two streams of one channel are added; a loss of either is concealed and named."""
        self.open(channels=(ChannelPlan(0, (0, 1)),))
        self.send(0, 10, packets=2, value=100)
        self.send(0, 70, packets=3, value=100, skip=1)
        self.send(1, 10, packets=5, value=20)
        self.expire(170)
        self.assertEqual(self.levels(width=1), [(120,), (120,), (120,), (120,), (120,)])
        self.assertEqual(self.events(), [Gap(320, 160, (0,), "rtp_loss", "concealed")])

    def test_concealed(self) -> None:
        """Audio with something concealed in it says so, in the channels that it is in."""
        separate = Destination("b", "ws://b/", layout=Layout.SEPARATE)
        self.open(destinations=(WS, separate))
        self.send(0, 10, packets=2, value=100)
        self.send(0, 70, packets=3, value=100, skip=1)
        self.send(1, 10, packets=5, value=20)
        self.expire(170)
        gap = Gap(320, 160, (0,), "rtp_loss", "concealed")
        self.assertEqual([self.events(outlet) for outlet in range(3)], [[gap], [gap], []])
        told = [
            [item.concealed for item in self.items[outlet] if isinstance(item, Audio)]
            for outlet in range(3)
        ]
        self.assertEqual(told, [[True], [True], [False]])
        self.assertEqual([one.concealed_ms for one in self.bridge.statistics()], [20, 0])

    def test_longer_message(self) -> None:
        """A message of several chunks says so for any of them, and joins only like gaps."""
        whole = Destination("c", "ws://c/", layout=Layout.INTERLEAVED, chunk_ms=200)
        self.open(destinations=(WS, whole))
        self.send(0, 10, packets=3, value=100)
        self.send(0, 150, packets=3, value=100, skip=4)
        self.send(1, 10, packets=10, value=20)
        self.expire(270)
        concealed = Gap(480, 480, (0,), "rtp_loss", "concealed")
        silent = Gap(960, 160, (0,), "rtp_loss", "silence")
        self.assertEqual(self.events(1), [concealed, silent])
        [audio] = [item for item in self.items[1] if isinstance(item, Audio)]
        self.assertTrue(audio.concealed)

    # --- events ---

    def test_masked(self) -> None:
        """Where presses are masked, the channel is silent for it, and the gap says why."""
        self.open(masks=True)
        self.send(0, 10, packets=4)
        self.send(1, 10, packets=5, value=20)
        octets = bytes(RTPPacket(101, True, 4, 640, 70, b"\x05\x8a\x00\xa0"))
        self.bridge.receive(0, [Datagram(octets, ("192.0.2.1", 4000), OPENED + 0.09)])
        self.expire(170)
        self.assertEqual(self.levels(), [(100, 20), (100, 20), (0, 20), (0, 20), (0, 20)])
        self.assertEqual(
            self.events(),
            [
                Digit("5", 20, 0, "p0", "rfc4733"),
                Gap(320, 480, (0,), "muted", "silence"),
            ],
        )

    def test_keys(self) -> None:
        """A key press is told with its channel; separate channels are told of their own only."""
        separate = Destination("b", "ws://b/", layout=Layout.SEPARATE)
        self.open(destinations=(WS, separate))
        self.send(0, 10, packets=2)
        octets = bytes(RTPPacket(101, True, 2, 320, 70, b"\x05\x8a\x03\x20"))
        self.bridge.receive(0, [Datagram(octets, ("192.0.2.1", 4000), OPENED + 0.05)])
        self.expire(170)
        digit = Digit("5", 100, 0, "p0", "rfc4733")
        told = [digit in self.events(outlet) for outlet in range(3)]
        self.assertEqual(told, [True, True, False])
        self.update(180, key_presses=(KeyPress("9", 250),))
        self.assertEqual(self.events(2)[-1], Digit("9", 250, None, None, "sip-info"))

    def test_metadata(self) -> None:
        """What changes is told at once; what changed before the start is in the start."""
        self.open()
        event = ParticipantEvent("joined", "p0", "2026-01-02T15:00:00Z")
        self.update(5, described=True, events=(event,))
        self.expire(2000)
        self.assertEqual(self.events(), [event])
        self.update(2010, described=True)
        self.assertEqual(self.events(), [event, Redescribed(DESCRIPTION)])

    def test_synchronisation(self) -> None:
        """Every five seconds: the wall clock and the clocks of the sources at a position."""
        self.open(streams=TWO_STREAMS[:1], channels=TWO_CHANNELS)
        self.send(0, 10, packets=260)
        self.expire(5069)
        self.assertFalse(any(isinstance(event, Synchronisation) for event in self.events()))
        self.expire(5070)
        (sync,) = [event for event in self.events() if isinstance(event, Synchronisation)]
        self.assertEqual(
            (sync.position, sync.channels), (40000, ((70, 40000, 0.0), (None, None, 0.0)))
        )
        self.assertAlmostEqual(sync.wallclock, OPENED + 7005.010, 3)

    def test_progress(self) -> None:
        """Counters as often as a destination asks for them."""
        self.open(destinations=(Destination("a", "ws://a/", stats_every_s=0.2), WS))
        self.send(0, 10, packets=30)
        self.expire(500)
        told = [event for event in self.events(0) if isinstance(event, Progress)]
        self.assertEqual([event.position for event in told], [1600, 3200])
        self.assertEqual(told[0].streams[0].packets, 30)
        self.assertFalse(any(isinstance(event, Progress) for event in self.events(1)))

    # --- pause and hold ---

    def test_pause(self) -> None:
        """Before a pause all that came is played; after it the positions have gone on."""
        self.open()
        self.send(0, 10, packets=6, value=1)
        self.send(1, 10, packets=6, value=2)
        self.update(130, paused=True, paused_by="src")
        self.assertEqual(self.bridge.phase, Phase.PAUSED)
        self.assertEqual([(a.position, a.samples) for a in self.audio()], [(0, 800), (800, 160)])
        self.assertEqual(self.events(), [Paused(960, "src")])

        self.send(0, 130, packets=6, value=9)
        self.expire(1000)
        self.assertEqual(len(self.audio()), 2)

        self.update(1010, paused=False, paused_by="src")
        told = self.events()[1:]
        self.assertEqual(
            told, [Gap(960, 7040, (0, 1), "paused", "none"), Resumed(8000, "src", 7040)]
        )
        self.send(0, 1010, packets=5, value=3, skip=38)
        self.expire(1170)
        self.assertEqual(self.audio()[2].position, 8000)
        self.assertEqual([row[0] for row in self.levels()[6:]], [3] * 5)

    def test_paused_twice(self) -> None:
        """A pause that is asked for twice is one."""
        self.open()
        self.send(0, 10, packets=6)
        self.update(130, paused=True)
        self.update(140, paused=True)
        self.assertEqual(sum(isinstance(event, Paused) for event in self.events()), 1)
        self.finish(500)
        self.assertEqual(self.bridge.duration_ms, 120)

    def test_paused_before_the_first_packet(self) -> None:
        """A pause that is over before a packet came has its place, and a length of its own."""
        self.open()
        self.update(5, paused=True)
        self.update(105)
        resumed = self.events()[-1]
        self.assertEqual(self.events()[0], Paused(0, "src"))
        self.assertEqual(resumed, Resumed(0, "src", 0))
        self.send(0, 110, packets=5, value=3)
        self.expire(300)
        self.assertEqual([row[0] for row in self.levels()][1:], [3] * 4)

    def test_paused_from_the_start(self) -> None:
        """A call that begins in a pause says so, and is heard when it goes on."""
        self.open(paused=True)
        self.send(0, 10, packets=5, value=9)
        self.expire(20)
        self.assertEqual((self.audio(), self.events()), ([], [Paused(0, "src")]))
        self.update(1010)
        self.send(0, 1010, packets=5, value=3, skip=45)
        self.expire(1200)
        self.assertEqual([row[0] for row in self.levels()], [3] * 5)

    def test_hold(self) -> None:
        """One party on hold is silent without gaps, and said to be held."""
        self.open()
        self.send(0, 10, packets=10, value=1)
        self.send(1, 10, packets=5, value=2)
        self.expire(170)
        self.update(175, streams=(TWO_STREAMS[0], StreamPlan(1, (L16,), active=False)))
        self.send(1, 175, packets=2, value=9)
        self.expire(270)
        self.assertEqual(self.levels()[5:], [(1, 0)] * 5)
        self.assertEqual([audio.held for audio in self.audio()], [False, True])
        self.assertEqual(self.events(), [])

    # --- changes ---

    def test_more_channels(self) -> None:
        """A third party is a third column, from the stated position on."""
        separate = Destination("b", "ws://b/", layout=Layout.SEPARATE)
        self.open(destinations=(WS, separate))
        self.send(0, 10, packets=20, value=1)
        self.expire(170)
        three = (*TWO_CHANNELS, ChannelPlan(2, (2,)))
        self.update(175, streams=(*TWO_STREAMS, StreamPlan(2, (L16,))), channels=three)
        self.send(2, 110, packets=5, value=3)
        self.expire(270)
        told = [event for event in self.events() if isinstance(event, Rearranged)]
        self.assertEqual([(t.position, len(t.channels)) for t in told], [(800, 3)])
        second = np.frombuffer(self.audio()[1].payload, dtype="<i2").reshape(-1, 3)
        self.assertEqual(second[400].tolist(), [1, 0, 3])
        self.assertEqual(
            (self.starts[3].track, self.starts[3].started_at), (2, self.starts[0].started_at)
        )
        self.assertEqual(self.items[3][0], Gap(0, 800, (2,), "no_packets", "none"))
        self.assertEqual(self.audio(3)[0].position, 800)

    def test_fewer_channels(self) -> None:
        """A channel that goes takes its own consumer stream with it; its counts stay."""
        separate = Destination("b", "ws://b/", layout=Layout.SEPARATE, chunk_ms=200)
        self.open(destinations=(WS, separate))
        self.send(1, 10, packets=5, value=2)
        self.expire(170)
        self.update(175, streams=TWO_STREAMS[:1], channels=TWO_CHANNELS[:1])
        self.assertEqual(self.stopped, [2])
        self.assertEqual([a.samples for a in self.audio(2)], [800])
        self.expire(270)
        self.assertEqual([a.samples for a in self.audio(0)], [800, 800])
        self.assertEqual(len(self.audio(0)[1].payload), 1600)
        self.assertEqual([s.packets for s in self.bridge.statistics()], [0, 5])

    # --- reports ---

    def test_silence_is_reported(self) -> None:
        """Heard, silent for ten seconds, heard again; never in a pause or on hold."""
        self.open(streams=TWO_STREAMS[:1])
        self.send(0, 10, packets=2)
        self.expire(40)
        source = ("192.0.2.1", 4000)
        self.assertEqual(self.bridge.reports(), [StreamHeard("b1", 0, source)])
        self.expire(10039)
        self.assertEqual(self.bridge.reports(), [])
        self.expire(10041)
        self.assertEqual(self.bridge.reports(), [StreamSilent("b1", 0, 10001)])
        self.expire(20000)
        self.assertEqual(self.bridge.reports(), [])
        self.send(0, 20000)
        self.expire(20010)
        self.assertEqual(self.bridge.reports(), [StreamHeard("b1", 0, source)])
        self.update(20020, streams=TWO_STREAMS[:1], paused=True)
        self.expire(60000)
        self.assertEqual(self.bridge.reports(), [])
        self.update(60000, streams=TWO_STREAMS[:1])
        self.expire(69999)
        self.assertEqual(self.bridge.reports(), [])
        self.expire(70001)
        self.assertEqual(self.bridge.reports(), [StreamSilent("b1", 0, 10001)])

    def test_unknown_stream(self) -> None:
        """A datagram for a stream that is not here any more is nobody's."""
        self.open()
        self.bridge.receive(7, [Datagram(b"", ("192.0.2.1", 1), OPENED)])
        self.assertEqual(self.bridge.statistics()[0].discarded, 0)


def contiguous(items: Iterable[Audio | Event]) -> int:
    """The final position, if audio and gaps without audio cover every position once."""
    position = 0
    for item in items:
        if isinstance(item, Audio) or (isinstance(item, Gap) and item.filled == "none"):
            assert item.position == position, (item.position, position)
            position += item.samples
    return position


class PromiseTests(BridgeTestCase):
    """Every position is in audio, or in a gap that says so."""

    def test_positions(self) -> None:
        """Through pauses, hold and changes, each consumer stream is whole."""
        self.open(
            destinations=(
                WS,
                Destination("a", "ws://a/", layout=Layout.MONO, chunk_ms=300, sample_rate=16000),
                Destination("b", "ws://b/", layout=Layout.SEPARATE, chunk_ms=200),
            )
        )
        at = 10.0
        for step in range(40):
            self.send(step % 2, at, packets=3)
            at += 37
            self.expire(at)
            if step % 9 == 4:
                self.update(at + 1, paused=True)
            elif step % 9 == 6:
                three = (*TWO_CHANNELS, ChannelPlan(2, (0, 1)))
                self.update(at + 2, channels=three if step % 2 else TWO_CHANNELS)
        self.finish(at + 5)
        for outlet, items in self.items.items():
            rate = self.starts[outlet].sample_rate
            final = contiguous(items)
            if outlet not in self.stopped:
                self.assertEqual(final, self.bridge.duration_ms * rate // 1000)
