"""
The schema of destinations: who gets calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ..dialects import DIALECTS, TERMS, Terms
from ..plan import ClientTLS, Destination, Encoding, Layout
from .document import Place, shown, suggestion
from .names import FIELD_NAME, NAME
from .readers import Choice, Flag, ListOf, MapOf, Number, Section, Text, Whole, choice_of
from .values import URL, Authorities, HostAndPort, ReadableFile, SecretOf, check_certificate

# --- destinations --------------------------------------------------------------------

_OURS = frozenset({"host", "upgrade", "connection", "content-length", "transfer-encoding"})


def _header(name: str, place: Place) -> str:
    """A field of the WebSocket handshake. Credentials have keys of their own."""
    lower = name.lower()
    if lower == "authorization":
        raise place.fail("bearer or basic instead, which read it from elsewhere", "a credential")
    if lower == "proxy-authorization":
        raise place.fail("proxy_basic instead, which the proxy alone is told", "a credential")
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
SAMPLE_RATES = (8_000, 16_000, 24_000, 48_000)
"Of what is delivered, in Hz; a dialect takes some of them."
_LONGEST_MS = Destination("", "").max_chunk_ms


def _destination(**values: Any) -> Destination:
    basic = values.pop("basic", None)
    if basic is not None:
        values.update(basic_user=basic["user"], basic_password=basic["password"])
    proxy_basic = values.pop("proxy_basic", None)
    if proxy_basic is not None:
        values.update(proxy_user=proxy_basic["user"], proxy_password=proxy_basic["password"])
    terms = TERMS[values.get("protocol", NATIVE)]
    values.setdefault("layout", terms.layouts[0])
    values.setdefault("encoding", terms.encodings[0])
    values.setdefault("chunk_ms", terms.chunk_ms)
    values.setdefault("max_chunk_ms", max(terms.chunk_ms, _LONGEST_MS))
    if values.get("sample_rate") is None:
        values["sample_rate"] = terms.rates_of(values["encoding"])[0]
    # By name until all of them are read:
    others = tuple(Destination(name, "") for name in values.pop("failover", ()))
    return Destination(failover=others, **values)


_NOT_FOR_FILES = (
    "protocol",
    "headers",
    "bearer",
    "basic",
    "hmac",
    "failover",
    "proxy",
    "proxy_basic",
    "spool",
)
_NATIVE_KEYS = ("framing", "on_ready_timeout", "include_xml", "stats_every_s")


def _check_terms(
    destination: Destination, terms: Terms, members: Mapping[str, Place], note: Note
) -> None:
    """Note what is not to be had with the dialect."""
    name = destination.protocol
    chosen: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("layout", destination.layout.value, tuple(each.value for each in terms.layouts)),
        ("encoding", destination.encoding.value, tuple(each.value for each in terms.encodings)),
        ("sample_rate", destination.sample_rate, terms.rates_of(destination.encoding)),
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
    if destination.proxy_user is not None and destination.proxy is None:
        note("proxy_basic", "found it without proxy, expected HOST:PORT of one there")
    scheme = urlsplit(destination.url).scheme
    members = place.members("a mapping")
    _check_terms(destination, TERMS[destination.protocol], members, note)
    if scheme != "wss" and "tls" in members and not members["tls"].empty:
        note("tls", f"found it with a {scheme}: URL, expected wss: with it")
    if scheme == "file":
        for key in _NOT_FOR_FILES:
            if key in members and not members[key].empty:
                note(key, "found it with a file: URL, expected ws: or wss: with it")


DESTINATION_KEYS: dict[str, Any] = {
    "url": URL(),
    "protocol": Choice({name: name for name in DIALECTS}),
    "options": OPTIONS,
    "framing": Choice({name: name for name in ("any", "plain", "framed")}),
    "layout": choice_of(Layout),
    "encoding": choice_of(Encoding),
    "sample_rate": Choice({"auto": None, **{str(rate): rate for rate in SAMPLE_RATES}}),
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
    "failover": ListOf(NAME, longest=8, lone=True, distinct=True),
    "breaker_failures": Whole(0, 1_000_000),
    "breaker_open_s": Number(0.1, 3_600, "seconds"),
    "breaker_open_max_s": Number(0.1, 86_400, "seconds"),
    "max_connections": Whole(0, 1_000_000),
    "reconnects_per_second": Number(0, 100_000, "attempts"),
    "proxy": HostAndPort(),
    "proxy_basic": BASIC,
    "spool": Flag(),
}


def _read_destination(name: str, place: Place) -> Destination:
    return Section(
        _destination,
        DESTINATION_KEYS,
        required=("url",),
        check=_check_destination,
        extra={"name": name},
    ).read(place)


_ALIKE = (
    "protocol",
    "options",
    "framing",
    "layout",
    "encoding",
    "sample_rate",
    "chunk_ms",
    "max_chunk_ms",
)


class _Destinations:
    """All of them, with what each has for its failover."""

    _all = MapOf(_read_destination)

    def read(self, place: Place) -> tuple[tuple[str, Destination], ...]:
        alone = dict(self._all.read(place))
        return tuple((name, _with_failover(each, alone, place)) for name, each in alone.items())


def _with_failover(one: Destination, named: dict[str, Destination], place: Place) -> Destination:
    """The same destination; what is wrong with its failover is noted."""
    key = f"{place.key}.{one.name}.failover"
    others = []
    for name in (each.name for each in one.failover):
        other = named.get(name)
        if other is None or other is one or urlsplit(other.url).scheme == "file":
            others_known = [each for each in named if each != one.name]
            expected = f"another destination with a ws: or wss: URL, of {', '.join(others_known)}"
            place.document.note(key, f"found {shown(name)}, expected {expected}")
            continue
        unlike = [each for each in _ALIKE if getattr(one, each) != getattr(other, each)]
        if unlike:
            what = ", ".join(unlike)
            place.document.note(key, f"found {shown(name)}, expected it to be alike in {what}")
        # A stream goes to these only: theirs are no matter of its own.
        others.append(replace(other, failover=()))
    return replace(one, failover=tuple(others))


DESTINATIONS = _Destinations()
