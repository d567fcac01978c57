"""DTLS beside RTP on one port."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.dtls_records import (
    admissible,
    datagrams,
    is_client_hello,
    is_dtls,
    records,
)
from twisted_siprec.rtp.header import is_rtcp, parse

RECORD = st.binary(max_size=300).map(
    lambda fragment: b"\x16\xfe\xfd" + bytes(8) + len(fragment).to_bytes(2, "big") + fragment
)


class FirstOctetTests(SynchronousTestCase):
    """RFC 7983 section 7."""

    def test_ranges(self) -> None:
        """20 to 63 is DTLS; STUN, TURN, RTP and what is reserved are not."""
        found = [first for first in range(256) if is_dtls(bytes((first,)) + bytes(20))]
        self.assertEqual(found, list(range(20, 64)))
        self.assertFalse(is_dtls(b""))

    def test_nothing_else(self) -> None:
        """What is DTLS is neither RTP nor RTCP, as these look at it."""
        for first in range(20, 64):
            for version in (b"\xfe\xff", b"\xfe\xfd"):
                datagram = bytes((first,)) + version + bytes(40)
                self.assertIsNone(parse(datagram))
                self.assertFalse(is_rtcp(datagram))


class ClientHelloTests(SynchronousTestCase):
    """What begins a handshake."""

    def test_is(self) -> None:
        """A handshake record of epoch 0 with a message of type 1, and nothing else."""
        hello = bytes.fromhex("16 feff 0000 000000000000 0001 01")
        self.assertTrue(is_client_hello(hello))
        for other in (
            hello[:-1],
            hello[:-1] + b"\x02",
            b"\x15" + hello[1:],
            hello[:4] + b"\x01" + hello[5:],
        ):
            self.assertFalse(is_client_hello(other), other)


class FlightTests(SynchronousTestCase):
    """A flight is cut between records only."""

    def test_cut(self) -> None:
        """As many records as there is room for go together."""
        flight = [bytes(11) + b"\0\x02ab", bytes(11) + b"\0\x01c", bytes(11) + b"\0\x03def"]
        self.assertEqual(datagrams(b"".join(flight), 29), [flight[0] + flight[1], flight[2]])
        self.assertEqual(datagrams(b"".join(flight), 28), flight)

    def test_incomplete(self) -> None:
        """A record that is cut off, or less than a header, is left out."""
        whole = bytes(11) + b"\0\x02ab"
        self.assertEqual(records(whole + whole[:-1]), [whole])
        self.assertEqual(records(whole + whole[:5]), [whole])

    def test_admissible(self) -> None:
        """Application data without protection, and what is cut off, is taken out."""
        handshake = b"\x16\xfe\xfd" + bytes(8) + b"\0\1a"
        plain = b"\x17\xfe\xfd" + bytes(8) + b"\0\1b"
        protected = b"\x17\xfe\xfd\0\1" + bytes(6) + b"\0\1c"
        datagram = plain + handshake + protected + plain + handshake[:-1]
        self.assertEqual(admissible(datagram), handshake + protected)
        for kind in (20, 21, 22):
            record = bytes((kind,)) + handshake[1:]
            self.assertEqual(admissible(record), record)

    @given(st.lists(RECORD, max_size=8), st.integers(1, 1500))
    @settings(max_examples=100, deadline=None)
    def test_whole(self, flight: list[bytes], most: int) -> None:
        """Nothing is lost or divided, and only a record that is longer by itself is longer."""
        made = datagrams(b"".join(flight), most)
        self.assertEqual([record for each in made for record in records(each)], flight)
        for each in made:
            self.assertTrue(len(each) <= most or len(records(each)) == 1)

    @given(st.binary(max_size=100))
    @settings(max_examples=100, deadline=None)
    def test_anything(self, octets: bytes) -> None:
        """Any octets at all are looked at without harm."""
        self.assertTrue(octets.startswith(b"".join(records(octets))))
        self.assertIn(is_client_hello(octets), (True, False))
