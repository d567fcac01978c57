"""
Blocks of pcapng, read back by the reader of siprec-replay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.traces import pcapng
from twisted_siprec.net.traces.packets import udp_head
from twisted_siprec.simulator.capture_file import Frame, read_frames

A, B = ("192.0.2.1", 4000), ("198.51.100.7", 6000)
AT_NS = 1_700_000_000_123_456_789


class PcapngTests(SynchronousTestCase):
    """Files of ours."""

    def frames(self, octets: bytes) -> list[Frame]:
        path = Path(self.mktemp())
        path.write_bytes(octets)
        return list(read_frames(path))

    def test_section(self) -> None:
        """A section begins as the draft says, and every block has its length at both ends."""
        octets = pcapng.beginning("a call")
        self.assertEqual(octets[:4].hex(), "0a0d0d0a")
        self.assertEqual(octets[8:24].hex(), "4d3c2b1a01000000ffffffffffffffff")
        self.assertIn(b"a call", octets)
        at, kinds = 0, []
        while at < len(octets):
            kind, total = (int.from_bytes(octets[at + n : at + n + 4], "little") for n in (0, 4))
            self.assertEqual(octets[at + total - 4 : at + total], octets[at + 4 : at + 8])
            self.assertEqual(total % 4, 0)
            kinds.append(kind)
            at += total
        self.assertEqual(kinds, [0x0A0D0D0A, 1, 1])

    def test_packet(self) -> None:
        """A packet comes back with its time to the nanosecond's rounding, cut off or not."""
        whole = pcapng.packet(pcapng.SIP, AT_NS, b"whole")
        cut = pcapng.packet(pcapng.RTP, AT_NS, b"cut", 200)
        frames = self.frames(pcapng.beginning("") + whole.octets + cut.octets)
        self.assertEqual(
            [(each.link, each.octets, each.length) for each in frames],
            [(101, b"whole", 5), (101, b"cut", 200)],
        )
        self.assertAlmostEqual(frames[0].at, AT_NS / 1e9, 6)

    def test_alike(self) -> None:
        """Many at once are the same octets as one by one."""
        head = udp_head(A, B, 7)
        assert head is not None
        for kept in (7, 3):
            rows = np.arange(3 * kept, dtype=np.uint8).reshape(3, kept)
            times = np.array([AT_NS, AT_NS + 1, 2**33], dtype=np.int64)
            expected = b"".join(
                pcapng.packet(pcapng.RTP, int(at), head + row.tobytes(), len(head) + 7).octets
                for row, at in zip(rows, times, strict=True)
            )
            self.assertEqual(pcapng.alike(head, rows, 7, times), expected)

    def test_blocks(self) -> None:
        """The packets of a file, also of one that was cut off, and what was dropped."""
        packet = pcapng.packet(pcapng.RTP, AT_NS, b"x")
        lost = pcapng.dropped(pcapng.RTP, AT_NS, 7)
        octets = pcapng.beginning("c") + packet.octets + lost
        found = list(pcapng.blocks(octets))
        self.assertEqual(found, [packet, pcapng.Block(AT_NS, lost)])
        self.assertEqual([pcapng.is_statistics(each) for each in found], [False, True])
        self.assertEqual(list(pcapng.blocks(octets[:-1])), [packet])
        self.assertEqual(list(pcapng.blocks(b"\1\0\0\0\0\0\0\0")), [])
