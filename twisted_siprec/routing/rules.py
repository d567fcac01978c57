"""
Which destinations a recording session goes to.

A :class:`Router` holds the rules of the configuration in their order; the first
whose conditions all hold decides. Where none does, the default destinations take
the call; where there are none of these either, the call is refused with 404.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..errors import RemoteError
from ..participants import Description
from ..plan import ClientTLS, Destination, Secret
from .patterns import AddressPattern, Pattern, TextPattern


class Fact(Enum):
    """What of a call a condition looks at; the values are the keys of ``match``."""

    CALLED = "called"
    CALLING = "calling"
    REQUEST_URI = "request_uri"
    SOURCE = "source"
    HEADER = "header"
    METADATA = "metadata"


_ADDRESSES = frozenset({Fact.CALLED, Fact.CALLING, Fact.REQUEST_URI})
_METADATA_ADDRESSES = frozenset({"participant", "src"})


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when its destinations are chosen."""

    called: str = ""
    calling: str = ""
    request_uri: str = ""
    source: str = ""
    "The name of the source (``sources`` of the configuration) that it came from."
    headers: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        description: Description,
        source: str = "",
        headers: Iterable[tuple[str, str]] | None = None,
    ) -> CallFacts:
        """
        The facts of a described call.

        :param headers: the fields of the INVITE; those that the description
            carries where None.
        """
        return cls(
            called=description.called or "",
            calling=description.caller or "",
            request_uri=description.request_uri or "",
            source=source,
            headers=tuple(description.headers if headers is None else headers),
            metadata=tuple(_metadata(description)),
        )

    def values(self, fact: Fact, key: str) -> list[str]:
        """All values of a fact; the header's or metadata's name in ``key``."""
        match fact:
            case Fact.CALLED:
                return [self.called]
            case Fact.CALLING:
                return [self.calling]
            case Fact.REQUEST_URI:
                return [self.request_uri]
            case Fact.SOURCE:
                return [self.source]
            case Fact.HEADER:
                return [value for name, value in self.headers if name.lower() == key.lower()]
            case Fact.METADATA:
                return [value for name, value in self.metadata if name == key]


def _metadata(description: Description) -> Iterable[tuple[str, str]]:
    """The metadata that rules can look at, under the names that they use."""
    yield from description.extensions
    if description.src:
        yield "src", description.src
    for participant in description.participants:
        if participant.aor:
            yield "participant", participant.aor
        if participant.name:
            yield "participant_name", participant.name
        yield from participant.extensions
    for session in description.sessions:
        yield "session_id", session.id
        if session.group_id:
            yield "group_id", session.group_id
        for identifier in session.sip_session_ids:
            yield "sip_session_id", identifier


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of ``match``: it holds where any of its patterns matches any value of its fact."""

    fact: Fact
    key: str
    "The name of the header field or of the metadata; empty for the other facts."
    patterns: tuple[Pattern, ...]

    @classmethod
    def parse(cls, fact: Fact, key: str, texts: Iterable[str]) -> Condition:
        """Compile the patterns, or raise :exc:`~.patterns.PatternError`."""
        address = fact in _ADDRESSES or (fact is Fact.METADATA and key in _METADATA_ADDRESSES)
        kind: type[AddressPattern | TextPattern] = AddressPattern if address else TextPattern
        return cls(fact, key, tuple(kind.parse(text) for text in texts))

    def holds(self, facts: CallFacts) -> bool:
        """Whether it is so for this call."""
        values = facts.values(self.fact, self.key)
        return any(pattern.matches(value) for pattern in self.patterns for value in values)


class Failing(Enum):
    """What becomes of a call whose look-up gets no answer."""

    DEFAULT = "default"
    "It goes to the default destinations."
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A server that is asked where a call goes."""

    url: str
    timeout_s: float = 1.0
    cache_s: float = 0.0
    "How long an answer holds for calls with the same parties from the same source; 0 for once."
    when_failing: Failing = Failing.DEFAULT
    headers: tuple[tuple[str, str], ...] = ()
    bearer: Secret | None = None
    tls: ClientTLS = field(default_factory=ClientTLS)
    connections: int = 8
    max_waiting: int = 1_000
    "Calls that may wait for an answer; with more, it is as failing."
    failures_to_open: int = 5
    "After so many failures in a row it is not asked."
    open_s: float = 10.0
    "For so long."


@dataclass(frozen=True, slots=True)
class Share:
    """One of several destinations among which calls are divided."""

    destination: Destination
    weight: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One destination of several, each as often as its weight says."""

    shares: tuple[Share, ...]

    def pick(self, draw: float, is_shut: Callable[[str], bool]) -> Destination:
        """
        The destination of one call. Those that are known to be out of reach get
        none, as long as another is in reach.

        :param draw: a number from 0 to below 1.
        """
        reachable = [each for each in self.shares if not is_shut(each.destination.name)]
        shares = reachable or list(self.shares)
        mark = draw * sum(each.weight for each in shares)
        for share in shares:
            mark -= share.weight
            if mark < 0:
                return share.destination
        return shares[-1].destination


Pick = Callable[[Choice], Destination]
"Draws the lot of one call."


@dataclass(frozen=True, slots=True)
class Rule:
    """One route: where all its conditions hold, these destinations, or this refusal."""

    name: str
    conditions: tuple[Condition, ...] = ()
    destinations: tuple[Destination, ...] = ()
    choices: tuple[Choice, ...] = ()
    "Of each, one destination more."
    lookup: Lookup | None = None
    "In place of destinations: who is asked for them."
    refuse: int | None = None
    "The SIP status that refuses the call; None where it is recorded."
    tenant: str = ""
    "Whose the calls of this route are, that are nobody's by themselves; empty for nobody's."

    def holds(self, facts: CallFacts) -> bool:
        """Whether the rule decides this call."""
        return all(condition.holds(facts) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Router:
    """The routes of the configuration."""

    rules: tuple[Rule, ...] = ()
    default: tuple[Destination, ...] = ()

    def rule(self, facts: CallFacts) -> Rule | None:
        """The rule that decides, for the log; None for the default."""
        return next((rule for rule in self.rules if rule.holds(facts)), None)

    @property
    def lookups(self) -> frozenset[Lookup]:
        """Whoever is asked by any rule."""
        return frozenset(rule.lookup for rule in self.rules if rule.lookup is not None)

    @property
    def otherwise(self) -> tuple[Destination, ...] | RemoteError:
        """Where a call goes of which nothing else says it."""
        return self.default or RemoteError(404, "No Route For This Call")

    def route(
        self, facts: CallFacts, pick: Pick = lambda choice: choice.shares[0].destination
    ) -> tuple[Destination, ...] | RemoteError | Lookup:
        """
        The destinations of a call, the refusal to answer with, or who is to be
        asked. It raises nothing.
        """
        rule = self.rule(facts)
        if rule is None:
            return self.otherwise
        if rule.lookup is not None:
            return rule.lookup
        if rule.refuse is not None:
            return RemoteError(rule.refuse, f"Refused By Route {rule.name}")
        picked = (pick(choice) for choice in rule.choices)
        return tuple(dict.fromkeys((*rule.destinations, *picked)))
