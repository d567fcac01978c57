"""
The schema of destinations and routes: where calls go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..dialects import DIALECTS, TERMS, Terms
from ..plan import ClientTLS, Destination, Encoding, Layout
from ..routing.patterns import PatternError
from ..routing.rules import Condition, Fact, Rule
from .document import Place, shown, suggestion
from .readers import Choice, Flag, ListOf, MapOf, Number, Section, Text, Whole, choice_of
from .schema import FIELD_NAME, NAME
from .values import URL, Authorities, ReadableFile, SecretOf, check_certificate

# --- destinations --------------------------------------------------------------------

_OURS = frozenset({"host", "upgrade", "connection", "content-length", "transfer-encoding"})


def _header(name: str, place: Place) -> str:
    """A field of the WebSocket handshake. Credentials have keys of their own."""
    lower = name.lower()
    if lower == "authorization":
        raise place.fail("bearer or basic instead, which read it from elsewhere", "a credential")
    if lower in _OURS or lower.startswith("sec-websocket-"):
        raise place.fail("a field that the handshake does not set itself", shown(name))
    return Text("a header field's value", r"[\t\x20-\x7e\xa0-\xff]*", 4_096).read(place)


Note = Callable[[str, str], None]

OPTIONS = MapOf(
    lambda name, place: Text("the value of an option", longest=4_096).read(place),
    r"[a-z][a-z0-9_]{0,63}",
    "the name of an option",
    64,
)

HEADERS = MapOf(_header, FIELD_NAME, "the name of a header field", 64)

CLIENT_TLS = Section(
    ClientTLS,
    {
        "verify": Flag(),
        "authorities": Authorities(),
        "certificate": ReadableFile("a PEM certificate"),
        "key": ReadableFile("a PEM private key"),
    },
    check=lambda tls, place: _check_client_tls(tls, place),
)

BASIC: Section[dict[str, Any]] = Section(
    dict,
    {"user": Text("a user name", r"[^:\x00-\x1f\x7f]+", 256), "password": SecretOf()},
    required=("user", "password"),
)


def _check_client_tls(tls: ClientTLS, place: Place) -> None:
    if tls.certificate is not None:
        check_certificate(place, "certificate", tls.certificate, tls.key or tls.certificate)
    elif tls.key is not None:
        place.fail("the key certificate with key", "none")
    if not tls.verify and tls.authorities is not None:
        place.fail("one of them", "authorities with verify: false")


NATIVE = "recstream"
_LONGEST_MS = Destination("", "").max_chunk_ms


def _destination(**values: Any) -> Destination:
    basic = values.pop("basic", None)
    if basic is not None:
        values.update(basic_user=basic["user"], basic_password=basic["password"])
    terms = TERMS[values.get("protocol", NATIVE)]
    values.setdefault("layout", terms.layouts[0])
    values.setdefault("encoding", terms.encodings[0])
    values.setdefault("chunk_ms", terms.chunk_ms)
    values.setdefault("max_chunk_ms", max(terms.chunk_ms, _LONGEST_MS))
    if values.get("sample_rate") is None:
        values["sample_rate"] = terms.rates[0]
    return Destination(**values)


_NATIVE_KEYS = ("framing", "on_ready_timeout", "include_xml", "stats_every_s")


def _check_terms(
    destination: Destination, terms: Terms, members: Mapping[str, Place], note: Note
) -> None:
    """Note what is not to be had with the dialect."""
    name = destination.protocol
    chosen: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("layout", destination.layout.value, tuple(each.value for each in terms.layouts)),
        ("encoding", destination.encoding.value, tuple(each.value for each in terms.encodings)),
        ("sample_rate", destination.sample_rate, terms.rates),
    )
    for key, value, possible in chosen:
        if value not in possible:
            words = " or ".join(str(each) for each in possible if each is not None)
            note(key, f'found "{value}", expected {words} with protocol: {name}')
    if not terms.least_chunk_ms <= destination.chunk_ms <= terms.most_chunk_ms:
        span = f"from {terms.least_chunk_ms} to {terms.most_chunk_ms}"
        note("chunk_ms", f'found "{destination.chunk_ms}", expected {span} with protocol: {name}')
    if destination.hmac is not None and not terms.signs:
        note("hmac", f"found it with protocol: {name}, which signs nothing")
    if name != NATIVE:
        for key in _NATIVE_KEYS:
            if key in members and not members[key].empty:
                note(key, f"found it with protocol: {name}, expected recstream with it")
    if destination.options:
        options = members["options"].members("a mapping")
        for option, value in destination.options:
            _check_option(option, value, options[option], destination, terms)


def _check_option(
    name: str, value: str, place: Place, destination: Destination, terms: Terms
) -> None:
    known = terms.options.get(name)
    if known is not None:
        if not known.takes(value):
            place.fail(known.expected)
    elif terms.options:
        place.fail(suggestion(name, list(terms.options)), "an unknown option")
    else:
        place.fail(f"no options with protocol: {destination.protocol}", "an option")


def _check_destination(destination: Destination, place: Place) -> None:
    """Note what each by itself is good and together is not."""

    def note(key: str, problem: str) -> None:
        place.document.note(f"{place.key}.{key}", problem)

    if destination.max_chunk_ms < destination.chunk_ms:
        note(
            "max_chunk_ms",
            f'found "{destination.max_chunk_ms}", '
            f"expected at least chunk_ms ({destination.chunk_ms})",
        )
    if destination.backoff_max_s < destination.backoff_initial_s:
        note(
            "backoff_max_s",
            f'found "{destination.backoff_max_s:g}", '
            f"expected at least backoff_initial_s ({destination.backoff_initial_s:g})",
        )
    if destination.bearer is not None and destination.basic_user is not None:
        note("bearer", "found it with basic, expected one of them, as both set Authorization")
    scheme = urlsplit(destination.url).scheme
    members = place.members("a mapping")
    _check_terms(destination, TERMS[destination.protocol], members, note)
    if scheme != "wss" and "tls" in members and not members["tls"].empty:
        note("tls", f"found it with a {scheme}: URL, expected wss: with it")
    if scheme == "file":
        for key in ("protocol", "headers", "bearer", "basic", "hmac"):
            if key in members and not members[key].empty:
                note(key, "found it with a file: URL, expected ws: or wss: with it")


DESTINATION_KEYS: dict[str, Any] = {
    "url": URL(),
    "protocol": Choice({name: name for name in DIALECTS}),
    "options": OPTIONS,
    "framing": Choice({name: name for name in ("any", "plain", "framed")}),
    "layout": choice_of(Layout),
    "encoding": choice_of(Encoding),
    "sample_rate": Choice({"auto": None, "8000": 8_000, "16000": 16_000, "24000": 24_000}),
    "chunk_ms": Whole(20, 1_000, "milliseconds", 10),
    "max_chunk_ms": Whole(20, 10_000, "milliseconds", 10),
    "headers": HEADERS,
    "bearer": SecretOf(),
    "basic": BASIC,
    "hmac": SecretOf(),
    "tls": CLIENT_TLS,
    "connect_timeout_s": Number(0.1, 120, "seconds"),
    "ready_timeout_s": Number(0.1, 120, "seconds"),
    "on_ready_timeout": Choice({name: name for name in ("plain", "fail")}),
    "replay_ms": Whole(0, 3_600_000, "milliseconds"),
    "replay_bytes": Whole(0, 1_073_741_824, "octets"),
    "backlog_ms": Whole(100, 600_000, "milliseconds"),
    "backoff_initial_s": Number(0.01, 600, "seconds"),
    "backoff_max_s": Number(0.01, 3_600, "seconds"),
    "close_timeout_s": Number(0.1, 120, "seconds"),
    "linger_s": Number(0, 3_600, "seconds"),
    "include_xml": Flag(),
    "stats_every_s": Number(0, 3_600, "seconds"),
}


def _read_destination(name: str, place: Place) -> Destination:
    return Section(
        _destination,
        DESTINATION_KEYS,
        required=("url",),
        check=_check_destination,
        extra={"name": name},
    ).read(place)


DESTINATIONS = MapOf(_read_destination)

# --- routes ----------------------------------------------------------------------------


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


def _match_section(sources: tuple[str, ...]) -> Section[tuple[Condition, ...]]:
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
    if rule.refuse is None and not rule.destinations:
        place.fail("destinations, or refuse with a status", "neither")
    if rule.refuse is not None and rule.destinations:
        place.fail("one of them", "destinations with refuse")


def read_routes(
    place: Place,
    destinations: dict[str, Destination],
    sources: tuple[str, ...],
) -> tuple[Rule, ...]:
    """The routes, with the destinations that they name."""

    def rule(**values: Any) -> Rule:
        match = values.pop("match", ())
        names = values.pop("destinations", ())
        return Rule(
            conditions=match,
            destinations=tuple(destinations[name] for name in names),
            **values,
        )

    section = Section(
        rule,
        {
            "name": NAME,
            "match": _match_section(sources),
            "destinations": references(destinations),
            "refuse": Whole(400, 699),
        },
        required=("name",),
        check=_check_route,
    )
    rules = ListOf(section).read(place)
    _check_order(rules, place)
    return rules


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
