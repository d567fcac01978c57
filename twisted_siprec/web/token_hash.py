"""
Tokens, and the hashes by which a configuration can know them without having them.

A token of ours has 256 random bits, so that its plain SHA-256 cannot be reversed. A
slow hash would protect words that people make up, and would cost the event loop tens
of milliseconds for each request, which anybody could have it spend.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable

PREFIX = "sha256$"
RANDOM_OCTETS = 32


def new_token(random: Callable[[int], bytes]) -> str:
    """A token that nobody can guess; its beginning tells scanners of leaks what it is."""
    return "srs_" + urlsafe_b64encode(random(RANDOM_OCTETS)).rstrip(b"=").decode("ascii")


def digest(token: str) -> bytes:
    """The hash of a token, by which tokens are compared."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def hashed(token: str) -> str:
    """The hash as a configuration has it."""
    return PREFIX + digest(token).hex()


def expected_digest(text: str) -> bytes | None:
    """
    The digest that a configured text stands for: that of a token, or the hash itself
    where it is one, so that the hash is no token. None where it is a broken hash.
    """
    lowered = text.lower()
    if not lowered.startswith(PREFIX):
        return digest(text)
    digits = lowered.removeprefix(PREFIX)
    return bytes.fromhex(digits) if re.fullmatch(r"[0-9a-f]{64}", digits) else None
