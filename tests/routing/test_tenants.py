"""
Whose call it is, and how many calls somebody may have.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Destination
from twisted_siprec.routing import CallFacts, Condition, Fact, Intake, Router, Rule
from twisted_siprec.routing.tenants import Quota, Tenancy, Tenants

OWN = Router((), (Destination("own", "ws://own"),))
ALL = Router(
    (
        Rule(
            "sales",
            (Condition.parse(Fact.CALLED, "", ["2*"]),),
            (Destination("all", "ws://all"),),
            tenant="acme",
        ),
    ),
    (Destination("all", "ws://all"),),
)


def of_source(*patterns: str) -> tuple[Condition, ...]:
    return (Condition.parse(Fact.SOURCE, "", patterns),)


class TenantsTests(SynchronousTestCase):
    """From what is known of a call to a tenant."""

    tenants = Tenants(
        (
            Tenancy("acme", of_source("sbc1"), OWN),
            Tenancy("globex", of_source("sbc*")),
            Tenancy("nobody"),
        ),
        ALL,
    )

    def name(self, **facts: str) -> str | None:
        tenancy = self.tenants.of(CallFacts(**facts))
        return tenancy.name if tenancy is not None else None

    def test_of(self) -> None:
        """The first whose conditions hold; then whoever the route names; else nobody."""
        self.assertEqual(self.name(source="sbc1"), "acme")
        self.assertEqual(self.name(source="sbc2", called="2001"), "globex")
        self.assertEqual(self.name(source="pbx", called="2001"), "acme")
        self.assertIsNone(self.name(source="pbx", called="3001"))

    def test_without(self) -> None:
        """Where there are no tenants, no call is anybody's, whatever a route says."""
        self.assertIsNone(Tenants((), ALL).of(CallFacts(called="2001")))

    def test_routers(self) -> None:
        """A tenant's own routes, or those of all."""
        acme, globex, _ = self.tenants.tenancies
        self.assertIs(self.tenants.router_of(acme), OWN)
        self.assertIs(self.tenants.router_of(globex), ALL)
        self.assertIs(self.tenants.router_of(None), ALL)
        self.assertEqual(self.tenants.routers, (ALL, OWN))


class QuotaTests(SynchronousTestCase):
    """Limits of tenants beside those of all and of sources."""

    def setUp(self) -> None:
        self.intake = Intake(3, retry_after_s=7)
        self.intake.limit_tenants({"acme": Quota(calls=1, status=486), "globex": Quota()})

    def refusal(self, tenant: str, now: float = 0.0) -> tuple[int, str] | None:
        error = self.intake.admit(now, "sbc", tenant)
        return None if error is None else (error.status, error.reason)

    def test_calls(self) -> None:
        """One over its quota is refused, by its own status; the others are not."""
        self.assertIsNone(self.refusal("acme"))
        self.assertEqual(self.refusal("acme"), (486, "Too Many Calls Of This Tenant"))
        self.assertIsNone(self.refusal("globex"))
        self.assertIsNone(self.refusal(""))
        self.assertEqual(self.refusal("globex"), (503, "Too Many Calls"))
        self.intake.leave("sbc", "acme")
        self.assertIsNone(self.refusal("acme"))

    def test_rate(self) -> None:
        """A tenant's calls come at its rate, and take none of the others' when refused."""
        self.intake.change(100, calls_per_second=2.0)
        self.intake.limit_tenants({"acme": Quota(calls_per_second=1.0)})
        self.assertIsNone(self.refusal("acme"))
        for _ in range(5):
            self.assertEqual(self.refusal("acme"), (503, "Too Many New Calls Of This Tenant"))
        self.assertIsNone(self.refusal("globex"))

    def test_changed(self) -> None:
        """Calls in progress count on, under another quota."""
        self.assertIsNone(self.refusal("acme"))
        self.intake.limit_tenants({"acme": Quota(calls=2)})
        self.assertIsNone(self.refusal("acme"))
        self.assertEqual(self.refusal("acme"), (503, "Too Many Calls Of This Tenant"))

    def test_draining(self) -> None:
        """Who drains takes nobody's calls, and says so."""
        self.intake.drain()
        self.assertEqual(self.refusal("acme"), (503, "Draining"))
