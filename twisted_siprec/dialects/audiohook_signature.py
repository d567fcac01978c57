"""
The signature of an AudioHook handshake: HTTP message signatures as their eleventh
draft had them, with ``@request-target`` and quoted parameters. What became
:rfc:`9421` looks different; servers expect the draft.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode

from .foreign import Headers, Request, Secrets, UnusableSecret

VALID_S = 30
"How long a signature says that it is good. Servers take none older than 10 s."

Components = tuple[tuple[str, str], ...]


def proof(request: Request, secrets: Secrets, identified: tuple[str, str, str]) -> Headers:
    """
    ``X-API-KEY``, and a signature where there is a client secret.

    :param identified: the identifiers of organization, session and correlation.
    """
    if secrets.token is None:
        return ()
    headers: Headers = (("X-API-KEY", secrets.token),)
    if secrets.key is None:
        return headers
    organization, session, correlation = identified
    components = (
        ("@request-target", request.target),
        ("@authority", request.authority),
        ("audiohook-organization-id", organization),
        ("audiohook-session-id", session),
        ("audiohook-correlation-id", correlation),
        ("x-api-key", secrets.token),
    )
    covered = " ".join(f'"{name}"' for name, _ in components)
    parameters = (
        f'({covered});keyid="{secrets.token}";nonce="{request.nonce}";alg="hmac-sha256";'
        f"created={request.posix_s};expires={request.posix_s + VALID_S}"
    )
    signed = signature(_decoded(secrets.key), components, parameters)
    return (
        *headers,
        ("Signature-Input", f"sig1={parameters}"),
        ("Signature", f"sig1=:{signed}:"),
    )


def signature(key: bytes, components: Components, parameters: str) -> str:
    """The signature over components of a request, in base64."""
    lines = [f'"{name}": {value}' for name, value in components]
    lines.append(f'"@signature-params": {parameters}')
    digest = hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256)
    return b64encode(digest).decode("ascii")


def _decoded(secret: str) -> bytes:
    try:
        return b64decode(secret, validate=True)
    except binascii.Error:
        raise UnusableSecret("the client secret of an AudioHook server is in base64") from None
