"""
Captures of all kinds that there are, as frames.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from struct import pack

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.capture_file import CaptureError, Frame, read_frames


def pcap(order: str = "<", magic: int = 0xA1B2C3D4, link: int = 1, *records: bytes) -> bytes:
    """A classic file."""
    return pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65_535, link) + b"".join(records)


def record(order: str, seconds: int, ticks: int, octets: bytes, length: int | None = None) -> bytes:
    """A frame of it."""
    whole = len(octets) if length is None else length
    return pack(f"{order}IIII", seconds, ticks, len(octets), whole) + octets


def block(order: str, kind: int, body: bytes) -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    total = 12 + len(body)
    return pack(f"{order}II", kind, total) + body + pack(f"{order}I", total)


def section(order: str = "<") -> bytes:
    """Its beginning."""
    return block(order, 0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int, options: bytes = b"") -> bytes:
    """An interface."""
    return block(order, 1, pack(f"{order}HHI", link, 0, 0) + options)


def packet(order: str, number: int, at: int, octets: bytes) -> bytes:
    """A packet."""
    head = pack(f"{order}IIIII", number, at >> 32, at & 0xFFFFFFFF, len(octets), len(octets))
    return block(order, 6, head + octets)


class CaptureFileTests(SynchronousTestCase):
    """What read_frames makes of files."""

    def read(self, octets: bytes) -> list[Frame]:
        path = Path(self.mktemp())
        path.write_bytes(octets)
        return list(read_frames(path))

    def refused(self, octets: bytes) -> str:
        return str(self.assertRaises(CaptureError, self.read, octets))

    def test_pcap(self) -> None:
        """Both byte orders, both resolutions."""
        for order in "<>":
            for magic, ticks in ((0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)):
                octets = pcap(order, magic, 113, record(order, 5, ticks, b"abc", 9))
                self.assertEqual(self.read(octets), [Frame(5.25, 113, b"abc", 9)])

    def test_pcap_cut(self) -> None:
        """A file that was cut off ends where it was."""
        whole = pcap("<", 0xA1B2C3D4, 1, record("<", 5, 0, b"abc"), record("<", 6, 0, b"def"))
        for end in range(4, len(whole)):
            self.assertLessEqual(len(self.read(whole[:end])), 1)
        self.assertEqual(len(self.read(whole)), 2)

    def test_pcapng(self) -> None:
        """Both byte orders, resolutions of ten and of two, offsets, and several sections."""
        octets = b""
        for order in "<>":
            octets += section(order) + block(order, 0x0BAD, b"unknown")
            octets += interface(order, 1)
            octets += interface(order, 101, pack(f"{order}HHBxxx", 9, 1, 9))
            octets += interface(order, 276, pack(f"{order}HHBxxx", 9, 1, 0x80 | 2))
            octets += interface(order, 0, pack(f"{order}HHHxxHHqHH", 2, 2, 0, 14, 8, 100, 0, 0))
            octets += packet(order, 0, 5_250_000, b"a")
            octets += packet(order, 1, 5_250_000_000, b"bc")
            octets += packet(order, 2, 21, b"def")
            octets += packet(order, 3, 5_250_000, b"")
            octets += packet(order, 4, 1, b"of no interface")
        self.assertEqual(
            self.read(octets),
            2
            * [
                Frame(5.25, 1, b"a", 1),
                Frame(5.25, 101, b"bc", 2),
                Frame(5.25, 276, b"def", 3),
                Frame(105.25, 0, b"", 0),
            ],
        )

    def test_other_blocks(self) -> None:
        """The packets of old, and the simple ones, which have no time."""
        old = block("<", 2, pack("<HHIIII", 0, 7, 0, 5_250_000, 2, 2) + b"ab")
        simple = block("<", 3, pack("<I", 3) + b"abc")
        self.assertEqual(
            self.read(section() + interface("<", 1) + old + simple),
            [Frame(5.25, 1, b"ab", 2), Frame(0.0, 1, b"abc", 3)],
        )

    def test_pcapng_cut(self) -> None:
        """A file that was cut off ends where it was."""
        whole = section() + interface("<", 1) + packet("<", 0, 1, b"abcd")
        for end in range(12, len(whole)):
            self.assertEqual(self.read(whole[:end]), [])

    def test_broken(self) -> None:
        """What cannot be is named."""
        self.assertIn("neither pcap nor pcapng", self.refused(b"GIF89a"))
        self.assertIn("neither", self.refused(b""))
        self.assertIn("no length", self.refused(section() + pack("<II", 6, 13)))
        self.assertIn("byte order", self.refused(b"\x0a\x0d\x0d\x0a" + bytes(24)))
        self.assertIn(
            "too long", self.refused(pcap("<", 0xA1B2C3D4, 1, pack("<IIII", 0, 0, 1 << 25, 0)))
        )
        self.assertIn("shorter", self.refused(section() + block("<", 6, b"")))
        self.assertIn(
            "No such file", str(self.assertRaises(CaptureError, list, read_frames(Path("/no"))))
        )

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200), st.sampled_from([b"", section(), pcap()]))
    def test_anything(self, octets: bytes, begins: bytes) -> None:
        """Whatever is in a file, it gives frames or a CaptureError."""
        with contextlib.suppress(CaptureError):
            self.read(begins + octets)
