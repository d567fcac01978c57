"""
Users and secrets as they are now.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import DigestUsers, PeerCredentials
from twisted_siprec.errors import RemoteError
from twisted_siprec.net.sip.users import Users, secrets_of
from twisted_siprec.plan import Secret
from twisted_siprec.sip.digest import Algorithm


class UsersTests(SynchronousTestCase):
    """The users of a source."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.events: list[LogEvent] = []
        self.patch(Users, "_log", Logger("users", observer=self.events.append))
        self.writes = 0

    def write(self, text: str) -> None:
        """The operator changes the file."""
        self.file.write_bytes(text.encode("latin-1"))
        self.writes += 1
        os.utime(self.file, ns=(0, self.writes))

    def knows(self, users: Users, user: str, secret: str) -> bool:
        """Whether this is a user."""
        md5 = Algorithm.MD5
        return users().ha1(user, "r", md5) == md5.ha1(user, "r", secret)

    def refused(self, users: Users) -> str:
        """That nobody is let in, and why, by the log."""
        with self.assertRaises(RemoteError) as caught:
            users()
        self.assertEqual(caught.exception.status, 500)
        self.assertNotIn("users", caught.exception.reason)
        return "\n".join(formatEvent(event) for event in self.events)

    def test_file(self) -> None:
        """A file is read once, and again when it was changed."""
        self.write("sbc:one")
        users = Users("sbc", DigestUsers(file=str(self.file)))
        self.assertTrue(self.knows(users, "sbc", "one"))
        self.assertIs(users(), users())
        self.write("sbc:two")
        self.assertTrue(self.knows(users, "sbc", "two"))

    def test_broken_file(self) -> None:
        """While it is broken or gone nobody is let in, and the log says so once."""
        self.write("sbc:one")
        users = Users("sbc", DigestUsers(file=str(self.file)))
        users()
        self.write("sbc:one\nwhatever")
        self.assertIn("line 2 is neither", self.refused(users))
        self.refused(users)
        self.assertEqual(len(self.events), 1)
        self.write("s\xff")
        text = self.refused(users)
        self.assertTrue(text.endswith("no UTF-8"), text)
        self.assertNotIn("whatever", text)
        self.file.unlink()
        self.assertIn("No such file", self.refused(users))
        self.write("sbc:three")
        self.assertTrue(self.knows(users, "sbc", "three"))

    def test_secrets(self) -> None:
        """A secret of its own is read at each use."""
        self.write("one\n")
        users = Users("sbc", DigestUsers(secrets=(("sbc", Secret(file=str(self.file))),)))
        self.assertTrue(self.knows(users, "sbc", "one"))
        self.assertIs(users(), users())
        self.write("two")
        self.assertTrue(self.knows(users, "sbc", "two"))
        self.file.unlink()
        self.assertIn(str(self.file), self.refused(users))


class SecretsTests(SynchronousTestCase):
    """What we show to peers."""

    def test_realms(self) -> None:
        """The first entry for the realm, or for any."""
        file = Path(self.mktemp())
        file.write_text("secret\n")
        password = Secret(file=str(file))
        secrets = secrets_of(
            (PeerCredentials("a", password, "one"), PeerCredentials("b", password))
        )
        self.assertEqual(secrets("one"), ("a", "secret"))
        self.assertEqual(secrets("two"), ("b", "secret"))
        self.assertIsNone(secrets_of(())("one"))

    def test_unreadable(self) -> None:
        """A secret that cannot be read is none."""
        self.assertIsNone(secrets_of((PeerCredentials("a", Secret(file="/no/such")),))("one"))
