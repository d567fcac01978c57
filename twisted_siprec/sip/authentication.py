"""
Digest authentication of those who send us requests (:rfc:`8760#section-2.3`,
:rfc:`3261#section-22.2`).

A request without good credentials is answered 401, with a challenge for each
algorithm, the best first. ACK and CANCEL cannot be sent again with credentials
and are never asked for any (:rfc:`3261#section-22.1`). Who was right but used an
old nonce is told ``stale``, and needs not ask its user again.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import RemoteError
from .accounts import Accounts
from .digest import Algorithm, Challenge, Credentials
from .events import Flow
from .message import Request
from .nonces import Nonces, Verdict

UNCHALLENGED = frozenset({"ACK", "CANCEL"})
MAX_CREDENTIALS = 8
"How many Authorization header fields of one request are looked at."


class Gate(Protocol):
    """Says who may send requests."""

    def __call__(self, request: Request, flow: Flow, now: float) -> Credentials | None:
        """
        Raises :class:`~twisted_siprec.errors.RemoteError` where the request is
        not to be served; otherwise the credentials that it was let in by, if any
        were needed.
        """


@dataclass(frozen=True, slots=True)
class DigestSettings:
    """How one source authenticates."""

    realm: str
    algorithms: tuple[Algorithm, ...] = (Algorithm.SHA_256, Algorithm.MD5)
    "The best first."
    userhash: bool = False
    "Tell clients that they may hide their names (:rfc:`7616#section-3.4.4`)."


class Authentication:
    """
    The authentication of one source.

    :param scope: the name of the source: its nonces are good for it alone.
    :param accounts: its users, asked for at each use so that a changed file holds
        at once.
    :param token: random hexadecimal digits.
    """

    def __init__(
        self,
        scope: str,
        settings: DigestSettings,
        accounts: Callable[[], Accounts],
        nonces: Nonces,
        token: Callable[[int], str],
    ) -> None:
        self._scope = scope
        self._settings = settings
        self._accounts = accounts
        self._nonces = nonces
        self._token = token

    def check(self, request: Request, now: float) -> Credentials | None:
        """
        The credentials that a request proves itself by; None where none are
        asked for. Raises :class:`~twisted_siprec.errors.RemoteError` with 401.
        """
        if request.method in UNCHALLENGED:
            return None
        accounts = self._accounts()
        lines = request.headers.lines("Authorization")[:MAX_CREDENTIALS]
        offered = [found for line in lines if (found := Credentials.parse(line)) is not None]
        ours = [each for each in offered if each.realm == self._settings.realm]
        proven = next((each for each in ours if self._proves(each, request, accounts)), None)
        if proven is None:
            reason = "Credentials Not Accepted" if ours else "Unauthorized"
            raise self._challenge(accounts, reason, now)
        verdict = self._nonces.use(self._scope, proven.nonce, proven.count, now)
        if verdict is not Verdict.GOOD:
            raise self._challenge(accounts, "Stale Nonce", now, stale=True)
        return proven

    def _proves(self, credentials: Credentials, request: Request, accounts: Accounts) -> bool:
        realm, algorithm = self._settings.realm, credentials.algorithm
        if algorithm not in self._settings.algorithms or credentials.session:
            return False
        user: str | None = credentials.user
        if credentials.userhash:
            user = accounts.named(credentials.user, realm, algorithm)
        ha1 = accounts.ha1(user, realm, algorithm) if user is not None else None
        # As much is worked out for a user who is not there: time tells nobody's name.
        known = ha1 or algorithm.ha1("", realm, self._scope)
        expected = credentials.expected(known, request.method, request.body)
        given = credentials.response.encode("utf-8", "replace")
        right = hmac.compare_digest(expected.encode(), given)
        return right and ha1 is not None

    def _challenge(
        self, accounts: Accounts, reason: str, now: float, *, stale: bool = False
    ) -> RemoteError:
        settings = self._settings
        nonce = self._nonces.make(self._scope, self._token(8), now)
        fields = tuple(
            (
                "WWW-Authenticate",
                str(
                    Challenge(
                        settings.realm,
                        nonce,
                        algorithm,
                        qop=("auth",),
                        stale=stale,
                        userhash=settings.userhash,
                    )
                ),
            )
            for algorithm in accounts.usable(settings.realm, settings.algorithms)
        )
        return RemoteError(401, reason, fields)
