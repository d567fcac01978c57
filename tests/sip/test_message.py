"""
Messages, in every form in which they come.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from sipmessage import CSeq, MediaType, Parameters
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.sip.message import Headers, Request, Response, head_end, parse

INVITE = (
    b"INVITE sip:srs@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.com>;tag=1\r\n"
    b"To: <sip:b@example.com>\r\n"
    b"Call-ID: 1@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


class HeadersTests(SynchronousTestCase):
    """Header fields."""

    def setUp(self) -> None:
        """Some fields, in all forms."""
        self.headers = Headers(
            [
                ("v", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b"),
                ("Subject", "one, two"),
                ("VIA", "SIP/2.0/TCP c"),
                ("k", "Timer , siprec"),
                ("Supported", ""),
            ]
        )

    def test_names(self) -> None:
        """Case and compact form of a name do not matter."""
        self.assertEqual(self.headers.get("supported"), "Timer , siprec")
        self.assertIn("Via", self.headers)
        self.assertIn("s", self.headers)
        self.assertNotIn("To", self.headers)
        self.assertNotIn(1, self.headers)
        self.assertEqual(self.headers.get("To", "none"), "none")

    def test_lists(self) -> None:
        """Lists are taken apart in order; what is no list stays whole."""
        self.assertEqual(
            self.headers.get_all("via"),
            ("SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b", "SIP/2.0/TCP c"),
        )
        self.assertEqual(self.headers.get_all("subject"), ("one, two",))
        self.assertEqual(self.headers.first("Via"), "SIP/2.0/UDP a;branch=1")
        self.assertIsNone(self.headers.first("Route"))
        self.assertEqual(self.headers.lines("Via")[1], "SIP/2.0/TCP c")
        self.assertEqual(self.headers.tokens("Supported"), {"timer", "siprec"})

    def test_copies(self) -> None:
        """Adding and leaving out make copies that keep the order."""
        fewer = self.headers.without("Via", "supported").adding(("X", "1"))
        self.assertEqual(list(fewer), [("Subject", "one, two"), ("X", "1")])
        self.assertEqual(len(self.headers), 5)
        self.assertEqual(fewer, Headers(list(fewer)))
        self.assertEqual(hash(fewer), hash(Headers(list(fewer))))
        self.assertEqual(repr(fewer), "Headers([('Subject', 'one, two'), ('X', '1')])")


class ParseTests(SynchronousTestCase):
    """From octets to messages."""

    def test_request(self) -> None:
        """All that a request says."""
        request = parse(INVITE)
        assert isinstance(request, Request)
        self.assertEqual((request.method, request.uri_text), ("INVITE", "sip:srs@example.com"))
        self.assertEqual(request.call_id, "1@192.0.2.1")
        self.assertEqual(request.cseq, CSeq(1, "INVITE"))
        self.assertEqual((request.from_tag, request.to_tag), ("1", None))
        self.assertEqual(request.branch, "z9hG4bK1")
        self.assertEqual(request.body, b"v=0\n")
        self.assertIsNone(request.contact)
        assert request.uri is not None
        self.assertEqual(request.uri.host, "example.com")

    def test_round_trip(self) -> None:
        """A message without oddities is printed as it was."""
        self.assertEqual(bytes(parse(INVITE)), INVITE)

    def test_bare_line_feeds(self) -> None:
        """Bare LF line ends give the same message, its body untouched."""
        self.assertEqual(parse(INVITE.replace(b"\r\n", b"\n")), parse(INVITE))

    def test_mixed_line_ends(self) -> None:
        """The head ends at the first empty line, and the body may have others."""
        request = parse(b"BYE sip:x SIP/2.0\r\nTo: a\r\n\r\nv=0\n\nx\r\n\r\n")
        self.assertEqual(request.body, b"v=0\n\nx\r\n\r\n")
        self.assertEqual(head_end(b"a\n\r\nb"), (1, 4))
        self.assertIsNone(head_end(b"a\r\n"))

    def test_line_ends_before(self) -> None:
        """Line ends before the message are skipped."""
        self.assertEqual(parse(b"\r\n\r\n\n" + INVITE), parse(INVITE))

    def test_folding_and_blanks(self) -> None:
        """Folded lines are one, and blanks around the colon go."""
        request = parse(b"BYE sip:x SIP/2.0\r\nTo \t:  <sip:a>\r\n ;tag=\r\n\t7 \r\n\r\n")
        self.assertEqual(list(request.headers), [("To", "<sip:a> ;tag= 7")])
        self.assertEqual(request.to_tag, "7")

    def test_body_ends_with_content_length(self) -> None:
        """Octets after the body are not the body."""
        self.assertEqual(parse(INVITE + b"garbage").body, b"v=0\n")

    def test_malformed_lines(self) -> None:
        """Lines that are no header field are passed over."""
        request = parse(b"BYE sip:x SIP/2.0\r\nno colon here\r\n: nothing\r\nTo: a\r\n\r\n")
        self.assertEqual(list(request.headers), [("To", "a")])

    def test_latin_1(self) -> None:
        """A head that is no UTF-8 is kept octet by octet."""
        octets = b"BYE sip:x SIP/2.0\r\nFrom: J\xfcrgen <sip:a>\r\nContent-Length: 0\r\n\r\n"
        request = parse(octets)
        assert request.from_ is not None
        self.assertEqual(request.from_.name, "J\xfcrgen")
        self.assertEqual(bytes(request), octets)

    def test_control_characters(self) -> None:
        """A bare CR or NUL in a value does not get into what we repeat."""
        request = parse(b"BYE sip:x SIP/2.0\r\nFrom: a\rVia: b\0c\r\n\r\n")
        self.assertEqual(request.headers.get("From"), "a Via: b c")

    def test_response(self) -> None:
        """A status line, with a reason or without."""
        response = parse(b"SIP/2.0 486 Busy Here\r\nl: 0\r\n\r\n")
        assert isinstance(response, Response)
        self.assertEqual((response.status, response.reason), (486, "Busy Here"))
        self.assertEqual(bytes(response), b"SIP/2.0 486 Busy Here\r\nl: 0\r\n\r\n")
        bare = parse(b"SIP/2.0 200\r\n\r\n")
        assert isinstance(bare, Response)
        self.assertEqual((bare.status, bare.reason), (200, ""))

    def test_no_message(self) -> None:
        """What has no start line is refused."""
        for octets in (b"", b"hello", b"GET / HTTP/1.1\r\n\r\n", b"INVITE SIP/2.0\r\n\r\n"):
            self.assertRaises(RemoteError, parse, octets)

    def test_content_type(self) -> None:
        """Types are in lower case, their parameters as they came."""
        request = Request(
            Headers([("c", 'Multipart/MIXED ;Boundary="a;b"')]), method="INVITE", uri_text="sip:x"
        )
        self.assertEqual(
            request.content_type, MediaType("multipart/mixed", Parameters(boundary="a;b"))
        )
        nothing = Request(Headers([("c", "sdp")]), method="INVITE", uri_text="sip:x")
        self.assertIsNone(nothing.content_type)
        self.assertIsNone(Request(Headers(), method="BYE", uri_text="sip:x").content_type)

    def test_content_length(self) -> None:
        """One value, or one value twice; all else is an error."""
        for value, expected in (("4", 4), (" 0 ", 0)):
            headers = Headers([("l", value), ("Content-Length", value)])
            self.assertEqual(Request(headers, method="A", uri_text="b").content_length, expected)
        for value in ("-1", "x", "", "9" * 30, "\u0664"):
            headers = Headers([("l", value)])
            request = Request(headers, method="A", uri_text="b")
            self.assertRaises(RemoteError, lambda request=request: request.content_length)

    def test_cseq(self) -> None:
        """A CSeq that is none, or beyond all numbers, is None."""
        for value in ("x INVITE", "1", "9" * 20 + " INVITE", ""):
            request = Request(Headers([("CSeq", value)]), method="A", uri_text="b")
            self.assertIsNone(request.cseq, value)
        self.assertIsNone(Request(Headers(), method="A", uri_text="b").cseq)

    def test_printing(self) -> None:
        """Content-Length is always there and right; line ends never get into a value."""
        request = Request(
            Headers([("X", "a\r\nEvil: b")]), body=b"12", method="A", uri_text="sip:b"
        )
        self.assertEqual(
            bytes(request), b"A sip:b SIP/2.0\r\nX: a  Evil: b\r\nContent-Length: 2\r\n\r\n12"
        )

    @given(st.binary(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_any_octets(self, octets: bytes) -> None:
        """Any octets give a message or RemoteError, and its properties never raise."""
        for start in (b"", b"INVITE sip:x SIP/2.0\r\n", b"SIP/2.0 200 OK\r\nVia: "):
            try:
                message = parse(start + octets)
            except RemoteError:
                continue
            assert isinstance(message.headers, Headers)
            _ = (message.cseq, message.to, message.contact, message.top_via, message.content_type)
            parse(bytes(message))
