"""
Digest authentication: what a challenge and its answer say, and how the answer
is worked out (:rfc:`7616#section-3.4`, in SIP :rfc:`8760`).

A server asks by a challenge, once for each algorithm that it takes. The client
proves that it knows a secret by a response: a digest of the secret, of the
server's nonce, of the request's method and of its URI. The secret itself never
travels, and a server may keep a digest of it (HA1) in its place.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import unquote

from .values import split, unquoted

_COUNT = re.compile("[0-9A-Fa-f]{1,8}")
_SESSION = "-sess"
_EXTENDED = "utf-8''"
"What a username* begins with (:rfc:`5987#section-3.2`): charset and language."


class Algorithm(StrEnum):
    """The digest algorithms of SIP (:rfc:`8760#section-2.1`)."""

    SHA_256 = "SHA-256"
    SHA_512_256 = "SHA-512-256"
    MD5 = "MD5"

    def digest(self, content: str | bytes) -> str:
        """The digest in hexadecimal digits."""
        octets = content.encode("utf-8", "replace") if isinstance(content, str) else content
        name = self.value.lower()
        name = {"sha-256": "sha256", "sha-512-256": "sha512_256"}.get(name, name)
        return hashlib.new(name, octets, usedforsecurity=False).hexdigest()

    def ha1(self, user: str, realm: str, secret: str) -> str:
        """What a server may keep in place of the secret."""
        return self.digest(f"{user}:{realm}:{secret}")

    @property
    def digits(self) -> int:
        """How many hexadecimal digits a digest has."""
        return 32 if self is Algorithm.MD5 else 64

    @classmethod
    def named(cls, text: str) -> tuple[Algorithm, bool] | None:
        """
        The algorithm of an algorithm parameter, and whether it is its session
        variant; None for one that is not known.
        """
        name = text.strip().upper()
        session = name.endswith(_SESSION.upper())
        try:
            return cls(name[: -len(_SESSION)] if session else name), session
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a WWW-Authenticate or Proxy-Authenticate asks for."""

    realm: str
    nonce: str
    algorithm: Algorithm = Algorithm.MD5
    session: bool = False
    "The session variant of the algorithm (``MD5-sess``)."
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False
    "The answer was right, but the nonce is too old: answer again."
    userhash: bool = False
    "The user may be named by a digest."

    @classmethod
    def parse(cls, text: str) -> Challenge | None:
        """A challenge; None where it is none that can be answered."""
        values = _parameters(text)
        algorithm = Algorithm.named(values.get("algorithm", "MD5"))
        if algorithm is None or "realm" not in values or "nonce" not in values:
            return None
        qop = tuple(option.lower() for option in split(values.get("qop", ""), ","))
        return cls(
            values["realm"],
            values["nonce"],
            *algorithm,
            qop,
            values.get("opaque"),
            values.get("stale", "").lower() == "true",
            values.get("userhash", "").lower() == "true",
        )

    def __str__(self) -> str:
        parts = [f"realm={_quoted(self.realm)}", f"nonce={_quoted(self.nonce)}"]
        parts.append(f"algorithm={self.algorithm.value}{_SESSION if self.session else ''}")
        if self.qop:
            parts.append(f"qop={_quoted(','.join(self.qop))}")
        if self.opaque is not None:
            parts.append(f"opaque={_quoted(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        if self.userhash:
            parts.append("userhash=true")
        return f"Digest {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an Authorization or Proxy-Authorization says."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: Algorithm = Algorithm.MD5
    session: bool = False
    qop: str | None = None
    "auth, auth-int, or None for a client of the time before there was a choice."
    count: int = 0
    "How many requests were sent with this nonce (nc); 0 without a qop."
    cnonce: str = ""
    opaque: str | None = None
    userhash: bool = False
    ":attr:`user` is the digest of the name and the realm."

    @classmethod
    def parse(cls, text: str) -> Credentials | None:
        """Credentials; None where they are none of Digest, or lack what is needed."""
        values = _parameters(text)
        algorithm = Algorithm.named(values.get("algorithm", "MD5"))
        user = values.get("username")
        extended = values.get("username*", "")
        if user is None and extended.lower().startswith(_EXTENDED):
            user = unquote(extended[len(_EXTENDED) :], errors="replace")
        count = _count(values.get("nc"))
        missing = {"realm", "nonce", "uri", "response"} - values.keys()
        if algorithm is None or user is None or count is None or missing:
            return None
        qop = values["qop"].lower() if "qop" in values else None
        if qop not in (None, "auth", "auth-int") or (qop is not None and not count):
            return None
        return cls(
            user,
            values["realm"],
            values["nonce"],
            values["uri"],
            values["response"].lower(),
            *algorithm,
            qop,
            count if qop is not None else 0,
            values.get("cnonce", ""),
            values.get("opaque"),
            values.get("userhash", "").lower() == "true",
        )

    def expected(self, ha1: str, method: str, body: bytes) -> str:
        """The response that one would give who knows the secret of this HA1."""
        digest = self.algorithm.digest
        if self.session:
            ha1 = digest(f"{ha1}:{self.nonce}:{self.cnonce}")
        a2 = f"{method}:{self.uri}"
        if self.qop == "auth-int":
            a2 += f":{digest(body)}"
        if self.qop is None:
            return digest(f"{ha1}:{self.nonce}:{digest(a2)}")
        return digest(f"{ha1}:{self.nonce}:{self.count:08x}:{self.cnonce}:{self.qop}:{digest(a2)}")

    def __str__(self) -> str:
        parts = [f"username={_quoted(self.user)}", f"realm={_quoted(self.realm)}"]
        parts += [f"nonce={_quoted(self.nonce)}", f"uri={_quoted(self.uri)}"]
        parts.append(f"response={_quoted(self.response)}")
        parts.append(f"algorithm={self.algorithm.value}{_SESSION if self.session else ''}")
        if self.qop is not None:
            parts.append(f"qop={self.qop}")
            parts.append(f"nc={self.count:08x}")
        if self.qop is not None or self.session:
            parts.append(f"cnonce={_quoted(self.cnonce)}")
        if self.opaque is not None:
            parts.append(f"opaque={_quoted(self.opaque)}")
        if self.userhash:
            parts.append("userhash=true")
        return f"Digest {', '.join(parts)}"


def answer(
    challenge: Challenge,
    user: str,
    secret: str,
    method: str,
    uri: str,
    body: bytes = b"",
    *,
    cnonce: str,
    count: int = 1,
) -> Credentials | None:
    """
    The answer to a challenge; None where it insists on a protection that is
    not known.

    :param cnonce: random, so that the server cannot choose all that is digested.
    """
    qop = next((option for option in ("auth", "auth-int") if option in challenge.qop), None)
    if qop is None and challenge.qop:
        return None
    algorithm, realm = challenge.algorithm, challenge.realm
    unsigned = Credentials(
        algorithm.digest(f"{user}:{realm}") if challenge.userhash else user,
        realm,
        challenge.nonce,
        uri,
        "",
        algorithm,
        challenge.session,
        qop,
        count if qop is not None else 0,
        cnonce if qop is not None or challenge.session else "",
        challenge.opaque,
        challenge.userhash,
    )
    ha1 = algorithm.ha1(user, realm, secret)
    return replace(unsigned, response=unsigned.expected(ha1, method, body))


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a Digest header field, names in lower case; none for other schemes."""
    scheme, _, rest = text.strip().partition(" ")
    values: dict[str, str] = {}
    if scheme.lower() != "digest":
        return values
    for part in split(rest, ","):
        name, _, value = part.partition("=")
        values.setdefault(name.strip().lower(), unquoted(value.strip()))
    return values


def _count(text: str | None) -> int | None:
    """The value of nc; 0 where there is none, None where it is no count."""
    if text is None:
        return 0
    return int(text, 16) if _COUNT.fullmatch(text) else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
