"""
The one door of the web listener: whoever wants something shows a token here, by HTTP
or by the page's WebSocket, and is let in by its roles, or is told why not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..config.model import Role
from ..net.audit import Actor, Audit
from .pace import Lockout, Pace
from .permission import ANYBODY, Access, Tokens

PAGE, API = "page", "api"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as far as the connection tells."""

    address: str
    by: str = API
    agent: str = ""

    def actor(self, access: Access = ANYBODY) -> Actor:
        """Somebody for the audit log."""
        return Actor(access.name, self.address, self.by, access.tenant, self.agent)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in."""

    status: int
    "401, 403 or 429."
    detail: str
    retry_after_s: int = 0


NO_TOKEN = Refusal(401, "a token is needed: Authorization: Bearer …")
WRONG_TOKEN = Refusal(401, "the token is not one of the configuration")
TOO_OFTEN = Refusal(429, "too many requests by this token", 1)


class Gate:
    """
    Lets in by tokens, and counts and notes whom it does not let in.

    :param count: counts a refusal by its reason.
    """

    _log = Logger()

    def __init__(
        self,
        tokens: Tokens,
        clock: IReactorTime,
        audit: Audit,
        lockout: Lockout,
        pace: Pace,
        count: Callable[[str], None],
    ) -> None:
        self.tokens = tokens
        self.audit = audit
        self._clock = clock
        self._lockout = lockout
        self._pace = pace
        self._count = count

    def admit(
        self,
        role: Role | None,
        presented: str | None,
        visitor: Visitor,
        did: str,
        subject: str = "",
    ) -> Access | Refusal:
        """
        Whether somebody may.

        :param role: what it takes; None where anybody may.
        :param did: what they want, for the audit log, and ``subject``, with what.
        """
        if role is None:
            return ANYBODY
        now = self._clock.seconds()
        wait_s = self._lockout.wait_s(visitor.address, now)
        if wait_s:
            # A right token would be refused too, or guessing could go on.
            self._count("locked_out")
            return Refusal(429, "too many wrong tokens came from this address", wait_s)
        if not presented:
            return NO_TOKEN
        access = self.tokens.access(role, presented)
        if access is None:
            self.audit.note(visitor.actor(), did, subject, "wrong token")
            return self._wrong(visitor.address, now)
        if not self._pace.take(access.name, now):
            self._count("pace")
            return TOO_OFTEN
        if not access.may(role):
            self._count("role")
            outcome = f"refused: not {role.value}"
            self.audit.note(visitor.actor(access), did, subject, outcome)
            return Refusal(403, f"this takes a token with the role {role.value}")
        return access

    def forbid(self, reason: str) -> None:
        """Count what was refused before anybody looked at a token."""
        self._count(reason)

    def _wrong(self, address: str, now: float) -> Refusal:
        self._count("wrong_token")
        if self._lockout.wrong(address, now):
            self._log.warn(
                "web: {address} is locked out for {wait_s} s: too many wrong tokens",
                address=address,
                wait_s=self._lockout.wait_s(address, now),
            )
        return WRONG_TOKEN
