"""
Who may authenticate: users with their secrets, or with digests of them.

A file of users has one on each line, as ``name:secret``, or as ``htdigest``
writes them: ``name:realm:HA1``, where HA1 has the 32 hexadecimal digits of MD5 or
the 64 of SHA-256. A user may have a line of each kind. Blank lines, and lines that
begin with ``#``, say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from .digest import Algorithm

_HA1 = re.compile(r"(?P<user>[^:]+):(?P<realm>[^:]*):(?P<ha1>[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64})")

LONGEST_USERS_FILE = 1_048_576
"In characters."

Hash = tuple[str, str, Algorithm]
"Whose HA1 it is: user, realm and algorithm."


class Accounts:
    """
    The users of one source.

    :param secrets: by user.
    :param hashes: HA1 in place of secrets.
    """

    def __init__(
        self, secrets: Mapping[str, str], hashes: Mapping[Hash, str] | None = None
    ) -> None:
        self._secrets = dict(secrets)
        self._hashes = dict(hashes or {})
        self._users = frozenset(self._secrets) | {user for user, _, _ in self._hashes}
        self._named: dict[tuple[str, Algorithm], dict[str, str]] = {}
        "Users by the digests of their names, made when one is asked for first."

    def __len__(self) -> int:
        return len(self._users)

    @classmethod
    def parse(cls, text: str) -> Accounts:
        """
        The users of a file.

        :raises ValueError: with the number of the first line that is none, and
            nothing of what it holds.
        """
        secrets: dict[str, str] = {}
        hashes: dict[Hash, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip("\r\n")
            if not line.strip() or line.startswith("#"):
                continue
            match = _HA1.fullmatch(line)
            user, colon, secret = line.partition(":")
            if match is not None:
                ha1 = match["ha1"].lower()
                algorithm = Algorithm.MD5 if len(ha1) == 32 else Algorithm.SHA_256
                hashes[match["user"], match["realm"], algorithm] = ha1
            elif user and colon and secret:
                secrets[user] = secret
            else:
                raise ValueError(f"line {number} is neither name:secret nor name:realm:HA1")
        return cls(secrets, hashes)

    def ha1(self, user: str, realm: str, algorithm: Algorithm) -> str | None:
        """The HA1 of a user; None for one who is not known, or not by this algorithm."""
        kept = self._hashes.get((user, realm, algorithm))
        if kept is not None:
            return kept
        secret = self._secrets.get(user)
        return algorithm.ha1(user, realm, secret) if secret is not None else None

    def named(self, userhash: str, realm: str, algorithm: Algorithm) -> str | None:
        """The user whose name was sent as a digest (:rfc:`7616#section-3.4.4`)."""
        if (realm, algorithm) not in self._named:
            digests = {algorithm.digest(f"{user}:{realm}"): user for user in self._users}
            self._named[realm, algorithm] = digests
        return self._named[realm, algorithm].get(userhash.lower())

    def usable(self, realm: str, algorithms: Iterable[Algorithm]) -> tuple[Algorithm, ...]:
        """Those of the algorithms by which every user can be known; all where none is so."""
        wanted = tuple(algorithms)
        usable = tuple(
            algorithm
            for algorithm in wanted
            if all(self._knows(user, realm, algorithm) for user in self._users)
        )
        return usable or wanted

    def _knows(self, user: str, realm: str, algorithm: Algorithm) -> bool:
        return user in self._secrets or (user, realm, algorithm) in self._hashes
