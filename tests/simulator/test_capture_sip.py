"""
SIP messages out of datagrams and connections.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.capture_packets import Packet
from twisted_siprec.simulator.capture_sip import MAX_AHEAD, messages

A, B = ("192.0.2.1", 5060), ("198.51.100.7", 5062)


def message(number: int, body: str = "") -> bytes:
    """A request."""
    head = f"INFO sip:x SIP/2.0\r\nCall-ID: c{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def segment(octets: bytes, sequence: int, begins: bool = False) -> Packet:
    return Packet(1.0, A, B, octets, sequence & 0xFFFFFFFF, begins)


def ids(*packets: Packet) -> list[str | None]:
    return [each.message.call_id for each in messages(packets)]


class MessagesTests(SynchronousTestCase):
    """What is found."""

    def test_udp(self) -> None:
        """A datagram is a message, or none."""
        found = ids(
            Packet(1.0, A, B, message(1)),
            Packet(1.0, A, B, b"\x80\x00rtp"),
            Packet(1.0, A, B, b"\r\n\r\n"),
            Packet(1.0, A, B, b"garbage SIP/2.0\r\n\r\n"),
            Packet(1.0, A, B, b"\r\n" + message(2)),
        )
        self.assertEqual(found, ["c1", "c2"])

    def test_way(self) -> None:
        """It is known whence it came, where it went, and how."""
        [one, other] = messages([Packet(3.0, A, B, message(1)), segment(message(2), 1)])
        self.assertEqual((one.at, one.source, one.destination, one.transport), (3.0, A, B, "UDP"))
        self.assertEqual(other.transport, "TCP")

    def test_begin(self) -> None:
        """After a SYN the first octet is that of a message, also past the end of numbers."""
        whole = message(1) + message(2)
        found = ids(
            segment(b"", 0xFFFFFFF0, True),
            segment(whole[:20], 0xFFFFFFF1),
            segment(whole[20:], 0xFFFFFFF1 + 20),
        )
        self.assertEqual(found, ["c1", "c2"])

    def test_middle(self) -> None:
        """A capture that begins in the middle of a message begins with the next."""
        self.assertEqual(ids(segment(b"half of a body\r\n" + message(2), 1)), ["c2"])
        self.assertEqual(ids(segment(b"no SIP at all", 1), segment(message(2), 14)), ["c2"])

    def test_lost(self) -> None:
        """Where a segment is missing, it goes on behind it."""
        packets = [segment(message(1), 1)]
        at = 1 + len(message(1)) + 1_000
        for _ in range(MAX_AHEAD + 5):
            packets.append(segment(message(2), at))
            at += len(message(2))
        found = ids(*packets)
        self.assertEqual(found[0], "c1")
        self.assertEqual(len(found), MAX_AHEAD + 6)

    def test_broken(self) -> None:
        """After what is no SIP it goes on with the next message."""
        other = b"GET / HTTP/1.1\r\n\r\n"
        found = ids(
            segment(b"", 0, True),
            segment(other, 1),
            segment(message(1), 1 + len(other)),
        )
        self.assertEqual(found, ["c1"])

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_order(self, data: st.DataObject) -> None:
        """Segments of any size, in any order and some twice, give the same messages."""
        whole = b"".join(message(number, "x" * number) for number in range(6))
        cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
        edges = [0, *cuts, len(whole)]
        pieces = [segment(whole[first:last], 1 + first) for first, last in pairwise(edges)]
        pieces += data.draw(st.lists(st.sampled_from(pieces), max_size=4))
        shuffled = data.draw(st.permutations(pieces))
        self.assertEqual(
            ids(segment(b"", 0, True), *shuffled), [f"c{number}" for number in range(6)]
        )

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 60), st.booleans())))
    def test_anything(self, given: list[tuple[bytes, int, bool]]) -> None:
        """Whatever a connection carries, nothing fails."""
        ids(*(segment(*each) for each in given))
