"""
The section ``web`` of the configuration.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, ConfigurationError, WebConfiguration, parse
from twisted_siprec.plan import Secret


class WebConfigurationTests(SynchronousTestCase):
    """What it takes, and what it refuses."""

    def mistakes(self, text: str) -> list[str]:
        try:
            parse(text, "f", environment={"TOKEN": "x"})
        except ConfigurationError as error:
            return [str(mistake).removeprefix("f:") for mistake in error.mistakes]
        return []

    def test_default(self) -> None:
        """There is no web listener; where there is one, it is on loopback."""
        web = Configuration().web
        self.assertEqual((web.enabled, web.address, web.port), (False, "127.0.0.1", 8080))

    def test_all(self) -> None:
        """Every key."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write("ear")
        web = parse(
            "web: {enabled: true, address: '::1', port: 0, token: {environment: TOKEN},"
            f" listen_token: {{file: {path}}}, connections: 5, request_octets: 2048,"
            " history_calls: 0, moments_per_call: 10, trace_octets_per_call: 0}",
            environment={"TOKEN": "x"},
        ).web
        self.assertEqual(
            web,
            WebConfiguration(
                enabled=True,
                address="::1",
                port=0,
                token=Secret(environment="TOKEN"),
                listen_token=Secret(file=path),
                connections=5,
                request_octets=2_048,
                history_calls=0,
                moments_per_call=10,
                trace_octets_per_call=0,
            ),
        )

    def test_no_token(self) -> None:
        """There is no listener without a token."""
        self.assertEqual(
            self.mistakes("web: {enabled: true}"),
            ["1: web: found none, expected the key token, as enabled is true"],
        )
        self.assertEqual(self.mistakes("web: {enabled: false}"), [])

    def test_token_in_text(self) -> None:
        """The token itself is not taken, nor shown."""
        [mistake] = self.mistakes("web: {enabled: true, token: hunter2}")
        self.assertIn("a secret in the text", mistake)
        self.assertNotIn("hunter2", mistake)

    def test_key_alone(self) -> None:
        """A key is of no use without its certificate; what is no certificate is refused."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write("x")
        self.assertEqual(
            self.mistakes(f"web: {{key: {path}}}"),
            ["1: web: found none, expected the key certificate, as there is a key"],
        )
        [mistake] = self.mistakes(f"web: {{certificate: {path}}}")
        self.assertIn("web.certificate", mistake)

    def test_address(self) -> None:
        """An address is an IP address."""
        [mistake] = self.mistakes("web: {address: localhost}")
        self.assertIn("expected an IP address", mistake)
