"""The timeline of a bridge through all that happens to streams, on simulated clocks."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.samples import Samples
from twisted_siprec.bridge.bridge import Bridge, Surroundings
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio, Event, Gap, Synchronisation
from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    Address,
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Destination,
    StreamPlan,
)
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.rtcp import SenderReport

L16 = Codec(96, "L16", 8000)
OPENED, NTP = 1000.0, 3_900_000_000.0
CHANNELS = (ChannelPlan(0, (0,)), ChannelPlan(1, (1,)))
DESCRIPTION = Description("b1", "c1")
WS = Destination("one", "ws://consumer.example.com/")
Sound = Callable[[float], float]
"What is heard at a second."


def ramp(at: float) -> float:
    """Sound that says when it was: 10 for each ms of 3 s."""
    return (at % 3.0) * 10_000


class Party:
    """Somebody whose microphone, clock and network are known."""

    def __init__(self, index: int, ppm: float = 0.0, delay_ms: float = 1.0) -> None:
        self.index = index
        self.ppm = ppm
        self.delay_ms = delay_ms
        self.ssrc, self.sequence, self.base = 70 + index, 100, 5_000
        self.source: Address = (f"192.0.2.{1 + index}", 4000)
        self.sound: Sound = ramp
        self.spoken = 0

    def packet(self, number: int, late_ms: float = 0.0) -> Datagram:
        """The packet of a number: what was heard in its 20 ms, sent when they are over."""
        scale = 1 + self.ppm / 1e6
        at = np.arange(160 * number, 160 * number + 160) / 8000 * scale
        payload = np.rint([self.sound(second) for second in at]).astype(">i2").tobytes()
        timestamp = self.base + 160 * number
        octets = bytes(RTPPacket(96, False, self.sequence & 0xFFFF, timestamp, self.ssrc, payload))
        self.sequence += 1
        arrived = OPENED + (0.02 * number + 0.02) * scale + (self.delay_ms + late_ms) / 1000
        return Datagram(octets, self.source, arrived)

    def report(self, at: float, wrong_s: float = 0.0) -> SenderReport:
        """What it says of its clock."""
        timestamp = self.base + round(at * 8000 / (1 + self.ppm / 1e6))
        return SenderReport(self.ssrc, int((NTP + at + wrong_s) * 2**32), timestamp, 0, 0)


class TimekeepingTests(SynchronousTestCase):
    """Two parties; what the consumer hears at a position was said at its wall-clock time."""

    def open(self, **changes: object) -> None:
        streams = (StreamPlan(0, (L16,)), StreamPlan(1, (L16,)))
        plan = BridgePlan("b1", "c1", "192.0.2.9", streams, CHANNELS, (WS,), DESCRIPTION, 0.0)
        settings = MediaSettings(**changes)  # type: ignore[arg-type]
        identifiers = iter("abcdefgh")
        surroundings = Surroundings(settings, lambda now: now, lambda: next(identifiers))
        self.bridge = Bridge(plan, surroundings, OPENED)
        self.begun, self.now = 0.0, OPENED
        self.waiting: list[tuple[int, Datagram]] = []
        self.items: list[Audio | Event] = []

    def run_until(self, until: float, arrivals: list[tuple[int, Datagram]]) -> None:
        """Go on in steps of 20 ms; whatever has arrived is received."""
        waiting = sorted([*self.waiting, *arrivals], key=lambda arrival: arrival[1].arrived_at)
        at = 0
        while self.now < OPENED + until:
            self.now += 0.02
            while at < len(waiting) and waiting[at][1].arrived_at <= self.now:
                self.bridge.receive(waiting[at][0], [waiting[at][1]])
                at += 1
            self.bridge.expire(self.now)
            self.take()
        self.waiting = waiting[at:]

    def take(self) -> None:
        for block in self.bridge.outputs():
            for _, start in block.opened:
                self.begun = start.started_at - OPENED
            for _, items in block.parts:
                self.items += items

    def channel(self, index: int) -> Samples:
        """All that was delivered of a channel; the account of positions is exact."""
        position = 0
        parts = []
        for item in self.items:
            if isinstance(item, Audio):
                self.assertEqual(item.position, position)
                part = np.frombuffer(item.payload, dtype="<i2").reshape(-1, 2)
                self.assertEqual(len(part), item.samples)
                position += item.samples
                parts.append(part)
        return np.concatenate(parts)[:, index]

    def off_ms(self, index: int, begin: float, end: float) -> list[float]:
        """
        How much later than it was said each sample of a span is heard, 20 ms of
        packet time and a network of 1 ms left out: the least and the most.
        """
        samples = self.channel(index)
        first, last = (round((at - self.begun) * 8000) for at in (begin, end))
        at = self.begun + np.arange(first, last) / 8000
        said = samples[first:last] / 10_000
        heard = (at - said + 1.5) % 3.0 - 1.5
        # Where the ramp begins again there is a leap, around which a filter rings.
        kept = (samples[first:last] != 0) & (np.abs((at - 0.021 + 0.1) % 3.0 - 0.1) > 0.08)
        off = heard[kept] * 1000 - 21
        return [float(off.min()), float(off.max())] if len(off) else []

    def assert_in_time(self, index: int, begin: float, end: float, within_ms: float) -> None:
        off = self.off_ms(index, begin, end)
        self.assertTrue(off, "nothing is heard")
        self.assertLess(max(map(abs, off)), within_ms, (index, begin))

    # --- where streams begin ---

    def test_start(self) -> None:
        """On a quiet network both parties are where they belong, to the ms."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(100)]
        came += [(1, two.packet(n)) for n in range(17, 100)]
        self.run_until(2.0, came)
        self.assert_in_time(0, 0.1, 1.5, 1)
        self.assert_in_time(1, 0.5, 1.5, 1)

    def test_late_start(self) -> None:
        """A first packet that was held up for 40 ms does no harm: nothing was played of it."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(100)]
        came += [(1, two.packet(n, 40 if n == 5 else 0)) for n in range(5, 100)]
        self.run_until(2.0, came)
        self.assert_in_time(1, 0.3, 1.5, 1)
        self.assertEqual(self.bridge.statistics()[1].slipped, 0)

    # --- clocks ---

    def run_reports(
        self, party: Party, cname: str, wrong: Callable[[float], float], seconds: int = 40
    ) -> None:
        """One party is a ms away, the other further; both report each 5 s."""
        self.open()
        one = Party(0)
        for begin in range(0, seconds, 5):
            numbers = range(50 * begin, 50 * begin + 250)
            came = [(0, one.packet(n)) for n in numbers] + [(1, party.packet(n)) for n in numbers]
            self.run_until(begin + 5, came)
            at = begin + 5.0
            for stream, each in ((0, one), (1, party)):
                report = each.report(at, wrong(at) if stream else 0.0)
                self.bridge.streams[stream].reported(report, cname if stream else "a", OPENED + at)

    def test_sender_reports(self) -> None:
        """A party whose network is 35 ms longer is moved to where its reports have it."""
        self.run_reports(Party(1, delay_ms=36), "a", lambda _: 0.0)
        self.assertGreater(self.off_ms(1, 1, 5)[0], 34)
        self.assert_in_time(1, 33, 39, 2)
        self.assert_in_time(0, 1, 39, 1)
        self.assertEqual([s.late for s in self.bridge.statistics()], [0, 0])

    def test_another_name(self) -> None:
        """A clock of another name at another host is another clock."""
        self.run_reports(Party(1, delay_ms=36), "b", lambda _: 0.0)
        self.assert_in_time(1, 33, 39, 36)
        self.assertGreater(self.off_ms(1, 33, 39)[0], 34)

    def test_implausible_reports(self) -> None:
        """A clock that is half a minute off is no better than arrival; nothing is moved."""
        self.run_reports(Party(1), "a", lambda _: -30.0)
        self.assert_in_time(1, 1, 39, 1)
        self.assertEqual(self.bridge.statistics()[1].slipped, 0)

    def test_way_back(self) -> None:
        """Reports that turn out to be nonsense: who was moved goes back to where it arrived."""
        for wrong_s, index in ((0.05, 0), (-0.05, 1)):

            def wrong(at: float, wrong_s: float = wrong_s) -> float:
                return wrong_s if at < 32 else at

            self.run_reports(Party(1), "a", wrong, seconds=70)
            moved = self.off_ms(index, 30.5, 34.5)
            self.assertLess(max(moved), -45)
            self.assert_in_time(0, 60, 68, 4)
            self.assert_in_time(1, 60, 68, 4)

    def test_drift(self) -> None:
        """
        200 ppm either way for three minutes: within 10 ms of the truth and of each
        other, no sample is missing, and a tone has no click.
        """
        self.open()
        parties = Party(0, ppm=200), Party(1, ppm=-200)
        for party in parties:
            party.sound = lambda at: 10_000 * np.sin(40 * np.pi * at)
        for begin in range(0, 180, 10):
            numbers = range(50 * begin, 50 * begin + 500)
            came = [(party.index, party.packet(n)) for n in numbers for party in parties]
            self.run_until(begin + 10, came)
        for index in (0, 1):
            samples = self.channel(index)[800:].astype(int)
            self.assertLess(np.abs(np.diff(samples, 2)).max(), 12)
            at = self.begun + 0.1 + np.arange(len(samples)) / 8000
            turning = np.exp(-40j * np.pi * (at - 0.021)) * samples
            angles = np.angle(turning.reshape(-1, 400).sum(axis=1)[:-1] * 1j)
            self.assertLess(np.abs(angles / (40 * np.pi)).max() * 1000, 10)
            counted = self.bridge.statistics()[index]
            self.assertEqual((counted.lost, counted.late, counted.silent_ms), (0, 0, 0))
            self.assertGreater(counted.slipped, 200)

    def test_untouched(self) -> None:
        """On a bad network, but with our clock, what is heard is what was said, to the sample."""
        random = Random(1)
        self.open()
        one = Party(0)
        came = [(0, one.packet(n, random.expovariate(0.1))) for n in range(3000)]
        self.run_until(60.0, came)
        samples = self.channel(0)[8000:440_000]
        said = np.rint([ramp(n / 8000) for n in range(480_000)]).astype(int)
        found = int(np.flatnonzero(np.convolve(said == samples[0], [1])[:16_000])[0])
        self.assertTrue(np.array_equal(samples, said[found : found + len(samples)]))

    # --- what happens to a stream ---

    def test_stall(self) -> None:
        """What was held up for 2 s and comes at once is late, and what follows is in time."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(400)]
        for number in range(400):
            held_ms = 20 * (250 - number) if 150 <= number < 250 else 0
            came.append((1, two.packet(number, held_ms)))
        self.run_until(8.0, came)
        self.assert_in_time(1, 5.4, 7.5, 1)
        self.assert_in_time(1, 0.1, 2.9, 1)
        self.assertGreater(self.bridge.statistics()[1].late, 85)

    def test_stopped_sender(self) -> None:
        """A sender that sleeps for 2 s, and goes on where it was, is heard when it speaks."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(400)]
        came += [(1, two.packet(n)) for n in range(150)]
        two.base -= 100 * 160
        came += [(1, two.packet(n)) for n in range(250, 400)]
        self.run_until(8.0, came)
        self.assert_in_time(1, 5.2, 7.5, 1)

    def test_silence_suppression(self) -> None:
        """Timestamps go on while nothing is sent, sequence numbers do not: nothing is lost."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(400)]
        came += [(1, two.packet(n)) for n in range(400) if n // 40 % 2 == 0]
        self.run_until(8.0, came)
        self.assert_in_time(1, 0.1, 7.5, 1)
        self.assertEqual(self.bridge.statistics()[1].lost, 0)
        reasons = {item.reason for item in self.items if isinstance(item, Gap)}
        self.assertEqual(reasons, {"no_packets"})

    def test_changes_of_source(self) -> None:
        """Another SSRC with other numbers, from another port, at once: the timeline is kept."""
        self.open()
        one, two = Party(0), Party(1)
        came = [(0, one.packet(n)) for n in range(400)]
        came += [(1, two.packet(n)) for n in range(200)]
        two.ssrc, two.sequence, two.base = 999, 7, 3_000_000_000
        came += [(1, two.packet(n)) for n in range(200, 400)]
        self.run_until(8.0, came)
        self.assert_in_time(1, 0.1, 7.5, 1)
        self.assertEqual(self.bridge.statistics()[1].ssrc_changes, 1)

    def test_port_move_and_hold(self) -> None:
        """A re-INVITE moves the media elsewhere, another holds it: what is heard is in time."""
        self.open()
        one, two = Party(0), Party(1)
        self.run_until(2.0, [(p.index, p.packet(n)) for p in (one, two) for n in range(100)])
        two.source = ("192.0.2.77", 9000)
        moved = (StreamPlan(0, (L16,)), StreamPlan(1, (L16,), source=two.source))
        self.bridge.update(BridgeUpdate("b1", moved, CHANNELS, DESCRIPTION), OPENED + 2.0)
        self.run_until(4.0, [(p.index, p.packet(n)) for p in (one, two) for n in range(100, 200)])
        held = (moved[0], StreamPlan(1, (L16,), source=two.source, active=False))
        self.bridge.update(BridgeUpdate("b1", held, CHANNELS, DESCRIPTION), OPENED + 4.0)
        self.run_until(7.0, [(0, one.packet(n)) for n in range(200, 350)])
        self.bridge.update(BridgeUpdate("b1", moved, CHANNELS, DESCRIPTION), OPENED + 7.0)
        self.run_until(9.0, [(p.index, p.packet(n)) for p in (one, two) for n in range(350, 450)])
        for begin, end in ((0.1, 1.9), (2.1, 3.9), (7.1, 8.5)):
            self.assert_in_time(1, begin, end, 1)
        self.assertEqual(self.off_ms(1, 4.2, 6.9), [])
        self.assert_in_time(0, 0.1, 8.5, 1)

    def test_synchronisation(self) -> None:
        """``sync`` tells the wall clock of a position, and the timestamp of what is heard there."""
        self.open()
        one = Party(0)
        self.run_until(11.0, [(0, one.packet(n)) for n in range(550)])
        told = [item for item in self.items if isinstance(item, Synchronisation)]
        self.assertEqual([sync.position for sync in told], [40_000, 80_000])
        for sync in told:
            at = sync.wallclock - OPENED
            self.assertAlmostEqual(at, self.begun + sync.position / 8000, 4)
            _, timestamp, _ = sync.channels[0]
            assert timestamp is not None
            self.assertAlmostEqual((timestamp - one.base) / 8000, at - 0.021, 3)
