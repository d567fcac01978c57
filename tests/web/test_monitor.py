"""
Levels and audio of a call, as its consumers get it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import audio, start
from twisted_siprec.audio.g711 import encoded
from twisted_siprec.dialects.base import Audio, Gap, Redescribed
from twisted_siprec.participants import Description
from twisted_siprec.plan import Encoding, Layout
from twisted_siprec.web.monitor import HEADER, Monitor, peaks


class MonitorTests(SynchronousTestCase):
    """What a page is shown of what is heard."""

    def setUp(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.played: list[bytes] = []
        self.monitor = Monitor(self.shown.append)

    def test_levels(self) -> None:
        """Channels side by side have a level each, at the place where they are."""
        self.monitor(start(), audio(100, -5, -200, 7))
        self.assertEqual(
            self.shown, [{"type": "levels", "first": 0, "at_ms": 100, "peaks": [[200], [7]]}]
        )

    def test_bars(self) -> None:
        """There are twenty bars a second, and the loudest negative sample is no overflow."""
        samples = np.zeros((900, 1), np.int16)
        samples[399], samples[400], samples[899] = 5, -32768, 9
        self.assertEqual(peaks(samples, 8_000), [[5, 32768, 9]])
        self.assertEqual(peaks(np.zeros((0, 2), np.int16), 8_000), [[], []])

    def test_separate(self) -> None:
        """A connection for each channel has the level of that channel."""
        self.monitor(start(Layout.SEPARATE, track=1), audio(3, -4))
        self.assertEqual((self.shown[0]["first"], self.shown[0]["peaks"]), (1, [[4]]))

    def test_encodings(self) -> None:
        """Companded audio is heard as what it stands for."""
        samples = np.array([8031, -8031], np.int16)
        for encoding in (Encoding.PCMU, Encoding.PCMA):
            payload = encoded(samples, encoding.value)
            self.monitor(start(encoding=encoding), Audio(0, 1, payload))
            [[left], [right]] = self.shown.pop()["peaks"]
            self.assertApproximates(left, 8031, 300)
            self.assertApproximates(right, 8031, 300)

    def test_one_destination(self) -> None:
        """Of several destinations, which all get the same, one is looked at."""
        self.monitor(start(name="a"), audio(1, 2))
        self.monitor(start(name="b"), audio(1, 2))
        self.monitor(start(name="a"), audio(1, 2))
        self.assertEqual(len(self.shown), 2)

    def test_gap(self) -> None:
        """What is missing is shown; what else happens is not."""
        self.monitor(start(), Gap(8_000, 1_600, (1,), "rtp_loss", "concealed"))
        self.monitor(start(), Redescribed(Description("b", "c")))
        self.assertEqual(
            self.shown,
            [
                {
                    "type": "gap",
                    "at_ms": 1000,
                    "ms": 200,
                    "channels": [1],
                    "reason": "rtp_loss",
                    "filled": "concealed",
                }
            ],
        )

    def test_play(self) -> None:
        """The audio goes to whoever may listen, with what is needed to play it."""
        self.monitor(start(), audio(1, 2))
        self.monitor.play = self.played.append
        self.monitor(start(), audio(3, -4, position=2**32 + 5))
        [octets] = self.played
        self.assertEqual(HEADER.unpack(octets[: HEADER.size]), (2, 0, 8_000, 5))
        self.assertEqual(octets[HEADER.size :], b"\x03\x00\xfc\xff")
        self.assertEqual(HEADER.size % 2, 0)

    def test_catching_up(self) -> None:
        """Much audio at once is not played: it is past."""
        self.monitor.play = self.played.append
        self.monitor(start(), audio(*[0] * 40_000))
        self.assertEqual(self.played, [])
