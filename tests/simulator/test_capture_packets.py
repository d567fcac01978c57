"""
From frames to datagrams and segments.
"""

from __future__ import annotations

from struct import pack

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.traces.packets import Conversations, udp
from twisted_siprec.simulator.capture_file import Frame
from twisted_siprec.simulator.capture_packets import LINKS, Packet, Passed, packets

A, B = ("192.0.2.1", 5060), ("198.51.100.7", 5062)
A6, B6 = ("2001:db8::1", 5060), ("2001:db8::2", 5062)
HELLO = udp(A, B, b"hello")
HELLO_6 = udp(A6, B6, b"hello")


def frame(octets: bytes, link: int = 101, length: int | None = None) -> Frame:
    return Frame(1.0, link, octets, len(octets) if length is None else length)


def read(*frames: Frame) -> list[Packet]:
    return list(packets(frames, Passed()))


def fragments(payload: bytes, size: int) -> list[bytes]:
    """A datagram in pieces, by IPv4."""
    whole = pack(">HHHH", 5060, 5062, 8 + len(payload), 0) + payload
    made = []
    for at in range(0, len(whole), size):
        piece = whole[at : at + size]
        flags = at // 8 | (0x2000 if at + size < len(whole) else 0)
        head = pack(">BBHHHBBH", 0x45, 0, 20 + len(piece), 77, flags, 64, 17, 0)
        made.append(head + bytes((192, 0, 2, 1, 198, 51, 100, 7)) + piece)
    return made


def fragments_6(payload: bytes, size: int) -> list[bytes]:
    """The same by IPv6, after a header of options."""
    whole = pack(">HHHH", 5060, 5062, 8 + len(payload), 0) + payload
    made = []
    for at in range(0, len(whole), size):
        piece = whole[at : at + size]
        more = at + size < len(whole)
        body = pack(">BBHI", 44, 0, 0, 0) + pack(">BBHI", 17, 0, at | more, 77) + piece
        made.append(pack(">IHBB", 6 << 28, len(body), 0, 64) + HELLO_6[8:40] + body)
    return made


class LinksTests(SynchronousTestCase):
    """What is around IP."""

    def test_links(self) -> None:
        """Every link layer that is said to be understood, with IP of both versions."""
        around = {
            0: (b"\2\0\0\0", b"\x1e\0\0\0"),
            108: (b"\0\0\0\2", b"\0\0\0\x1e"),
            1: (bytes(12) + b"\x08\x00", bytes(12) + b"\x86\xdd"),
            113: (bytes(14) + b"\x08\x00", bytes(14) + b"\x86\xdd"),
            276: (b"\x08\x00" + bytes(18), b"\x86\xdd" + bytes(18)),
        }
        expected = [Packet(1.0, A, B, b"hello"), Packet(1.0, A6, B6, b"hello")]
        for link in LINKS:
            four, six = around.get(link, (b"", b""))
            self.assertEqual(read(frame(four + HELLO, link), frame(six + HELLO_6, link)), expected)

    def test_tags(self) -> None:
        """VLAN tags, one in another; what pads the frame is no payload."""
        tagged = bytes(12) + b"\x88\xa8\0\1\x81\0\0\2\x08\x00"
        self.assertEqual(read(frame(tagged + HELLO + bytes(18), 1)), [Packet(1.0, A, B, b"hello")])

    def test_others(self) -> None:
        """Frames that are no IP are passed over; unknown link layers are named."""
        passed = Passed()
        given = [
            frame(bytes(12) + b"\x08\x06" + HELLO, 1),
            frame(b"\x08\x06" + bytes(18) + HELLO, 276),
            frame(bytes(14) + b"\0\1" + HELLO, 113),
            frame(b"", 101),
            frame(b"\x20" + bytes(60)),
            frame(HELLO[:9] + b"\x01" + HELLO[10:]),
            frame(HELLO, 147),
            frame(HELLO[:30], length=len(HELLO)),
        ]
        self.assertEqual(list(packets(given, passed)), [])
        self.assertEqual((passed.links, passed.cut), ({147}, 1))


class FragmentsTests(SynchronousTestCase):
    """Packets in pieces."""

    def test_whole(self) -> None:
        """In any order, with some twice, and of both versions."""
        payload = bytes(range(256)) * 4
        for pieces in (fragments(payload, 400), fragments_6(payload, 400)):
            self.assertEqual(len(pieces), 3)
            for order in ((0, 1, 2), (2, 1, 0), (1, 1, 0, 2)):
                [made] = read(*(frame(pieces[number]) for number in order))
                self.assertEqual(made.payload, payload)

    def test_missing(self) -> None:
        """Without all of them there is no packet, and it is said."""
        passed = Passed()
        first, _, last = fragments(bytes(1_000), 400)
        self.assertEqual(list(packets([frame(first), frame(last)], passed)), [])
        self.assertEqual(passed.fragments, 2)


class TransportsTests(SynchronousTestCase):
    """UDP and TCP."""

    def test_tcp(self) -> None:
        """A segment has its sequence number, and whether it begins the connection."""
        [segment] = Conversations().segments(A, B, b"hello")
        self.assertEqual(read(frame(segment)), [Packet(1.0, A, B, b"hello", 1)])
        syn = segment[:33] + b"\x02" + segment[34:40]
        syn = syn[:2] + pack(">H", 40) + syn[4:]
        self.assertEqual(read(frame(syn)), [Packet(1.0, A, B, b"", 1, True)])

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=120), st.sampled_from([b"", HELLO[:20], HELLO_6[:40]]))
    def test_anything(self, octets: bytes, begins: bytes) -> None:
        """Whatever is in a frame of any kind, nothing fails."""
        read(*(frame(begins + octets, link) for link in LINKS))
