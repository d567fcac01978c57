"""
The schema of routes: which calls go to which destinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..plan import Destination
from ..routing.patterns import PatternError
from ..routing.rules import Choice, Condition, Fact, Rule, Share
from .document import Place, shown, suggestion
from .names import FIELD_NAME, NAME
from .readers import ListOf, MapOf, Section, Whole
from .services import LOOKUP


@dataclass(frozen=True, slots=True)
class _Reference:
    """The name of something that is configured elsewhere."""

    known: tuple[str, ...]
    what: str
    glob: bool = False

    def read(self, place: Place) -> str:
        name = place.scalar(f"the name of a {self.what}")
        is_pattern = self.glob and (name.startswith("~") or any(sign in name for sign in "*?["))
        if not is_pattern and name not in self.known:
            raise place.fail(
                suggestion(name, list(self.known)), f"{shown(name)}, which is no {self.what}"
            )
        return name


@dataclass(frozen=True, slots=True)
class _Patterns:
    """One pattern or a list of them, of which any may match."""

    fact: Fact
    key: str = ""
    sources: tuple[str, ...] = ()

    def read(self, place: Place) -> Condition:
        places = place.items("a pattern or a list of them") if place.is_list else [place]
        if not places:
            raise place.fail("a pattern or a list of them", "an empty list")
        texts = [self._checked(each) for each in places]
        return Condition.parse(self.fact, self.key, texts)

    def _checked(self, place: Place) -> str:
        if self.fact is Fact.SOURCE:
            _Reference(self.sources, "source", glob=True).read(place)
        text = place.scalar("a pattern")
        try:
            Condition.parse(self.fact, self.key, [text])
        except PatternError as error:
            raise place.fail(f"a pattern, but {error}") from None
        return text


def _match(**values: Any) -> tuple[Condition, ...]:
    """All conditions of ``match``; those on headers and metadata are several each."""
    conditions: list[Condition] = []
    for value in values.values():
        if isinstance(value, Condition):
            conditions.append(value)
        else:
            conditions.extend(condition for _, condition in value)
    return tuple(conditions)


def match_section(sources: tuple[str, ...]) -> Section[tuple[Condition, ...]]:
    """What calls can be told apart by."""
    return Section(
        _match,
        {
            "called": _Patterns(Fact.CALLED),
            "calling": _Patterns(Fact.CALLING),
            "request_uri": _Patterns(Fact.REQUEST_URI),
            "source": _Patterns(Fact.SOURCE, sources=sources),
            "header": MapOf(
                lambda name, place: _Patterns(Fact.HEADER, name).read(place),
                FIELD_NAME,
                "the name of a header field",
                64,
            ),
            "metadata": MapOf(
                lambda name, place: _Patterns(Fact.METADATA, name).read(place), longest=64
            ),
        },
    )


def _check_route(rule: Rule, place: Place) -> None:
    answers = {
        "destinations": bool(rule.destinations or rule.choices),
        "lookup": rule.lookup is not None,
        "refuse": rule.refuse is not None,
    }
    given = [name for name, there in answers.items() if there]
    if not given:
        place.fail("destinations, a lookup, or refuse with a status", "none of them")
    elif len(given) > 1:
        place.fail("one of them", " with ".join(given))


def read_routes(
    place: Place,
    destinations: dict[str, Destination],
    sources: tuple[str, ...],
    tenants: tuple[str, ...] = (),
) -> tuple[Rule, ...]:
    """The routes, with the destinations and tenants that they name."""

    def rule(**values: Any) -> Rule:
        match = values.pop("match", ())
        named = values.pop("destinations", ())
        return Rule(
            conditions=match,
            destinations=tuple(destinations[each] for each in named if isinstance(each, str)),
            choices=tuple(_choice(each, destinations) for each in named if isinstance(each, tuple)),
            **values,
        )

    section = Section(
        rule,
        {
            "name": NAME,
            "match": match_section(sources),
            "destinations": ListOf(
                _ReferenceOrWeights(tuple(destinations)), longest=16, lone=True, distinct=True
            ),
            "lookup": LOOKUP,
            "refuse": Whole(400, 699),
            "tenant": _Reference(tenants, "tenant"),
        },
        required=("name",),
        check=_check_route,
    )
    rules = ListOf(section).read(place)
    _check_order(rules, place)
    return rules


Weights = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _ReferenceOrWeights:
    """The name of a destination, or several with weights, of which a call gets one."""

    known: tuple[str, ...]

    def read(self, place: Place) -> str | Weights:
        if not place.is_mapping:
            return _Reference(self.known, "destination").read(place)

        def weight(name: str, each: Place) -> int:
            if name not in self.known:
                expected = suggestion(name, list(self.known))
                raise each.fail(expected, f"{shown(name)}, which is no destination")
            return Whole(1, 1_000_000).read(each)

        weights = MapOf(weight, longest=16).read(place)
        if not weights:
            raise place.fail("names of destinations with weights", "an empty mapping")
        return weights


def _choice(weights: Weights, destinations: dict[str, Destination]) -> Choice:
    return Choice(tuple(Share(destinations[name], weight) for name, weight in weights))


def references(destinations: dict[str, Destination]) -> ListOf[str]:
    """One name of a destination, or a list of them."""
    return ListOf(
        _Reference(tuple(destinations), "destination"), longest=16, lone=True, distinct=True
    )


def _check_order(rules: tuple[Rule, ...], place: Place) -> None:
    """Note names that come twice, and routes behind one that takes every call."""
    seen: set[str] = set()
    takes_all: str | None = None
    for index, rule in enumerate(rules):
        key = f"{place.key}[{index}]"
        if rule.name in seen:
            place.document.note(
                f"{key}.name", f"found {shown(rule.name)} a second time, expected another name"
            )
        if takes_all is not None:
            place.document.note(
                key,
                f"found a route behind {shown(takes_all)}, which takes every call, "
                "expected that one last",
            )
        seen.add(rule.name)
        if not rule.conditions and takes_all is None:
            takes_all = rule.name
