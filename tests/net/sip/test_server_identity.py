"""Who a SIP server that we connect to has to be: certificates made here, handshakes in memory."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address

from cryptography import x509
from OpenSSL.crypto import FILETYPE_PEM, load_certificate, load_privatekey
from OpenSSL.SSL import TLS_METHOD, Connection, Context, Error, WantReadError
from twisted.internet.error import VerifyError
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.test_tls import certificate
from twisted_siprec.net.sip.server_identity import ServerIdentity


class Protocol:
    """The connection's protocol, as the handshake fails it."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def failVerification(self, failure: Failure) -> None:
        """It is not who it should be."""
        self.failures.append(failure)


class ServerIdentityTests(SynchronousTestCase):
    """Names that were dialled, and names in certificates."""

    def dial(self, host: str, *names: x509.GeneralName, trusted: bool = True) -> str | None:
        """What is wrong with a server that has a certificate for these names."""
        pem, key = certificate("whoever", *names)
        context = Context(TLS_METHOD)
        context.use_certificate(load_certificate(FILETYPE_PEM, pem))
        context.use_privatekey(load_privatekey(FILETYPE_PEM, key))
        authority = pem if trusted else certificate("somebody else")[0]
        trust = trustRootFromCertificates([Certificate.loadPEM(authority)])
        protocol = Protocol()
        client = ServerIdentity(host, trust).clientConnectionForTLS(protocol)  # type: ignore[arg-type]
        server = Connection(context, None)
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(6):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(WantReadError):
                    one.do_handshake()
                with contextlib.suppress(WantReadError):
                    other.bio_write(one.bio_read(65_536))
        self.shown = server.get_servername()
        if not protocol.failures:
            return None
        self.assertTrue(all(each.check(VerifyError) for each in protocol.failures))
        return protocol.failures[0].getErrorMessage()

    def test_right(self) -> None:
        """The name that was dialled, in any case of the letters."""
        self.assertIsNone(self.dial("SBC.example.com", x509.DNSName("sbc.Example.com")))
        self.assertEqual(self.shown, b"sbc.example.com")

    def test_wrong(self) -> None:
        """Another name is refused, with what the certificate is for."""
        self.assertEqual(
            self.dial("sbc.example.com", x509.DNSName("other.example.com")),
            "the certificate is for other.example.com, not for sbc.example.com",
        )
        self.assertEqual(
            self.dial("sbc.example.com"), "the certificate is for nobody, not for sbc.example.com"
        )

    def test_wildcard(self) -> None:
        """A wildcard is for no SIP domain (RFC 5922 section 7.2)."""
        self.assertIsNotNone(self.dial("sbc.example.com", x509.DNSName("*.example.com")))

    def test_sip_uri(self) -> None:
        """SIP URIs go before DNS names; one of a user is for no domain."""
        domain = x509.UniformResourceIdentifier("sip:example.com")
        self.assertIsNone(self.dial("example.com", domain))
        name = x509.DNSName("sbc.example.com")
        self.assertIsNotNone(self.dial("sbc.example.com", domain, name))
        user = x509.UniformResourceIdentifier("sip:ann@example.com")
        self.assertIsNotNone(self.dial("example.com", user))
        self.assertIsNone(self.dial("sbc.example.com", user, name))

    def test_address(self) -> None:
        """An address is proved by an address, and none is named in the handshake."""
        address = x509.IPAddress(ip_address("192.0.2.10"))
        self.assertIsNone(self.dial("192.0.2.10", address))
        self.assertIsNone(self.shown)
        self.assertIsNotNone(self.dial("192.0.2.11", address))
        self.assertIsNotNone(self.dial("192.0.2.10", x509.DNSName("192.0.2.1")))

    def test_stranger(self) -> None:
        """Whoever signed it must be trusted, whatever the name."""
        self.assertRaises(
            Error, self.dial, "a.example.com", x509.DNSName("a.example.com"), trusted=False
        )
