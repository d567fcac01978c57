"""
TLS toward a SIP server that we connect to: it has to be who the URI says
(:rfc:`5922#section-7.2`).

That is stricter than TLS is on the web. A certificate for ``*.example.com`` is for no
SIP domain, and where it has SIP URIs those are its domains and its DNS names are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL.SSL import SSL_CB_HANDSHAKE_DONE, Connection, Context
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion, platformTrust
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ..tls import identities, ip_addresses
from .locate import is_ip


@implementer(IOpenSSLClientConnectionCreator)
class ServerIdentity:
    """
    The client side of a connection to a host.

    :param trust: who signs certificates; whom the system trusts where it is not given.
    """

    def __init__(self, host: str, trust: Any = None) -> None:
        self._host = host.lower()
        options = CertificateOptions(
            trustRoot=platformTrust() if trust is None else trust,
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        self._context: Context = options.getContext()
        self._context.set_info_callback(self._happened)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        """The client side of a new connection."""
        connection = Connection(self._context, None)
        connection.set_app_data(tlsProtocol)
        if not is_ip(self._host):
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection

    def _happened(self, connection: Connection, where: int, result: int) -> None:
        """OpenSSL tells how the handshake goes; its callbacks must not raise."""
        if not where & SSL_CB_HANDSHAKE_DONE:
            return
        try:
            names = served(connection)
        except Exception:  # noqa: BLE001 - a certificate that cannot be read is of nobody
            names = frozenset()
        if self._host not in names:
            shown = ", ".join(sorted(names)) or "nobody"
            error = VerifyError(f"the certificate is for {shown}, not for {self._host}")
            fail: Callable[[Failure], None] = connection.get_app_data().failVerification
            fail(Failure(error))


def served(connection: Connection) -> frozenset[str]:
    """The SIP domains and addresses that the peer's certificate is for."""
    certificate = connection.get_peer_certificate()
    names = identities(certificate)
    domains = [
        name.partition(":")[2].lower()
        for name in names
        if name.lower().startswith("sip:") and "@" not in name
    ]
    if not domains:
        domains = [name.lower() for name in names if ":" not in name]
    return frozenset((*domains, *ip_addresses(certificate)))
