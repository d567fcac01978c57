"""G.726."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, digest, octets, parts
from twisted_siprec.audio.g726 import NAMES, G726Decoder
from twisted_siprec.plan import Codec

DIGESTS = {
    2: "c3d5bcc18817e91e2ed79648f414ece5",
    3: "fb51c6ea923337aa1b457435384c4abc",
    4: "1facd94d74a2720f34fb919ac1db7702",
    5: "d4398a5dce78a5a243aaaf69394de990",
}
"What spandsp makes of the first quarter of a second, by bits."


def decoder(name: str) -> G726Decoder:
    """One of a format."""
    return G726Decoder(Codec(96, name, 8000))


def repacked(payload: bytes, bits: int) -> bytes:
    """The same codes from the most significant bit on, by text."""
    text = "".join(f"{octet:08b}"[::-1] for octet in payload)
    codes = [text[at : at + bits][::-1] for at in range(0, len(text), bits)]
    return bytes(int("".join(codes)[at : at + 8], 2) for at in range(0, len(text), 8))


class G726Tests(SynchronousTestCase):
    """2, 3, 4 or 5 bits a sample, packed from either end."""

    def test_exact(self) -> None:
        """Every sample is spandsp's, at every rate, however it is packed."""
        for bits, expected in DIGESTS.items():
            payloads = parts(octets(f"speech.g726-{8 * bits}"), 20 * bits)
            plain = decoded(decoder(f"G726-{8 * bits}"), payloads)
            self.assertEqual(digest(plain), expected)
            turned = [repacked(payload, bits) for payload in payloads]
            self.assertEqual(digest(decoded(decoder(f"AAL2-G726-{8 * bits}"), turned)), expected)

    def test_literal(self) -> None:
        """The code 7 at the left end of an octet and 0 at its right, and the other way round."""
        self.assertEqual(decoder("AAL2-G726-32").decode(b"\x70").tolist(), [88, 0])
        self.assertEqual(decoder("G726-32").decode(b"\x07").tolist(), [88, 0])

    def test_ticks(self) -> None:
        """One for each code, and 20 ms of each rate are 160."""
        self.assertEqual(len(NAMES), 8)
        for name, length in (("16", 40), ("24", 60), ("32", 80), ("40", 100)):
            made = decoder(f"G726-{name}")
            self.assertEqual((made.ticks(bytes(length)), made.ticks(b"")), (160, 0))
            self.assertEqual(len(made.decode(b"")), 0)

    def test_incomplete(self) -> None:
        """Bits at the end that are no whole code are left."""
        made = decoder("G726-24")
        self.assertEqual((made.ticks(bytes(2)), len(made.decode(bytes(2)))), (5, 5))

    def test_extremes(self) -> None:
        """Whatever comes, samples stay within 16 bits; a tone and its sudden end are taken."""
        chance = np.random.default_rng(5)
        for name in NAMES:
            made = decoder(name)
            for octets_ in (bytes(200), b"\xff" * 200, b"\x77" * 400, chance.bytes(400)):
                audio = made.decode(octets_)
                self.assertEqual((len(audio), audio.dtype), (made.ticks(octets_), np.int16))
