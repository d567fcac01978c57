"""Further destinations of a call while it goes on, and fewer."""

from __future__ import annotations

from dataclasses import replace

from tests.bridge.test_bridge import OPENED, TWO_CHANNELS, TWO_STREAMS, WS, BridgeTestCase
from twisted_siprec.bridge.bridge import Phase
from twisted_siprec.bridge.consumers import Alike
from twisted_siprec.dialects.base import Gap, Paused, Progress, Redescribed, Resumed
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgeUpdate, ChannelPlan, Destination, Encoding, Layout

QA = Destination("qa", "ws://qa.example.com/")


class RedirectTests(BridgeTestCase):
    """The consumers of a bridge, from a moment on."""

    def redirect(self, at_ms: float, *destinations: Destination) -> None:
        self.bridge.redirect(destinations, OPENED + at_ms / 1000)
        self.take()

    def begin(self) -> None:
        """300 ms of a call."""
        self.open()
        self.send(0, 10, packets=20, value=1)
        self.send(1, 10, packets=20, value=2)
        self.expire(300)

    def test_further(self) -> None:
        """A new one starts at position 0 of its own, now, with what is known of the call."""
        self.begin()
        self.assertEqual([a.position for a in self.audio()], [0, 800])
        self.redirect(300, WS, QA)
        self.assertEqual((self.starts[1].destination, self.starts[1].bridge), (QA, "b1"))
        self.assertEqual(self.starts[1].started_at, self.starts[0].started_at + 0.2)
        self.assertEqual([each.plan for each in self.starts[1].channels], list(TWO_CHANNELS))
        self.expire(500)
        self.assertEqual([a.position for a in self.audio(0)], [0, 800, 1600, 2400])
        self.assertEqual([a.position for a in self.audio(1)], [0, 800])
        self.assertEqual(self.levels(1), [(1, 2)] * 10)
        self.assertEqual(self.levels(0)[10:], self.levels(1))

    def test_fewer(self) -> None:
        """One that is left out is withdrawn with all that was played; the other goes on."""
        self.open(destinations=(replace(WS, chunk_ms=200), QA))
        self.send(0, 10, packets=30, value=1)
        self.expire(300)
        self.redirect(300, QA)
        self.assertEqual(self.withdrawn, [0])
        self.assertEqual(self.stopped, [])
        self.assertEqual(sum(a.samples for a in self.audio(0)), 1600)
        self.expire(500)
        self.assertEqual(sum(a.samples for a in self.audio(0)), 1600)
        self.assertEqual(sum(a.samples for a in self.audio(1)), 3200)

    def test_unfinished_message(self) -> None:
        """Half a message of one that is left out is handed over as it is."""
        self.open(destinations=(replace(WS, chunk_ms=200), QA))
        self.send(0, 10, packets=30, value=1)
        self.expire(200)
        self.assertEqual(self.audio(0), [])
        self.redirect(200, QA)
        self.assertEqual([a.samples for a in self.audio(0)], [800])

    def test_same_name(self) -> None:
        """Who is known goes on as before, whatever else is said of it now."""
        self.begin()
        self.redirect(300, replace(WS, chunk_ms=20, layout=Layout.MONO))
        self.expire(400)
        self.assertEqual(list(self.starts), [0])
        self.assertEqual([a.samples for a in self.audio()], [800, 800, 800])

    def test_shorter_messages(self) -> None:
        """One with shorter messages gets them; those of the others are as long as before."""
        self.begin()
        self.redirect(300, WS, replace(QA, chunk_ms=20))
        self.expire(520)
        self.assertEqual({a.samples for a in self.audio(1)}, {160})
        self.assertEqual({a.samples for a in self.audio(0)}, {800})

    def test_other_forms(self) -> None:
        """A new one may have another rate, encoding and layout than the others."""
        self.begin()
        wanted = replace(QA, sample_rate=16_000, encoding=Encoding.PCMU, layout=Layout.SEPARATE)
        self.redirect(300, WS, wanted)
        self.expire(400)
        self.assertEqual([self.starts[1].track, self.starts[2].track], [0, 1])
        self.assertEqual([a.samples for a in self.audio(1)], [1600])
        self.assertEqual(len(self.audio(2)[0].payload), 1600)

    def test_later_channel(self) -> None:
        """A channel that comes after that is at the position of the new one's stream."""
        self.begin()
        self.redirect(300, replace(QA, layout=Layout.SEPARATE))
        self.expire(400)
        third = ChannelPlan(2, (0, 1))
        self.update(400, channels=(*TWO_CHANNELS, third))
        self.assertEqual(self.starts[3].started_at, self.starts[1].started_at)
        self.assertEqual(self.events(3), [Gap(0, 800, (2,), "no_packets", "none")])

    def test_described(self) -> None:
        """The start of a new one has the metadata as it is by then."""
        self.begin()
        known = Description("b1", "c1", caller="sip:a@example.com", revision=2)
        update = BridgeUpdate("b1", TWO_STREAMS, TWO_CHANNELS, known, described=True)
        self.bridge.update(update, OPENED + 0.3)
        self.redirect(300, WS, QA)
        self.assertEqual(self.starts[1].description, known)
        self.assertEqual([e for e in self.events(1) if isinstance(e, Redescribed)], [])

    def test_waiting(self) -> None:
        """Before the first packet there is nothing to start; then all start at once."""
        self.open()
        self.redirect(10, WS, QA)
        self.assertEqual(self.starts, {})
        self.send(0, 20, packets=10)
        self.expire(300)
        self.assertEqual([s.destination.name for s in self.starts.values()], ["one", "qa"])
        self.assertEqual(self.starts[0].started_at, self.starts[1].started_at)

    def test_paused(self) -> None:
        """In a pause a new one is told of it, and then of its end."""
        self.begin()
        self.update(300, paused=True)
        self.redirect(400, WS, QA)
        self.assertIs(self.bridge.phase, Phase.PAUSED)
        self.assertEqual(self.events(1), [Paused(0, "src")])
        self.update(1_300, paused=False)
        gap, resumed = self.events(1)[1:3]
        assert isinstance(gap, Gap)
        assert isinstance(resumed, Resumed)
        self.assertEqual((gap.position, gap.reason), (0, "paused"))
        self.assertEqual(gap.samples, resumed.position)

    def test_ended(self) -> None:
        """A bridge that is over goes nowhere else."""
        self.begin()
        self.finish(400)
        self.redirect(410, WS, QA)
        self.assertEqual(list(self.starts), [0])

    def test_progress(self) -> None:
        """One that wants statistics gets them from its beginning on."""
        self.begin()
        self.redirect(300, WS, replace(QA, stats_every_s=0.2))
        self.expire(700)
        told = [e for e in self.events(1) if isinstance(e, Progress)]
        self.assertEqual([each.position for each in told], [1600, 3200][: len(told)])
        self.assertTrue(told)
        self.assertFalse([e for e in self.events(0) if isinstance(e, Progress)])

    def test_alike(self) -> None:
        """Audio that all take in the same form has each one's own position."""
        self.begin()
        self.redirect(300, WS, QA)
        begin, now = self.bridge.outlets
        self.bridge.play_interleaved(b"\0" * 3_200, 800, (begin, now))
        [alike] = self.bridge.outputs()
        assert isinstance(alike, Alike)
        positions = [(alike.place - each) // alike.unit for _, each in alike.outlets]
        self.assertEqual(([number for number, _ in alike.outlets], positions), ([0, 1], [1600, 0]))
        self.assertEqual((alike.samples, alike.payload), (800, b"\0" * 3_200))
