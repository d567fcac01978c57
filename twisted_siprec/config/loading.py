"""
From a file to a :class:`~.model.Configuration`, or to all of its mistakes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from typing import Any

from ..plan import Destination
from ..sip.events import Transport
from .delivery import DESTINATIONS
from .document import LONGEST_DOCUMENT, Document, Place, suggestion
from .mistakes import ConfigurationError, Mistake, Unreadable
from .model import LOOPBACK, AccessToken, Configuration, Listener, Source, Webhook
from .routes import read_routes, references
from .schema import SECTIONS as CORE_SECTIONS
from .services import SERVICES
from .tenants import check_tenants, names_of_tenants, read_tenants
from .tracing_schema import TRACING, check_recorded_sources

SECTIONS = {**CORE_SECTIONS, **SERVICES, **TRACING}
_ROUTING = ("destinations", "routes", "default_destinations", "tenants")


def load(path: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """
    The configuration in a file.

    Files that it names are looked up beside it; what the server writes
    (recordings, the manhole's host key) goes to the working directory.

    :param environment: where secrets may come from; the process's own where None.
    :raises ConfigurationError: with all mistakes.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(LONGEST_DOCUMENT + 1)
    except OSError as error:
        problem = f"found {error.strerror or error}, expected a file that can be read"
        raise ConfigurationError((Mistake(path, 0, "", problem),)) from None
    except UnicodeDecodeError as error:
        problem = f"found the octet {error.object[error.start]:#04x}, expected UTF-8"
        raise ConfigurationError((Mistake(path, 0, "", problem),)) from None
    return parse(text, path, os.path.dirname(os.path.abspath(path)), environment)


def parse(
    text: str,
    name: str = "configuration",
    directory: str = ".",
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """
    The configuration in a text.

    :param name: what mistakes call it.
    :param directory: where the files that it names are looked up.
    :raises ConfigurationError: with all mistakes.
    """
    document = Document(name, directory, os.environ if environment is None else environment)
    root = document.compose(text)
    configuration = Configuration() if root is None else _read(root)
    document.finish()
    return configuration


def _read(root: Place) -> Configuration:
    """
    Read everything, whatever is wrong with a part of it: a section that cannot be
    read stands at its default until the document is refused in the end.
    """
    try:
        members = root.members("a mapping of keys")
    except Unreadable:
        return Configuration()
    known = [*SECTIONS, *_ROUTING]
    for name, place in members.items():
        if name not in known:
            place.fail(suggestion(name, known), "an unknown key")
    given = {name: place for name, place in members.items() if not place.empty}
    values: dict[str, Any] = {}
    for name in SECTIONS.keys() & given.keys():
        try:
            values[name] = SECTIONS[name].read(given[name])
        except Unreadable:
            continue
    configuration = Configuration(**values)
    _check_listeners(configuration, root)
    _check_sources(configuration, root)
    check_recorded_sources(configuration, root)
    configuration = _with_routes(configuration, given)
    named_tenants = names_of_tenants(given["tenants"]) if "tenants" in given else ()
    _check_of_tenants("webhooks", configuration.webhooks, named_tenants, root)
    _check_of_tenants("web.tokens", configuration.web.tokens, named_tenants, root)
    return _with_spool(configuration, root)


def _check_of_tenants(
    key: str, each_of: Sequence[Webhook | AccessToken], tenants: tuple[str, ...], root: Place
) -> None:
    """Note what is of tenants that are none."""
    names = list(tenants)
    for index, each in enumerate(each_of):
        if each.tenant and each.tenant not in names:
            expected = suggestion(each.tenant, names) if names else "tenants with it"
            root.document.note(
                f"{key}[{index}].tenant",
                f'found "{each.tenant}", which is no tenant, expected {expected}',
            )


def _with_spool(configuration: Configuration, root: Place) -> Configuration:
    """Note destinations that want a spool where there is none, and a spool for workers."""
    if configuration.spool.directory is not None and configuration.workers:
        root.document.note(
            "spool.directory", "found it with workers, which have no spool yet: expected workers: 0"
        )
    if configuration.spool.directory is None:
        for each in configuration.destinations:
            if each.spool:
                root.document.note(
                    f"destinations.{each.name}.spool",
                    'found "true", expected spool.directory to be given with it',
                )
    return configuration


def _with_routes(configuration: Configuration, given: Mapping[str, Place]) -> Configuration:
    """
    Add destinations and routes. Without routes, all calls go to all destinations;
    with routes, a call that none matches is refused, unless there are default
    destinations.
    """
    named = {each.name: each for each in configuration.destinations}
    named_anyway = named
    if "destinations" in given:
        named, named_anyway = _destinations(given["destinations"], named)
    sources = tuple(source.name for source in configuration.sources)
    routes = configuration.routes
    default = () if "routes" in given else tuple(named.values())
    tenants = configuration.tenants
    if "tenants" in given:
        with suppress(Unreadable):
            tenants = read_tenants(given["tenants"], named_anyway, sources)
    if "routes" in given:
        with suppress(Unreadable):
            named_tenants = names_of_tenants(given["tenants"]) if "tenants" in given else ()
            routes = read_routes(given["routes"], named_anyway, sources, named_tenants)
    if "tenants" in given:
        check_tenants(given["tenants"], tenants, routes)
    if "default_destinations" in given:
        with suppress(Unreadable):
            names = references(named_anyway).read(given["default_destinations"])
            default = tuple(named_anyway[name] for name in names)
    return replace(
        configuration,
        destinations=tuple(named.values()),
        routes=routes,
        default_destinations=default,
        tenants=tenants,
    )


def _destinations(
    place: Place, builtin: dict[str, Destination]
) -> tuple[dict[str, Destination], dict[str, Destination]]:
    """
    The destinations by name, and the same with a stand-in for each that cannot be
    read, so that a route that names it is not called mistaken too.
    """
    try:
        named = dict(DESTINATIONS.read(place))
        if not named:
            place.fail("at least one destination, or no such key", "none")
        return named, named
    except Unreadable:
        names = place.members("a mapping") if place.is_mapping else {}
        return builtin, {name: Destination(name, "file:") for name in names} or builtin


def _check_listeners(configuration: Configuration, root: Place) -> None:
    """Note listeners that would be in each other's way, or in the way of the media."""
    listeners = configuration.sip.listeners
    if not listeners:
        root.document.note("sip.listeners", "found an empty list, expected one listener at least")
    for (first, one), (second, other) in combinations(enumerate(listeners), 2):
        if _overlap(one, other):
            root.document.note(
                f"sip.listeners[{second}]",
                f"found {_where(other)}, which sip.listeners[{first}] takes already, "
                "expected another port or address",
            )
    low, high = configuration.media.ports
    for index, listener in enumerate(listeners):
        if listener.transport is Transport.UDP and low <= listener.port <= high:
            root.document.note(
                f"sip.listeners[{index}].port",
                f'found "{listener.port}", which is in media.ports, expected one outside of it',
            )


def _overlap(one: Listener, other: Listener) -> bool:
    if not one.port or one.port != other.port:
        return False
    if (one.transport is Transport.UDP) is not (other.transport is Transport.UDP):
        return False
    if (":" in one.address) is not (":" in other.address):
        return False
    return one.address == other.address or bool({one.address, other.address} & {"0.0.0.0", "::"})


def _where(listener: Listener) -> str:
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{listener.transport.value.lower()} {address}:{listener.port}"


def _check_sources(configuration: Configuration, root: Place) -> None:
    """Note names that come twice, and networks that an earlier source has already."""
    if configuration.sources == (LOOPBACK,):
        return
    if not configuration.sources:
        root.document.note("sources", "found an empty list, expected one source at least")
    for (first, one), (second, other) in combinations(enumerate(configuration.sources), 2):
        if one.name == other.name:
            root.document.note(
                f"sources[{second}].name", f'found "{other.name}" a second time, expected another'
            )
        _check_reachable(one, first, other, second, root)


def _check_reachable(one: Source, first: int, other: Source, second: int, root: Place) -> None:
    for index, network in enumerate(other.networks):
        for earlier in one.networks:
            if one.identities and one.identities != other.identities:
                continue
            if network.version == earlier.version and network.subnet_of(earlier):  # type: ignore[arg-type]  # of one version
                root.document.note(
                    f"sources[{second}].networks[{index}]",
                    f"found {network}, which sources[{first}] ({earlier}) takes already, "
                    "expected the narrower network first",
                )
