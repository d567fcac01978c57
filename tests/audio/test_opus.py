"""Opus."""

from __future__ import annotations

from pathlib import Path
from unittest import SkipTest

import numpy as np
from cffi import FFI
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, likeness_db
from twisted_siprec.audio import opus
from twisted_siprec.audio.libopus import LibOpusDecoder, LibOpusEncoder, installed
from twisted_siprec.audio.opus import OpusDecoder, OpusEncoder
from twisted_siprec.audio.pyav import INSTALLED, location
from twisted_siprec.plan import Codec
from twisted_siprec.simulator.speech import bundled, read

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
            encoder, decoder = OpusEncoder(CODEC), OpusDecoder(CODEC)
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

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=60))
    def test_anything(self, payload: bytes) -> None:
        """Whatever a payload holds, it lasts as long as what is made of it."""
        decoder = OpusDecoder(CODEC)
        self.assertEqual(len(decoder.decode(payload)), decoder.ticks(payload))


class CorrectionTests(SynchronousTestCase):
    """Forward error correction, and silence, by libopus itself."""

    if not installed():
        skip = "libopus is not installed"

    def speech(self, parameters: str, packet_ms: int = 20) -> list[bytes]:
        """Five seconds of speech in packets."""
        encoder = OpusEncoder(Codec(111, "OPUS", 48000, 2, parameters))
        samples, step = read(bundled()[0]).at(48000).samples[: 5 * 48000], 48 * packet_ms
        return [
            encoder.encode(samples[at : at + step])
            for at in range(0, len(samples) - step + 1, step)
        ]

    def test_corrected(self) -> None:
        """What the next packet has once more is nearer to what was lost than any guess."""
        payloads = self.speech("useinbandfec=1")
        step = 960
        found: dict[str, list[np.ndarray]] = {"whole": [], "guessed": [], "corrected": []}
        decoders = {way: OpusDecoder(CODEC) for way in found}
        corrected = 0
        for number, payload in enumerate(payloads):
            following = payloads[number + 1] if number + 1 < len(payloads) else b""
            for way, made in decoders.items():
                if way == "whole" or number % 5 != 3 or not following:
                    part = made.decode(payload)
                elif way == "corrected" and made.repeats(following):
                    self.assertEqual(made.repeats(following), step)
                    part = made.recover(following)
                    corrected += 1
                else:
                    part = made.conceal(step)
                self.assertEqual(len(part), step)
                found[way].append(part)
        self.assertGreater(corrected, 20)
        whole = np.concatenate(found["whole"])
        guessed, best = (np.concatenate(found[way]) for way in ("guessed", "corrected"))
        self.assertGreater(likeness_db(whole, best), likeness_db(whole, guessed) + 6)

    def test_redundant(self) -> None:
        """Packets of speech have it where it was asked for, and only there, at every length."""
        for packet_ms in (10, 20, 40, 60):
            made = OpusDecoder(CODEC)
            plain = {made.repeats(payload) for payload in self.speech("", packet_ms)}
            asked = {made.repeats(one) for one in self.speech("useinbandfec=1", packet_ms)}
            self.assertEqual(plain, {0})
            # Packets of 40 and 60 ms may be of frames of 20, of which the last is had once more.
            self.assertLessEqual(asked, {0, 960, 48 * packet_ms})
            self.assertTrue(any(asked))

    def test_flags(self) -> None:
        """The flag lies where the number of frames, of channels and of packets puts it."""
        made = OpusDecoder(CODEC)
        for octets, repeated in (
            ("48 40", 960),  # 20 ms, mono: a voice bit, then the flag
            ("48 80", 0),
            ("4c 40", 960),  # stereo: the first channel's
            ("4c 10", 960),  # and the second's
            ("48 10", 0),  # which mono has not
            ("50 20", 1920),  # 40 ms: two voice bits
            ("50 40", 0),
            ("58 10", 2880),  # 60 ms: three
            ("5c 01", 2880),
            ("40 40", 480),  # 10 ms
            ("49 40 00", 960),  # two frames of one length
            ("4a 01 40 00", 960),  # of two lengths
            ("4a fc 01 40" + " 00" * 256, 960),
            ("4a 00 40", 0),  # nothing in the first one
            ("4b 02 40 00", 960),  # any number
            ("4b 82 01 40 00", 960),
            ("4b 82 00 40", 0),
            ("4b 42 01 40 00 00", 960),  # with padding
            ("4b 41 ff 00 40" + " 00" * 254, 960),
            ("4b 01", 0),
            ("4b 00 40", 0),
            ("48", 0),
            ("", 0),
            ("f8 40", 0),  # music has none
        ):
            self.assertEqual((octets, made.repeats(bytes.fromhex(octets))), (octets, repeated))

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=40))
    def test_anything(self, payload: bytes) -> None:
        """Whatever a payload holds, what is recovered of it is as long as it says."""
        made = OpusDecoder(CODEC)
        repeated = made.repeats(payload)
        if repeated:
            self.assertEqual(len(made.recover(payload)), repeated)

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(range(128)).map(lambda config: bytes([config])),
        st.sampled_from([b"", b"\x01", b"\x41", b"\x02", b"\x82", b"\xc3", b"\xc2\xff"]),
        st.binary(min_size=1, max_size=20),
    )
    def test_judged(self, first: bytes, second: bytes, rest: bytes) -> None:
        """libopus finds it in the same packets, of those that it can read."""
        ffi = FFI()
        ffi.cdef("int opus_packet_has_lbrr(const unsigned char *packet, int32_t octets);")
        try:
            judge = ffi.dlopen(str(next(iter((location() or Path()).glob("libopus*")))))
            found = judge.opus_packet_has_lbrr(first + second + rest, len(first + second + rest))
        except (AttributeError, StopIteration) as missing:
            raise SkipTest("libopus is older than 1.5") from missing
        made = OpusDecoder(CODEC)
        if found >= 0 and made.ticks(first + second + rest):
            self.assertEqual(bool(made.repeats(first + second + rest)), bool(found))

    def test_silence(self) -> None:
        """By usedtx a sender falls silent: after a packet that says so, nothing comes."""
        encoder = OpusEncoder(Codec(111, "OPUS", 48000, 2, "usedtx=1"))
        made = OpusDecoder(CODEC)
        payloads = [encoder.encode(np.zeros(960, dtype=np.int16)) for _ in range(40)]
        sent = [payload for payload in payloads if payload]
        self.assertTrue(all(payloads[:5]))
        self.assertGreater(payloads[20:].count(b""), 15)
        rests = [made.rests(payload) for payload in sent]
        self.assertFalse(any(rests[:5]))
        self.assertIn(True, rests)
        self.assertEqual({len(made.decode(payload)) for payload in sent}, {960})

    def test_same(self) -> None:
        """Without loss it is FFmpeg's libopus to the bit; that one corrects nothing."""
        self.patch(opus, "installed", lambda: False)
        other = OpusDecoder(CODEC)
        payloads = self.speech("useinbandfec=1")
        self.assertEqual(other.repeats(payloads[60]), 0)
        self.assertEqual({len(other.recover(payload)) for payload in payloads}, {960})
        self.patch(opus, "installed", lambda: True)
        other_again = opus._FFmpegDecoder()
        made = OpusDecoder(CODEC)
        for payload in payloads:
            ours, theirs = made.decode(payload), other_again.decode(payload, 960)
            self.assertEqual(ours.tobytes(), theirs.tobytes())

    def test_refused(self) -> None:
        """No packet lasts 7 ms; of a damaged one there is silence."""
        self.assertRaises(ValueError, LibOpusEncoder(bit_rate=24_000).encode, TONE[:336])
        self.assertEqual(LibOpusDecoder().decode(b"\x4b\x00", 960).tolist(), [0] * 960)
