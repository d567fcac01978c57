"""
The estimate of how a stream sounds.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.report import StreamStatistics
from twisted_siprec.rtp.quality import loss, mos


class QualityTests(SynchronousTestCase):
    """Loss, and the score that comes of it."""

    def score(self, packets: int, lost: int = 0, late: int = 0) -> float | None:
        return mos(StreamStatistics(0, packets=packets, lost=lost, late=late))

    def test_nothing(self) -> None:
        """A stream of which nothing came has no score and no loss."""
        self.assertIsNone(self.score(0))
        self.assertEqual(loss(StreamStatistics(0)), 0.0)

    def test_scores(self) -> None:
        """Without loss it is G.107's best, and it falls with the loss, nearly down to 1."""
        self.assertEqual(self.score(1000), 4.41)
        self.assertEqual(self.score(990, lost=10), 4.33)
        self.assertEqual(self.score(950, lost=50), 3.92)
        self.assertEqual(self.score(500, lost=500), 1.61)
        self.assertEqual(self.score(1, lost=100_000), 1.18)

    def test_codecs(self) -> None:
        """A codec costs something by itself, and bears loss in its own way."""
        scores = {
            name: (
                mos(StreamStatistics(0, codec=name, packets=100)),
                mos(StreamStatistics(0, codec=name, packets=90, lost=10)),
            )
            for name in ("PCMA", "G729", "AMR", "AAL2-G726-32", "OPUS")
        }
        self.assertEqual(
            scores,
            {
                "PCMA": (4.41, 3.41),
                "G729": (4.1, 2.75),
                "AMR": (4.29, 2.22),
                "AAL2-G726-32": (4.24, 3.16),
                "OPUS": (4.41, 3.41),
            },
        )
        self.assertEqual(mos(StreamStatistics(0, codec="AMR", packets=1, lost=9_999)), 1.0)

    def test_late(self) -> None:
        """What came too late to be played is lost to a listener."""
        self.assertEqual(self.score(1000, late=10), self.score(990, lost=10))
        self.assertEqual(loss(StreamStatistics(0, packets=10, late=50)), 1.0)
