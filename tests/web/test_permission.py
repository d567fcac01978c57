"""
Tokens: where they come from, and who is let in.
"""

from __future__ import annotations

import os

from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Secret
from twisted_siprec.web.permission import Permission, Tokens, bearer


class TokensTests(SynchronousTestCase):
    """Whether a token admits."""

    def setUp(self) -> None:
        self.path: str = self.mktemp()
        self.write("secret\n")

    def write(self, text: str) -> None:
        with open(self.path, "w") as file:
            file.write(text)

    def test_token(self) -> None:
        """The token of the file admits, anything else does not."""
        tokens = Tokens(Secret(file=self.path))
        self.assertTrue(tokens.allow(Permission.OPERATE, "secret"))
        for wrong in (None, "", "secre", "secret ", "Secret", "\udc80", "ä", "s" * 5_000):
            self.assertFalse(tokens.allow(Permission.OPERATE, wrong), wrong)

    def test_nothing(self) -> None:
        """What needs no token needs none."""
        self.assertTrue(Tokens(None).allow(Permission.NOTHING, None))

    def test_not_configured(self) -> None:
        """A permission without a token is nobody's, and an empty token is none."""
        self.assertFalse(Tokens(Secret(file=self.path)).allow(Permission.LISTEN, "secret"))
        self.assertFalse(Tokens(None).allow(Permission.OPERATE, ""))
        self.write("\n")
        self.assertFalse(Tokens(Secret(file=self.path)).allow(Permission.OPERATE, ""))

    def test_apart(self) -> None:
        """The token for operating does not admit to listening, nor the other way round."""
        self.patch(os, "environ", {"EAR": "ear"})
        tokens = Tokens(Secret(file=self.path), Secret(environment="EAR"))
        self.assertTrue(tokens.allow(Permission.LISTEN, "ear"))
        self.assertFalse(tokens.allow(Permission.LISTEN, "secret"))
        self.assertFalse(tokens.allow(Permission.OPERATE, "ear"))
        self.assertTrue(tokens.configured(Permission.LISTEN))

    def test_rotated(self) -> None:
        """A new token holds at once, and the old one no more."""
        tokens = Tokens(Secret(file=self.path))
        self.write("newer")
        self.assertTrue(tokens.allow(Permission.OPERATE, "newer"))
        self.assertFalse(tokens.allow(Permission.OPERATE, "secret"))

    def test_unreadable(self) -> None:
        """A token that cannot be read lets nobody in, and is named in the log."""
        events: list[LogEvent] = []
        self.patch(Tokens, "_log", Logger("tokens", observer=events.append))
        os.remove(self.path)
        self.assertFalse(Tokens(Secret(file=self.path)).allow(Permission.OPERATE, "secret"))
        self.assertIn("nobody is let in", formatEvent(events[0]))


class BearerTests(SynchronousTestCase):
    """The Authorization header field."""

    def test_bearer(self) -> None:
        """The scheme has no case; another one has no token."""
        self.assertEqual(bearer("Bearer a.b=="), "a.b==")
        self.assertEqual(bearer(" bearer   x "), "x")
        for none in (None, "", "Bearer", "Bearer ", "Basic eDp5", "x"):
            self.assertIsNone(bearer(none), none)
