"""
The waveform of calls from their beginnings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import FakeServer, audio, start
from twisted_siprec.dialects.base import Audio, Gap
from twisted_siprec.net.calls.events import CallForgotten
from twisted_siprec.plan import Encoding, Layout
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.waveform import MOST_CHANNELS, Waveform, Waveforms


def sound(at_ms: int, *levels: int, ms: int = 100) -> Audio:
    """Audio of constant levels, one for each channel, at 8000 Hz."""
    samples = np.tile(np.array(levels, "<i2"), (8 * ms, 1))
    return Audio(8 * at_ms, 8 * ms, samples.tobytes())


class WaveformTests(SynchronousTestCase):
    """One call's."""

    def setUp(self) -> None:
        self.waveform = Waveform()
        self.start = start()

    def peaks(self) -> dict[int, Any]:
        return {each["index"]: each["peaks"] for each in self.waveform.body["channels"]}

    def test_peaks(self) -> None:
        """The greatest deflection of each half second, either way."""
        for number, level in enumerate((10, -300, 20, 30, 40, 50, 60)):
            self.waveform(self.start, sound(100 * number, level, -level))
        self.assertEqual(self.peaks(), {0: [300, 60], 1: [300, 60]})
        self.assertEqual(self.waveform.body["every_ms"], 500)

    def test_lowest(self) -> None:
        """The lowest sample of 16 bits is as loud as there is."""
        self.waveform(self.start, sound(0, -32_768, 0))
        self.assertEqual(self.peaks(), {0: [32_768], 1: [0]})

    def test_pause(self) -> None:
        """What was in no audio is silence; events leave no trace."""
        self.waveform(self.start, sound(0, 100, 100))
        self.waveform(self.start, Gap(800, 16_000, (0, 1), "paused", "none"))
        self.waveform(self.start, sound(2_000, 200, 200))
        self.assertEqual(self.peaks()[0], [100, 0, 0, 0, 200])

    def test_long(self) -> None:
        """A long call has as many values as any, each of twice the time."""
        self.waveform = Waveform(most=4)
        for number in range(9):
            self.waveform(self.start, sound(500 * number, 10 * (number + 1), 1))
        self.assertEqual(self.waveform.body["every_ms"], 2_000)
        self.assertEqual(self.peaks()[0], [40, 80, 90])

    def test_far_ahead(self) -> None:
        """A jump over hours costs no more room."""
        self.waveform = Waveform(most=4)
        self.waveform(self.start, sound(0, 10, 1))
        self.waveform(self.start, sound(3_600_000, 20, 1))
        self.assertLessEqual(len(self.peaks()[0]), 4)
        self.assertEqual((self.peaks()[0][0], self.peaks()[0][-1]), (10, 20))

    def test_separate(self) -> None:
        """Channels with streams of their own, in another encoding, are where they belong."""
        alone = start(layout=Layout.SEPARATE, encoding=Encoding.PCMU, track=1)
        self.waveform(alone, Audio(0, 800, b"\x00" * 800))
        self.assertEqual(self.peaks(), {1: [32_124]})

    def test_channels(self) -> None:
        """More channels than there may be are not kept."""
        alone = start(layout=Layout.SEPARATE, track=MOST_CHANNELS)
        self.waveform(alone, Audio(0, 1, b"\x01\x00"))
        self.assertEqual(self.peaks(), {})

    def test_other_destination(self) -> None:
        """One destination is looked at; when it gets nothing more, another, at its own time."""
        later = start(name="qa")
        later = replace(later, started_at=self.start.started_at + 10)
        self.waveform(self.start, sound(0, 100, 0))
        self.waveform(later, sound(0, 900, 0))
        self.assertEqual(self.peaks()[0], [100])
        for number in range(60):
            self.waveform(later, sound(100 * number, 900, 0))
        self.assertEqual(len(self.peaks()[0]), 32)
        self.assertEqual(self.peaks()[0][-1], 900)


class WaveformsTests(SynchronousTestCase):
    """Of all calls."""

    def setUp(self) -> None:
        self.server = FakeServer()
        self.records = CallRecords(lambda: 1_000.0, None, Waveforms(1, self.server.tap))
        self.server.watch(self.records.happened)

    def test_call(self) -> None:
        """A call is watched from its 200 to its end, and its record keeps what was seen."""
        self.server.begin()
        [(id, tap)] = self.server.taps
        self.assertEqual(id, "3f2a")
        tap(start(), audio(100, -200))
        self.server.happen(CallForgotten("3f2a"))
        self.assertEqual(self.server.taps, [])
        record = self.records.find("3f2a")
        assert record is not None
        assert record.waveform is not None
        self.assertEqual(record.waveform.body["channels"][1], {"index": 1, "peaks": [200]})

    def test_enough(self) -> None:
        """So many at once and no more; one that ended makes room."""
        self.server.begin()
        self.server.begin(id="77aa")
        self.assertEqual([id for id, _ in self.server.taps], ["3f2a"])
        record = self.records.find("77aa")
        assert record is not None
        self.assertIsNone(record.waveform)
        self.server.happen(CallForgotten("77aa"), CallForgotten("3f2a"))
        self.server.begin(id="88bb")
        self.assertEqual([id for id, _ in self.server.taps], ["88bb"])
