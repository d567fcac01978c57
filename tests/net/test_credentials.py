"""How we prove to a consumer who we are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.credentials import (
    SecretError,
    authorization,
    proxy_authorization,
    read_secret,
    sign,
)
from twisted_siprec.plan import Destination, Secret

DESTINATION = Destination("analytics", "wss://consumer.example.com/")


class CredentialsTests(SynchronousTestCase):
    """Header fields of one handshake."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text("s3cret\n")
        self.secret = Secret(file=str(self.path))

    def headers(self, destination: Destination) -> dict[str, str]:
        """What is said in a handshake of a stream."""
        return dict(
            authorization(
                destination, "consumer.example.com:443", "/a?b=c", "stream-1", 1_767_366_000, "n1"
            )
        )

    def test_none(self) -> None:
        """Nothing configured, nothing said."""
        self.assertEqual(self.headers(DESTINATION), {})

    def test_bearer(self) -> None:
        """The token as it is now: a rotated one is used at the next attempt."""
        destination = replace(DESTINATION, bearer=self.secret)
        self.assertEqual(self.headers(destination), {"Authorization": "Bearer s3cret"})
        self.path.write_text("rotated")
        self.assertEqual(self.headers(destination), {"Authorization": "Bearer rotated"})

    def test_basic(self) -> None:
        """User and password, in base64."""
        destination = replace(DESTINATION, basic_user="srs", basic_password=self.secret)
        self.assertEqual(self.headers(destination), {"Authorization": "Basic c3JzOnMzY3JldA=="})

    def test_proxy(self) -> None:
        """A proxy has credentials of its own, as they are now, which no consumer is told."""
        destination = replace(
            DESTINATION, proxy=("p", 1), proxy_user="srs", proxy_password=self.secret
        )
        self.assertEqual(self.headers(destination), {})
        self.assertEqual(proxy_authorization(destination), "Basic c3JzOnMzY3JldA==")
        self.path.write_text("rotated")
        self.assertEqual(proxy_authorization(destination), "Basic c3JzOnJvdGF0ZWQ=")
        self.path.unlink()
        self.assertRaises(SecretError, proxy_authorization, destination)
        self.assertIsNone(proxy_authorization(DESTINATION))

    def test_hmac(self) -> None:
        """Timestamp, nonce, and a signature over them, the target, the host and the stream."""
        headers = self.headers(replace(DESTINATION, hmac=self.secret))
        self.assertEqual(headers["X-Recstream-Timestamp"], "1767366000")
        self.assertEqual(headers["X-Recstream-Nonce"], "n1")
        # printf '1767366000\nn1\nGET\nconsumer.example.com:443\n/a?b=c\nstream-1' |
        #   openssl dgst -sha256 -hmac s3cret
        self.assertEqual(
            headers["X-Recstream-Signature"],
            "v1=766c7a0e6849798602b4dd35c49d1a69223b69250dd33f1e71a71c2579a5777b",
        )

    def test_the_signature_covers_all(self) -> None:
        """Another key, time, nonce, host, target or stream is another signature."""
        arguments = (b"key", 1, "n", "h", "/", "s")
        signatures = {sign(*arguments)}
        for index, other in enumerate((b"KEY", 2, "N", "H", "/x", "S")):
            changed = (*arguments[:index], other, *arguments[index + 1 :])
            signatures.add(sign(*changed))  # type: ignore[arg-type]
        self.assertEqual(len(signatures), 7)

    def test_environment(self) -> None:
        """A secret can be in the environment, and is missed by its name where it is not."""
        self.patch(os, "environ", {"SIPREC_TOKEN": "t"})
        self.assertEqual(read_secret(Secret(environment="SIPREC_TOKEN")), "t")
        error = self.assertRaises(SecretError, read_secret, Secret(environment="OTHER"))
        self.assertEqual(str(error), "environment variable OTHER is not set")

    def test_missing_file(self) -> None:
        """A file that is not there, or is no text, is an error with its name."""
        self.assertRaises(SecretError, read_secret, Secret(file=self.mktemp()))
        self.path.write_bytes(b"\xff\xfe")
        self.assertRaises(SecretError, read_secret, self.secret)
