"""
HEP version 3, octet by octet, and what of a message leaves the house.
"""

from __future__ import annotations

from struct import unpack_from

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.traces import hep
from twisted_siprec.net.traces.ends import Ends, discreet
from twisted_siprec.sip.events import Flow, Traced, Transport

UDP, TLS = Transport.UDP, Transport.TLS
A, B = ("192.0.2.1", 5060), ("198.51.100.7", 5062)


def chunks(octets: bytes) -> dict[int, bytes]:
    """A second reader: what the specification says, by the kind of chunk."""
    magic, length = unpack_from(">4sH", octets)
    assert (magic, length) == (b"HEP3", len(octets))
    at, found = 6, dict[int, bytes]()
    while at < length:
        vendor, kind, size = unpack_from(">HHH", octets, at)
        assert vendor == 0
        found[kind] = octets[at + 6 : at + size]
        at += size
    assert at == length
    return found


class HEPTests(SynchronousTestCase):
    """One message."""

    def test_version_4(self) -> None:
        """Every chunk, with the values of the specification."""
        made = hep.packet(
            Ends(A, B, UDP), 1_700_000_000.25, b"INVITE x", "c1", 2001, "secret", "rec-1"
        )
        assert made is not None
        self.assertEqual(
            chunks(made),
            {
                1: b"\x02",
                2: b"\x11",
                3: bytes((192, 0, 2, 1)),
                4: bytes((198, 51, 100, 7)),
                7: (5060).to_bytes(2, "big"),
                8: (5062).to_bytes(2, "big"),
                9: (1_700_000_000).to_bytes(4, "big"),
                10: (250_000).to_bytes(4, "big"),
                11: b"\x01",
                12: (2001).to_bytes(4, "big"),
                14: b"secret",
                15: b"INVITE x",
                17: b"c1",
                19: b"rec-1",
            },
        )

    def test_version_6(self) -> None:
        """IPv6 has kinds of its own; one address of each family makes both of IPv6; TLS is TCP."""
        made = hep.packet(Ends(("2001:db8::1", 1), A, TLS), 1.9999999, b"", "", 1)
        assert made is not None
        found = chunks(made)
        self.assertEqual((found[1], found[2]), (b"\x0a", b"\x06"))
        self.assertEqual(found[5].hex(), "20010db8000000000000000000000001")
        self.assertEqual(found[6].hex(), "00000000000000000000ffffc0000201")
        self.assertEqual((found[9], found[10]), (bytes((0, 0, 0, 2)), bytes(4)))
        self.assertNotIn(17, found)
        self.assertNotIn(14, found)

    def test_length(self) -> None:
        """What is longer than the length field can say is none."""
        ends = Ends(A, B, UDP)
        least = len(hep.packet(ends, 0, b"", "", 1) or b"")
        self.assertIsNotNone(hep.packet(ends, 0, bytes(65_535 - least), "", 1))
        self.assertIsNone(hep.packet(ends, 0, bytes(65_536 - least), "", 1))


class EndsTests(SynchronousTestCase):
    """Where a message went."""

    def ends(self, outgoing: bool, flow: Flow | None, address: tuple[str, int]) -> Ends:
        return Ends.of(Traced(outgoing, flow, address, b"", transport=TLS))

    def test_ends(self) -> None:
        """Both ways; a name is not an address, and without a flow our end is not known."""
        flow = Flow(UDP, "udp-1", A, B, A)
        self.assertEqual(self.ends(False, flow, B), Ends(B, A, UDP))
        self.assertEqual(
            self.ends(True, flow, ("203.0.113.1", 9)), Ends(A, ("203.0.113.1", 9), UDP)
        )
        self.assertEqual(self.ends(True, flow, ("sbc.example.com", 5060)), Ends(A, B, UDP))
        nowhere = ("0.0.0.0", 0)
        self.assertEqual(self.ends(True, None, B), Ends(nowhere, B, TLS))
        self.assertEqual(self.ends(True, None, ("sbc", 1)), Ends(nowhere, nowhere, TLS))
        self.assertEqual(self.ends(True, None, ("[::1]", 1)), Ends(nowhere, ("::1", 1), TLS))


class DiscreetTests(SynchronousTestCase):
    """What nobody else is to see."""

    def test_keys(self) -> None:
        """Keys and digest responses are hidden, and no length changes."""
        message = (
            b"INVITE sip:x SIP/2.0\r\n"
            b'Authorization: Digest username="response", response="0123456789abcdef", uri="x"\r\n'
            b"Proxy-authorization:Digest response = ff00\r\n"
            b'Subject: response="0123"\r\n\r\n'
            b"a=crypto:1 X inline:S0VZ+/=|2^31|1:4;inline:QUJD WSH=64\r\n"
        )
        hidden = discreet(message)
        self.assertEqual(len(hidden), len(message))
        for secret in (b"0123456789abcdef", b"ff00", b"S0VZ", b"QUJD"):
            self.assertNotIn(secret, hidden)
        self.assertIn(b"inline:*******|2^31|1:4;inline:**** WSH=64", hidden)
        self.assertIn(b'username="response", response="****************", uri="x"', hidden)
        self.assertIn(b'Subject: response="0123"', hidden)
