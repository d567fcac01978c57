"""
Encryption of what is on disk: AES-256-GCM, with a key that is derived from a
secret of the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_OCTETS = 12


class SealError(Exception):
    """It was written with another key, or is damaged."""


class Cipher(Protocol):
    """Seals what is written; ``about`` says what it is, and is sealed in with it."""

    def seal(self, octets: bytes, about: str) -> bytes:
        """As it goes to disk."""

    def open(self, octets: bytes, about: str) -> bytes:
        """As it was. :exc:`SealError` where it cannot be opened."""


class Open:
    """No encryption: the disk, or the machine, is trusted."""

    def seal(self, octets: bytes, about: str) -> bytes:
        """As it is."""
        return octets

    def open(self, octets: bytes, about: str) -> bytes:
        """As it is."""
        return octets


class Sealed:
    """
    Encryption with one key.

    :param secret: any text that is hard to guess; 32 random octets in
        hexadecimal or base64 are good.
    """

    def __init__(self, secret: str, entropy: Callable[[int], bytes] = os.urandom) -> None:
        derivation = HKDF(SHA256(), 32, salt=None, info=b"twisted_siprec spool")
        self._key = AESGCM(derivation.derive(secret.encode()))
        self._entropy = entropy

    def seal(self, octets: bytes, about: str) -> bytes:
        """The nonce, then the sealed octets."""
        nonce = self._entropy(_NONCE_OCTETS)
        return nonce + self._key.encrypt(nonce, octets, about.encode())

    def open(self, octets: bytes, about: str) -> bytes:
        """As it was before."""
        nonce, sealed = octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:]
        try:
            return self._key.decrypt(nonce, sealed, about.encode())
        except (InvalidTag, ValueError) as error:
            raise SealError("written with another key, or damaged") from error
