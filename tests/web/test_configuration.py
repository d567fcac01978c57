"""
The section ``web`` of the configuration.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, ConfigurationError, WebConfiguration, parse
from twisted_siprec.config.differences import differences, running
from twisted_siprec.config.model import AccessToken, HashedToken, Role
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


class TokensConfigurationTests(SynchronousTestCase):
    """Tokens with names and roles, hashes, names, and the audit log."""

    HASH = "sha256$" + "0" * 64

    def mistakes(self, text: str) -> list[str]:
        try:
            parse(text, "f", environment={"TOKEN": "x"})
        except ConfigurationError as error:
            return [str(mistake).removeprefix("f:") for mistake in error.mistakes]
        return []

    def test_tokens(self) -> None:
        """Tokens by name, and the other keys that keep strangers out."""
        configuration = parse(
            f"""
web:
  enabled: true
  tokens:
    - {{name: grafana, roles: metrics, token: {{hash: "{self.HASH}"}}}}
    - {{name: ann, roles: [view, listen], token: {{environment: TOKEN}}, tenant: acme}}
  hosts: rec.example.com
  wrong_tokens: 3
  lockout_s: 600
  requests_per_second: 0
tenants: [{{name: acme, match: {{called: "2*"}}, token: {{hash: "{self.HASH}"}}}}]
audit: {{file: audit.jsonl}}
""",
            environment={"TOKEN": "x"},
        )
        web = configuration.web
        hashed = HashedToken(self.HASH)
        self.assertEqual(
            web.tokens,
            (
                AccessToken("grafana", (Role.METRICS,), hashed),
                AccessToken("ann", (Role.VIEW, Role.LISTEN), Secret(environment="TOKEN"), "acme"),
            ),
        )
        self.assertEqual(web.hosts, ("rec.example.com",))
        self.assertEqual((web.wrong_tokens, web.lockout_s, web.requests_per_second), (3, 600, 0))
        self.assertEqual(configuration.tenants[0].token, hashed)
        self.assertEqual(configuration.audit.file, "audit.jsonl")

    def test_mistakes(self) -> None:
        """Each mistake is told with its place; what may be a token is not shown."""
        expected_hash = "expected sha256$ and 64 hexadecimal digits (siprecctl token)"
        for text, mistake in (
            (
                "web: {token: {hash: hunter2}}",
                f"1: web.token.hash: found something else, {expected_hash}",
            ),
            (
                "web: {token: {hash: sha256$12}}",
                f'1: web.token.hash: found "sha256$12", {expected_hash}',
            ),
            (
                f"web: {{token: {{hash: '{self.HASH}', environment: TOKEN}}}}",
                (
                    "1: web.token: found several of them, expected {file: NAME}, "
                    "{environment: NAME} or {hash: sha256$…}"
                ),
            ),
            (
                "web: {tokens: [{name: a, roles: [root], token: {environment: TOKEN}}]}",
                (
                    '1: web.tokens[0].roles[0]: found "root", expected one of metrics, view, '
                    "steer, listen"
                ),
            ),
            (
                "web: {tokens: [{name: a, roles: [], token: {environment: TOKEN}}]}",
                "1: web.tokens[0].roles: found an empty list, expected one entry at least",
            ),
            (
                "web: {tokens: [{name: a, roles: view}]}",
                "1: web.tokens[0]: found none, expected the key token",
            ),
            (
                (
                    "web:\n tokens:\n  - {name: a, roles: view, token: {environment: TOKEN}}\n"
                    "  - {name: a, roles: view, token: {environment: TOKEN}}\n"
                ),
                '4: web.tokens[1].name: found "a" a second time, expected another',
            ),
            (
                "web: {tokens: [{name: a, roles: view, token: {environment: TOKEN}, tenant: b}]}",
                '1: web.tokens[0].tenant: found "b", which is no tenant, expected tenants with it',
            ),
            (
                "web: {hosts: [a b]}",
                '1: web.hosts[0]: found "a b", expected a host name or an IP address',
            ),
            (
                "audit: {file: .}",
                (
                    '1: audit.file: found ".", which is none, expected a file, or a '
                    "name that nothing has"
                ),
            ),
        ):
            self.assertEqual(self.mistakes(text), [mistake], text)

    def test_tokens_alone(self) -> None:
        """A listener may have tokens with names and no other."""
        token = "{name: a, roles: view, token: {environment: TOKEN}}"
        self.assertEqual(self.mistakes(f"web: {{enabled: true, tokens: [{token}]}}"), [])

    def test_reload(self) -> None:
        """Tokens are taken over without a restart, names and limits are not; none are shown."""
        before = parse("web: {enabled: true, token: {environment: T}}", environment={"T": "x"})
        after = parse(
            f"web: {{enabled: true, token: {{hash: '{self.HASH}'}}, wrong_tokens: 1,"
            " tokens: [{name: a, roles: view, token: {environment: T}}]}",
            environment={"T": "x"},
        )
        now = running(before, after).web
        self.assertEqual((now.token, now.tokens), (after.web.token, after.web.tokens))
        self.assertEqual(now.wrong_tokens, 10)
        self.assertNotIn("000", " ".join(differences(before, after)))
