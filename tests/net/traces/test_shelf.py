"""
The directory of the flight recorder.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.traces import pcapng
from twisted_siprec.net.traces.shelf import Flight, Shelf
from twisted_siprec.simulator.capture_file import read_frames

BEGAN = 1_700_000_000.0
NAME = "20231114T221320Z"


def block(at_ns: int, octets: bytes, interface: int = pcapng.SIP) -> pcapng.Block:
    return pcapng.packet(interface, at_ns, octets)


def flight(id: str, *, media: bool = False, keep: bool = True, began: float = BEGAN) -> Flight:
    return Flight(id, began, "a call", (block(10, b"INVITE"), block(30, b"BYE")), media, keep)


class ShelfTests(SynchronousTestCase):
    """Files, of calls and for a while."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.slept: list[float] = []
        self.shelf = Shelf(str(self.directory), 3, 100_000, self.slept.append)
        self.assertEqual(self.shelf.open(), [])

    def media(self, id: str, ending: str = "rtp", missing: int = 0) -> Path:
        path = self.directory / f"{id}.{ending}"
        path.write_bytes(
            pcapng.beginning("media")
            + block(40, b"late", pcapng.RTP).octets
            + block(20, b"RTP", pcapng.RTP).octets
            + pcapng.dropped(pcapng.RTP, 50, missing)
        )
        return path

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    def payloads(self, name: str) -> list[bytes]:
        return [frame.octets for frame in read_frames(self.directory / name)]

    def test_together(self) -> None:
        """Both parts are one file in the order of time, for us alone; what is missing is told."""
        self.media("one", missing=7)
        self.assertEqual(self.shelf.add(flight("one", media=True)), 7)
        name = f"{NAME}-one.pcapng"
        self.assertEqual(self.names(), [name])
        self.assertEqual(self.payloads(name), [b"INVITE", b"RTP", b"BYE", b"late"])
        self.assertEqual(stat.S_IMODE((self.directory / name).stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.directory.stat().st_mode), 0o700)

    def test_sip_alone(self) -> None:
        """A call that had no media has its messages."""
        self.assertEqual(self.shelf.add(flight("one")), 0)
        self.assertEqual(self.payloads(f"{NAME}-one.pcapng"), [b"INVITE", b"BYE"])

    def test_unwanted(self) -> None:
        """Of a call that turned out well, nothing is left where only failures are kept."""
        self.media("one")
        self.shelf.add(flight("one", media=True, keep=False))
        self.shelf.add(flight("two", keep=False))
        self.assertEqual(self.names(), [])

    def test_waiting(self) -> None:
        """A process may take a while for its part; where it died, there is what it left."""
        whole = self.directory / "one.rtp"

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            if len(self.slept) == 3:
                self.media("one")

        Shelf(str(self.directory), 3, 100_000, sleep).add(flight("one", media=True))
        self.assertEqual(len(self.slept), 3)
        self.assertFalse(whole.exists())
        self.media("two", "rtp.part")
        self.shelf.add(flight("two", media=True))
        self.shelf.add(flight("three", media=True))
        self.assertLess(sum(self.slept), 11)
        self.assertEqual(len(self.payloads(f"{NAME}-two.pcapng")), 4)
        self.assertEqual(len(self.payloads(f"{NAME}-three.pcapng")), 2)

    def test_number(self) -> None:
        """The oldest calls go first, by when they began."""
        for number in (2, 5, 1, 4, 3):
            self.shelf.add(flight(f"c{number}", began=BEGAN + 60 * number))
        kept = self.shelf.tidy()
        self.assertEqual([each.id for each in kept], ["c3", "c4", "c5"])
        self.assertEqual(
            [each.path for each in kept], [str(p) for p in sorted(self.directory.iterdir())]
        )
        self.assertEqual(
            [each.octets for each in kept], [Path(k.path).stat().st_size for k in kept]
        )

    def test_octets(self) -> None:
        """So do they where all is too much; what calls in progress have counts."""
        for number in range(3):
            self.shelf.add(flight(f"c{number}", began=BEGAN + number))
        size = self.shelf.tidy()[0].octets
        (self.directory / "going-on.rtp.part").write_bytes(bytes(100_000 - 2 * size))
        self.assertEqual([each.id for each in self.shelf.tidy()], ["c1", "c2"])

    def test_others(self) -> None:
        """What is not ours is left alone."""
        (self.directory / "notes.txt").write_text("mine")
        self.shelf.add(flight("one"))
        Shelf(str(self.directory), 1, 1).tidy()
        self.assertEqual(self.names(), ["notes.txt"])

    def test_after_a_crash(self) -> None:
        """What a server left that died is made into files at the next start."""
        part = self.media("dead", "rtp.part")
        os.utime(part, (BEGAN, BEGAN))
        (self.directory / f"{NAME}-half.pcapng.part").write_bytes(b"half")
        kept = self.shelf.open()
        self.assertEqual([each.id for each in kept], ["dead"])
        self.assertEqual(self.payloads(f"{NAME}-dead.pcapng"), [b"RTP", b"late"])
        self.assertEqual(self.names(), [f"{NAME}-dead.pcapng"])

    def test_full(self) -> None:
        """A file that cannot be written is not left half."""
        (self.directory / f"{NAME}-one.pcapng").mkdir()
        self.assertRaises(OSError, self.shelf.add, flight("one"))
        self.assertEqual(self.names(), [f"{NAME}-one.pcapng"])
