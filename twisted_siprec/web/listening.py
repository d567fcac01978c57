"""
Who hears a call: by which token they may, since when, and that it is in the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..config.model import Role
from .gate import Gate, Refusal, Visitor
from .permission import Access
from .token_hash import digest

_ANOTHERS = Refusal(403, "this is not the token for listening")


@dataclass(frozen=True, slots=True)
class _Hearing:
    """A call that is being heard."""

    id: str
    access: Access
    token: bytes
    "Its digest, to see later whether it still holds."


class Listening:
    """
    The ear of one page.

    :param own: the digest of the token that the page came with.
    """

    def __init__(self, gate: Gate, visitor: Visitor, own: bytes) -> None:
        self._gate = gate
        self._visitor = visitor
        self._own = own
        self._hearing: _Hearing | None = None

    @property
    def allowed(self) -> bool:
        """Whether the page's own token is one for listening."""
        return self._by_own() is not None

    def begin(self, id: str, whose: str, token: str | None) -> Refusal | None:
        """
        Hear a call, by a token that is given for it or else by the page's own.

        :param whose: the tenant of the call.
        :return: why not; None where it is heard from now on.
        """
        own = self._by_own() if token is None else None
        access = own or self._gate.admit(Role.LISTEN, token, self._visitor, "listen", id)
        if isinstance(access, Refusal):
            return access
        if not access.sees(whose):
            self._note(access, id, "refused: another tenant's")
            return _ANOTHERS
        self.end()
        self._note(access, id, "begun")
        self._hearing = _Hearing(id, access, self._own if own else digest(token or ""))
        return None

    def end(self) -> None:
        """Hear it no more."""
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            self._note(hearing.access, hearing.id, "ended")

    def holds(self) -> bool:
        """Whether the token still holds by which a call is heard, if one is."""
        hearing = self._hearing
        if hearing is None:
            return True
        return self._gate.tokens.access_by_digest(Role.LISTEN, hearing.token) == hearing.access

    def _by_own(self) -> Access | None:
        access = self._gate.tokens.access_by_digest(Role.LISTEN, self._own)
        return access if access is not None and access.may(Role.LISTEN) else None

    def _note(self, access: Access, id: str, outcome: str) -> None:
        self._gate.audit.note(self._visitor.actor(access), "listen", id, outcome)
