"""Summing, interleaving and writing channels."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.mixer import interleaved, summed, written
from twisted_siprec.plan import Encoding

ONE = np.array([1, 2, 30000], dtype=np.int16)
TWO = np.array([10, -20, 30000], dtype=np.int16)


class MixerTests(SynchronousTestCase):
    """From channels to octets."""

    def test_summed(self) -> None:
        """The sum does not wrap; silence adds nothing and costs nothing."""
        total = summed([ONE, None, TWO])
        assert total is not None
        self.assertEqual(total.tolist(), [11, -18, 32767])
        self.assertIs(summed([None, ONE]), ONE)
        self.assertIsNone(summed([None, None]))

    def test_interleaved(self) -> None:
        """Sample by sample; a silent channel is zeros; one channel is itself."""
        self.assertEqual(interleaved([ONE, TWO], 3).tolist(), [1, 10, 2, -20, 30000, 30000])
        self.assertEqual(interleaved([ONE, None], 3).tolist(), [1, 0, 2, 0, 30000, 0])
        self.assertIs(interleaved([ONE], 3), ONE)
        self.assertEqual(interleaved([None], 3).tolist(), [0, 0, 0])

    def test_written(self) -> None:
        """Little-endian, or by one of the laws."""
        samples = np.array([258, -2], dtype=np.int16)
        self.assertEqual(written(samples, Encoding.L16), b"\x02\x01\xfe\xff")
        self.assertEqual(written(np.zeros(2, dtype=np.int16), Encoding.PCMU), b"\xff\xff")
        self.assertEqual(written(np.zeros(2, dtype=np.int16), Encoding.PCMA), b"\xd5\xd5")
