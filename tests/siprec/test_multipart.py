"""
Bodies cut into their parts.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.multipart import FieldValue, Limits, Part, guessed_boundary, open_part


def multipart(body: bytes, content_type: str = "multipart/mixed;boundary=b") -> Part:
    """A whole body."""
    return Part(FieldValue.parse(content_type), FieldValue.parse(""), body)


def bodies(body: bytes, content_type: str = "multipart/mixed;boundary=b") -> list[bytes]:
    """The bodies of its parts."""
    return [part.body for part in open_part(multipart(body, content_type)).parts]


def codes(body: bytes, content_type: str = "multipart/mixed;boundary=b") -> list[str]:
    """The codes of the warnings."""
    return [code for code, _ in open_part(multipart(body, content_type)).warnings]


class FieldValueTests(SynchronousTestCase):
    """Values with parameters."""

    def test_parse(self) -> None:
        """Cases, blanks, quotes and escapes do not matter; what is no parameter is left out."""
        self.assertEqual(
            FieldValue.parse('Multipart / Mixed ; Boundary = "a;\\"b" ;x; charset=UTF-8 '),
            FieldValue("multipart/mixed", (("boundary", 'a;"b'), ("charset", "UTF-8"))),
        )
        self.assertEqual(FieldValue.parse(""), FieldValue(""))
        self.assertEqual(FieldValue.parse('a/b;c="d').parameter("c"), "d")


class SplitTests(SynchronousTestCase):
    """Where the parts begin and end."""

    def test_exact(self) -> None:
        """The line end before a delimiter is the delimiter's; all others are the part's."""
        self.assertEqual(
            bodies(
                b"preamble\r\n--b\r\nA: x\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--\r\nepilogue"
            ),
            [b"one\r\n", b"two"],
        )

    def test_line_feeds(self) -> None:
        """Bare LF will do, and the octets of a part stay as they are."""
        self.assertEqual(bodies(b"--b\nA:x\n\n1\r\n2\n--b\n\nthree\n--b--"), [b"1\r\n2", b"three"])

    def test_padding(self) -> None:
        """Blanks before and after delimiters, and after the closing one."""
        body = b" --b \r\n\r\none\r\n\t--b\t \r\n\r\ntwo\r\n --b-- \r\n"
        self.assertEqual(bodies(body), [b"one", b"two"])
        self.assertEqual(codes(body), [])

    def test_quoted(self) -> None:
        """A quoted boundary may have blanks and slashes."""
        self.assertEqual(
            bodies(b"--a /b\r\n\r\nx\r\n--a /b--", 'multipart/mixed; boundary="a /b"'), [b"x"]
        )

    def test_longer_boundary(self) -> None:
        """A line that only begins like the delimiter is none."""
        self.assertEqual(bodies(b"--b\r\n\r\n--bc\r\n--b--"), [b"--bc"])

    def test_unclosed(self) -> None:
        """Without the closing delimiter the last part goes to the end, with a warning."""
        self.assertEqual(bodies(b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n"), [b"one", b"two\r\n"])
        self.assertEqual(codes(b"--b\r\n\r\none"), ["multipart-unclosed"])

    def test_guessed_boundary(self) -> None:
        """A boundary that is missing or wrong is taken from the body."""
        body = b"--real\r\n\r\none\r\n--real--\r\n"
        for content_type in ("multipart/mixed", "multipart/mixed;boundary=other"):
            self.assertEqual(bodies(body, content_type), [b"one"])
            self.assertEqual(codes(body, content_type), ["multipart-no-boundary"])

    def test_hopeless(self) -> None:
        """A body without any delimiter has no parts."""
        self.assertEqual(bodies(b"v=0", "multipart/mixed"), [])
        self.assertEqual(codes(b"v=0", "multipart/mixed"), ["body-malformed"])

    def test_only_closed(self) -> None:
        """A closing delimiter alone closes nothing."""
        self.assertEqual(bodies(b"--b--"), [])
        self.assertEqual(bodies(b"--c--", "multipart/mixed"), [])

    def test_no_blank_line(self) -> None:
        """A part without a blank line is all header."""
        self.assertEqual(bodies(b"--b\r\nA: x\r\n--b--"), [b""])


class PartTests(SynchronousTestCase):
    """What the header of a part says."""

    def part(self, header: bytes, body: bytes = b"x") -> Part:
        """The one part with this header."""
        opened = open_part(multipart(b"--b\r\n" + header + b"\r\n\r\n" + body + b"\r\n--b--"))
        return opened.parts[0]

    def test_header(self) -> None:
        """No blank after the colon, folded lines, any case; the length is not believed."""
        part = self.part(
            b"content-TYPE:application/SDP;\r\n charset=utf-8\r\nContent-Length: 999\r\n"
            b"Content-Disposition: signal ; handling=Optional\r\nContent-ID: <1>\r\nnonsense"
        )
        self.assertEqual(part.content_type, FieldValue("application/sdp", (("charset", "utf-8"),)))
        self.assertEqual(part.disposition.value, "signal")
        self.assertTrue(part.optional)
        self.assertEqual(part.content_id, "<1>")
        self.assertEqual(part.body, b"x")

    def test_encodings(self) -> None:
        """base64, quoted-printable and binary are decoded; others are left, with a warning."""
        name = b"Content-Transfer-Encoding: "
        self.assertEqual(self.part(name + b"BASE64", b"dj0w\r\n").body, b"v=0")
        self.assertEqual(self.part(name + b"quoted-printable", b"v=3D0").body, b"v=0")
        self.assertEqual(self.part(name + b"binary", b"v=0").body, b"v=0")
        self.assertEqual(self.part(name + b"base64", b"dj0wX").body, b"dj0wX")
        body = b"--b\r\n" + name + b"gzip\r\n\r\nx\r\n--b--"
        self.assertEqual(codes(body), ["multipart-encoding"])


class NestedTests(SynchronousTestCase):
    """Multiparts within multiparts."""

    INNER = (
        b"--b\r\nContent-Type: multipart/%s;boundary=c\r\n\r\n"
        b"--c\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--c\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
        b"--c\r\nContent-Type: text/html\r\n\r\nhtml\r\n--c--\r\n--b--"
    )

    def test_mixed(self) -> None:
        """The parts of an inner multipart take its place."""
        self.assertEqual(bodies(self.INNER % b"mixed"), [b"plain", b"v=0", b"html"])

    def test_alternative(self) -> None:
        """Of alternatives the last that is understood is taken, else the last."""
        self.assertEqual(bodies(self.INNER % b"alternative"), [b"v=0"])
        unknown = (self.INNER % b"alternative").replace(b"application/sdp", b"text/x")
        self.assertEqual(bodies(unknown), [b"html"])

    def test_depth(self) -> None:
        """Past the limit of depth nothing is opened."""
        opened = open_part(multipart(self.INNER % b"mixed"), Limits(depth=1))
        self.assertEqual([code for code, _ in opened.warnings], ["multipart-limit"])
        self.assertEqual(opened.parts, ())

    def test_parts(self) -> None:
        """Past the limit of parts nothing is read, within one multipart and in all."""
        outer = b"--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n"
        two = outer + b"--c\r\n\r\n1\r\n--c\r\n\r\n2\r\n--c--\r\n"
        twice = open_part(multipart(two + two + b"--b--"), Limits(parts=3))
        self.assertEqual([part.body for part in twice.parts], [b"1", b"2", b"1"])
        self.assertEqual([code for code, _ in twice.warnings], ["multipart-limit"])
        flat = open_part(multipart(b"--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--"), Limits(parts=1))
        self.assertEqual([part.body for part in flat.parts], [b"1"])
        nested = open_part(multipart(self.INNER % b"mixed"), Limits(parts=2))
        self.assertEqual([part.body for part in nested.parts], [b"plain", b"v=0"])
        self.assertIn("multipart-limit", [code for code, _ in nested.warnings])


class AnythingTests(SynchronousTestCase):
    """No body is too strange."""

    @given(st.binary(max_size=200) | st.text("-b\r\n: ax\t", max_size=80).map(str.encode))
    @settings(max_examples=300, deadline=None)
    def test_returns(self, body: bytes) -> None:
        """Opening returns for any octets, with or without a boundary."""
        open_part(multipart(body))
        open_part(multipart(body, "multipart/alternative"))
        guessed_boundary(body)

    @given(st.lists(st.binary(max_size=40).filter(lambda b: b"--" not in b), max_size=5))
    @settings(max_examples=100, deadline=None)
    def test_round_trip(self, parts: list[bytes]) -> None:
        """What is put between delimiters comes out again, octet by octet."""
        body = b"".join(b"--b\r\n\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
        self.assertEqual(bodies(body), parts)
