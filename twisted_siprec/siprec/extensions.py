"""
What vendors add to the metadata, under plain names.

Whatever element is not the schema's is an extension, in whichever namespace: its
leaves become pairs of name and value. Identifiers that several vendors have
under different names have one name here, so that a consumer looks in one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .tree import Element

Extension = tuple[str, str]

MAX_EXTENSIONS = 64
MAX_VALUE_LENGTH = 2_048

_PLAIN_NAMES = {
    "avayaucid": "ucid",
    "ucid": "ucid",
    "genesysuuid": "genesys_uuid",
    "call-id": "original_call_id",
    "callid": "original_call_id",
    "origcallid": "original_call_id",
    "gcid": "gcid",
    "from": "original_from",
    "fromhdr": "original_from",
    "to": "original_to",
    "tohdr": "original_to",
    "cisco-guid": "call_guid",
    "ciscoguid": "call_guid",
    "callguid": "call_guid",
    "session-id": "session_id",
    "exttrackingid": "tracking_id",
    "callingpartynumber": "calling_number",
    "callingnumber": "calling_number",
    "calledpartynumber": "called_number",
    "callednumber": "called_number",
    "callsid": "call_sid",
    "acduserid": "acd_user_id",
}

_BY_NAMESPACE: dict[str, dict[str, str]] = {
    # jambonz has the two the wrong way round.
    "jambonz": {"callednumber": "calling_number", "callingnumber": "called_number"},
    # BroadWorks's own, not that of SIP.
    "broadsoft": {"callid": "broadworks_call_id"},
}

_KEY_ATTRIBUTES = ("label", "name", "key", "pname")
_VALUE_ATTRIBUTES = ("value", "pval")


def extensions_of(elements: Iterable[Element]) -> tuple[Extension, ...]:
    """The leaves of extension elements as pairs, bounded."""
    found: list[Extension] = []
    waiting = list(elements)[::-1]
    while waiting and len(found) < MAX_EXTENSIONS:
        element = waiting.pop()
        key = element.attribute(*_KEY_ATTRIBUTES)
        pair = _named_value(element)
        if pair is not None:
            found += _pair(_plain_name(element.namespace, pair[0], _snake(pair[0])), pair[1])
        elif key is not None:
            value = element.attribute(*_VALUE_ATTRIBUTES)
            value = value or element.text_of("value") or element.text.strip()
            found += _pair(_plain_name(element.namespace, key, f"header.{key}"), value)
        elif element.children:
            waiting += element.children[::-1]
        else:
            name = _plain_name(element.namespace, element.name, _snake(element.name))
            found += _pair(name, element.text.strip())
    return tuple(found)


def merged(*groups: Iterable[Extension]) -> tuple[Extension, ...]:
    """
    All pairs under names that are unique: a further value of a name gets the
    name with a number, an equal one is left out.
    """
    result: dict[str, str] = {}
    for name, value in (pair for group in groups for pair in group):
        number, free = 1, name
        while free in result and result[free] != value:
            number += 1
            free = f"{name}_{number}"
        if len(result) < MAX_EXTENSIONS:
            result.setdefault(free, value)
    return tuple(result.items())


def value_of(extensions: Iterable[Extension], *names: str) -> str | None:
    """The value of the first of these names that is there."""
    pairs = dict(extensions)
    return next((pairs[name] for name in names if pairs.get(name)), None)


def _named_value(element: Element) -> Extension | None:
    """A parameter that has its name and its value in two elements."""
    if sorted(child.key for child in element.children) != ["name", "value"]:
        return None
    name, value = element.text_of("name"), element.text_of("value")
    return (name, value) if name and value else None


def _pair(name: str, value: str) -> list[Extension]:
    if name == "ucid":
        value = value.partition(";")[0]
    return [(name, value[:MAX_VALUE_LENGTH])] if value else []


def _plain_name(namespace: str, name: str, otherwise: str) -> str:
    key = name.lower()
    for word, names in _BY_NAMESPACE.items():
        if word in namespace.lower() and key in names:
            return names[key]
    return _PLAIN_NAMES.get(key, otherwise)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()[:64]
