"""
Who may do what: tokens with roles, compared in constant time, read anew at each use.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from twisted.logger import Logger

from ..config.model import HashedToken, Role, Tenant, WebConfiguration
from ..net.credentials import SecretError, read_secret
from ..plan import Secret
from .token_hash import digest, expected_digest

LONGEST_TOKEN = 4_096

_INCLUDES = {
    Role.METRICS: frozenset({Role.METRICS}),
    Role.VIEW: frozenset({Role.VIEW, Role.METRICS}),
    Role.STEER: frozenset({Role.STEER, Role.VIEW, Role.METRICS}),
    Role.LISTEN: frozenset({Role.LISTEN}),
}


@dataclass(frozen=True, slots=True)
class Access:
    """Whose calls somebody sees, and what they may do with them."""

    tenant: str | None = None
    "None for all calls, and for the server as a whole."
    name: str = ""
    "Of the token, by which the audit log knows its holder."
    roles: frozenset[Role] = frozenset(Role)

    def sees(self, tenant: str) -> bool:
        """Whether the calls of a tenant, or with an empty name those of nobody, are among them."""
        return self.tenant is None or self.tenant == tenant

    def may(self, role: Role) -> bool:
        """Whether it has a role."""
        return role in self.roles


EVERYTHING = Access()
ANYBODY = Access(name="anybody", roles=frozenset())
"Somebody who has shown no token."


@dataclass(frozen=True, slots=True)
class Holder:
    """A token, and what it gives access to."""

    access: Access
    token: Secret | HashedToken


def holders(web: WebConfiguration, tenants: tuple[Tenant, ...] = ()) -> tuple[Holder, ...]:
    """
    All tokens of a configuration. Those without a name of their own go by their keys.
    """
    given: list[tuple[str | None, str, tuple[Role, ...], Secret | HashedToken | None]] = [
        (None, "web.token", (Role.STEER,), web.token),
        (None, "web.listen_token", (Role.LISTEN,), web.listen_token),
        *((each.tenant or None, each.name, each.roles, each.token) for each in web.tokens),
    ]
    for each in tenants:
        key = f"tenants.{each.name}"
        given.append((each.name, f"{key}.token", (Role.STEER,), each.token))
        given.append((each.name, f"{key}.listen_token", (Role.LISTEN,), each.listen_token))
    return tuple(
        Holder(Access(tenant, name, included(roles)), token)
        for tenant, name, roles, token in given
        if token is not None
    )


def included(roles: tuple[Role, ...]) -> frozenset[Role]:
    """The roles with all that they include."""
    return frozenset().union(*(_INCLUDES[role] for role in roles))


class Tokens:
    """The tokens of the configuration. One that is empty or cannot be read admits nobody."""

    _log = Logger()

    def __init__(self, holders: tuple[Holder, ...] = ()) -> None:
        self._holders = holders

    def change(self, holders: tuple[Holder, ...]) -> None:
        """These are the tokens from now on."""
        self._holders = holders

    def access(self, role: Role, presented: str | None) -> Access | None:
        """
        What was presented is a token for; None where it is none. Where it stands for
        several, that which has the role goes before the others.
        """
        if not presented or len(presented) > LONGEST_TOKEN:
            return None
        return self.access_by_digest(role, digest(presented))

    def access_by_digest(self, role: Role, presented: bytes) -> Access | None:
        """The same, of a token whose digest was kept."""
        found: Access | None = None
        for holder in self._holders:
            expected = self._expected(holder)
            # All of them are compared, so that the time does not tell which it was.
            same = expected is not None and hmac.compare_digest(presented, expected)
            better = found is None or (not found.may(role) and holder.access.may(role))
            if same and better:
                found = holder.access
        return found

    def configured(self, role: Role, access: Access = EVERYTHING) -> bool:
        """Whether there is a token by which somebody with such access may have a role."""
        return any(
            holder.access.may(role)
            and (holder.access.tenant is None or access.sees(holder.access.tenant))
            for holder in self._holders
        )

    def _expected(self, holder: Holder) -> bytes | None:
        token = holder.token
        if isinstance(token, HashedToken):
            return expected_digest(token.hash)
        try:
            text = read_secret(token).strip()
        except SecretError as error:
            self._log.error("web: the token cannot be read, nobody is let in: {error}", error=error)
            return None
        expected = expected_digest(text) if text else None
        if text and expected is None:
            self._log.error(
                "web: {name} is a broken hash, nobody is let in", name=holder.access.name
            )
        return expected


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header field (:rfc:`6750#section-2.1`)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
