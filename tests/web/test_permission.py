"""
Tokens: where they come from, what they are good for, and who is let in.
"""

from __future__ import annotations

import os

from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import AccessToken, HashedToken, Role, Tenant, WebConfiguration
from twisted_siprec.plan import Secret
from twisted_siprec.web.permission import Access, Tokens, bearer, holders
from twisted_siprec.web.token_hash import hashed, new_token

HASH_OF_SECRET = "sha256$2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"


class TokensTests(SynchronousTestCase):
    """Whether a token admits."""

    def setUp(self) -> None:
        self.path: str = self.mktemp()
        self.write("secret\n")
        self.patch(os, "environ", {"EAR": "ear"})

    def write(self, text: str) -> None:
        with open(self.path, "w") as file:
            file.write(text)

    def tokens(self, **settings: object) -> Tokens:
        web = WebConfiguration(**{"token": Secret(file=self.path), **settings})
        return Tokens(holders(web))

    def roles(self, tokens: Tokens, presented: str | None, role: Role = Role.VIEW) -> set[str]:
        access = tokens.access(role, presented)
        return {role.value for role in access.roles} if access is not None else set()

    def test_token(self) -> None:
        """The token of the file admits, anything else does not."""
        tokens = self.tokens()
        self.assertEqual(self.roles(tokens, "secret"), {"steer", "view", "metrics"})
        for wrong in (None, "", "secre", "secret ", "Secret", "\udc80", "ä", "s" * 5_000):
            self.assertIsNone(tokens.access(Role.VIEW, wrong), wrong)

    def test_not_configured(self) -> None:
        """A listener without tokens lets nobody in, and an empty token is none."""
        self.assertIsNone(Tokens().access(Role.VIEW, ""))
        self.assertIsNone(Tokens().access(Role.VIEW, "x"))
        self.assertFalse(self.tokens().configured(Role.LISTEN))
        self.write("\n")
        self.assertIsNone(self.tokens().access(Role.VIEW, ""))

    def test_apart(self) -> None:
        """The token for steering does not admit to listening, nor the other way round."""
        tokens = self.tokens(listen_token=Secret(environment="EAR"))
        self.assertEqual(self.roles(tokens, "ear"), {"listen"})
        self.assertNotIn("listen", self.roles(tokens, "secret", Role.LISTEN))
        self.assertTrue(tokens.configured(Role.LISTEN))

    def test_same_text(self) -> None:
        """A token that is configured for two things is good for both."""
        tokens = self.tokens(listen_token=Secret(file=self.path))
        self.assertIn("listen", self.roles(tokens, "secret", Role.LISTEN))
        self.assertIn("steer", self.roles(tokens, "secret", Role.STEER))

    def test_roles(self) -> None:
        """A token has its roles and what they include, for its tenant alone."""
        for roles, included in (
            ((Role.METRICS,), {"metrics"}),
            ((Role.VIEW,), {"view", "metrics"}),
            ((Role.STEER,), {"steer", "view", "metrics"}),
            ((Role.LISTEN,), {"listen"}),
            ((Role.LISTEN, Role.VIEW), {"listen", "view", "metrics"}),
        ):
            token = AccessToken("ann", roles, Secret(environment="EAR"), "acme")
            access = self.tokens(tokens=(token,)).access(Role.VIEW, "ear")
            assert access is not None
            self.assertEqual({role.value for role in access.roles}, included)
            self.assertEqual((access.tenant, access.name), ("acme", "ann"))

    def test_names(self) -> None:
        """A token without a name of its own goes by its key in the configuration."""
        ear = Secret(environment="EAR")
        named = holders(
            WebConfiguration(token=ear, listen_token=ear, tokens=(AccessToken("a", (), ear),)),
            (Tenant("acme", token=ear, listen_token=ear),),
        )
        self.assertEqual(
            [(each.access.name, each.access.tenant) for each in named],
            [
                ("web.token", None),
                ("web.listen_token", None),
                ("a", None),
                ("tenants.acme.token", "acme"),
                ("tenants.acme.listen_token", "acme"),
            ],
        )

    def test_hash(self) -> None:
        """Of a token the hash is enough, in the configuration or in a file; it is no token."""
        in_text = self.tokens(token=HashedToken(HASH_OF_SECRET))
        self.write(HASH_OF_SECRET + "\n")
        in_capitals = self.tokens(token=HashedToken(HASH_OF_SECRET.upper()))
        for tokens in (in_text, in_capitals, self.tokens()):
            self.assertTrue(tokens.access(Role.VIEW, "secret"))
            self.assertIsNone(tokens.access(Role.VIEW, HASH_OF_SECRET))
            self.assertIsNone(tokens.access(Role.VIEW, HASH_OF_SECRET[7:]))
        self.assertNotIn("2bb8", repr(HashedToken(HASH_OF_SECRET)))

    def test_broken_hash(self) -> None:
        """A broken hash admits nobody, not even who knows it, and is named in the log."""
        events: list[LogEvent] = []
        self.patch(Tokens, "_log", Logger("tokens", observer=events.append))
        for broken in ("sha256$", "sha256$xyz", HASH_OF_SECRET[:-1]):
            self.write(broken)
            self.assertIsNone(self.tokens().access(Role.VIEW, broken))
        self.assertIn("web.token is a broken hash", formatEvent(events[0]))
        self.assertNotIn("xyz", "".join(map(formatEvent, events)))

    def test_new_token(self) -> None:
        """A new token has all its random bits, and its hash admits it."""
        self.assertEqual(hashed("secret"), HASH_OF_SECRET)
        token = new_token(lambda count: bytes(range(count)))
        self.assertEqual(token, "srs_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
        tokens = self.tokens(token=HashedToken(hashed(token)))
        self.assertEqual(tokens.access(Role.VIEW, token), tokens.access(Role.STEER, token))
        self.assertIsNotNone(tokens.access(Role.VIEW, token))

    def test_rotated(self) -> None:
        """A new token holds at once, and the old one no more."""
        tokens = self.tokens()
        self.write("newer")
        self.assertTrue(tokens.access(Role.VIEW, "newer"))
        self.assertIsNone(tokens.access(Role.VIEW, "secret"))

    def test_unreadable(self) -> None:
        """A token that cannot be read lets nobody in, and is named in the log."""
        events: list[LogEvent] = []
        self.patch(Tokens, "_log", Logger("tokens", observer=events.append))
        os.remove(self.path)
        self.assertIsNone(self.tokens().access(Role.VIEW, "secret"))
        self.assertIn("nobody is let in", formatEvent(events[0]))

    def test_configured(self) -> None:
        """A token of a tenant lets nobody listen to another's calls."""
        token = AccessToken("ann", (Role.LISTEN,), Secret(environment="EAR"), "acme")
        tokens = self.tokens(tokens=(token,))
        self.assertTrue(tokens.configured(Role.LISTEN, Access("acme")))
        self.assertFalse(tokens.configured(Role.LISTEN, Access("globex")))


class BearerTests(SynchronousTestCase):
    """The Authorization header field."""

    def test_bearer(self) -> None:
        """The scheme has no case; another one has no token."""
        self.assertEqual(bearer("Bearer a.b=="), "a.b==")
        self.assertEqual(bearer(" bearer   x "), "x")
        for none in (None, "", "Bearer", "Bearer ", "Basic eDp5", "x"):
            self.assertIsNone(bearer(none), none)
