"""
The section ``tenants`` of the configuration, and what refers to it.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, ConfigurationError, parse
from twisted_siprec.config.differences import differences, running
from twisted_siprec.plan import Secret
from twisted_siprec.routing import CallFacts
from twisted_siprec.routing.tenants import Quota

TEXT = """
sources: [{name: sbc, networks: 192.0.2.1}]
destinations:
  speech: {url: ws://speech.example.com/}
  acme: {url: ws://acme.example.com/}
  acme-vip: {url: ws://vip.example.com/}
  qa: {url: ws://qa.example.com/}
routes:
  - {name: sales, match: {called: "3*"}, destinations: speech, tenant: globex}
default_destinations: speech
webhooks:
  - {name: crm, url: "https://crm.example.com/", tenant: acme}
tenants:
  - name: acme
    match: {source: sbc, called: "2*"}
    limits: {calls: 50, calls_per_second: 5, status: 486}
    token: {environment: ACME}
    listen_token: {environment: ACME_EAR}
    destinations: acme
    routes:
      - {name: vip, match: {called: "29*"}, destinations: acme-vip}
    copies: [qa]
    keep_days: 30
  - {name: globex}
"""
ENVIRONMENT = {"ACME": "a", "ACME_EAR": "e"}


class TenantsConfigurationTests(SynchronousTestCase):
    """What it takes, and what it refuses."""

    def mistakes(self, text: str) -> list[str]:
        try:
            parse(text, "f", environment=ENVIRONMENT)
        except ConfigurationError as error:
            return [str(mistake).removeprefix("f:") for mistake in error.mistakes]
        return []

    def test_default(self) -> None:
        """There are no tenants."""
        self.assertEqual(Configuration().tenants, ())
        self.assertEqual(Configuration().tenancies.tenancies, ())

    def test_all(self) -> None:
        """Every key."""
        configuration = parse(TEXT, environment=ENVIRONMENT)
        acme, globex = configuration.tenants
        self.assertEqual(acme.limits, Quota(50, 5.0, 486))
        self.assertEqual(acme.token, Secret(environment="ACME"))
        self.assertEqual(acme.listen_token, Secret(environment="ACME_EAR"))
        self.assertEqual((acme.keep_days, globex.keep_days), (30, None))
        self.assertEqual(configuration.webhooks[0].tenant, "acme")

    def test_routing(self) -> None:
        """Its calls go by its routes, then to its destinations; the others by those of all."""
        tenants = parse(TEXT, environment=ENVIRONMENT).tenancies

        def goes(called: str) -> tuple[str | None, object]:
            facts = CallFacts(called=called, source="sbc")
            tenancy = tenants.of(facts)
            routed = tenants.router_of(tenancy).route(facts)
            assert isinstance(routed, tuple)
            return tenancy and tenancy.name, [each.name for each in routed]

        self.assertEqual(goes("2001"), ("acme", ["acme"]))
        self.assertEqual(goes("2901"), ("acme", ["acme-vip"]))
        self.assertEqual(goes("3001"), ("globex", ["speech"]))
        self.assertEqual(goes("4001"), (None, ["speech"]))

    def test_copies(self) -> None:
        """Its calls may be sent to its own destinations and those named for it, and no others."""
        acme, globex = parse(TEXT, environment=ENVIRONMENT).tenancies.tenancies
        self.assertEqual(acme.destinations, {"acme", "acme-vip", "qa"})
        self.assertEqual(globex.destinations, frozenset())

    def test_mistakes(self) -> None:
        """Each has its line and key, and says what is expected."""
        for text, mistake in (
            (
                "tenants: [{name: acme}]",
                (
                    "1: tenants[0]: found no match, and no route with tenant: acme, "
                    "expected one of them"
                ),
            ),
            (
                "tenants:\n- {name: a, match: {called: x}}\n- {name: a, match: {called: y}}",
                '3: tenants[1].name: found "a" a second time, expected another',
            ),
            (
                "tenants: [{match: {called: x}}]",
                "1: tenants[0]: found none, expected the key name",
            ),
            (
                "tenants: [{name: a, match: {called: x}, limits: {status: 480}}]",
                '1: tenants[0].limits.status: found "480", expected one of 503, 486',
            ),
            (
                "tenants: [{name: a, match: {called: x}, token: secret}]",
                (
                    "1: tenants[0].token: found a secret in the text, "
                    "expected {file: NAME}, {environment: NAME} or {hash: sha256$…}"
                ),
            ),
            (
                "tenants: [{name: a, match: {called: x}, destinations: b}]",
                (
                    '1: tenants[0].destinations: found "b", which is no destination, '
                    "expected one of recordings"
                ),
            ),
            (
                "routes: [{name: r, destinations: recordings, tenant: acme}]",
                (
                    '1: routes[0].tenant: found "acme", which is no tenant, '
                    "expected none, as there are none"
                ),
            ),
            (
                "webhooks: [{name: w, url: 'http://x', tenant: acme}]",
                '1: webhooks[0].tenant: found "acme", which is no tenant, expected tenants with it',
            ),
        ):
            self.assertEqual(self.mistakes(text), [mistake], text)

    def test_reload(self) -> None:
        """Tenants and tokens hold without a restart; no secret is shown."""
        before = parse(TEXT, environment=ENVIRONMENT)
        after = parse(
            TEXT.replace("calls: 50", "calls: 60")
            .replace("name: globex", "name: initech")
            .replace("tenant: globex", "tenant: initech"),
            environment=ENVIRONMENT,
        )
        now = running(before, after)
        self.assertEqual(now.tenants, after.tenants)
        lines = list(differences(before, now))
        self.assertIn("tenants.acme.limits.calls: 50 → 60", lines)
        self.assertIn("tenants.globex: removed", lines)
        self.assertIn("tenants.initech: added", lines)

    def test_reload_web(self) -> None:
        """Of the web listener the tokens and the certificate; nothing else, nor https for http."""
        before = parse("web: {enabled: true, token: {environment: ACME}}", environment=ENVIRONMENT)
        after = parse(
            "web: {enabled: true, token: {environment: ACME_EAR}, port: 9,"
            " listen_token: {environment: ACME}}",
            environment=ENVIRONMENT,
        )
        now = running(before, after).web
        self.assertEqual(
            (now.token, now.listen_token, now.port),
            (Secret(environment="ACME_EAR"), Secret(environment="ACME"), before.web.port),
        )
        self.assertEqual(running(Configuration(), after).web, Configuration().web)
