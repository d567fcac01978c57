"""
A YAML file as nodes that know their lines.

It is composed by the safe loader and never constructed: what a plain scalar is
(a text, a number, a switch) is for the schema to say, so that ``+15550100`` stays
a number to dial, ``off`` can be a word, and nothing is expanded or executed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches

import yaml

from .mistakes import ConfigurationError, Mistake, Unreadable

LONGEST_DOCUMENT = 1_048_576
_LONGEST_SHOWN = 60
_NULL = "tag:yaml.org,2002:null"


class Document:
    """
    The file being read: its name, what its values refer to, and its mistakes.

    :param name: the file's name as the operator gave it.
    :param directory: where the files that it names are looked up.
    :param environment: the variables that secrets may be read from.
    """

    def __init__(self, name: str, directory: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.directory = directory
        self.environment = environment
        self._mistakes: list[Mistake] = []
        self._lines: dict[str, int] = {"": 1}

    def compose(self, text: str) -> Place | None:
        """The root of the document; None where it says nothing. Raises ConfigurationError."""
        if len(text) > LONGEST_DOCUMENT:
            self.note("", f"found {len(text)} characters, expected at most {LONGEST_DOCUMENT}")
            self.finish()
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = ", ".join(part for part in (error.context, error.problem) if part)
            self.note("", f"found {problem}, expected YAML", mark.line + 1 if mark else 1)
        except (yaml.YAMLError, RecursionError) as error:
            self.note("", f"found {' '.join(str(error).split())}, expected YAML")
        self.finish()
        place = Place(self, node, "") if node is not None else None
        return None if place is None or place.empty else place

    def place(self, key: str, line: int) -> None:
        """Remember where a key stands."""
        self._lines.setdefault(key, line)

    def note(self, key: str, problem: str, line: int | None = None) -> None:
        """Note a mistake; the line is that of the key, or of the nearest one around it."""
        if line is None:
            line = self._line_of(key)
        mistake = Mistake(self.name, line, key, problem)
        if mistake not in self._mistakes:
            self._mistakes.append(mistake)

    def finish(self) -> None:
        """Raise :exc:`ConfigurationError` with all mistakes, by line, if there are any."""
        if self._mistakes:
            raise ConfigurationError(tuple(sorted(self._mistakes)))

    def path(self, name: str) -> str:
        """The file that a relative name means."""
        return os.path.join(self.directory, os.path.expanduser(name))

    def _line_of(self, key: str) -> int:
        while key not in self._lines:
            cut = max(key.rfind("."), key.rfind("["))
            key = key[:cut] if cut > 0 else ""
        return self._lines[key]


class Place:
    """A value of the document: where it stands and what is there."""

    def __init__(self, document: Document, node: yaml.Node, key: str, line: int = 0) -> None:
        self.document = document
        self.key = key
        self._node = node
        document.place(key, line or node.start_mark.line + 1)

    @property
    def empty(self) -> bool:
        """Nothing is given here (``key:`` and no more)."""
        return self._node.tag == _NULL

    @property
    def is_mapping(self) -> bool:
        """Keys and values stand here."""
        return isinstance(self._node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """A list stands here."""
        return isinstance(self._node, yaml.SequenceNode)

    @property
    def found(self) -> str:
        """What stands here, for the operator."""
        if self.is_mapping:
            return "a mapping"
        if self.is_list:
            return "a list"
        if self.empty:
            return "nothing"
        return shown(str(self._node.value))

    def fail(self, expected: str, found: str | None = None) -> Unreadable:
        """Note that this is not what it should be. The result is to be raised."""
        self.document.note(self.key, f"found {found or self.found}, expected {expected}")
        return Unreadable()

    def scalar(self, expected: str) -> str:
        """The text of a scalar exactly as written, whatever YAML would make of it."""
        if self.is_mapping or self.is_list or self.empty:
            raise self.fail(expected)
        return str(self._node.value)

    def items(self, expected: str) -> list[Place]:
        """The values of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.fail(expected)
        return [
            Place(self.document, node, f"{self.key}[{index}]")
            for index, node in enumerate(self._node.value)
        ]

    def members(self, expected: str) -> dict[str, Place]:
        """The values of a mapping by their keys. A key that comes twice is a mistake."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fail(expected)
        members: dict[str, Place] = {}
        for key_node, node in self._node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.note(self.key, "found a key that is no word, expected a word", line)
                continue
            name = str(key_node.value)
            key = f"{self.key}.{name}" if self.key else name
            if name in members:
                self.document.note(key, "found the key a second time, expected it once", line)
                continue
            members[name] = Place(self.document, node, key, line)
        return members


def shown(text: str) -> str:
    """A text of the operator's as a mistake quotes it: on one line, and not too long."""
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return '"' + text.encode("unicode_escape").decode("ascii").replace("\\u2026", "…") + '"'


def suggestion(word: str, known: list[str]) -> str:
    """“one of …”, with the likeliest first where there is one."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"a known one (did you mean {shown(close[0])}?)"
    if not known:
        return "none, as there are none"
    return f"one of {', '.join(sorted(known))}"
