"""
Patterns of routes: globs and regular expressions for texts, numbers and addresses.

A pattern is a glob (``*``, ``?``, ``[2-4]``), or a regular expression where it
begins with ``~``. Either must match the **whole** value.

* :class:`TextPattern` compares a header or a metadata value as it is written;
  case counts (``~(?i)…`` where it must not).
* :class:`AddressPattern` compares a SIP or tel URI, or a bare number. A pattern
  without ``@`` is compared with the user part, one with ``@`` with
  ``user@host``, one that begins with ``sip:``, ``sips:`` or ``tel:`` with the
  whole URI as it came. Case counts in the user part and not in the host
  (:rfc:`3261#section-19.1.4`). Where the user part is a number, visual separators
  (:rfc:`3966#section-5.1.1`) are removed from it before the comparison, and from
  a glob that is a number too.

What is compared comes from a peer, so regular expressions are held to a form
that cannot run away: no repeated group that repeats or chooses within itself, no
back-references, at most :data:`REPETITIONS` unbounded repetitions, and a value
longer than :data:`LONGEST_VALUE` characters matches no pattern.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

LONGEST_PATTERN = 256
LONGEST_VALUE = 256
REPETITIONS = 3

_SCHEMES = ("sip:", "sips:", "tel:")
_SEPARATORS = str.maketrans("", "", "-.() ")
_NUMBER = re.compile(r"\+?[0-9*#().\- ]*[0-9*#][0-9*#().\- ]*")
_NUMBER_GLOB = re.compile(r"\+?(?:[0-9*?#().\- ]|\[[!0-9-]+\])+")
_OUTSIDE_BRACKETS = re.compile(r"\[[^\]]*\]|[^\[]+|\[")


class PatternError(ValueError):
    """The pattern cannot be used; the text says why."""


class Pattern(Protocol):
    """Something that a value matches or not."""

    @property
    def text(self) -> str:
        """As the operator wrote it."""

    def matches(self, value: str) -> bool:
        """Whether the whole of ``value`` is as the pattern says."""


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A pattern for values that are compared as they are."""

    text: str
    "As the operator wrote it."
    expression: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> TextPattern:
        """Compile it, or raise :exc:`PatternError`."""
        return cls(text, _compile(text))

    def matches(self, value: str) -> bool:
        return len(value) <= LONGEST_VALUE and self.expression.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class AddressPattern:
    """A pattern for URIs, addresses of record and numbers."""

    text: str
    "As the operator wrote it."
    expression: re.Pattern[str]
    scope: str
    "user, address or uri: what of the value is compared."

    @classmethod
    def parse(cls, text: str) -> AddressPattern:
        """Compile it, or raise :exc:`PatternError`."""
        body = text.removeprefix("~")
        if body.lower().startswith(_SCHEMES):
            return cls(text, _compile(text), "uri")
        if "@" in body:
            user, _, host = text.rpartition("@")
            return cls(text, _compile(f"{user}@{host.lower()}"), "address")
        if not text.startswith("~"):
            text_compared = _without_separators(text)
        else:
            text_compared = text
        return cls(text, _compile(text_compared), "user")

    def matches(self, value: str) -> bool:
        if len(value) > LONGEST_VALUE:
            return False
        if self.scope == "uri":
            return self.expression.fullmatch(value) is not None
        user, host = user_and_host(value)
        compared = user if self.scope == "user" else f"{user}@{host}"
        return self.expression.fullmatch(compared) is not None


def user_and_host(value: str) -> tuple[str, str]:
    """
    The user part and the host of a URI, an address of record or a bare number.

    The user part is without parameters and escapes, and without visual
    separators where it is a number; the host is in lower case and without its
    port. What has no ``@`` is all user part, unless it is a ``sip:`` URI, whose
    only part is the host.
    """
    text = value.strip().strip("<>")
    scheme = next((each for each in _SCHEMES if text.lower().startswith(each)), "")
    text = text[len(scheme) :]
    user, at, host = text.rpartition("@")
    if not at:
        user, host = ("", text) if scheme.startswith("sip") else (text, "")
    user = unquote(user.partition(";")[0].partition(":")[0])
    host = re.split(r"[;?>]", host, maxsplit=1)[0].lower()
    host = re.sub(r":\d*$", "", host)
    if _NUMBER.fullmatch(user):
        user = user.translate(_SEPARATORS)
    return user, host


def _without_separators(glob: str) -> str:
    """A glob for numbers as it is compared; any other glob is left alone."""
    if _NUMBER_GLOB.fullmatch(glob) is None:
        return glob
    return "".join(
        part if part.startswith("[") else part.translate(_SEPARATORS)
        for part in _OUTSIDE_BRACKETS.findall(glob)
    )


def _compile(text: str) -> re.Pattern[str]:
    """The expression of a pattern, once it is known to be harmless."""
    if not text or text == "~":
        raise PatternError("an empty pattern matches nothing")
    if len(text) > LONGEST_PATTERN:
        raise PatternError(f"it is longer than {LONGEST_PATTERN} characters")
    if not text.startswith("~"):
        # fnmatch makes each * an atomic group, which cannot run away.
        return re.compile(fnmatch.translate(text))
    _refuse_runaways(text[1:])
    try:
        return re.compile(text[1:])
    except re.error as error:
        raise PatternError(f"it is no regular expression: {error}") from None


_TOKEN = re.compile(
    r"""
    (?P<reference>\\[1-9]|\(\?P=)
  | (?P<escape>\\.)
  | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
  | (?P<open>\((?:\?(?:P<\w+>|[a-zA-Z-]*:|<?[=!]))?)
  | (?P<close>\))
  | (?P<unbounded>[*+]|\{\d*,\})
  | (?P<bounded>\{\d*,?\d+\})
  | (?P<choice>\|)
  | (?P<flags>\(\?[a-zA-Z]+\))
    """,
    re.VERBOSE | re.DOTALL,
)


def _refuse_runaways(expression: str) -> None:
    """
    Refuse what may take exponential time, and what may take a high power of the
    value's length. It errs on the side of refusing; ``(2001|2002)`` and ``\\+1555.*``
    are all that most routes need.
    """
    repetitions = 0
    branching = [False]
    "For each open group: whether it repeats or chooses within itself."
    closed: bool | None = None
    "What the group that has just been closed does."
    position = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        kind = token.lastgroup if token is not None else None
        position = token.end() if token is not None else position + 1
        just_closed, closed = closed, None
        if kind == "reference":
            raise PatternError("back-references are not supported")
        if kind == "open":
            branching.append(False)
        elif kind == "close" and len(branching) > 1:
            closed = branching.pop()
            branching[-1] = branching[-1] or closed
        elif kind == "choice":
            branching[-1] = True
        elif kind in ("unbounded", "bounded"):
            if just_closed:
                raise PatternError(
                    "a group that repeats or chooses within itself must not be repeated"
                )
            branching[-1] = True
            repetitions += kind == "unbounded"
    if repetitions > REPETITIONS:
        raise PatternError(f"it has more than {REPETITIONS} unbounded repetitions")
