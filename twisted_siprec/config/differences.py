"""
What a new configuration changes, and how much of it can hold while calls are up.

Values that are texts are not shown: an address may hold a token of somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from .model import SIP, Configuration, Listener, WebConfiguration

LIVE = (
    "sources",
    "unknown_sources",
    "destinations",
    "routes",
    "default_destinations",
    "tenants",
    "limits",
    "stopping",
    "pass_headers",
    "hide",
)
"""The keys that take effect without a restart; a listener's ``tls`` does too, and of the
web listener what :data:`WEB` names."""

WEB = ("token", "listen_token", "tokens", "certificate", "key")


def running(before: Configuration, after: Configuration) -> Configuration:
    """``after`` as far as a server can take it over that was started with ``before``."""
    live = {key: getattr(after, key) for key in LIVE}
    return replace(
        before,
        sip=_with_certificates(before.sip, after.sip),
        web=_with_secrets(before.web, after.web),
        **live,
    )


def _with_secrets(before: WebConfiguration, after: WebConfiguration) -> WebConfiguration:
    """The same web listener, with the tokens and the certificate that it is to have."""
    if not (before.enabled and after.enabled):
        return before
    web = replace(before, token=after.token, listen_token=after.listen_token, tokens=after.tokens)
    if before.certificate is None or after.certificate is None:
        # From http to https is another listener.
        return web
    return replace(web, certificate=after.certificate, key=after.key)


def _with_certificates(before: SIP, after: SIP) -> SIP:
    """The same listeners, with the certificates that they are to have."""
    renewed = {_bare(listener): listener for listener in after.listeners}
    listeners = tuple(
        renewed.get(_bare(listener), listener) if listener.tls is not None else listener
        for listener in before.listeners
    )
    return replace(before, listeners=listeners)


def _bare(listener: Listener) -> Listener:
    return replace(listener, tls=None)


def differences(before: object, after: object, key: str = "") -> Iterator[str]:
    """What is different, a line each, by the names that the file uses."""
    if before == after:
        return
    if is_dataclass(before) and is_dataclass(after) and type(before) is type(after):
        for field in fields(before):
            inner = f"{key}.{field.name}" if key else field.name
            yield from differences(getattr(before, field.name), getattr(after, field.name), inner)
    elif isinstance(before, tuple) and isinstance(after, tuple) and _named(before + after):
        yield from _members(before, after, key)
    elif _shown(before) and _shown(after):
        yield f"{key}: {_text(before)} → {_text(after)}"
    else:
        yield f"{key}: changed"


def _members(before: tuple[Any, ...], after: tuple[Any, ...], key: str) -> Iterator[str]:
    """What became of things with names."""
    old = {each.name: each for each in before}
    new = {each.name: each for each in after}
    for name in old:
        if name not in new:
            yield f"{key}.{name}: removed"
    for name, each in new.items():
        if name in old:
            yield from differences(old[name], each, f"{key}.{name}")
        else:
            yield f"{key}.{name}: added"
    kept = [name for name in old if name in new]
    if kept != [name for name in new if name in old]:
        yield f"{key}: in another order"


def _named(values: tuple[Any, ...]) -> bool:
    return all(isinstance(getattr(value, "name", None), str) for value in values) and not any(
        isinstance(value, Enum) for value in values
    )


def _shown(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, Enum))


def _text(value: object) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
