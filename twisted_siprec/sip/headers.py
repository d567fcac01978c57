"""
Header fields: their names, their order, and which of them are lists
(:rfc:`3261#section-7.3`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import RemoteError
from .values import split

COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
"The one-letter names of :rfc:`3261#section-7.3.3` and of its extensions."

LISTS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "alert-info",
        "allow",
        "allow-events",
        "call-info",
        "contact",
        "content-encoding",
        "content-language",
        "error-info",
        "history-info",
        "in-reply-to",
        "p-asserted-identity",
        "path",
        "proxy-require",
        "reason",
        "record-route",
        "recv-info",
        "require",
        "route",
        "service-route",
        "supported",
        "unsupported",
        "via",
        "warning",
    }
)
"Header fields whose values the grammar lets be joined by commas (:rfc:`3261#section-7.3.1`)."

_DIGITS = re.compile(r"^[0-9]{1,18}$")


def canonical(name: str) -> str:
    """A header field name in lower case and in its long form."""
    name = name.strip().lower()
    return COMPACT[name].lower() if name in COMPACT else name


class Headers:
    """
    The header fields of a message, in order, as they were written.

    Names are compared without regard to case, and a compact name is its long
    one. A value is text; two equal sets of fields are equal.
    """

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)
        index: dict[str, list[str]] = {}
        for name, value in self._fields:
            index.setdefault(canonical(name), []).append(value)
        self._index = index

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first field of this name, whole."""
        values = self._index.get(canonical(name))
        return values[0] if values else default

    def lines(self, name: str) -> tuple[str, ...]:
        """The values of all fields of this name, each as it stands on its line."""
        return tuple(self._index.get(canonical(name), ()))

    def get_all(self, name: str) -> tuple[str, ...]:
        """
        All values of this name in order. Those joined by commas are taken
        apart, but only where the grammar makes the field a list.
        """
        key = canonical(name)
        values = self._index.get(key, [])
        if key not in LISTS:
            return tuple(values)
        return tuple(part for value in values for part in split(value, ","))

    def first(self, name: str) -> str | None:
        """The first of :meth:`get_all`, the topmost Via or Route for instance."""
        values = self.get_all(name)
        return values[0] if values else None

    def tokens(self, name: str) -> frozenset[str]:
        """The values of a list of tokens, such as Supported or Require, in lower case."""
        return frozenset(value.lower() for value in self.get_all(name))

    def without(self, *names: str) -> Headers:
        """A copy that lacks these fields."""
        keys = {canonical(name) for name in names}
        return Headers((n, v) for n, v in self._fields if canonical(n) not in keys)

    def adding(self, *fields: tuple[str, str]) -> Headers:
        """A copy with these fields at the end."""
        return Headers((*self._fields, *fields))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and canonical(name) in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"


def declared_length(headers: Headers) -> int | None:
    """The Content-Length of a message, as :attr:`Request.content_length` tells it."""
    values = {value.strip() for value in headers.lines("Content-Length")}
    if not values:
        return None
    if len(values) > 1:
        raise RemoteError(400, "Content-Length twice, with different values")
    value = values.pop()
    if not _DIGITS.match(value):
        raise RemoteError(400, "Content-Length is no length")
    return int(value)
