"""AMR and AMR-WB, and their two payload formats."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audio_vectors import amr_frames, decoded, digest
from twisted_siprec.audio.amr import MAX_FRAMES, AMRDecoder, Frame
from twisted_siprec.audio.pyav import INSTALLED
from twisted_siprec.plan import Codec

NARROW = (95, 103, 118, 134, 148, 159, 204, 244, 39)
WIDE = (132, 177, 253, 285, 317, 365, 397, 461, 477, 40)
STREAMS = (
    ("AMR", NARROW, "modes.amr", b"#!AMR\n", 160, "5c20578c9838b5489c19b4678b0f74aa"),
    ("AMR-WB", WIDE, "modes.awb", b"#!AMR-WB\n", 320, "7e2a2bada0526ac3cb2277911638f963"),
)


def decoder(name: str, parameters: str = "") -> AMRDecoder:
    """One of a format."""
    return AMRDecoder(Codec(96, name, 16000 if name == "AMR-WB" else 8000, 1, parameters))


def aligned(frames: list[bytes], crc: bool = False) -> bytes:
    """Frames of a file as an octet-aligned payload."""
    contents = bytes(frame[0] | 0x80 for frame in frames[:-1]) + frames[-1][:1]
    sums = bytes(sum(len(frame) > 1 for frame in frames)) if crc else b""
    return b"\xf0" + contents + sums + b"".join(frame[1:] for frame in frames)


def packed(frames: list[bytes], bits: tuple[int, ...]) -> bytes:
    """Frames of a file as a bandwidth-efficient payload, written out as text."""
    text = "1111"
    for frame in frames:
        more = "0" if frame is frames[-1] else "1"
        text += more + f"{frame[0] >> 3 & 15:04b}" + f"{frame[0] >> 2 & 1}"
    for frame in frames:
        kind = frame[0] >> 3 & 15
        speech = "".join(f"{octet:08b}" for octet in frame[1:])
        text += speech[: bits[kind] if kind < len(bits) else 0]
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


class AMRTests(SynchronousTestCase):
    """Speech in all modes."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_exact(self) -> None:
        """Every sample is opencore-amr's, in both formats, one or three frames a packet."""
        for name, bits, file, magic, _, expected in STREAMS:
            frames = amr_frames(file, magic, bits)
            for count in (1, 3):
                groups = [frames[at : at + count] for at in range(0, len(frames), count)]
                octet_aligned = decoder(name, "octet-align=1; mode-change-period=2")
                audio = decoded(octet_aligned, [aligned(group) for group in groups])
                self.assertEqual(digest(audio), expected)
                with_crc = decoder(name, "crc=1")
                audio = decoded(with_crc, [aligned(group, crc=True) for group in groups])
                self.assertEqual(digest(audio), expected)
                efficient = decoder(name, "octet-align=0")
                audio = decoded(efficient, [packed(group, bits) for group in groups])
                self.assertEqual(digest(audio), expected)

    def test_pause(self) -> None:
        """A SID and NO_DATA are silence, after which nothing need follow."""
        for name, bits, _, magic, samples, _ in STREAMS:
            file = "pause.awb" if name == "AMR-WB" else "pause.amr"
            made = decoder(name)
            payloads = [packed([frame], bits) for frame in amr_frames(file, magic, bits)]
            self.assertEqual(
                [made.rests(payload) for payload in payloads], [False] * 5 + [True] * 20
            )
            self.assertEqual({made.ticks(payload) for payload in payloads}, {samples})
            parts = [made.decode(payload) for payload in payloads]
            self.assertTrue(all(part.any() for part in parts[:5]))
            self.assertFalse(any(part.any() for part in parts[5:]))

    def test_damaged(self) -> None:
        """A frame that is said to be damaged is concealed by the decoder, not played."""
        name, bits, file, magic, samples, _ = STREAMS[1]
        frames = amr_frames(file, magic, bits)
        made, whole = decoder(name, "octet-align=1"), decoder(name, "octet-align=1")
        for frame in frames[:20]:
            made.decode(aligned([frame]))
            whole.decode(aligned([frame]))
        damaged = bytes((frames[20][0] & ~4,)) + frames[20][1:]
        concealed = made.decode(aligned([damaged]))
        self.assertEqual(len(concealed), samples)
        self.assertTrue(concealed.any())
        self.assertNotEqual(concealed.tobytes(), whole.decode(aligned([frames[20]])).tobytes())

    def test_refused(self) -> None:
        """Interleaving, robust sorting and two channels are not understood, and said so."""
        for parameters in ("octet-align=1;interleaving=30", "robust-sorting=1"):
            self.assertRaises(LookupError, decoder, "AMR", parameters)
        self.assertRaises(LookupError, AMRDecoder, Codec(96, "AMR", 8000, 2))
        decoder("AMR", "robust-sorting=0")

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=80), st.sampled_from(["", "octet-align=1", "crc=1"]))
    def test_anything(self, payload: bytes, parameters: str) -> None:
        """Whatever a payload holds, it lasts as long as what is made of it."""
        for made in (decoder("AMR", parameters), decoder("AMR-WB", parameters)):
            self.assertEqual(
                len(made.decode(payload)) * 8000 // made.rate * made.rate // 8000,
                made.ticks(payload),
            )


class FrameTests(SynchronousTestCase):
    """The table of contents."""

    if not INSTALLED:
        skip = "PyAV is not installed"

    def test_example(self) -> None:
        """RFC 4867 section 4.3.5.1's shape: one frame of mode 4, 158 bits, two of padding."""
        speech = "10" * 74
        text = "1111" + "0" + "0100" + "1" + speech + "00"
        payload = int(text, 2).to_bytes(20)
        self.assertEqual(
            decoder("AMR").frames(payload), [Frame(4, True, int(speech + "0000", 2).to_bytes(19))]
        )

    def test_several(self) -> None:
        """A damaged frame, one without anything, and a SID, octet-aligned."""
        payload = bytes((0xF0, 0x80 | 0x00, 0x80 | 0x7C, 0x44)) + bytes(range(12)) + bytes(5)
        self.assertEqual(
            decoder("AMR", "octet-align=1").frames(payload),
            [Frame(0, False, bytes(range(12))), Frame(15, True, b""), Frame(8, True, bytes(5))],
        )

    def test_short(self) -> None:
        """Cut short, with an FT that means nothing, or too many: no frames."""
        plain, octets = decoder("AMR"), decoder("AMR", "octet-align=1")
        for payload in (b"", b"\xf0", b"\xf2\x40" + bytes(5), b"\xff" * 4):
            self.assertEqual(plain.frames(payload), [])
        for payload in (b"", b"\xf0", b"\xf0\x04" + bytes(11), b"\xf0\x5c", b"\xf0\xfc"):
            self.assertEqual(octets.frames(payload), [])
        many = b"\xf0" + b"\xfc" * MAX_FRAMES + b"\x7c"
        self.assertEqual(octets.frames(many), [])
        self.assertEqual(len(octets.frames(many[:1] + many[2:])), MAX_FRAMES)
        self.assertEqual(plain.frames(b"\xff" * 60), [])

    def test_lost(self) -> None:
        """FT 14 is a lost frame of AMR-WB, and nothing of AMR."""
        payload = b"\xf0\x74"
        wide = decoder("AMR-WB", "octet-align=1")
        self.assertEqual(wide.frames(payload), [Frame(14, True, b"")])
        self.assertEqual(len(wide.decode(payload)), 320)
        self.assertFalse(wide.rests(payload))
        self.assertEqual(decoder("AMR", "octet-align=1").ticks(payload), 0)
