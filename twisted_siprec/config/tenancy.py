"""
Tenants: what of the configuration is whose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..plan import Destination, Secret
from ..routing.rules import Condition, Router, Rule
from ..routing.tenants import Quota, Tenancy
from .operating import HashedToken


@dataclass(frozen=True, slots=True)
class Tenant:
    """One of several parties that share the recorder."""

    name: str
    match: tuple[Condition, ...] = ()
    "Which calls are its own; none where routes alone say it."
    limits: Quota = field(default_factory=Quota)
    token: Secret | HashedToken | None = None
    "Shows and steers its calls, and no others, by the web listener."
    listen_token: Secret | HashedToken | None = None
    destinations: tuple[Destination, ...] = ()
    "Where its calls go that no route of its own takes."
    routes: tuple[Rule, ...] = ()
    copies: tuple[Destination, ...] = ()
    "Where its calls may be sent besides, in mid-call."
    keep_days: int | None = None
    "Of its call records; None for what ``records.keep_days`` says, 0 for ever."

    @property
    def tenancy(self) -> Tenancy:
        """What routing knows of it."""
        own = Router(self.routes, self.destinations) if self.routes or self.destinations else None
        allowed = {*self.destinations, *self.copies}
        for rule in self.routes:
            allowed.update(rule.destinations)
            allowed.update(share.destination for each in rule.choices for share in each.shares)
        return Tenancy(self.name, self.match, own, frozenset(each.name for each in allowed))
