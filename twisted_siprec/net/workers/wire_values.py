"""
Frozen values on their way between the signalling process and a worker: JSON that
names the class of each.

Only dataclasses and enumerations of this package are made of what comes, and it
comes by a pipe from a process of ours. Sequences are tuples on both sides.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
from enum import Enum
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def dumps(value: object) -> bytes:
    """The octets of a value."""
    return json.dumps(_plain(value), separators=(",", ":")).encode()


def loads(octets: bytes) -> Any:
    """The value of octets that :func:`dumps` made."""
    return _value(json.loads(octets))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return {"=": _name(type(value)), "value": value.value}
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return {"64": base64.b64encode(value).decode()}
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    if isinstance(value, frozenset):
        return {"set": [_plain(each) for each in sorted(value)]}
    if isinstance(value, dict):
        return {"pairs": [[_plain(key), _plain(each)] for key, each in value.items()]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"!": _name(type(value)), "fields": fields}
    raise TypeError(f"a {type(value).__name__} cannot go to another process")


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(each) for each in plain)
    if not isinstance(plain, dict):
        return plain
    if "!" in plain:
        made = _class(plain["!"])
        return made(**{name: _value(each) for name, each in plain["fields"].items()})
    if "=" in plain:
        return _class(plain["="])(plain["value"])
    if "64" in plain:
        return base64.b64decode(plain["64"])
    if "set" in plain:
        return frozenset(_value(each) for each in plain["set"])
    return {_value(key): _value(each) for key, each in plain["pairs"]}


def _name(made: type) -> str:
    return f"{made.__module__}:{made.__qualname__}"


def _class(name: str) -> Any:
    module, _, qualified = name.partition(":")
    if module.partition(".")[0] != _PACKAGE:
        raise ValueError(f"{name} is no class of {_PACKAGE}")
    made = getattr(importlib.import_module(module), qualified)
    if not (dataclasses.is_dataclass(made) or issubclass(made, Enum)):
        raise ValueError(f"{name} is no value")
    return made
