"""Places, formats and settings."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.composition import Played
from twisted_siprec.bridge.formats import first_rate, formats
from twisted_siprec.bridge.mixdown import Mixdown
from twisted_siprec.bridge.placement import Placement
from twisted_siprec.bridge.playout import Kind, Placed, Playout
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import ChannelPlan, Codec

KNOWN = formats(
    (
        Codec(0, "PCMU", 8000),
        Codec(9, "G722", 8000),
        Codec(101, "TELEPHONE-EVENT", 8000),
        Codec(102, "TELEPHONE-EVENT", 48000),
        Codec(15, "G728", 8000),
        Codec(99, "L16", 7919),
        Codec(98, "L16", 0),
    )
)


class FormatsTests(SynchronousTestCase):
    """What is known of payload types."""

    def test_known(self) -> None:
        """Formats without a decoder, or of an impossible clock, are none."""
        self.assertEqual(sorted(KNOWN), [0, 9, 101, 102])
        self.assertEqual(KNOWN[101].kind, Kind.EVENT)
        self.assertEqual(KNOWN[9].tick, KNOWN[0].tick)

    def test_first_rate(self) -> None:
        """The rate of the first format that is audio; 8000 where there is none."""
        self.assertEqual(
            first_rate(formats((Codec(9, "G722", 8000), Codec(0, "PCMU", 8000)))), 16000
        )
        self.assertEqual(first_rate({}), 8000)


class PlacementTests(SynchronousTestCase):
    """Packets without a span."""

    def setUp(self) -> None:
        self.playout = Playout(8000, 10, 60)
        self.placement = Placement(self.playout, 0.0, MediaSettings())

    def test_empty(self) -> None:
        """A packet without audio has a number and no length."""
        placed = self.placement.audio(KNOWN[0], b"", 5, 1000, 0.5)
        self.assertEqual(
            (placed.sequence, placed.position, placed.end, placed.decoder), (5, 0, 0, None)
        )

    def test_event_of_another_clock(self) -> None:
        """A key press in a clock that is not anchored says nothing of the timeline."""
        self.placement.audio(KNOWN[0], bytes(160), 5, 1000, 0.5)
        placed = self.placement.event(KNOWN[102], b"\x01\x0a\x03\x20", 6, 1160)
        self.assertEqual(placed, Placed(0, 1, 6, 0, Kind.EVENT, None, b""))


class MixdownTests(SynchronousTestCase):
    """Streams of any rate as channels of one."""

    def test_odd_rates(self) -> None:
        """Whatever the rate, a channel has as many samples as the chunk."""
        mixdown = Mixdown(16000)
        channels = (ChannelPlan(0, (0,)),)
        lengths = set()
        for chunk in range(30):
            first, last = (chunk * 37 * MS // 320, (chunk + 1) * 37 * MS // 320)
            played = {0: Played(44100, np.full(last - first, 500, dtype=np.int16))}
            (heard,) = mixdown.channels(played, channels, 37 * 16)
            assert heard is not None
            lengths.add(len(heard))
            if chunk > 2:
                self.assertEqual(set(heard.tolist()), {500})
        self.assertEqual(lengths, {592})

    def test_change_of_rate(self) -> None:
        """A stream at the rate itself is not touched, and another rate has its own filter."""
        mixdown = Mixdown(16000)
        channels = (ChannelPlan(0, (0,)), ChannelPlan(1, (7,)))
        loud = np.full(1600, 500, dtype=np.int16)
        heard = mixdown.channels({0: Played(16000, loud)}, channels, 1600)
        self.assertIs(heard[0], loud)
        self.assertIsNone(heard[1])
        (narrow, _) = mixdown.channels({0: Played(8000, loud[:800])}, channels, 1600)
        assert narrow is not None
        self.assertEqual((len(narrow), int(narrow[-1])), (1600, 500))
        (rest, _) = mixdown.channels({0: Played(8000, None)}, channels, 1600)
        assert rest is not None
        self.assertEqual((int(rest[0]), int(rest[-1])), (500, 0))
        self.assertEqual(mixdown.channels({0: Played(8000, None)}, channels, 1600), [None, None])


class SettingsTests(SynchronousTestCase):
    """What cannot be is refused."""

    def test_refused(self) -> None:
        """An empty range of ports, and lengths that are none."""
        self.assertRaises(ValueError, MediaSettings, first_port=30000, last_port=20000)
        self.assertRaises(ValueError, MediaSettings, first_port=0)
        self.assertRaises(ValueError, MediaSettings, slot_ms=0)
        self.assertRaises(ValueError, MediaSettings, jitter_ms=-1)
