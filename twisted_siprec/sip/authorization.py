"""
Our answers to peers that ask for credentials: 401 and 407 to requests of ours
(:rfc:`3261#section-22`, :rfc:`8760#section-2.4`).
"""

from __future__ import annotations

from collections.abc import Callable

from .digest import Challenge, Credentials, answer
from .message import Request, Response

Secrets = Callable[[str], tuple[str, str] | None]
"The user and the secret that we have for a realm; None where we have none."

MAX_ATTEMPTS = 3
"A proxy, the peer behind it, and one nonce that grew old on the way."

_FIELDS = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
_ANSWERS = ("Authorization", "Proxy-Authorization")


def authorized(
    request: Request,
    response: Response,
    secrets: Secrets,
    token: Callable[[int], str],
) -> tuple[tuple[str, str], ...] | None:
    """
    The header fields with which a request is to be sent again; None where we
    have nothing that would help, or what we had was not accepted.
    """
    asked = _challenges(response)
    tried = {
        credentials.realm
        for _, line in kept(request)
        if (credentials := Credentials.parse(line)) is not None
    }
    made: list[tuple[str, str]] = []
    answered: set[str] = set()
    for name, challenge in asked:
        realm = challenge.realm
        if realm in answered or (realm in tried and not challenge.stale):
            continue
        pair = secrets(realm)
        if pair is None:
            continue
        credentials = answer(
            challenge, *pair, request.method, request.uri_text, request.body, cnonce=token(16)
        )
        if credentials is not None:
            made.append((name, str(credentials)))
            answered.add(realm)
    if not made:
        return None
    others = [
        (name, line)
        for name, line in kept(request)
        if (old := Credentials.parse(line)) is not None and old.realm not in answered
    ]
    return (*others, *made)


def kept(request: Request) -> tuple[tuple[str, str], ...]:
    """The credentials that a request bears, which its ACK has to bear too (section 22.1)."""
    return tuple((name, line) for name in _ANSWERS for line in request.headers.lines(name))


def _challenges(response: Response) -> list[tuple[str, Challenge]]:
    """What a response asks for, in its order: the answer's header field and the challenge."""
    ask, reply = _FIELDS.get(response.status, ("", ""))
    found = [Challenge.parse(line) for line in response.headers.lines(ask)] if ask else []
    return [(reply, challenge) for challenge in found if challenge is not None]
