"""
The schema of tenants: what of the configuration is whose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..plan import Destination
from ..routing.rules import Rule
from ..routing.tenants import Quota
from .document import Place, shown
from .mistakes import Unreadable
from .names import NAME
from .readers import Choice, ListOf, Number, Section, Whole
from .routes import match_section, read_routes, references
from .tenancy import Tenant
from .web_schema import TokenOf

QUOTA = Section(
    Quota,
    {
        "calls": Whole(0, 1_000_000),
        "calls_per_second": Number(0, 100_000, "calls"),
        "status": Choice({"503": 503, "486": 486}),
    },
)


def tenant_section(
    destinations: dict[str, Destination], sources: tuple[str, ...]
) -> Section[Tenant]:
    """What a tenant takes, given what there is to refer to."""
    named = references(destinations)

    def tenant(**values: Any) -> Tenant:
        for key in ("destinations", "copies"):
            values[key] = tuple(destinations[name] for name in values.get(key, ()))
        return Tenant(**values)

    return Section(
        tenant,
        {
            "name": NAME,
            "match": match_section(sources),
            "limits": QUOTA,
            "token": TokenOf(),
            "listen_token": TokenOf(),
            "destinations": named,
            "routes": _Routes(destinations, sources),
            "copies": named,
            "keep_days": Whole(0, 36_500, "days"),
        },
        required=("name",),
    )


@dataclass(frozen=True, slots=True)
class _Routes:
    """The routes of one tenant."""

    destinations: dict[str, Destination]
    sources: tuple[str, ...]

    def read(self, place: Place) -> tuple[Rule, ...]:
        return read_routes(place, self.destinations, self.sources)


def read_tenants(
    place: Place, destinations: dict[str, Destination], sources: tuple[str, ...]
) -> tuple[Tenant, ...]:
    """The tenants, with the destinations that they name."""
    tenants = ListOf(tenant_section(destinations, sources), longest=1_000).read(place)
    names = [tenant.name for tenant in tenants]
    for index, name in enumerate(names):
        if name in names[:index]:
            place.document.note(
                f"{place.key}[{index}].name", f"found {shown(name)} a second time, expected another"
            )
    return tenants


def names_of_tenants(place: Place) -> tuple[str, ...]:
    """
    Their names as they stand there, be the tenants mistaken or not: a route that names
    one of them is not to be called mistaken too.
    """
    try:
        return _names(place) if place.is_list else ()
    except Unreadable:
        return ()


def _names(place: Place) -> tuple[str, ...]:
    mappings = [each.members("a mapping") for each in place.items("a list") if each.is_mapping]
    names = [each["name"] for each in mappings if "name" in each]
    return tuple(each.scalar("a name") for each in names if not each.is_mapping | each.is_list)


def check_tenants(place: Place, tenants: tuple[Tenant, ...], routes: tuple[Rule, ...]) -> None:
    """Note tenants that never have a call."""
    given = {rule.tenant for rule in routes}
    for index, tenant in enumerate(tenants):
        if not tenant.match and tenant.name not in given:
            place.document.note(
                f"{place.key}[{index}]",
                f"found no match, and no route with tenant: {tenant.name}, expected one of them",
            )
