"""Delivery over real sockets of this machine: ws and wss, consumers that die and come back."""

from __future__ import annotations

import secrets
import wave
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.ssl import CertificateOptions
from twisted.trial.unittest import TestCase

from twisted_siprec.dialects.base import Audio, ChannelStart, StreamStart
from twisted_siprec.net.outlet import Outlet
from twisted_siprec.net.outlets import OutletFactory
from twisted_siprec.plan import (
    ChannelPlan,
    ClientTLS,
    Description,
    Destination,
    Encoding,
    EndReason,
    LinkDown,
    Report,
    Secret,
)
from twisted_siprec.simulator.consumer import Consumer, ConsumerOptions, Finish
from twisted_siprec.simulator.consumer_options import server_tls
from twisted_siprec.simulator.recstream import ConsumerSettings

RATE = 8000
CHUNK = 160


def samples(position: int, count: int) -> bytes:
    """Two channels whose samples say where they belong."""
    return b"".join((p % 65536).to_bytes(2, "little") * 2 for p in range(position, position + count))


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A certificate of our own for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(exist_ok=True)
    certificate_path, key_path = directory / f"{name}.pem", directory / f"{name}.key"
    certificate_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_path, key_path
