"""
How we prove to a consumer who we are, made anew for each attempt: a secret that
was rotated meanwhile is the one that is used.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from pathlib import Path

from ..dialects.foreign import Foreign, Request, Secrets, UnusableSecret
from ..plan import Destination, Secret

MAX_SECRET_OCTETS = 64 * 1024


class SecretError(Exception):
    """A secret of a destination cannot be read: its file or environment variable is not there."""


def read_secret(secret: Secret) -> str:
    """
    The secret as it is now, without the line end that editors add.

    :raises SecretError: with the name of what is missing, never what it held.
    """
    if secret.file is not None:
        try:
            with Path(secret.file).open("rb") as file:
                text = file.read(MAX_SECRET_OCTETS).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"{secret.file}: {type(error).__name__}") from error
        return text.strip("\r\n")
    value = os.environ.get(secret.environment or "")
    if value is None:
        raise SecretError(f"environment variable {secret.environment} is not set")
    return value


def authorization(
    destination: Destination, host: str, target: str, stream_id: str, posix_s: int, nonce: str
) -> tuple[tuple[str, str], ...]:
    """
    The header fields that authorize one handshake.

    :param host: the Host header field as it is sent, port included.
    :param target: the request target, path and query.
    :raises SecretError: see :func:`read_secret`.
    """
    headers: list[tuple[str, str]] = []
    if destination.bearer is not None:
        headers.append(("Authorization", f"Bearer {read_secret(destination.bearer)}"))
    else:
        headers.extend(_own_basic(destination))
    if destination.hmac is not None:
        key = read_secret(destination.hmac).encode()
        signature = sign(key, posix_s, nonce, host, target, stream_id)
        headers.append(("X-Recstream-Timestamp", str(posix_s)))
        headers.append(("X-Recstream-Nonce", nonce))
        headers.append(("X-Recstream-Signature", f"v1={signature}"))
    return tuple(headers)


def foreign_authorization(
    destination: Destination, spoken: Foreign, request: Request
) -> tuple[tuple[str, str], ...]:
    """
    The header fields that authorize one handshake, as the dialect wants them.

    :raises SecretError: see :func:`read_secret`.
    """
    bearer, key = destination.bearer, destination.hmac
    secrets = Secrets(
        None if bearer is None else read_secret(bearer),
        None if key is None else read_secret(key),
    )
    try:
        proof = spoken.proof(request, secrets)
    except UnusableSecret as error:
        raise SecretError(str(error)) from error
    return (*_own_basic(destination), *proof)


def proxy_authorization(destination: Destination) -> str | None:
    """
    The value of Proxy-Authorization, for the proxy on the way (:rfc:`9110#section-11.7.2`).

    :raises SecretError: see :func:`read_secret`.
    """
    if destination.proxy_password is None:
        return None
    return _basic(destination.proxy_user, destination.proxy_password)


def _own_basic(destination: Destination) -> tuple[tuple[str, str], ...]:
    if destination.basic_password is None:
        return ()
    return (("Authorization", _basic(destination.basic_user, destination.basic_password)),)


def _basic(user: str | None, password: Secret) -> str:
    """The scheme of :rfc:`7617`."""
    pair = f"{user or ''}:{read_secret(password)}".encode()
    return f"Basic {b64encode(pair).decode('ascii')}"


def sign(key: bytes, posix_s: int, nonce: str, host: str, target: str, stream_id: str) -> str:
    """The hexadecimal HMAC-SHA256 of a handshake, which the consumer computes the same way."""
    lines = (str(posix_s), nonce, "GET", host, target, stream_id)
    return hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()
