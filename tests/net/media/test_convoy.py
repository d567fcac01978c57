"""Bridges stepped together give what each gives by itself, whatever comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakeOutlet, FakePorts
from twisted_siprec.audio.g711 import PCMU_DECODED
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.steady import SteadyPlane
from twisted_siprec.dialects.base import Audio, Event, Gap, StreamStart
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Destination,
    Encoding,
    EndReason,
    Layout,
    SRTPKey,
    SRTPKeys,
    StreamPlan,
)
from twisted_siprec.report import BridgeClosed, Report
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.srtp import SRTP

PCMU, PCMA, G722 = Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000), Codec(9, "G722", 8000)
EVENT, NOISE = Codec(101, "TELEPHONE-EVENT", 8000), Codec(13, "CN", 8000)


class Leg(NamedTuple):
    """What a stream sends: packets of 20 ms."""

    codec: Codec
    ticks: int
    octets: int
    suite: str | None = None
    "What its packets are protected by."

    @property
    def keys(self) -> SRTPKeys | None:
        """Its keys and ours."""
        if self.suite is None:
            return None
        octets = 30 if self.suite.startswith("AES_CM") else 28
        theirs, ours = (SRTPKey(self.suite, bytes([one]) * octets) for one in (1, 2))
        return SRTPKeys((theirs,), ours)

    def plan(self, index: int) -> StreamPlan:
        known = (self.codec, *(c for c in (PCMU, PCMA, EVENT, NOISE) if c != self.codec))
        return StreamPlan(index, known, crypto=self.keys)


MU, A, WIDE = Leg(PCMU, 160, 160), Leg(PCMA, 160, 160), Leg(G722, 160, 160)
LINEAR = Leg(Codec(96, "L16", 16000), 320, 640)
LINEAR_8 = Leg(Codec(97, "L16", 8000), 160, 320)
SAFE, SAFE_WIDE = (
    MU._replace(suite="AES_CM_128_HMAC_SHA1_80"),
    WIDE._replace(suite="AEAD_AES_128_GCM"),
)
SHORT_TAG = A._replace(suite="AES_CM_128_HMAC_SHA1_32")
LEGS = (MU, A, WIDE, LINEAR, LINEAR_8, SAFE, SAFE_WIDE, SHORT_TAG)
STREAMS = (MU.plan(0), A.plan(1))
CHANNELS = (ChannelPlan(0, (0,)), ChannelPlan(1, (1,)))
WS = Destination("one", "ws://consumer.example.com/")
DESCRIPTION = Description("b", "c")
BEGUN = 100.0


def payload(stream: int, number: int, octets: int = 160) -> bytes:
    """Octets that say whose they are and where they belong."""
    return bytes((number * 7 + at * 3 + stream * 11) & 0xFF for at in range(octets))


def packet(leg: Leg, stream: int, number: int, **changes: object) -> bytes:
    """The packet of a number, over the wrap of sequence numbers and timestamps."""
    plain = RTPPacket(
        payload_type=leg.codec.payload_type,
        marker=number == 0,
        sequence=65_500 + number & 0xFFFF,
        timestamp=0xFFFFF000 + leg.ticks * number & 0xFFFFFFFF,
        ssrc=70 + stream,
        payload=payload(stream, number, leg.octets),
    )
    return bytes(plain._replace(**changes))


class Side:
    """A media plane with a clock and ports of its own."""

    def __init__(
        self,
        batch: int,
        legs: tuple[Leg, ...] = (MU, A),
        masks: bool = False,
        **changes: object,
    ) -> None:
        self.masks = masks
        self.streams = tuple(leg.plan(index) for index, leg in enumerate(legs))
        self.clock, self.ports = Clock(), FakePorts()
        self.clock.advance(BEGUN)
        self.outlets: list[FakeOutlet] = []
        self.reports: list[Report] = []
        identifiers = iter(range(10_000))
        self.media = LocalMedia(
            self.clock,  # type: ignore[arg-type] # it listens to nothing here
            MediaSettings(max_batch_packets=batch, **changes),  # type: ignore[arg-type]
            self.open_outlet,
            monotonic=self.clock.seconds,
            wallclock=lambda: self.clock.seconds() + 5000.0,
            open_pair=self.ports.open,
            new_id=lambda: f"id{next(identifiers)}",
            token=lambda octets: bytes(octets),
            chance=lambda: 0.5,
        )
        self.media.listen(self.reports.append)
        self.together: list[int] = []
        "How many streams went together, every 5 ms."

    @property
    def most(self) -> int:
        """How many streams went together at some time."""
        return max(self.together)

    def open_outlet(self, start: StreamStart, report: object) -> FakeOutlet:
        self.outlets.append(FakeOutlet(start))
        return self.outlets[-1]

    def open(self, calls: int, destinations: tuple[Destination, ...]) -> None:
        for call in range(calls):
            name = f"b{call}"
            self.media.open(
                BridgePlan(
                    bridge=name,
                    call_id=name,
                    local_address="192.0.2.9",
                    streams=self.streams,
                    channels=CHANNELS,
                    destinations=destinations,
                    description=DESCRIPTION,
                    started_at=0.0,
                    mask_dtmf=self.masks,
                )
            )

    def run_until(self, at: float, arrivals: list[tuple[int, Datagram]]) -> None:
        """Go on in steps of 5 ms; each datagram is in its socket when it has arrived."""
        waiting = sorted(arrivals, key=lambda arrival: arrival[1].arrived_at)
        while self.clock.seconds() < at:
            now = self.clock.seconds() + 0.005
            while waiting and waiting[0][1].arrived_at <= now:
                pair, datagram = waiting.pop(0)
                self.ports.pairs[pair].queue.append(datagram)
            self.clock.advance(0.005)
            self.together.append(self.media.streams_together)

    def update(self, call: int, **changes: object) -> None:
        update = BridgeUpdate(f"b{call}", STREAMS, CHANNELS, DESCRIPTION)
        self.media.update(replace(update, **changes))  # type: ignore[arg-type]

    def close(self, calls: int) -> list[BridgeClosed]:
        closed: list[BridgeClosed] = []
        for call in range(calls):
            self.media.close(f"b{call}", EndReason.CALL_ENDED).addCallback(closed.append)
        return closed

    def items(self) -> list[list[Audio | Event]]:
        return [outlet.items for outlet in self.outlets]


def arrivals(
    calls: int,
    packets: int,
    spoiled: dict[tuple[int, int], str],
    jitter_ms: Sequence[float],
    legs: tuple[Leg, ...] = (MU, A),
) -> list[tuple[int, Datagram]]:
    """
    The packets of all streams: each 20 ms after the one before, later by what is
    drawn for it, and some of them spoiled in one of many ways.
    """
    came: list[tuple[int, Datagram]] = []
    for stream in range(2 * calls):
        leg, host = legs[stream % 2], ("192.0.2.1", 4000 + 2 * stream)
        keys = leg.keys
        sender = SRTP(SRTPKeys((keys.send,), keys.receive[0])) if keys is not None else None
        dropped = 0
        for number in range(packets):
            how = spoiled.get((stream, number), "")
            late = jitter_ms[(stream * 31 + number) % len(jitter_ms)] / 1000
            at = BEGUN + 0.013 + 0.0037 * stream + 0.02 * number + late
            octets = spoil(leg, stream, number, how)
            if sender is not None and how != "junk":
                octets = sender.protect(octets) or b""
            if how == "lost":
                continue
            if how == "forged":
                octets = octets[:-1] + bytes([octets[-1] ^ 1])
            at += {"late": 0.15, "swapped": 0.021, "early": -0.039}.get(how, 0.0)
            source = ("192.0.2.66", 99) if how == "elsewhere" else host
            # The kernel counts on.
            dropped += 3 if how == "dropped" else 0
            datagram = Datagram(octets, source, at, dropped)
            came += [(stream, datagram)] * (2 if how == "twice" else 1)
    return came


def spoil(leg: Leg, stream: int, number: int, how: str) -> bytes:
    """A packet that is odd in itself, if it is to be."""
    half = payload(stream, number, leg.octets // 2)
    if how == "padded":
        octets = packet(leg, stream, number)
        return bytes([octets[0] | 0x20]) + octets[1:] + b"\0\2"
    if how == "junk":
        return b"\x80"
    changes: dict[str, dict[str, object]] = {
        "short": {"payload": half},
        "key": {"payload_type": 101, "payload": b"\x05\x8a\x00\xa0"},
        "noise": {"payload_type": 13, "payload": b"\x40"},
        "law": {"payload_type": 0 if leg.codec == PCMA else 8},
        "stranger": {"ssrc": 9999},
        "marked": {"marker": True},
        "long": {"payload": bytes(1900)},
        "leap": {"timestamp": number * 160 + 900_000},
    }
    return packet(leg, stream, number, **changes.get(how, {}))


WAYS = (
    *("lost", "late", "swapped", "twice", "short", "key", "noise", "law", "stranger"),
    *("elsewhere", "padded", "marked", "junk", "long", "leap", "early", "dropped", "forged"),
)


class ConvoyTests(SynchronousTestCase):
    """The same packets on both paths."""

    def both(
        self,
        calls: int = 2,
        packets: int = 60,
        spoiled: dict[tuple[int, int], str] | None = None,
        jitter_ms: Sequence[float] | None = None,
        destinations: tuple[Destination, ...] = (WS,),
        legs: tuple[Leg, ...] = (MU, A),
        **changes: object,
    ) -> Side:
        """Play on both paths and hold them against each other; gives the batch path."""
        self.sides = [Side(0, legs, **changes), Side(4096, legs, **changes)]
        came = arrivals(calls, packets, spoiled or {}, jitter_ms or [0], legs)
        accounts = []
        for side in self.sides:
            side.open(calls, destinations)
            side.run_until(BEGUN + packets * 0.02 + 0.2, came)
            accounts.append(side.close(calls))
        plain, batch = self.sides
        self.same(batch.items(), plain.items())
        self.assertEqual(accounts[1], accounts[0])
        self.accounts = accounts[1]
        self.assertEqual(batch.reports, plain.reports)
        self.assertEqual(plain.most, 0)
        self.assertEqual(
            [pair.sent for pair in batch.ports.pairs], [p.sent for p in plain.ports.pairs]
        )
        return batch

    def same(self, batch: list[list[Audio | Event]], plain: list[list[Audio | Event]]) -> None:
        """The first difference, where there is one: a whole listing of it takes minutes."""
        self.assertEqual([len(items) for items in batch], [len(items) for items in plain])
        for ours, theirs in zip(batch, plain, strict=True):
            for one, other in zip(ours, theirs, strict=True):
                if one != other:
                    self.fail(f"{one!r:.120} is not {other!r:.120}")

    def test_in_order(self) -> None:
        """Where all goes as it should, everything goes together, and nothing is missing."""
        batch = self.both()
        self.assertEqual(batch.most, 4)
        audio = [item for item in batch.items()[0] if isinstance(item, Audio)]
        self.assertEqual(sum(item.samples for item in audio), 11136)

    @settings(deadline=None, max_examples=60)
    @given(
        st.dictionaries(
            st.tuples(st.integers(0, 3), st.integers(0, 59)), st.sampled_from(WAYS), max_size=8
        ),
        st.lists(st.integers(0, 55), min_size=1, max_size=7),
        st.tuples(st.sampled_from(LEGS), st.sampled_from(LEGS)),
    )
    def test_anything(
        self,
        spoiled: dict[tuple[int, int], str],
        jitter_ms: Sequence[float],
        legs: tuple[Leg, ...],
    ) -> None:
        """
        Any packets spoiled in any way, with any jitter, of any codecs, protected or
        not: audio, gaps, counts are the same.
        """
        self.both(spoiled=spoiled, jitter_ms=jitter_ms, legs=legs)

    def test_each_way(self) -> None:
        """
        Each way to be odd, by itself and in the middle of a call: the other stream
        stays together with others, and this one comes back.
        """
        for legs in ((MU, A), (WIDE, MU), (LINEAR, LINEAR_8), (SAFE, SAFE_WIDE)):
            for way in WAYS:
                batch = self.both(calls=1, packets=60, spoiled={(0, 22): way}, legs=legs)
                while_sending = batch.together[: 60 * 20 // 5]
                after = while_sending[while_sending.index(2) :]
                self.assertGreaterEqual(min(after), 1, way)
                if way not in ("law", "leap"):
                    self.assertEqual(after[-1], 2, way)

    def test_each_codec(self) -> None:
        """Each codec, protected or not, goes in the batch from its second chunk on."""
        for leg in LEGS:
            batch = self.both(calls=1, packets=30, legs=(leg, leg))
            self.assertEqual(set(batch.together), {0, 2}, leg)
            self.assertLess(batch.together.index(2) * 5, 300, leg)

    def test_first_chunk(self) -> None:
        """The first chunk begins with the first packet, and waits no longer than any other."""
        for batch in (0, 4096):
            side = Side(batch)
            side.open(1, (WS,))
            first_at = BEGUN + 0.013
            side.run_until(first_at + 0.155, arrivals(1, 30, {}, [0]))
            self.assertEqual([one for each in side.items() for one in each], [])
            side.run_until(first_at + 0.16 + 0.035, [])
            first = side.items()[0][0]
            assert isinstance(first, Audio)
            self.assertEqual((first.position, first.samples), (0, 800))
            left = np.frombuffer(first.payload, dtype="<i2")[::2]
            expected = PCMU_DECODED.take(np.frombuffer(payload(0, 0), dtype=np.uint8))
            self.assertEqual(left[:160].tolist(), expected.tolist())
            side.close(1)

    def test_many(self) -> None:
        """More streams than the table has rows at first, of which some end and others come."""
        batch = self.both(calls=40, packets=24, legs=(MU, LINEAR))
        self.assertEqual(batch.most, 80)

    def test_small_buffer(self) -> None:
        """Where not all that came has room at a time, it is taken in turns."""
        came = arrivals(6, 40, {(1, 20): "lost"}, [0])
        sides = [Side(0), Side(150)]
        for side in sides:
            side.open(6, (WS,))
            side.run_until(BEGUN + 1.0, came)
            side.close(6)
        self.same(sides[1].items(), sides[0].items())
        self.assertEqual(sides[1].most, 12)

    def test_dropped_by_the_kernel(self) -> None:
        """What the kernel had no room for is a gap, and counted as its doing."""
        spoiled = {(0, 30): "lost", (0, 31): "lost", (0, 32): "lost", (0, 33): "dropped"}
        batch = self.both(calls=1, spoiled=spoiled, conceal=False)
        gaps = [item for item in batch.items()[0] if isinstance(item, Gap)]
        self.assertEqual(gaps[0], Gap(4800, 480, (0,), "rtp_loss", "silence"))
        self.assertNotIn("rtp_loss", [gap.reason for gap in gaps[1:]])
        first = self.accounts[0].streams[0]
        self.assertEqual((first.dropped, first.lost), (3, 3))

    def test_silent_party(self) -> None:
        """A party that never sends, or stops, leaves the other one together with others."""
        for silent_from in (0, 25):
            silent = {(1, number): "lost" for number in range(silent_from, 100)}
            batch = self.both(calls=1, packets=100, spoiled=silent, silent_after_s=1.0)
            self.assertEqual(set(batch.together[160:380]), {1})

    def test_pauses_in_speech(self) -> None:
        """Comfort noise and silence now and then: what is said is together again at once."""
        spoiled = {(0, number): "lost" for number in range(31, 60)} | {(0, 30): "noise"}
        batch = self.both(calls=1, packets=100, spoiled=spoiled)
        self.assertEqual(batch.together[100], 2)
        self.assertEqual(batch.together[200], 1)
        self.assertEqual(batch.together[300], 2)

    def test_press(self) -> None:
        """A key press costs the chunks in which it lies, and the one after it at most."""
        spoiled = {(0, 40 + number): "key" for number in range(3)}
        for masks in (False, True):
            batch = self.both(calls=1, packets=100, spoiled=spoiled, masks=masks)
            apart = [n for n in range(100, 380) if batch.together[n] != 2]
            self.assertLess(len(apart) * 5, 400)
            self.assertGreater(len(apart), 0)

    def test_short_stays(self) -> None:
        """One that comes back only to leave again waits longer each time, but not for ever."""
        spoiled = {(0, number): "marked" if number % 8 else "lost" for number in range(20, 200)}
        batch = self.both(calls=1, packets=300, spoiled=spoiled)
        self.assertLess(batch.together[100:800].count(2), 350)
        self.assertEqual(batch.together[-80], 2)

    def test_forgery(self) -> None:
        """A forged packet of a protected stream costs itself; what came before it is kept."""
        batch = self.both(
            calls=1, packets=60, spoiled={(0, 33): "forged"}, legs=(SAFE, SAFE_WIDE), conceal=False
        )
        self.assertEqual(batch.most, 2)
        first = self.accounts[0].streams[0]
        self.assertEqual((first.packets, first.lost, first.discarded), (59, 1, 1))

    def test_layouts(self) -> None:
        """All layouts, rates and encodings of consumers, and longer messages."""
        self.both(
            spoiled={(1, 30): "lost"},
            destinations=(
                WS,
                Destination("m", "ws://m/", layout=Layout.MONO, chunk_ms=200),
                Destination("s", "ws://s/", layout=Layout.SEPARATE, encoding=Encoding.PCMA),
                Destination("w", "ws://w/", sample_rate=16000, stats_every_s=0.3),
            ),
        )

    def test_fault_of_one(self) -> None:
        """A port that breaks costs its own call and no other one."""
        side = Side(4096)
        side.open(3, (WS,))
        came = arrivals(3, 60, {}, [0])
        side.run_until(BEGUN + 0.6, came)
        self.assertEqual(side.media.streams_together, 6)
        side.ports.pairs[2].fault = ZeroDivisionError("a mistake")
        side.run_until(BEGUN + 1.1, [one for one in came if one[1].arrived_at > BEGUN + 0.6])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual((side.media.open_bridges, side.media.streams_together), (2, 4))
        for outlet in (0, 2):
            self.assertEqual(len(side.outlets[outlet].items), 10)
            self.assertTrue(all(isinstance(item, Audio) for item in side.outlets[outlet].items))
        self.assertIs(side.outlets[1].stopped[0][0], EndReason.ERROR)
        side.close(3)
        self.assertEqual(side.media.streams_together, 0)

    def test_mistake_of_ours(self) -> None:
        """Where stepping together breaks, every bridge goes on by itself, and nothing is lost."""
        plain, side = Side(0), Side(4096)
        came = arrivals(2, 60, {}, [0])
        for one in (plain, side):
            one.open(2, (WS,))
            one.run_until(BEGUN + 0.6, came)
        self.patch(SteadyPlane, "_play", lambda plane, group, now: 1 // 0)
        rest = [one for one in came if one[1].arrived_at > BEGUN + 0.6]
        for one in (plain, side):
            one.run_until(BEGUN + 1.4, rest)
            one.close(2)
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 0)
        for ours, theirs in zip(side.outlets, plain.outlets, strict=True):
            self.assertEqual(ours.items, theirs.items)

    def test_changes(self) -> None:
        """Pause, hold, new channels and statistics in the middle: as on the plain path."""
        sides = [Side(0), Side(4096)]
        held = (STREAMS[0], replace(STREAMS[1], active=False))
        took: list[list[object]] = [[], []]
        came = arrivals(1, 130, {}, [0, 2, 9])
        changes: list[tuple[float, dict[str, object]]] = [
            (0.55, {"paused": True}),
            (0.85, {}),
            (1.25, {"streams": held}),
            (1.55, {}),
            (1.95, {"channels": CHANNELS[::-1]}),
        ]
        for side, seen in zip(sides, took, strict=True):
            side.open(1, (WS,))
            begun, rest = BEGUN, came
            for after, change in changes:
                side.run_until(BEGUN + after, [a for a in rest if a[1].arrived_at > begun])
                begun = side.clock.seconds()
                seen.append(side.media.statistics("b0"))
                side.update(0, **change)
            side.run_until(BEGUN + 2.8, [a for a in rest if a[1].arrived_at > begun])
            seen += side.close(1)
        self.assertEqual(took[1], took[0])
        self.same(sides[1].items(), sides[0].items())
        self.assertEqual(sides[1].most, 2)

    def test_stall(self) -> None:
        """A stall of our own, shorter or longer than a line: all is played, nothing is lost."""
        for stall_s in (0.3, 1.2, 1.7):
            sides = [Side(0), Side(4096)]
            came = arrivals(2, 150, {}, [0])
            for side in sides:
                side.open(2, (WS,))
                side.run_until(BEGUN + 0.7, came)
                for pair, one in came:
                    if BEGUN + 0.7 < one.arrived_at <= BEGUN + 0.7 + stall_s:
                        side.ports.pairs[pair].queue.append(one)
                side.clock.advance(stall_s)
                began = side.clock.seconds()
                side.run_until(BEGUN + 3.0, [a for a in came if a[1].arrived_at > began])
                side.close(2)
            self.same(sides[1].items(), sides[0].items())
            events = [item for item in sides[1].items()[0] if not isinstance(item, Audio)]
            self.assertEqual(events, [], stall_s)

    def test_stall_is_made_up_together(self) -> None:
        """After three seconds of standing still nobody has to step by himself."""
        sides = [Side(0), Side(4096)]
        came = arrivals(2, 250, {}, [0])
        for side in sides:
            side.open(2, (WS,))
            side.run_until(BEGUN + 0.7, came)
            stopped = side.clock.seconds()
            for pair, one in came:
                if stopped < one.arrived_at <= stopped + 3.0:
                    side.ports.pairs[pair].queue.append(one)
            side.clock.advance(3.0)
            began = side.clock.seconds()
            side.together.clear()
            side.run_until(BEGUN + 4.5, [each for each in came if each[1].arrived_at > began])
            side.close(2)
        self.assertEqual(set(sides[1].together), {4})
        self.same(sides[1].items(), sides[0].items())

    def test_synchronisation(self) -> None:
        """Over windows of the drift and reports to the SRC, with chunks of 20 ms."""
        self.both(
            calls=1,
            packets=260,
            jitter_ms=[0, 3, 1, 7],
            destinations=(replace(WS, chunk_ms=20),),
            drift_window_s=0.7,
            sync_every_s=0.5,
            rtcp_interval_s=1.0,
        )

    def test_drift(self) -> None:
        """A clock that runs away is followed alike, with as many slips."""
        batch = self.both(
            calls=1,
            packets=200,
            drift_window_s=0.3,
            drift_tolerance_ms=1,
            jitter_ms=[number / 8 for number in range(231)],
        )
        self.assertEqual(batch.most, 2)
        self.assertGreater(self.accounts[0].streams[0].slipped, 20)
