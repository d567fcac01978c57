"""
XML from strangers.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.tree import Element, Limits, Reading, read_xml

BILLION = (
    b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
    b'<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><r>&b;</r>'
)
EXTERNAL = b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'


def codes(reading: Reading) -> list[str]:
    """The codes of the warnings."""
    return [code for code, _ in reading.warnings]


def text_of(reading: Reading) -> str:
    """The text of the root."""
    assert reading.root is not None
    return reading.root.text


class SafetyTests(SynchronousTestCase):
    """What is not read at all."""

    def test_entities(self) -> None:
        """Entity bombs, external entities and bare document types are refused unread."""
        for octets in (BILLION, EXTERNAL, b"<!DOCTYPE r><r/>"):
            reading = read_xml(octets)
            self.assertEqual((reading.root, codes(reading)), (None, ["metadata-unsafe"]))

    def test_size(self) -> None:
        """Past the limit nothing is read."""
        reading = read_xml(b"<r/>" + b" " * 100, limits=Limits(octets=50))
        self.assertEqual((reading.root, codes(reading)), (None, ["metadata-limit"]))

    def test_depth_and_count(self) -> None:
        """Past the limits reading stops; what is there counts as a part."""
        for octets in (b"<r>" * 40, b"<r>" + b"<a/>" * 40):
            reading = read_xml(octets, limits=Limits(elements=20, depth=10))
            self.assertEqual(codes(reading), ["metadata-limit"])
            self.assertFalse(reading.whole)
            assert reading.root is not None

    def test_large(self) -> None:
        """A hundred KiB of metadata are no trouble."""
        octets = b"<r>" + b'<participant participant_id="x"/>' * 3_200 + b"</r>"
        reading = read_xml(octets)
        assert reading.root is not None
        self.assertEqual(len(reading.root.children), 3_200)
        self.assertGreater(len(octets), 100 * 1024)


class CharsetTests(SynchronousTestCase):
    """Which characters the octets are."""

    def test_parameter_wins(self) -> None:
        """The charset of the Content-Type wins over the declaration."""
        octets = b'<?xml version="1.0" encoding="utf-8"?><r>\xe9</r>'
        reading = read_xml(octets, "ISO-8859-1")
        self.assertEqual((text_of(reading), codes(reading)), ("é", []))

    def test_declaration(self) -> None:
        """Without it the declaration counts, and UTF-8 where there is none."""
        self.assertEqual(
            text_of(read_xml(b'<?xml version="1.0" encoding="windows-1251"?><r>\xcf</r>')), "П"
        )
        self.assertEqual(text_of(read_xml("<r>Жанна 😀</r>".encode())), "Жанна 😀")
        self.assertEqual(text_of(read_xml("\ufeff<r>x</r>".encode("utf-16"))), "x")

    def test_wrong(self) -> None:
        """An unknown charset, or octets that are none of it, are a warning."""
        self.assertEqual(codes(read_xml(b"<r/>", "x-unknown")), ["metadata-charset"])
        reading = read_xml(b"<r>\xe9</r>", "utf-8")
        self.assertEqual(text_of(reading), "é")
        self.assertIn("metadata-charset", codes(reading))


class MendingTests(SynchronousTestCase):
    """What is not well formed."""

    def test_mended(self) -> None:
        """Faults that have one plain meaning."""
        for octets, text in (
            (b"<r>A & B &amp; C &nbsp;</r>", "A & B & C &nbsp;"),
            (b"<r>1 < 2</r>", "1 < 2"),
            (b"<r>x</r>trailing", "x"),
            (b"\r\n<?xml version='1.0'?><r>x</r>\x00", "x"),
            (b"junk<r>x</r>", "x"),
            (b"<r>a\x01b</r>", "ab"),
        ):
            reading = read_xml(octets)
            self.assertEqual(text_of(reading), text)
            self.assertTrue(reading.whole)
        self.assertEqual(codes(read_xml(b"<r>&</r>")), ["metadata-repaired"])

    def test_leading_blanks(self) -> None:
        """Blank lines before the declaration are no fault worth a word."""
        self.assertEqual(codes(read_xml(b"\r\n<?xml version='1.0'?><r/>\r\n")), [])

    def test_unbound_prefix(self) -> None:
        """A prefix that is bound nowhere gets a namespace of its own."""
        reading = read_xml(b"<r><apkt:ucid>1</apkt:ucid></r>")
        assert reading.root is not None
        self.assertEqual(reading.root.children, [Element("urn:unbound:apkt", "ucid", {}, [], "1")])

    def test_truncated(self) -> None:
        """A document that breaks off is read as far as it goes."""
        reading = read_xml(b"<r><a>1</a><b>2</b><c")
        assert reading.root is not None
        self.assertEqual([child.name for child in reading.root.children], ["a", "b"])
        self.assertEqual((reading.whole, codes(reading)), (False, ["metadata-malformed"]))

    def test_no_xml(self) -> None:
        """Octets that are no XML have no root."""
        for octets in (b"", b"hello", b"{}"):
            self.assertEqual(read_xml(octets).root, None)


class ElementTests(SynchronousTestCase):
    """Looking into a tree."""

    def test_names(self) -> None:
        """Local names count, in any case; attributes and texts are trimmed, blanks are none."""
        reading = read_xml(
            b'<t:r xmlns:t="urn:x" t:id=" 7 " other=" "><t:Name> x </t:Name><name>y</name></t:r>'
        )
        root = reading.root
        assert root is not None
        self.assertEqual((root.namespace, root.name, root.key), ("urn:x", "r", "r"))
        self.assertEqual(root.attribute("other", "id"), "7")
        self.assertEqual(root.attribute("missing"), None)
        self.assertEqual(root.text_of("name"), "x")
        self.assertEqual([child.text for child in root.all("name")], [" x ", "y"])
        self.assertEqual(root.text_of("missing"), None)

    @given(st.binary(max_size=200) | st.text("<r/>a&;:=\" '!x", max_size=80).map(str.encode))
    @settings(max_examples=300, deadline=None)
    def test_anything(self, octets: bytes) -> None:
        """Reading returns for any octets and any charset."""
        read_xml(octets)
        read_xml(octets, "utf-16")
