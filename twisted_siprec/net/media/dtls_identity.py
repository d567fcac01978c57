"""
Who we are in DTLS handshakes: a certificate whose fingerprint is in our SDP, and
its key. Nobody signs it: it is worth what the SDP is (:rfc:`5763#section-5`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from ...plan import Fingerprint

_DAYS = 3650
"Longer than any process lives; peers look at the fingerprint, not at the dates."

_SIGNING = (
    ec.EllipticCurvePrivateKey,
    rsa.RSAPrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
)


class IdentityError(Exception):
    """The certificate or the key for DTLS cannot be read, or they do not belong together."""


@dataclass(frozen=True, slots=True)
class DTLSIdentity:
    """A certificate and its key. It crosses to workers; its repr shows no key."""

    certificate: bytes
    "PEM."
    key: bytes = field(repr=False)
    "PEM."

    @property
    def fingerprint(self) -> Fingerprint:
        """What our SDP says of it."""
        certificate = x509.load_pem_x509_certificate(self.certificate)
        octets = certificate.public_bytes(serialization.Encoding.DER)
        return Fingerprint("sha-256", sha256(octets).digest())


def make_identity() -> DTLSIdentity:
    """
    One for the life of a process: P-256, signed by itself, with nothing in it that
    tells who we are.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srs")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .sign(key, hashes.SHA256())
    )
    return DTLSIdentity(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def read_identity(certificate: str, key: str) -> DTLSIdentity:
    """One of PEM files. Raises :exc:`IdentityError`."""
    try:
        identity = DTLSIdentity(Path(certificate).read_bytes(), Path(key).read_bytes())
        context = SSL.Context(SSL.DTLS_METHOD)
        use_identity(context, identity)
    except (OSError, ValueError, TypeError, SSL.Error) as error:
        raise IdentityError(f"{certificate}: {error}") from error
    return identity


def use_identity(context: SSL.Context, identity: DTLSIdentity) -> None:
    """Show it in the handshakes of a context."""
    context.use_certificate(x509.load_pem_x509_certificate(identity.certificate))
    key = serialization.load_pem_private_key(identity.key, None)
    if not isinstance(key, _SIGNING):
        raise ValueError("the key is of a kind that signs nothing")
    context.use_privatekey(key)
    context.check_privatekey()
