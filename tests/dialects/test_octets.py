"""Interleaved channels, apart and together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.audio.g711 import G711Decoder, encoded
from twisted_siprec.audio.samples import Samples
from twisted_siprec.dialects.octets import apart, refolded, silence, summed, together
from twisted_siprec.plan import Codec, Encoding

L16, PCMU, PCMA = Encoding.L16, Encoding.PCMU, Encoding.PCMA


def decoded(octets: bytes, law: str) -> Samples:
    """What the receiving side makes of octets."""
    return G711Decoder(Codec(0, law, 8000)).decode(octets)


class LayoutTests(SynchronousTestCase):
    """No sample changes, whatever is beside it."""

    def test_apart(self) -> None:
        """Octets of G.711, pairs of octets of linear."""
        self.assertEqual(apart(b"adbecf", 2, PCMU), [b"abc", b"def"])
        self.assertEqual(apart(b"aAdDbBeE", 2, L16), [b"aAbB", b"dDeE"])
        self.assertEqual(apart(b"abc", 1, PCMU), [b"abc"])

    def test_together(self) -> None:
        """The other way."""
        self.assertEqual(together([b"abc", b"def"], PCMU), b"adbecf")
        self.assertEqual(together([b"aAbB", b"dDeE", b"fFgG"], L16), b"aAdDfFbBeEgG")
        self.assertEqual(together([b"abc"], L16), b"abc")

    @settings(max_examples=50, deadline=None)
    @given(st.integers(1, 5), st.binary(max_size=60), st.sampled_from([L16, PCMU]))
    def test_there_and_back(self, width: int, octets: bytes, encoding: Encoding) -> None:
        """Apart and together is what it was."""
        size = width * (2 if encoding is L16 else 1)
        whole = octets[: len(octets) - len(octets) % size]
        self.assertEqual(together(apart(whole, width, encoding), encoding), whole)

    def test_refolded(self) -> None:
        """Too many are summed in the last, too few are silent."""
        self.assertEqual(refolded(b"ab", 2, 2, PCMU), b"ab")
        self.assertEqual(refolded(b"ab", 1, 2, PCMU), b"a\xffb\xff")
        self.assertEqual(refolded(b"\1\0\2\0\3\0", 3, 2, L16), b"\1\0\5\0")
        self.assertEqual(refolded(b"\1\0\2\0\3\0", 3, 1, L16), b"\6\0")


class SilenceTests(SynchronousTestCase):
    """What nothing sounds like."""

    def test_silence(self) -> None:
        """The octet that decodes to nothing, or nearly: A-law has no zero."""
        self.assertEqual(silence(L16, 2), b"\0\0\0\0")
        self.assertEqual(silence(PCMU, 2), b"\xff\xff")
        self.assertEqual(silence(PCMA, 2), b"\xd5\xd5")
        self.assertEqual(decoded(silence(PCMU, 1), "PCMU").tolist(), [0])
        self.assertEqual(decoded(silence(PCMA, 1), "PCMA").tolist(), [8])


class SumTests(SynchronousTestCase):
    """Several parties on one side."""

    def test_linear(self) -> None:
        """Added, and cut off where it is too loud."""
        one = np.array([1, -2, 30000, -30000], "<i2").tobytes()
        other = np.array([5, -5, 30000, -30000], "<i2").tobytes()
        heard = np.frombuffer(summed([one, other], L16), "<i2").tolist()
        self.assertEqual(heard, [6, -7, 32767, -32768])

    def test_mu_law(self) -> None:
        """All pairs of octets are what the codec makes of the sum of what it decodes."""
        octets = np.arange(256, dtype=np.uint8)
        one, other = np.repeat(octets, 256).tobytes(), np.tile(octets, 256).tobytes()
        linear = decoded(one, "PCMU").astype(int) + decoded(other, "PCMU").astype(int)
        expected = decoded(encoded(np.clip(linear, -32768, 32767).astype(np.int16), "PCMU"), "PCMU")
        heard = decoded(summed([one, other], PCMU), "PCMU")
        self.assertEqual(np.abs(heard.astype(int) - expected.astype(int)).max(), 0)

    def test_one(self) -> None:
        """The sum of one is itself; A-law is not summed."""
        self.assertEqual(summed([b"ab"], PCMU), b"ab")
        self.assertEqual(summed([b"ab", b"cd"], PCMA), b"ab")
