"""
Who may do what: tokens, compared in constant time, read anew at each use.
"""

from __future__ import annotations

import hmac
from enum import Enum

from twisted.logger import Logger

from ..net.credentials import SecretError, read_secret
from ..plan import Secret

_LONGEST = 4_096


class Permission(Enum):
    """What a request needs."""

    NOTHING = "nothing"
    "Anybody who reaches the listener may."
    OPERATE = "operate"
    "The token."
    LISTEN = "listen"
    "The token for listening to calls."


class Tokens:
    """The tokens of the configuration. One that is not configured, or empty, admits nobody."""

    _log = Logger()

    def __init__(self, operate: Secret | None, listen: Secret | None = None) -> None:
        self._secrets = {Permission.OPERATE: operate, Permission.LISTEN: listen}

    def allow(self, permission: Permission, presented: str | None) -> bool:
        """Whether what was presented is the token for it."""
        if permission is Permission.NOTHING:
            return True
        expected = self._read(permission)
        if not expected or not presented or len(presented) > _LONGEST:
            return False
        return hmac.compare_digest(presented.encode("utf-8", "replace"), expected.encode())

    def configured(self, permission: Permission) -> bool:
        """Whether anybody has it."""
        return self._secrets.get(permission) is not None

    def _read(self, permission: Permission) -> str | None:
        secret = self._secrets.get(permission)
        if secret is None:
            return None
        try:
            return read_secret(secret).strip()
        except SecretError as error:
            self._log.error("web: the token cannot be read, nobody is let in: {error}", error=error)
            return None


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header field (:rfc:`6750#section-2.1`)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
