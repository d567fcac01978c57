"""
IP packets that are made of what is known.
"""

from __future__ import annotations

from struct import unpack_from

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.traces.packets import MAX_SEGMENT, Conversations, udp, udp_head

A, B = ("192.0.2.1", 5060), ("198.51.100.7", 5062)
A6, B6 = ("2001:db8::1", 5060), ("2001:db8::2", 5062)


def folded(octets: bytes) -> int:
    """The Internet checksum by the book (RFC 1071): 0 where all is right."""
    total = 0
    octets += bytes(len(octets) % 2)
    for (word,) in (unpack_from(">H", octets, at) for at in range(0, len(octets), 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class PacketsTests(SynchronousTestCase):
    """UDP and TCP over both versions of IP."""

    def test_udp(self) -> None:
        """Addresses, ports, lengths and the payload are where RFC 791 and RFC 768 have them."""
        made = udp(A, B, b"hello")
        self.assertEqual(
            made.hex(),
            "45000021000040004011"
            + made[10:12].hex()
            + "c0000201c6336407"
            + "13c413c6000d"
            + made[26:28].hex()
            + b"hello".hex(),
        )
        self.assertEqual(folded(made[:20]), 0)

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=200), st.integers(0, 65535), st.integers(0, 65535))
    def test_checksums(self, payload: bytes, one: int, other: int) -> None:
        """Every checksum is right, of both versions, and a UDP one is never 0."""
        for source, destination in (("192.0.2.1", "10.0.0.1"), ("2001:db8::1", "::1")):
            made = udp((source, one), (destination, other), payload)
            [segment, *_] = Conversations().segments(
                (source, one), (destination, other), payload or b"x"
            )
            version_4 = made[0] >> 4 == 4
            begins, addresses = (20, slice(12, 20)) if version_4 else (40, slice(8, 40))
            for packet, protocol in ((made, 17), (segment, 6)):
                body = packet[begins:]
                pseudo = packet[addresses] + len(body).to_bytes(4, "big") + bytes((0, 0, 0))
                self.assertEqual(folded(pseudo + bytes((protocol,)) + body), 0)
            self.assertNotEqual(made[begins + 6 : begins + 8], b"\0\0")

    def test_version_6(self) -> None:
        """IPv6 has its length and its next header."""
        made = udp(A6, B6, b"hello")
        self.assertEqual(made[:8].hex(), "60000000000d1140")
        self.assertEqual(len(made), 53)

    def test_mixed(self) -> None:
        """Addresses of different families, and none at all, still make a packet."""
        self.assertEqual(udp(A, B6, b"")[0] >> 4, 6)
        self.assertEqual(udp(("::ffff:192.0.2.1", 1), B, b"")[12:16], bytes((192, 0, 2, 1)))
        self.assertEqual(udp(("", 0), B, b"")[12:20].hex(), "00000000c6336407")
        self.assertEqual(udp(A6, ("name", 1), b"")[24:40], bytes(16))

    def test_head(self) -> None:
        """The common head is that of the packet but for the checksum of UDP; IPv6 has none."""
        head = udp_head(A, B, 5)
        assert head is not None
        self.assertEqual(head[:26], udp(A, B, b"hello")[:26])
        self.assertEqual(head[26:], b"\0\0")
        self.assertIsNone(udp_head(A6, B6, 5))

    def test_conversation(self) -> None:
        """Segments follow one another, and acknowledge what the other side said."""
        connection = Conversations()
        [first] = connection.segments(A, B, b"hello")
        [answer] = connection.segments(B, A, b"hi")
        [second] = connection.segments(A, B, b"again")
        self.assertEqual(unpack_from(">II", first, 24), (1, 1))
        self.assertEqual(unpack_from(">II", answer, 24), (1, 6))
        self.assertEqual(unpack_from(">II", second, 24), (6, 3))
        self.assertEqual(first[33], 0x18)

    def test_long(self) -> None:
        """What does not fit in a packet is in several."""
        first, second = Conversations().segments(A, B, bytes(MAX_SEGMENT + 1))
        self.assertEqual((len(first), len(second)), (MAX_SEGMENT + 40, 41))
        self.assertEqual(unpack_from(">I", second, 24), (MAX_SEGMENT + 1,))
