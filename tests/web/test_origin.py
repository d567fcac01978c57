"""
Names that browsers come by, and pages that they come from.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.web.origin import Origins


class OriginsTests(SynchronousTestCase):
    """What is ours."""

    def test_loopback(self) -> None:
        """On loopback only names that cannot mean another machine are ours."""
        origins = Origins.of((), "127.0.0.1")
        for host in ("localhost", "localhost:80", "x.localhost", "LOCALHOST.", "[::1]", None):
            self.assertTrue(origins.knows(host), host)
        for host in ("evil.example", "localhost.evil.example", "", ":80", "[::1", "a b"):
            self.assertFalse(origins.knows(host), host)

    def test_elsewhere(self) -> None:
        """Elsewhere any name is ours, until names are configured."""
        self.assertTrue(Origins.of((), "0.0.0.0").knows("rec.example.com"))
        origins = Origins.of(("Rec.example.com.",), "0.0.0.0")
        self.assertTrue(origins.knows("rec.example.COM:443"))
        self.assertFalse(origins.knows("evil.example"))
        self.assertTrue(origins.knows("192.0.2.1"))

    def test_own(self) -> None:
        """A page is our own if it has the very host and port that it asks."""
        origins = Origins.of((), "::1")
        for origin, host, own in (
            (None, "localhost:8080", True),
            ("http://localhost:8080", "localhost:8080", True),
            ("HTTP://LOCALHOST:8080", "localhost:8080", False),
            ("https://rec.example.com", "rec.example.com", True),
            ("http://localhost", "localhost:8080", False),
            ("http://localhost:8080.evil.example", "localhost:8080", False),
            ("http://user@localhost:8080", "localhost:8080", False),
            ("ftp://localhost:8080", "localhost:8080", False),
            ("null", "null", False),
            ("http://", "", False),
            ("http://localhost:8080", None, False),
        ):
            self.assertIs(origins.own(origin, host), own, origin)

    def test_proxy(self) -> None:
        """A page by one of our names is our own, whatever Host a proxy has made of it."""
        origins = Origins.of(("rec.example.com",), "127.0.0.1")
        self.assertTrue(origins.own("https://rec.example.com", "127.0.0.1:8080"))
        self.assertFalse(origins.own("https://evil.example", "127.0.0.1:8080"))

    @settings(deadline=None, max_examples=200)
    @given(st.text(max_size=40), st.text(max_size=40))
    def test_anything(self, host: str, origin: str) -> None:
        """Whatever is sent gets an answer, and it is no page of ours by chance."""
        origins = Origins.of(("rec.example.com",), "127.0.0.1")
        origins.knows(host)
        self.assertFalse(origins.own(origin, "localhost:8080"))
