"""The RTP header."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.header import RTPPacket, is_rtcp, parse

PLAIN = bytes.fromhex("80 88 ffff 00000001 deadbeef") + b"audio"


class HeaderTests(SynchronousTestCase):
    """Packets of every shape, and what is none."""

    def test_plain(self) -> None:
        """The shape of nearly every packet."""
        packet = RTPPacket(8, True, 65535, 1, 0xDEADBEEF, b"audio")
        self.assertEqual(parse(PLAIN), packet)
        self.assertEqual(bytes(packet), PLAIN)

    def test_contributors(self) -> None:
        """The CSRCs of a mixer are not part of the payload."""
        datagram = bytes.fromhex("82 00 0001 00000002 00000003 0000000a 0000000b ff")
        packet = RTPPacket(0, False, 1, 2, 3, b"\xff", (10, 11))
        self.assertEqual(parse(datagram), packet)
        self.assertEqual(bytes(packet), datagram)

    def test_extension(self) -> None:
        """A header extension of no, one or two words is stepped over."""
        head = bytes.fromhex("90 00 0001 00000002 00000003 bede")
        for words in (0, 1, 2):
            datagram = head + words.to_bytes(2, "big") + bytes(4 * words) + b"\xff"
            packet = parse(datagram)
            assert packet is not None
            self.assertEqual(packet.payload, b"\xff")

    def test_padding(self) -> None:
        """Padding is cut off, all of the payload if need be."""
        head = bytes.fromhex("a0 00 0001 00000002 00000003")
        for tail, payload in ((b"ab\x00\x00\x03", b"ab"), (b"\x01", b""), (b"\x00\x00\x03", b"")):
            packet = parse(head + tail)
            assert packet is not None
            self.assertEqual(packet.payload, payload)
        empty = parse(head)
        assert empty is not None
        self.assertEqual(empty.payload, b"")

    def test_refused(self) -> None:
        """Short, of another version, or with lengths that don't fit: no RTP."""
        for text in (
            "",
            "80 00 0001 00000002 000000",
            "00 01 0002 2112a442 000000000000000000000000",
            "40 00 0001 00000002 00000003 ff",
            "82 00 0001 00000002 00000003 0000000a",
            "90 00 0001 00000002 00000003 bede",
            "90 00 0001 00000002 00000003 bede0001",
            "a0 00 0001 00000002 00000003 ff 00",
            "a0 00 0001 00000002 00000003 ff 03",
        ):
            self.assertIsNone(parse(bytes.fromhex(text)), text)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=64))
    @example(b"\xff" * 12)
    @example(b"\xb0\x00" + bytes(14))
    def test_anything(self, datagram: bytes) -> None:
        """Whatever comes, parsing returns, and the payload is part of it."""
        packet = parse(datagram)
        if packet is not None:
            self.assertIn(packet.payload, datagram)

    @settings(deadline=None, max_examples=100)
    @given(
        st.builds(
            RTPPacket,
            st.integers(0, 127),
            st.booleans(),
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.binary(max_size=32),
            st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
        )
    )
    def test_round_trip(self, packet: RTPPacket) -> None:
        """What is written is what is read."""
        self.assertEqual(parse(bytes(packet)), packet)

    def test_rtcp(self) -> None:
        """On a shared port the second octet tells, from 192 to 223."""
        self.assertTrue(is_rtcp(b"\x80\xc8"))
        self.assertTrue(is_rtcp(b"\x80\xc0"))
        self.assertTrue(is_rtcp(b"\x80\xdf"))
        self.assertFalse(is_rtcp(b"\x80\xbf"))
        self.assertFalse(is_rtcp(b"\x80\xe0"))
        self.assertFalse(is_rtcp(b"\x80"))
