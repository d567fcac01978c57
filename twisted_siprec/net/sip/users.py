"""
The users of a source, read when they are asked for: a file that was changed, or a
secret that was rotated, holds from the next request on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from ...config.model import DigestUsers, PeerCredentials
from ...errors import RemoteError
from ...sip.accounts import LONGEST_USERS_FILE, Accounts
from ..credentials import SecretError, read_secret


class Users:
    """
    The users of one source of the configuration.

    :param source: its name, for the log.
    """

    _log = Logger()

    def __init__(self, source: str, users: DigestUsers) -> None:
        self._source = source
        self._users = users
        self._accounts = Accounts({})
        self._read: tuple[object, ...] | None = None
        "What the accounts were made of: the file's state, or the secrets."
        self._told = ""

    def __call__(self) -> Accounts:
        """
        The users as they are now. Raises :class:`~twisted_siprec.errors.RemoteError`
        with 500 where they cannot be read: nobody is let in by old ones.
        """
        try:
            if self._users.file is not None:
                self._read_file(Path(self._users.file))
            else:
                self._read_secrets()
        except (OSError, ValueError, SecretError) as error:
            # An error in decoding would show what is in the file.
            self._tell("no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error))
            raise RemoteError(500, "Server Internal Error") from error
        return self._accounts

    def _read_file(self, path: Path) -> None:
        status = os.stat(path)
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
        if state != self._read:
            with path.open(encoding="utf-8") as file:
                self._accounts = Accounts.parse(file.read(LONGEST_USERS_FILE))
            self._read, self._told = state, ""

    def _read_secrets(self) -> None:
        secrets = tuple((name, read_secret(secret)) for name, secret in self._users.secrets)
        if secrets != self._read:
            self._accounts = Accounts(dict(secrets))
            self._read, self._told = secrets, ""

    def _tell(self, problem: str) -> None:
        """Once for each problem: it is met at each request."""
        if problem != self._told:
            self._told = problem
            self._log.error(
                "the users of the source {source} cannot be read, so that none of its requests "
                "is served: {problem}",
                source=self._source,
                problem=problem,
            )


def secrets_of(
    credentials: tuple[PeerCredentials, ...],
) -> Callable[[str], tuple[str, str] | None]:
    """What peers may ask us for, by realm: the first entry that names it, or names none."""
    log = Logger()

    def find(realm: str) -> tuple[str, str] | None:
        for each in credentials:
            if each.realm in (None, realm):
                try:
                    return each.user, read_secret(each.password)
                except SecretError as error:
                    log.error("sip.credentials for {realm}: {error}", realm=realm, error=error)
                    return None
        return None

    return find
