"""Decoders that conceal by themselves."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import amr_frames, octets, parts
from twisted_siprec.audio.codec import SUPPORTED, ConcealingDecoder, Decoder, decoder
from twisted_siprec.audio.opus import OpusEncoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

TONE = (8000 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)).astype(np.int16)
NARROW = (95, 103, 118, 134, 148, 159, 204, 244, 39)
ILBC = (np.random.default_rng(3).integers(0, 128, 380) * 2).astype(np.uint8).tobytes()


def amr(name: str, magic: bytes, bits: tuple[int, ...]) -> list[bytes]:
    """Octet-aligned payloads of the first frames in a file."""
    return [b"\xf0" + frame for frame in amr_frames(name, magic, bits)[:10]]


def opus() -> list[bytes]:
    """A tone in packets of 20 ms."""
    encoder = OpusEncoder(Codec(111, "OPUS", 48000, 2))
    return [encoder.encode(TONE[at : at + 960]) for at in range(0, 9600, 960)]


class ConcealingDecoderTests(SynchronousTestCase):
    """Opus, G.729, iLBC and AMR."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def streams(self) -> list[tuple[Decoder, list[bytes]]]:
        """A decoder of each that has heard nothing, and ten packets for it."""
        aligned = "octet-align=1"
        made = (
            (Codec(111, "OPUS", 48000, 2), opus()),
            (Codec(18, "G729", 8000), parts(octets("speech.g729"), 20)[:10]),
            (Codec(97, "ILBC", 8000, parameters="mode=20"), parts(ILBC, 38)),
            (
                Codec(98, "AMR", 8000, parameters=aligned),
                amr("modes.amr", b"#!AMR\n", NARROW),
            ),
        )
        return [(decoder(codec), payloads) for codec, payloads in made]

    def test_goes_on(self) -> None:
        """In the place of a packet there is something, as long as asked for, that is soon over."""
        for made, payloads in self.streams():
            assert isinstance(made, ConcealingDecoder)
            heard = np.concatenate([made.decode(payload) for payload in payloads])
            packet = made.rate // 50
            first = made.conceal(packet)
            self.assertEqual((len(first), first.dtype), (packet, np.int16))
            self.assertTrue(first.any(), made)
            for count in (packet // 3, packet + 1, 3 * packet):
                self.assertEqual(len(made.conceal(count)), count)
            later = np.concatenate([made.conceal(packet) for _ in range(20)])[-packet:]
            loud = np.abs(heard.astype(int)).mean()
            self.assertLess(np.abs(later.astype(int)).mean(), 0.6 * loud, made)

    def test_differs(self) -> None:
        """The packet after a loss is decoded by what was concealed, and of the same length."""
        for (made, payloads), (other, _) in zip(self.streams(), self.streams(), strict=True):
            assert isinstance(made, ConcealingDecoder)
            for payload in payloads[:8]:
                made.decode(payload)
                other.decode(payload)
            made.conceal(made.rate // 50)
            after, plain = made.decode(payloads[9]), other.decode(payloads[9])
            self.assertEqual(len(after), len(plain))
            self.assertNotEqual(after.tobytes(), plain.tobytes(), made)

    def test_nothing_heard(self) -> None:
        """Before anything came, concealment is of the length that was asked for."""
        for made, _ in self.streams():
            assert isinstance(made, ConcealingDecoder)
            self.assertEqual(len(made.conceal(made.rate // 100)), made.rate // 100)


class OtherDecoderTests(SynchronousTestCase):
    """All others."""

    def test_others(self) -> None:
        """G.711, G.722, L16, G.726 and GSM have none of their own, AMR-WB none that is any good."""
        own = {
            name
            for name in SUPPORTED
            if isinstance(
                decoder(Codec(97, name, {"OPUS": 48000, "AMR-WB": 16000}.get(name, 8000))),
                ConcealingDecoder,
            )
        }
        self.assertEqual(own, SUPPORTED & {"OPUS", "G729", "ILBC", "AMR"})
