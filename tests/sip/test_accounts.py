"""
Users, from files and from the configuration.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.accounts import Accounts
from twisted_siprec.sip.digest import Algorithm

MD5, SHA_256 = Algorithm.MD5, Algorithm.SHA_256
FILE = f"""
# our SBCs
sbc:a secret: with a colon
old:srs:{MD5.ha1("old", "srs", "x").upper()}
new:srs:{SHA_256.ha1("new", "srs", "y")}
"""


class AccountsTests(SynchronousTestCase):
    """Who may authenticate, and by what."""

    def test_file(self) -> None:
        """Plain secrets and both kinds of HA1, in one file."""
        accounts = Accounts.parse(FILE)
        self.assertEqual(len(accounts), 3)
        self.assertEqual(
            accounts.ha1("sbc", "srs", SHA_256),
            SHA_256.ha1("sbc", "srs", "a secret: with a colon"),
        )
        self.assertEqual(accounts.ha1("old", "srs", MD5), MD5.ha1("old", "srs", "x"))
        self.assertIsNone(accounts.ha1("old", "srs", SHA_256))
        self.assertIsNone(accounts.ha1("old", "other", MD5))
        self.assertIsNone(accounts.ha1("nobody", "srs", MD5))

    def test_both_kinds(self) -> None:
        """A user may have an HA1 of each kind; it goes before a secret."""
        accounts = Accounts({"a": "secret"}, {("a", "srs", MD5): "0" * 32})
        self.assertEqual(accounts.ha1("a", "srs", MD5), "0" * 32)
        self.assertEqual(accounts.ha1("a", "srs", SHA_256), SHA_256.ha1("a", "srs", "secret"))

    def test_broken(self) -> None:
        """A line that is none is named by its number, never by what it holds."""
        for text in ("fine:x\nsecret", "fine:x\n:secret", "fine:x\nname:"):
            with self.assertRaisesRegex(ValueError, "^line 2 is neither") as caught:
                Accounts.parse(text)
            self.assertNotIn("secret\n", str(caught.exception))

    def test_hidden_names(self) -> None:
        """A user is found by the digest of the name, in any case of its digits."""
        accounts = Accounts.parse(FILE)
        for algorithm in Algorithm:
            digest = algorithm.digest("old:srs")
            self.assertEqual(accounts.named(digest.upper(), "srs", algorithm), "old")
            self.assertIsNone(accounts.named(digest, "other", algorithm))
        self.assertIsNone(accounts.named("old", "srs", MD5))

    def test_usable(self) -> None:
        """What cannot serve every user is not offered, unless nothing would be left."""
        wanted = (SHA_256, MD5)
        self.assertEqual(Accounts.parse("a:b").usable("srs", wanted), wanted)
        old = Accounts.parse(f"a:b\nold:srs:{'0' * 32}")
        self.assertEqual(old.usable("srs", wanted), (MD5,))
        self.assertEqual(Accounts.parse(FILE).usable("srs", wanted), wanted)
