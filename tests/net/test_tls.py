"""
TLS listeners: certificates made here, handshakes in memory.
"""

from __future__ import annotations

import contextlib
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL.crypto import X509
from OpenSSL.SSL import TLS1_1_VERSION, TLS_METHOD, Connection, Context, Error, WantReadError
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import ClientCertificates, ServerTLS
from twisted_siprec.net.tls import CertificateError, ServerContext, identities

_NOW = datetime.datetime.now(datetime.UTC)


def certificate(name: str, *alternatives: x509.GeneralName) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - datetime.timedelta(days=1))
        .not_valid_after(_NOW + datetime.timedelta(days=1))
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), False)
    return (
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def name_of(shown: X509) -> str:
    """The common name of a certificate."""
    return str(shown.to_cryptography().subject.rfc4514_string()).removeprefix("CN=")


OURS = certificate("srs")
PEER = certificate(
    "src", x509.DNSName("src.example.com"), x509.UniformResourceIdentifier("sip:example.com")
)
STRANGER = certificate("stranger")


class ServerContextTests(SynchronousTestCase):
    """The TLS side of a listener."""

    def setUp(self) -> None:
        """Files as an operator has them."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir(parents=True)
        self.write("srs", *OURS)
        self.write("src", *PEER)
        self.write("stranger", *STRANGER)

    def write(self, name: str, pem: bytes, key: bytes) -> None:
        """A certificate and its key."""
        (self.directory / f"{name}.pem").write_bytes(pem)
        (self.directory / f"{name}.key").write_bytes(key)

    def file(self, name: str) -> str:
        """The full name of a file."""
        return str(self.directory / name)

    def context(self, clients: ClientCertificates = ClientCertificates.OFF) -> ServerContext:
        """A context of our certificate."""
        return ServerContext(
            ServerTLS(self.file("srs.pem"), self.file("srs.key"), self.file("src.pem"), clients)
        )

    def shake(
        self, server_context: ServerContext, client: str | None = None, maximum: int | None = None
    ) -> tuple[Connection, Connection]:
        """Shake hands with a peer; raises OpenSSL's error where they do not come together."""
        context = Context(TLS_METHOD)
        if client is not None:
            context.use_certificate_file(self.file(f"{client}.pem"))
            context.use_privatekey_file(self.file(f"{client}.key"))
        if maximum is not None:
            context.set_max_proto_version(maximum)
        server = server_context.serverConnectionForTLS(None)
        peer = Connection(context, None)
        server.set_accept_state()
        peer.set_connect_state()
        for _ in range(6):
            for one, other in ((peer, server), (server, peer)):
                with contextlib.suppress(WantReadError):
                    one.do_handshake()
                with contextlib.suppress(WantReadError):
                    other.bio_write(one.bio_read(65_536))
        return server, peer

    def test_no_client_certificates(self) -> None:
        """Peers need none; the names of who shows none are none."""
        server, peer = self.shake(self.context())
        self.assertIn(peer.get_protocol_version_name(), ("TLSv1.2", "TLSv1.3"))
        self.assertEqual(identities(server.get_peer_certificate()), ())

    def test_old_versions(self) -> None:
        """TLS 1.1 is refused."""
        self.assertRaises(Error, self.shake, self.context(), None, TLS1_1_VERSION)

    def test_optional(self) -> None:
        """With optional certificates a peer may show one, and is known by its names."""
        context = self.context(ClientCertificates.OPTIONAL)
        server, _ = self.shake(context, "src")
        self.assertEqual(
            identities(server.get_peer_certificate()), ("sip:example.com", "src.example.com")
        )
        server, _ = self.shake(context)
        self.assertIsNone(server.get_peer_certificate())

    def test_required(self) -> None:
        """With required ones who shows none, or a stranger's, is refused."""
        context = self.context(ClientCertificates.REQUIRED)
        self.shake(context, "src")
        self.assertRaises(Error, self.shake, context)
        self.assertRaises(Error, self.shake, context, "stranger")

    def test_reload(self) -> None:
        """After a reload new connections get the new certificate; those that are up go on."""
        context = self.context()
        server, peer = self.shake(context)
        before = peer.get_peer_certificate()
        self.write("srs", *certificate("renewed"))
        context.reload()
        after = self.shake(context)[1].get_peer_certificate()
        assert before is not None and after is not None
        self.assertEqual((name_of(before), name_of(after)), ("srs", "renewed"))
        for one, other in ((peer, server), (server, peer)):
            one.send(b"still here")
            other.bio_write(one.bio_read(65_536))
            self.assertEqual(other.recv(100), b"still here")

    def test_reload_fails(self) -> None:
        """Files that are broken meanwhile are told, and the old ones stay."""
        context = self.context()
        (self.directory / "srs.pem").write_bytes(b"nothing")
        self.assertRaises(CertificateError, context.reload)
        peer = self.shake(context)[1].get_peer_certificate()
        assert peer is not None
        self.assertEqual(name_of(peer), "srs")

    def test_broken_files(self) -> None:
        """Missing files, and a key of another certificate, are told with the file's name."""
        for settings in (
            ServerTLS(self.file("none.pem"), self.file("srs.key")),
            ServerTLS(self.file("srs.pem"), self.file("none.key")),
            ServerTLS(self.file("srs.pem"), self.file("src.key")),
            ServerTLS(
                self.file("srs.pem"),
                self.file("srs.key"),
                None,
                ClientCertificates.REQUIRED,
            ),
        ):
            error = self.assertRaises(CertificateError, ServerContext, settings)
            self.assertIn(".pem", str(error))

    def test_no_names(self) -> None:
        """A certificate without alternative names names nobody."""
        context = self.context()
        peer = self.shake(context)[1]
        self.assertEqual(identities(peer.get_peer_certificate()), ())
