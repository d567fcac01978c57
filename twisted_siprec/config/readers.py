"""
The words that the schema is written in: texts, numbers, switches, choices, lists
and sections.

A reader turns a :class:`~.document.Place` into a value, or notes what is wrong
with it and raises :exc:`~.mistakes.Unreadable`. Containers catch that and go on
with the rest, so that all mistakes of a file come out at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from .document import Place, shown, suggestion
from .mistakes import Unreadable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)

_MISSING: Any = object()
_YES = frozenset({"true", "yes", "on"})
_NO = frozenset({"false", "no", "off"})


class Reader(Protocol[T_co]):
    """Makes a value of what stands at a place."""

    def read(self, place: Place) -> T_co:
        """The value; raises :exc:`~.mistakes.Unreadable` once the mistake is noted."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text, of which ``pattern`` must match the whole."""

    expected: str = "a text"
    pattern: str = r"[^\r\n\x00]+"
    longest: int = 1024

    def read(self, place: Place) -> str:
        text = place.scalar(self.expected)
        if re.fullmatch(self.pattern, text) is None:
            raise place.fail(self.expected)
        if len(text) > self.longest:
            raise place.fail(f"at most {self.longest} characters", f"{len(text)} characters")
        return text


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    low: int
    high: int
    unit: str = ""
    multiple_of: int = 1

    @property
    def expected(self) -> str:
        of = f" in steps of {self.multiple_of}" if self.multiple_of > 1 else ""
        unit = f" of {self.unit}" if self.unit else ""
        return f"a whole number{unit} from {self.low} to {self.high}{of}"

    def read(self, place: Place) -> int:
        text = place.scalar(self.expected)
        if re.fullmatch(r"[+-]?[0-9]{1,15}(?:_[0-9]{3})*", text) is None:
            raise place.fail(self.expected)
        number = int(text)
        if not self.low <= number <= self.high or number % self.multiple_of:
            raise place.fail(self.expected)
        return number


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range, with or without a fraction."""

    low: float
    high: float
    unit: str = ""

    @property
    def expected(self) -> str:
        unit = f" of {self.unit}" if self.unit else ""
        return f"a number{unit} from {self.low:g} to {self.high:g}"

    def read(self, place: Place) -> float:
        text = place.scalar(self.expected)
        if re.fullmatch(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?", text) is None:
            raise place.fail(self.expected)
        number = float(text)
        if not self.low <= number <= self.high:
            raise place.fail(self.expected)
        return number


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch."""

    def read(self, place: Place) -> bool:
        word = place.scalar("true or false").lower()
        if word not in _YES | _NO:
            raise place.fail("true or false")
        return word in _YES


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """One of a few words, each of which stands for a value."""

    choices: Mapping[str, T]
    shown: tuple[str, ...] = ()
    "The words that a mistake names, where not all of them."

    def read(self, place: Place) -> T:
        expected = f"one of {', '.join(self.shown or self.choices)}"
        word = place.scalar(expected)
        if word not in self.choices:
            raise place.fail(expected)
        return self.choices[word]


def choice_of(kind: type[E]) -> Choice[E]:
    """The values of an enumeration as they are written."""
    return Choice({str(member.value): member for member in kind})


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T]):
    """A list; with ``lone`` a single value may stand for a list of one."""

    item: Reader[T]
    longest: int = 1000
    lone: bool = False
    distinct: bool = False
    some: bool = False
    "An empty list is a mistake."

    def read(self, place: Place) -> tuple[T, ...]:
        if self.lone and not place.is_list:
            return (self.item.read(place),)
        items = place.items("a list")
        if len(items) > self.longest:
            raise place.fail(f"at most {self.longest} entries", f"{len(items)} entries")
        if self.some and not items:
            raise place.fail("one entry at least", "an empty list")
        values = [(each, read_or(self.item, each, _MISSING)) for each in items]
        if any(value is _MISSING for _, value in values):
            raise Unreadable
        if self.distinct:
            self._refuse_repeated(values)
        return tuple(value for _, value in values)

    def _refuse_repeated(self, values: list[tuple[Place, T]]) -> None:
        seen: list[T] = []
        for place, value in values:
            if value in seen:
                raise place.fail("each entry once", f"{place.found} a second time")
            seen.append(value)


@dataclass(frozen=True, slots=True)
class MapOf(Generic[T]):
    """A mapping with keys of the operator's choice; ``item`` makes a value of name and place."""

    item: Callable[[str, Place], T]
    name: str = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
    name_expected: str = "a name of letters, digits, hyphens, dots and underscores"
    longest: int = 1000

    def read(self, place: Place) -> tuple[tuple[str, T], ...]:
        members = place.members("a mapping")
        if len(members) > self.longest:
            raise place.fail(f"at most {self.longest} entries", f"{len(members)} entries")
        values: list[tuple[str, T]] = []
        failed = False
        for name, member in members.items():
            try:
                if re.fullmatch(self.name, name) is None:
                    raise member.fail(self.name_expected, shown(name))
                values.append((name, self.item(name, member)))
            except Unreadable:
                failed = True
        if failed:
            raise Unreadable
        return tuple(values)


@dataclass(frozen=True, slots=True)
class Section(Generic[T]):
    """
    A mapping with known keys, of which ``build`` makes a value.

    A key that is not given (or is given nothing) is not passed to ``build``, so
    that the defaults are those of the dataclass and stand in one place.
    """

    build: Callable[..., T]
    keys: Mapping[str, Reader[Any]]
    required: tuple[str, ...] = ()
    check: Callable[[T, Place], None] | None = None
    "Looks at the whole, and notes what does not go together."
    extra: Mapping[str, Any] = field(default_factory=dict)
    "Further arguments of ``build``."

    def read(self, place: Place) -> T:
        members = place.members("a mapping")
        values: dict[str, Any] = dict(self.extra)
        failed = False
        for name, member in members.items():
            if name not in self.keys:
                member.fail(suggestion(name, list(self.keys)), "an unknown key")
            elif not member.empty:
                value = read_or(self.keys[name], member, _MISSING)
                if value is _MISSING:
                    failed = True
                else:
                    values[name] = value
        for name in self.required:
            if name not in members or members[name].empty:
                place.fail(f"the key {name}", "none")
                failed = True
        if failed:
            raise Unreadable
        value = self.build(**values)
        if self.check is not None:
            self.check(value, place)
        return value


def read_or(reader: Reader[T], place: Place, otherwise: T) -> T:
    """What the reader makes of it, or ``otherwise`` once the mistake is noted."""
    try:
        return reader.read(place)
    except Unreadable:
        return otherwise
