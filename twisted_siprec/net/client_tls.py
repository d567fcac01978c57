"""
TLS toward a consumer: who it must prove to be, and who we are.

Files are read when a connection is made, and only where they changed, so that
a renewed certificate is used without a restart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    TLSVersion,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..plan import ClientTLS

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class CertificateError(Exception):
    """A certificate or key file of a destination cannot be used: not there, not PEM, no match."""


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """A client that takes whoever answers: ``verify: false``."""

    def __init__(self, context: SSL.Context, hostname: str) -> None:
        self._context = context
        self._hostname = hostname

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection that says whom it wants, and checks nothing."""
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._hostname.encode("idna"))
        return connection


class ConsumerTLS:
    """Makes TLS clients for all destinations, each context once."""

    _log = Logger()

    def __init__(self, max_contexts: int = 256) -> None:
        self._max_contexts = max_contexts
        self._creators: dict[object, IOpenSSLClientConnectionCreator] = {}

    def creator(self, tls: ClientTLS, hostname: str) -> IOpenSSLClientConnectionCreator:
        """
        What TLS toward this host is made with.

        :raises CertificateError: with the file's name and what is wrong.
        """
        try:
            stamps = tuple(
                Path(name).stat().st_mtime_ns if name else 0
                for name in (tls.authorities, tls.certificate, tls.key)
            )
        except OSError as error:
            raise CertificateError(str(error)) from error
        key = (tls, hostname, stamps)
        creator = self._creators.get(key)
        if creator is None:
            creator = self._make(tls, hostname)
            while len(self._creators) >= self._max_contexts:
                self._creators.pop(next(iter(self._creators)))
            self._creators[key] = creator
        return creator

    def _make(self, tls: ClientTLS, hostname: str) -> IOpenSSLClientConnectionCreator:
        try:
            ours = _identity(tls)
            if not tls.verify:
                self._log.warn(
                    "{hostname} is not verified (verify: false): anyone may answer for it",
                    hostname=hostname,
                )
                options = CertificateOptions(raiseMinimumTo=TLSVersion.TLSv1_2, **ours)
                return _Unverified(options.getContext(), hostname)
            trust = platformTrust() if tls.authorities is None else _authorities(tls.authorities)
            return optionsForClientTLS(hostname, trustRoot=trust, extraCertificateOptions=ours)
        except (OSError, ValueError, SSL.Error) as error:
            raise CertificateError(f"{tls.certificate or tls.authorities}: {error}") from error


def _authorities(file: str) -> Any:
    certificates = [Certificate.loadPEM(pem) for pem in _blocks(Path(file).read_bytes())]
    if not certificates:
        raise ValueError("no certificate in it")
    return trustRootFromCertificates(certificates)


def _identity(tls: ClientTLS) -> dict[str, Any]:
    """Our key, certificate and chain, as CertificateOptions takes them."""
    if tls.certificate is None:
        return {}
    blocks = _blocks(Path(tls.certificate).read_bytes())
    if not blocks:
        raise ValueError("no certificate in it")
    own, *chain = [Certificate.loadPEM(pem).original for pem in blocks]
    key = KeyPair.load(Path(tls.key or tls.certificate).read_bytes(), 1)
    return {"privateKey": key.original, "certificate": own, "extraCertChain": chain}


def _blocks(pem: bytes) -> list[bytes]:
    """The certificates of a PEM file, one by one."""
    return [_BEGIN + block for block in pem.split(_BEGIN)[1:]]
