"""What the simulated parties send: encoders, of our own and of the system's libraries."""

from __future__ import annotations

import hashlib

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import decoded, likeness_db
from twisted_siprec.audio import amr_encoder, g729, gsm, libopus
from twisted_siprec.audio.amr import AMRDecoder
from twisted_siprec.audio.codec import Encoder, decoder, encoder
from twisted_siprec.audio.g729 import G729Decoder
from twisted_siprec.audio.library import frames_of
from twisted_siprec.audio.samples import Samples
from twisted_siprec.plan import Codec
from twisted_siprec.simulator.speech import bundled, read

SPEECH = read(bundled()[0])
BY_SPANDSP = {
    16: "fef9f3f072282820584d1c993c39d25e",
    24: "4df409df739428ea9719286fd00a662e",
    32: "c261dbe870ba4b77a7f48c77c4a0a854",
    40: "800216cfc52d060850be8c246cccfdef",
}
"Of the octets that spandsp makes of the same samples."


def made(codec: Codec) -> Encoder:
    """An encoder, if there is one here."""
    try:
        return encoder(codec)
    except LookupError as missing:
        raise SynchronousTestCase.skipException(str(missing)) from missing


def speech(rate: int, seconds: float = 2.0) -> Samples:
    """Some of what the simulated caller says."""
    return SPEECH.at(rate).samples[: round(rate * seconds)]


class G726EncoderTests(SynchronousTestCase):
    """Bit for bit as ITU-T G.726 has it."""

    def test_exact(self) -> None:
        """A chirp in noise becomes spandsp's octets at every rate, packed either way."""
        chirp = 9000 * np.sin(np.arange(2000) ** 1.5 / 40)
        samples = (chirp + np.random.default_rng(9).integers(-3000, 3000, 2000)).astype(np.int16)
        for rate, digest in BY_SPANDSP.items():
            plain = encoder(Codec(96, f"G726-{rate}", 8000)).encode(samples)
            self.assertEqual(hashlib.sha256(plain).hexdigest()[:32], digest)
            turned = encoder(Codec(96, f"AAL2-G726-{rate}", 8000)).encode(samples)
            one = decoder(Codec(96, f"G726-{rate}", 8000)).decode(plain)
            other = decoder(Codec(96, f"AAL2-G726-{rate}", 8000)).decode(turned)
            self.assertEqual(one.tolist(), other.tolist())

    def test_packets(self) -> None:
        """Cut into packets it is the same; what fills no octet is refused."""
        codec = Codec(96, "G726-24", 8000)
        samples = speech(8000)[:1600]
        whole, parts = encoder(codec).encode(samples), encoder(codec)
        self.assertEqual(b"".join(parts.encode(part) for part in np.split(samples, 10)), whole)
        self.assertRaises(ValueError, encoder(codec).encode, samples[:12])


class AMREncoderTests(SynchronousTestCase):
    """Both payload formats, and the modes that were asked for."""

    def payloads(self, codec: Codec, frames: int = 1) -> list[bytes]:
        """Speech in packets of so many frames."""
        coder = made(codec)
        step = coder.rate // 50 * frames
        samples = speech(coder.rate)
        return [coder.encode(samples[at : at + step]) for at in range(0, len(samples), step)]

    def test_formats(self) -> None:
        """Both formats, of one frame and of five, have the same frames in them."""
        for name, rate in (("AMR", 8000), ("AMR-WB", 16000)):
            for frames in (1, 5):
                efficient = Codec(97, name, rate)
                aligned = Codec(97, name, rate, 1, "octet-align=1")
                heard = [
                    decoded(AMRDecoder(codec), self.payloads(codec, frames))
                    for codec in (efficient, aligned)
                ]
                self.assertEqual(heard[0].tobytes(), heard[1].tobytes())
                self.assertEqual(len(heard[0]), 2 * rate)
            # The CMR says that nothing is asked for (RFC 4867 section 4.3.1).
            self.assertEqual({one[0] >> 4 for one in self.payloads(efficient)}, {15})

    def test_modes(self) -> None:
        """The highest mode of the set, and the best there is without one."""
        for name, rate, parameters, mode in (
            ("AMR", 8000, "", 7),
            ("AMR", 8000, "mode-set=0,2,4", 4),
            ("AMR", 8000, "octet-align=1; mode-set=0", 0),
            ("AMR-WB", 16000, "mode-set=0,1,2", 2),
            ("AMR-WB", 16000, "", 8),
        ):
            codec = Codec(97, name, rate, 1, parameters)
            frames = AMRDecoder(codec).frames(self.payloads(codec)[20])
            self.assertEqual([frame.kind for frame in frames], [mode], (name, parameters))

    def test_refused(self) -> None:
        """CRCs are not sent, and a packet is of whole frames."""
        self.assertRaises(LookupError, encoder, Codec(97, "AMR", 8000, 1, "crc=1"))
        self.assertRaises(ValueError, made(Codec(97, "AMR", 8000)).encode, speech(8000)[:240])


class BorrowedTests(SynchronousTestCase):
    """bcg729 and libgsm."""

    def test_gsm(self) -> None:
        """Speech comes back, in packets of any number of frames."""
        codec = Codec(3, "GSM", 8000)
        samples = speech(8000)
        for frames in (1, 3):
            coder = made(codec)
            step = 160 * frames
            whole = len(samples) // step * step
            payloads = [coder.encode(samples[at : at + step]) for at in range(0, whole, step)]
            self.assertEqual({len(payload) for payload in payloads}, {33 * frames})
            heard = decoded(decoder(codec), payloads)
            self.assertGreater(likeness_db(samples[:whole], heard), 8)

    def test_g729(self) -> None:
        """Silence is said by one SID, at the end of its packet, and then nothing is sent."""
        samples = np.concatenate([speech(8000), np.zeros(8000, dtype=np.int16)])
        coder = made(Codec(18, "G729", 8000))
        payloads = [coder.encode(samples[at : at + 320]) for at in range(0, len(samples), 320)]
        understood = G729Decoder(Codec(18, "G729", 8000))
        for payload in payloads:
            self.assertIn(len(payload) % 10, (0, 2))
        self.assertTrue(any(understood.rests(payload) for payload in payloads))
        self.assertGreater(payloads[-15:].count(b""), 10)

    def test_annexb_no(self) -> None:
        """With annexb=no every frame is sent."""
        coder = made(Codec(18, "G729", 8000, 1, "annexb=no"))
        silent = np.zeros(160, dtype=np.int16)
        self.assertEqual([len(coder.encode(silent)) for _ in range(30)], [20] * 30)

    def test_missing(self) -> None:
        """Where a library is missing it is told what to install; what is decoded is as before."""
        for module, codec, words in (
            (g729, Codec(18, "G729", 8000), "libbcg729-0"),
            (gsm, Codec(3, "GSM", 8000), "libgsm1"),
            (amr_encoder, Codec(97, "AMR-WB", 16000), "libvo-amrwbenc0"),
        ):
            self.patch(module, "opened", lambda ffi, *names: None)
            error = self.assertRaises(LookupError, encoder, codec)
            self.assertIn(words, str(error))
            decoder(codec)

    def test_no_libopus(self) -> None:
        """Without libopus there is no Opus to be sent, and none to be corrected."""
        self.patch(libopus, "_library", lambda: None)
        self.assertFalse(libopus.installed())
        self.assertRaises(LookupError, encoder, Codec(111, "OPUS", 48000, 2))
        self.assertRaises(LookupError, libopus.LibOpusDecoder)


class FramesOfTests(SynchronousTestCase):
    """Where the frames of a packet begin."""

    def test_whole(self) -> None:
        """They fill the packet, or it is refused."""
        self.assertEqual(list(frames_of("X", 480, 160)), [0, 160, 320])
        for samples in (0, 100, 170):
            self.assertRaises(ValueError, frames_of, "X", samples, 160)
