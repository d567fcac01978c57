"""
What a body says to us.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.siprec.content import ACCEPT, Content


def mixed(*parts: tuple[str, bytes]) -> bytes:
    """A multipart of (header lines, body)."""
    body = b"".join(
        b"--b\r\n" + header.encode() + b"\r\n\r\n" + part + b"\r\n" for header, part in parts
    )
    return body + b"--b--\r\n"


MIXED = "multipart/mixed;boundary=b"
SDP = ("Content-Type: application/sdp", b"v=0")
XML = ("Content-Type: application/rs-metadata+xml", b"<recording/>")


class ReadTests(SynchronousTestCase):
    """The parts that we understand."""

    def codes(self, content: Content) -> list[str]:
        """The codes of the warnings."""
        return [code for code, _ in content.warnings]

    def test_both_in_any_order(self) -> None:
        """SDP and metadata are found wherever they stand."""
        for parts in ((SDP, XML), (XML, SDP)):
            content = Content.read(mixed(*parts), MIXED)
            self.assertEqual((content.sdp, content.metadata), (b"v=0", b"<recording/>"))
            self.assertEqual(content.warnings, ())

    def test_bare(self) -> None:
        """One of them alone needs no multipart; types have any case, and parameters."""
        self.assertEqual(Content.read(b"v=0", "Application/SDP").sdp, b"v=0")
        for kind in ("application/rs-metadata", "APPLICATION/RS-METADATA+XML;charset=latin-1"):
            self.assertEqual(Content.read(b"<r/>", kind).metadata, b"<r/>")
        self.assertEqual(
            Content.read(b"<r/>", "application/rs-metadata+xml;charset=latin-1").charset, "latin-1"
        )

    def test_nothing(self) -> None:
        """No body, or blanks only, says nothing."""
        self.assertEqual(Content.read(b"", None), Content())
        self.assertEqual(Content.read(b" \r\n", "application/sdp"), Content())

    def test_guessed(self) -> None:
        """Without a type, or with one of no use, the octets tell."""
        for body, kind, code in (
            (b"v=0\r\n", None, "body-type-missing"),
            (b"v=0\r\n", "text/plain", "body-type-wrong"),
            (mixed(SDP), None, "body-type-missing"),
        ):
            content = Content.read(body, kind)
            self.assertTrue(content.sdp)
            self.assertIn(code, self.codes(content))
        self.assertEqual(Content.read(b"\xef\xbb\xbf <r/>", "text/xml").metadata[-4:], b"<r/>")

    def test_marked_as_metadata(self) -> None:
        """A part of unknown type that is marked as a recording session's is metadata."""
        part = ("Content-Type: application/x\r\nContent-Disposition: recording-session", b"<r/>")
        self.assertEqual(Content.read(mixed(SDP, part), MIXED).metadata, b"<r/>")

    def test_first_of_several(self) -> None:
        """The first description of disposition session counts, and the first metadata."""
        early = ("Content-Type: application/sdp\r\nContent-Disposition: early-session", b"v=0 e")
        content = Content.read(mixed(early, SDP, SDP, XML, XML), MIXED)
        self.assertEqual(content.sdp, b"v=0")
        self.assertEqual(
            self.codes(content),
            ["multipart-unknown-part", "multipart-several-sdp", "multipart-several-metadata"],
        )

    def test_unknown_part(self) -> None:
        """It is passed over; with a word in tolerant mode, without where it is optional."""
        required = ("Content-Type: application/gtd", b"x")
        optional = (
            "Content-Type: application/gtd\r\nContent-Disposition: x;handling=optional",
            b"x",
        )
        self.assertEqual(
            self.codes(Content.read(mixed(SDP, required), MIXED)), ["multipart-unknown-part"]
        )
        self.assertEqual(self.codes(Content.read(mixed(SDP, optional), MIXED, strict=True)), [])


class RefusalTests(SynchronousTestCase):
    """What is answered with 415."""

    def refused(self, body: bytes, kind: str | None, **more: str | bool) -> RemoteError:
        """The error."""
        with self.assertRaises(RemoteError) as caught:
            Content.read(body, kind, **more)
        self.assertEqual(caught.exception.status, 415)
        return caught.exception

    def test_unknown_body(self) -> None:
        """A body of which nothing is understood, unless it is optional."""
        self.assertEqual(self.refused(b"x", "application/foo").headers, (ACCEPT,))
        self.assertEqual(self.refused(mixed(("A: b", b"x")), MIXED).headers, (ACCEPT,))
        Content.read(b"x", "application/foo", disposition="x;handling=optional")

    def test_encoded_body(self) -> None:
        """A compressed body says what is not understood."""
        error = self.refused(b"v=0", "application/sdp", content_encoding="gzip")
        self.assertEqual(error.headers, (("Accept-Encoding", "identity"),))
        Content.read(b"v=0", "application/sdp", content_encoding="Identity")

    def test_strict(self) -> None:
        """Strict mode takes no unknown part that is required, and no body without type."""
        self.refused(mixed(SDP, ("Content-Type: application/gtd", b"x")), MIXED, strict=True)
        self.refused(b"v=0", None, strict=True)
