"""Opus."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, likeness_db
from twisted_siprec.audio.opus import OpusDecoder, OpusEncoder
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

CODEC = Codec(111, "OPUS", 48000, 2)
TONE = (8000 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)).astype(np.int16)
LATE = 417
"Samples by which coder and decoder of speech delay together (8.7 ms)."


class OpusTests(SynchronousTestCase):
    """Packets of any length at 48 kHz."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_round_trip(self) -> None:
        """A tone comes back in packets of 10, 20, 40 and 60 ms, as long as it was."""
        for packet_ms in (10, 20, 40, 60):
            encoder, decoder = OpusEncoder(), OpusDecoder(CODEC)
            step = 48 * packet_ms
            payloads = [
                encoder.encode(TONE[at : at + step]) for at in range(0, 48000 - step + 1, step)
            ]
            self.assertEqual({decoder.ticks(payload) for payload in payloads}, {step})
            audio = decoded(decoder, payloads)
            self.assertEqual(len(audio), len(payloads) * step)
            self.assertGreater(likeness_db(TONE[9600:38400], audio[9600 + LATE : 38400 + LATE]), 20)

    def test_ticks(self) -> None:
        """The first octets say the length: config, and how many frames."""
        decoder = OpusDecoder(CODEC)
        for octets, ticks in (
            ("00", 480), ("18", 2880), ("60", 480), ("68", 960), ("80", 120), ("98", 960),
            ("f8", 960), ("f9", 1920), ("fa", 1920), ("fb03", 2880), ("1902", 5760),
            ("1b02", 5760), ("1b03", 0), ("fb", 0), ("fb00", 0), ("83b0", 5760), ("83b1", 0),
            ("", 0),
        ):  # fmt: skip
            self.assertEqual((octets, decoder.ticks(bytes.fromhex(octets))), (octets, ticks))

    def test_stereo(self) -> None:
        """Two channels are heard as one."""
        from av import AudioFrame, CodecContext

        context = CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = 48000, "stereo", "s16"
        context.open()
        both = np.stack([TONE, np.zeros_like(TONE)], axis=1)
        payloads: list[bytes] = []
        for at in range(0, 48000, 960):
            frame = AudioFrame.from_ndarray(
                both[at : at + 960].reshape(1, -1), format="s16", layout="stereo"
            )
            frame.sample_rate = 48000
            payloads += [bytes(packet) for packet in context.encode(frame)]
        self.assertTrue(any(payload[0] & 4 for payload in payloads))
        audio = decoded(OpusDecoder(CODEC), payloads)
        loudness = np.sqrt((audio[9600:38400].astype(float) ** 2).mean())
        self.assertEqual(len(audio), len(payloads) * 960)
        self.assertTrue(2000 < loudness < 5000, loudness)

    def test_rest(self) -> None:
        """A packet of one or two octets is of a pause."""
        decoder = OpusDecoder(CODEC)
        self.assertEqual(
            [decoder.rests(payload) for payload in (b"\xf8", b"\xf8\xff", b"\xf8\xff\xfe")],
            [True, True, False],
        )
        self.assertEqual(len(decoder.decode(b"\xf8")), 960)

    def test_one_length(self) -> None:
        """The encoder's packets are all of the first one's length."""
        encoder = OpusEncoder()
        encoder.encode(TONE[:960])
        self.assertRaises(ValueError, encoder.encode, TONE[:480])
        self.assertEqual((encoder.rate, encoder.clock_rate), (48000, 48000))

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=60))
    def test_anything(self, payload: bytes) -> None:
        """Whatever a payload holds, it lasts as long as what is made of it."""
        decoder = OpusDecoder(CODEC)
        self.assertEqual(len(decoder.decode(payload)), decoder.ticks(payload))
