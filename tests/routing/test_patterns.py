"""
Globs, regular expressions, and how numbers and addresses are compared.
"""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.routing.patterns import (
    AddressPattern,
    PatternError,
    TextPattern,
    user_and_host,
)


class UserAndHostTests(SynchronousTestCase):
    """What is compared of a URI."""

    def test_forms(self) -> None:
        """All forms of an address give the user part and the host."""
        for value, expected in [
            ("sip:+15550100@example.com", ("+15550100", "example.com")),
            ("sips:Ann@Example.COM:5061;transport=tls?x=y", ("Ann", "example.com")),
            ("<sip:2001@10.0.0.1>", ("2001", "10.0.0.1")),
            ("tel:+1-555-(01)00;phone-context=x", ("+15550100", "")),
            ("2001", ("2001", "")),
            ("+1 (555) 01.00", ("+15550100", "")),
            ("2001@example.com", ("2001", "example.com")),
            ("sip:example.com", ("", "example.com")),
            ("SIP:example.com:5060", ("", "example.com")),
            ("sip:a%40b@example.com", ("a@b", "example.com")),
            ("sip:2001;ext=7@example.com", ("2001", "example.com")),
            ("sip:bob:secret@example.com", ("bob", "example.com")),
            ("sip:2001@[2001:DB8::1]:5060", ("2001", "[2001:db8::1]")),
            ("sip:2001@[2001:db8::1]", ("2001", "[2001:db8::1]")),
            ("sip:j.doe@example.com", ("j.doe", "example.com")),
            ("sip:*67#@example.com", ("*67#", "example.com")),
            ("", ("", "")),
        ]:
            self.assertEqual(user_and_host(value), expected, value)

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=60))
    def test_anything(self, value: str) -> None:
        """No text of a peer makes it raise."""
        user_and_host(value)


class AddressPatternTests(SynchronousTestCase):
    """Patterns for called, calling and Request-URI."""

    def check(self, pattern: str, yes: list[str], no: list[str]) -> None:
        parsed = AddressPattern.parse(pattern)
        self.assertEqual([each for each in yes if not parsed.matches(each)], [], pattern)
        self.assertEqual([each for each in no if parsed.matches(each)], [], pattern)

    def test_number(self) -> None:
        """A number matches in all its notations, and no other number."""
        self.check(
            "+1 (555) 01-00",
            ["+15550100", "tel:+1-555-0100", "sip:+15550100@sbc.example.com;user=phone"],
            ["15550100", "+155501001", "sip:+15550101@example.com", ""],
        )

    def test_glob_of_numbers(self) -> None:
        """Stars, question marks and sets work; a hyphen in a set is a range and stays one."""
        self.check(
            "+1-555-01[2-4]?*",
            ["+15550123", "tel:+1-555-0149", "+155501300"],
            ["+15550153", "+1555012", "x+15550123"],
        )

    def test_user_case(self) -> None:
        """The user part has case; separators in a name are part of it."""
        self.check("j.doe", ["sip:j.doe@example.com"], ["sip:J.Doe@example.com", "sip:jdoe@e.com"])

    def test_host(self) -> None:
        """With an @ the host is compared too, without case and port."""
        self.check(
            "*@Example.com",
            ["sip:a@example.com", "sip:b@EXAMPLE.COM:5080;lr"],
            ["sip:a@example.org", "sip:a@sub.example.com", "a"],
        )

    def test_uri(self) -> None:
        """With a scheme the URI is compared as it came."""
        self.check(
            "sip:*;tenant=blue",
            ["sip:srs@example.com;tenant=blue"],
            ["sip:srs@example.com", "sips:srs@example.com;tenant=blue"],
        )

    def test_expression(self) -> None:
        """A regular expression must match the whole number."""
        self.check(r"~\+1555(0100|0101)", ["+1-555-0100"], ["+155501001", "0+15550100"])
        self.check(r"~\d+@example\.com", ["sip:12@example.com"], ["sip:a@example.com", "12"])

    def test_long_value(self) -> None:
        """What is longer than any address matches nothing."""
        self.check("*", ["sip:" + "a" * 200], ["sip:" + "a" * 300])


class TextPatternTests(SynchronousTestCase):
    """Patterns for headers and metadata."""

    def test_whole_value(self) -> None:
        """Both kinds of pattern are compared with the whole value, with its case."""
        self.assertTrue(TextPattern.parse("sales*").matches("sales-eu"))
        self.assertFalse(TextPattern.parse("sales").matches("sales-eu"))
        self.assertFalse(TextPattern.parse("sales*").matches("Sales-eu"))
        self.assertTrue(TextPattern.parse("~(?i)SALES.*").matches("sales-eu"))
        self.assertFalse(TextPattern.parse("~sales").matches("sales-eu"))

    def test_separators_stay(self) -> None:
        """Only addresses lose their separators."""
        self.assertFalse(TextPattern.parse("1-2").matches("12"))
        self.assertTrue(TextPattern.parse("1-2").matches("1-2"))

    def test_long_value(self) -> None:
        """What is longer than 256 characters matches nothing."""
        self.assertTrue(TextPattern.parse("*").matches("x" * 256))
        self.assertFalse(TextPattern.parse("*").matches("x" * 257))


class PatternErrorTests(SynchronousTestCase):
    """What is no pattern, or might run away."""

    def refused(self, pattern: str) -> str:
        return str(self.assertRaises(PatternError, TextPattern.parse, pattern))

    def test_mistakes(self) -> None:
        """The reason is in the error."""
        self.assertEqual(self.refused(""), "an empty pattern matches nothing")
        self.assertEqual(self.refused("~"), "an empty pattern matches nothing")
        self.assertIn("longer than 256", self.refused("x" * 257))
        self.assertIn("no regular expression", self.refused("~("))
        self.assertIn("no regular expression", self.refused("~[a"))

    def test_runaways(self) -> None:
        """Groups that repeat or choose within themselves must not be repeated."""
        for pattern in [
            "~(a+)+",
            "~(a*){2,}",
            "~(?:a|aa)*b",
            "~((a+))*",
            "~(x(a|b)y)+",
            "~(a{1,9}){5}",
            r"~(a+\))+",
            "~(?P<n>a+)+",
            "~(?i:a+)+",
        ]:
            self.assertIn("repeats or chooses", self.refused(pattern), pattern)
        for pattern in ["~(.)\\1", "~(?P<a>.)(?P=a)"]:
            self.assertIn("back-references", self.refused(pattern), pattern)
        self.assertIn("more than 3", self.refused("~.*a.*b.*c.*"))

    def test_harmless(self) -> None:
        """What looks alike but cannot run away is taken."""
        for pattern, value in [
            ("~(ab)+", "abab"),
            ("~(2001|2002)", "2002"),
            (r"~\+1.*", "+1"),
            ("~[(+*|]+", "(("),
            (r"~\(a\)+", "(a))"),
            ("~(a+)?b", "aab"),
            ("~a{2,3}b{2}", "aabb"),
            ("~(?i)AB", "ab"),
        ]:
            self.assertTrue(TextPattern.parse(pattern).matches(value), pattern)

    def test_worst_case(self) -> None:
        """The worst pattern that is taken ends soon with the worst value."""
        began = time.process_time()
        TextPattern.parse("~.*a.*a.*b").matches("a" * 256)
        TextPattern.parse("*a" * 100 + "b").matches("a" * 256)
        self.assertLess(time.process_time() - began, 2.0)

    @settings(max_examples=300, deadline=None)
    @given(st.text(alphabet="ab()[]{}|*+?\\12,~^$.P<>=:!-", max_size=20))
    def test_anything(self, text: str) -> None:
        """Any text is a pattern or a PatternError."""
        for kind in (TextPattern, AddressPattern):
            try:
                kind.parse(text).matches("aab12")
            except PatternError:
                continue
