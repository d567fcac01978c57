"""
Whose call it is, where several parties share a recorder.

The first tenant whose conditions all hold has the call; where none of them does, the
route that decides may name one. A call of nobody's is the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .rules import CallFacts, Condition, Router


@dataclass(frozen=True, slots=True)
class Quota:
    """How many calls somebody may have, and what one too many is told."""

    calls: int = 0
    "At once; 0 for no limit."
    calls_per_second: float = 0.0
    status: int = 503
    """503, upon which an SRC tries another recorder, or 486, upon which it lets the
    call go unrecorded (:rfc:`3261#section-21.5.4`)."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What makes a call a tenant's, and where it goes then."""

    name: str
    conditions: tuple[Condition, ...] = ()
    "None: only calls that a route gives it."
    router: Router | None = None
    "Its own; None where its calls go by the routes of all."
    destinations: frozenset[str] = frozenset()
    "The names of those that it may have its calls copied to; empty for none."

    def holds(self, facts: CallFacts) -> bool:
        """Whether the call is the tenant's by what is known of it."""
        return bool(self.conditions) and all(each.holds(facts) for each in self.conditions)


@dataclass(frozen=True, slots=True)
class Tenants:
    """All tenants, in the order of the configuration."""

    tenancies: tuple[Tenancy, ...] = ()
    router: Router = field(default_factory=Router)
    "Of the calls that no tenant has, and of tenants that have none of their own."

    def of(self, facts: CallFacts) -> Tenancy | None:
        """Whose call it is; None for nobody's."""
        for tenancy in self.tenancies:
            if tenancy.holds(facts):
                return tenancy
        rule = self.router.rule(facts) if self.tenancies else None
        return self.named(rule.tenant) if rule is not None and rule.tenant else None

    def router_of(self, tenancy: Tenancy | None) -> Router:
        """Who says where its calls go."""
        return tenancy.router if tenancy is not None and tenancy.router else self.router

    def named(self, name: str) -> Tenancy | None:
        """A tenant by its name."""
        return next((each for each in self.tenancies if each.name == name), None)

    @property
    def routers(self) -> tuple[Router, ...]:
        """All routers there are."""
        own = (each.router for each in self.tenancies if each.router is not None)
        return (self.router, *own)
