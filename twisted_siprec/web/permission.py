"""
Who may do what: tokens, compared in constant time, read anew at each use.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Access:
    """Whose calls somebody sees and steers."""

    tenant: str | None = None
    "None for all calls, and for the server as a whole."

    def sees(self, tenant: str) -> bool:
        """Whether the calls of a tenant, or with an empty name those of nobody, are among them."""
        return self.tenant is None or self.tenant == tenant


EVERYTHING = Access()


@dataclass(frozen=True, slots=True)
class Keys:
    """The tokens of one who has access."""

    operate: Secret | None
    listen: Secret | None = None


class Tokens:
    """
    The tokens of the configuration. One that is not configured, or empty, admits nobody.

    :param tenants: those of each tenant, by its name.
    """

    _log = Logger()

    def __init__(
        self,
        operate: Secret | None,
        listen: Secret | None = None,
        tenants: tuple[tuple[str, Keys], ...] = (),
    ) -> None:
        self.change(operate, listen, tenants)

    def change(
        self,
        operate: Secret | None,
        listen: Secret | None = None,
        tenants: tuple[tuple[str, Keys], ...] = (),
    ) -> None:
        """These are the tokens from now on."""
        own = ((EVERYTHING, Keys(operate, listen)),)
        self._holders = own + tuple((Access(name), keys) for name, keys in tenants)

    def access(self, permission: Permission, presented: str | None) -> Access | None:
        """What it is a token for; None where it is none for this."""
        if permission is Permission.NOTHING:
            return EVERYTHING
        if not presented or len(presented) > _LONGEST:
            return None
        found: Access | None = None
        for access, keys in self._holders:
            expected = self._read(_secret(keys, permission))
            same = bool(expected) and hmac.compare_digest(
                presented.encode("utf-8", "replace"), expected.encode()
            )
            # All of them are compared, so that the time does not tell which it was.
            if same and found is None:
                found = access
        return found

    def allow(self, permission: Permission, presented: str | None) -> bool:
        """Whether what was presented is a token for it."""
        return self.access(permission, presented) is not None

    def configured(self, permission: Permission, access: Access = EVERYTHING) -> bool:
        """Whether there is a token by which somebody with such access may have it."""
        return any(
            _secret(keys, permission) is not None
            for holder, keys in self._holders
            if holder.tenant is None or access.sees(holder.tenant)
        )

    def _read(self, secret: Secret | None) -> str:
        if secret is None:
            return ""
        try:
            return read_secret(secret).strip()
        except SecretError as error:
            self._log.error("web: the token cannot be read, nobody is let in: {error}", error=error)
            return ""


def _secret(keys: Keys, permission: Permission) -> Secret | None:
    return keys.listen if permission is Permission.LISTEN else keys.operate


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header field (:rfc:`6750#section-2.1`)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
