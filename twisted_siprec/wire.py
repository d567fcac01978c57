"""
Frozen values as octets and back, in JSON: on their way to a worker process, and in
the spool.

There are two forms. One **names** the class of each value (:func:`dumps`,
:func:`loads`): what comes may be anything of this package's. The other is **bare**
(:func:`to_octets`, :func:`from_octets`): it is read as a class that the reader says,
by what that class declares, so that files stay readable when classes are moved or get
further fields. Neither makes anything but dataclasses and enumerations of this
package; sequences are tuples on both sides.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib
import json
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]


class RecordError(Exception):
    """The octets are not what was written."""


def dumps(value: object) -> bytes:
    """A value, with the names of its classes."""
    return _text(_plain(value, named=True))


def loads(octets: bytes) -> Any:
    """The value of octets that :func:`dumps` made."""
    return _named(json.loads(octets))


def to_octets(value: object) -> bytes:
    """A frozen dataclass, bare."""
    return _text(_plain(value, named=False))


def from_octets(kind: type[T], octets: bytes) -> T:
    """The same again. :exc:`RecordError` where it is not one of these."""
    try:
        value: T = _declared(kind, json.loads(octets))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"no {kind.__name__}: {error}") from error
    return value


# --- writing -------------------------------------------------------------------------


def _text(plain: object) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode()


def _plain(value: object, named: bool) -> object:
    """What JSON has; a class by its name, or only what is in it."""
    if isinstance(value, Enum):
        return {"=": _name(type(value)), "value": value.value} if named else value.value
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(each, named) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _plain(getattr(value, field.name), named)
            for field in dataclasses.fields(value)
            if field.init
        }
        return {"!": _name(type(value)), "fields": fields} if named else fields
    if named and isinstance(value, bytes):
        return {"64": base64.b64encode(value).decode()}
    if named and isinstance(value, frozenset):
        return {"set": [_plain(each, named) for each in sorted(value)]}
    if named and isinstance(value, dict):
        return {"pairs": [[_plain(key, named), _plain(each, named)] for key, each in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be written")


def _name(made: type) -> str:
    return f"{made.__module__}:{made.__qualname__}"


# --- reading by names ------------------------------------------------------------------


def _named(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_named(each) for each in plain)
    if not isinstance(plain, dict):
        return plain
    if "!" in plain:
        made = _class(plain["!"])
        return made(**{name: _named(each) for name, each in plain["fields"].items()})
    if "=" in plain:
        return _class(plain["="])(plain["value"])
    if "64" in plain:
        return base64.b64decode(plain["64"])
    if "set" in plain:
        return frozenset(_named(each) for each in plain["set"])
    return {_named(key): _named(each) for key, each in plain["pairs"]}


def _class(name: str) -> Any:
    module, _, qualified = name.partition(":")
    if module.partition(".")[0] != _PACKAGE:
        raise ValueError(f"{name} is no class of {_PACKAGE}")
    made = getattr(importlib.import_module(module), qualified)
    if not (dataclasses.is_dataclass(made) or issubclass(made, Enum)):
        raise ValueError(f"{name} is no value")
    return made


# --- reading by declarations --------------------------------------------------------------


def _declared(kind: Any, found: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        if found is None:
            return None
        [kind] = [each for each in get_args(kind) if each is not NoneType]
        return _declared(kind, found)
    if origin is tuple:
        return _tuple(get_args(kind), found)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        if not isinstance(found, dict):
            raise TypeError("an object expected")
        # A field that is not there has its default: it is younger than the record.
        return kind(
            **{name: _declared(hints[name], found[name]) for name in hints if name in found}
        )
    if issubclass(kind, Enum):
        return kind(found)
    if not isinstance(found, (int, float) if kind is float else kind):
        raise TypeError(f"{kind.__name__} expected")
    return found


def _tuple(kinds: tuple[Any, ...], found: Any) -> tuple[Any, ...]:
    if not isinstance(found, list):
        raise TypeError("a list expected")
    if kinds[-1] is Ellipsis:
        return tuple(_declared(kinds[0], each) for each in found)
    return tuple(_declared(kind, each) for kind, each in zip(kinds, found, strict=True))


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)
