"""
TLS as a SIP server has it: a certificate that can be renewed while calls are
up, TLS 1.2 at least, and the names of peers that prove who they are
(:rfc:`7866#section-12`, :rfc:`5922`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL.crypto import X509
from OpenSSL.crypto import Error as CryptoError
from OpenSSL.SSL import Connection, Context
from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    TLSVersion,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..config.model import ClientCertificates, ServerTLS

ClientTLSFactory = Callable[[str], IOpenSSLClientConnectionCreator]
"Makes the client side of TLS toward a host."

_END = b"-----END CERTIFICATE-----"


class CertificateError(Exception):
    """A certificate, key or authority file cannot be read or does not fit the others."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """
    The TLS side of a listener. Files that were renewed are read again for the next
    connection; those that are up keep what they have.
    """

    _log = Logger()

    def __init__(self, settings: ServerTLS) -> None:
        self._settings = settings
        self._stamps = _stamps(settings)
        self._context = _context(settings)

    def reload(self) -> None:
        """
        Read the files again. Raises :exc:`CertificateError` and keeps the old
        ones where that fails.
        """
        self.staged(self._settings)()

    def staged(self, settings: ServerTLS) -> Callable[[], None]:
        """
        Read other files, or the same ones again; they are used once the result is
        called, which cannot fail. Raises :exc:`CertificateError`.
        """
        stamps, context = _stamps(settings), _context(settings)

        def use() -> None:
            self._settings, self._stamps, self._context = settings, stamps, context

        return use

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> Connection:
        """The server side of a new connection."""
        stamps = _stamps(self._settings)
        if stamps != self._stamps:
            self._renew(stamps)
        return Connection(self._context, None)

    def _renew(self, stamps: _Stamps) -> None:
        """Use the new files. Where they are no pair (yet), the old ones serve on."""
        # Noted even where it fails, so that bad files are read once and not at each handshake.
        self._stamps = stamps
        try:
            self._context = _context(self._settings)
        except CertificateError as error:
            self._log.error(
                "a renewed certificate cannot be used, the old one is: {error}", error=error
            )
        else:
            self._log.info("{file} was renewed", file=self._settings.certificate)


_Stamps = tuple[tuple[int, int, int] | None, ...]


def _stamps(settings: ServerTLS) -> _Stamps:
    """What tells the files from those that were read."""
    files = (settings.certificate, settings.key, settings.client_authorities)
    return tuple(_stamp(file) for file in files if file is not None)


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _context(settings: ServerTLS) -> Context:
    try:
        own, *others = _certificates(settings.certificate)
        private = PrivateCertificate.loadPEM(own + Path(settings.key).read_bytes())
        options = CertificateOptions(
            privateKey=private.privateKey.original,
            certificate=private.original,
            extraCertChain=[Certificate.loadPEM(pem).original for pem in others],
            trustRoot=_trust_root(settings),
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        if settings.client_certificates is ClientCertificates.OPTIONAL:
            options.requireCertificate = False
        return options.getContext()
    except (OSError, ValueError, CryptoError, SSLError, VerifyError) as error:
        raise CertificateError(f"{settings.certificate}: {error}") from error


def _trust_root(settings: ServerTLS) -> Any:
    """
    Who our peers' certificates have to be signed by; None where none is asked
    for. (Twisted keeps the name of the type to itself.)
    """
    if settings.client_certificates is ClientCertificates.OFF:
        return None
    if settings.client_authorities is None:
        raise ValueError("client certificates are asked for, but nobody may sign them")
    authorities = _certificates(settings.client_authorities)
    return trustRootFromCertificates([Certificate.loadPEM(pem) for pem in authorities])


def _certificates(file: str) -> list[bytes]:
    """The certificates of a PEM file, one by one."""
    *certificates, _ = Path(file).read_bytes().split(_END)
    if not certificates:
        raise ValueError(f"no certificate in {file}")
    return [certificate + _END + b"\n" for certificate in certificates]


def identities(certificate: X509 | None) -> tuple[str, ...]:
    """
    The names in a verified certificate: SIP URIs and DNS names of its
    subjectAltName (:rfc:`5922#section-7.1`).
    """
    names = _alternatives(certificate)
    if names is None:
        return ()
    return (
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *names.get_values_for_type(x509.DNSName),
    )


def ip_addresses(certificate: X509 | None) -> tuple[str, ...]:
    """The IP addresses that it is for."""
    names = _alternatives(certificate)
    return tuple(map(str, names.get_values_for_type(x509.IPAddress))) if names is not None else ()


def _alternatives(certificate: X509 | None) -> x509.SubjectAlternativeName | None:
    if certificate is None:
        return None
    try:
        extensions = certificate.to_cryptography().extensions
        return extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None
