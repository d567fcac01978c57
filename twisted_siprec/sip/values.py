"""
The values that header fields hold: addresses, URIs, Via, parameters.

The grammar is :mod:`sipmessage`'s where it has one. What peers send is wider
than the grammar (``;+sip.src`` inside the angle brackets, schemes in upper
case, host names with underscores, empty parameters), so the outer layer, which
finds commas, semicolons, quotes and brackets, is here. None of it fails a
message: a value that cannot be understood is None, and whoever needs it says
what that means.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sipmessage import URI, Parameters, Via

T = TypeVar("T")

_ESCAPED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*):")
_SENT_BY = re.compile(
    r"^SIP\s*/\s*2\.0\s*/\s*(?P<transport>[^\s/;,]+)\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)"
    r"(?:\s*:\s*(?P<port>\d{1,5}))?\s*(?P<rest>;.*)?$",
    re.DOTALL | re.IGNORECASE,
)
_LENIENT_URI = re.compile(
    r"^(?P<scheme>sips?):(?:(?P<user>[^@:\s<>]+)(?::(?P<password>[^@\s<>]*))?@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.\-]+)(?::(?P<port>\d{1,5}))?(?P<rest>;[^?\s<>]*)?$"
)


def attempt(parse: Callable[[str], T], text: str) -> T | None:
    """
    The parsed value, or None where :mod:`sipmessage` refuses it. TypeError is
    what a parameter named ``self`` gives there.
    """
    try:
        return parse(text)
    except (ValueError, TypeError):
        return None


def split(text: str, separator: str) -> list[str]:
    """
    The parts of ``text`` between separators that are neither within quotes nor
    within angle brackets, without blanks around them; empty parts are left out.
    """
    if '"' not in text and "<" not in text:
        return [part for part in (piece.strip() for piece in text.split(separator)) if part]
    parts: list[str] = []
    start = 0
    quoted = bracketed = False
    escaped = False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char == "<":
            bracketed = True
        elif char == ">":
            bracketed = False
        elif char == separator and not bracketed:
            parts.append(text[start:index].strip())
            start = index + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def unquoted(text: str) -> str:
    """The content of a quoted string, or the text itself where it is none."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPED_PAIR.sub(r"\1", text[1:-1])
    return text


def parameters(text: str) -> Parameters:
    """
    The parameters of a header value, their names in lower case. Of two that
    have one name the first counts.
    """
    found: dict[str, str | None] = {}
    for part in split(text, ";"):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if name and name != "self":
            found.setdefault(name, unquoted(value.strip()) if equals else None)
    return Parameters(**found)


def parse_uri(text: str) -> URI | None:
    """
    A SIP, SIPS or TEL URI; None for other schemes and for what is no URI.
    The scheme's case, URI headers after ``?`` and host names with underscores
    do not matter.
    """
    text = text.strip()
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    text = scheme.group(1).lower() + text[scheme.end() - 1 :]
    at = text.find("@")
    question = text.find("?", at + 1)
    if question >= 0:
        text = text[:question]
    text = text.rstrip(";")
    strict = attempt(URI.parse, text)
    if strict is not None and (strict.port is None or strict.port <= 65_535):
        return strict
    match = _LENIENT_URI.match(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65_535:
        return None
    return URI(
        scheme=match["scheme"],
        host=match["host"],
        user=match["user"],
        password=match["password"],
        port=port,
        parameters=parameters(match["rest"] or ""),
    )


def scheme_of(text: str) -> str | None:
    """The scheme of a URI in lower case, whether or not we know it."""
    match = _SCHEME.match(text.strip())
    return match.group(1).lower() if match else None


def uri_parameter(uri: URI, name: str) -> str | None:
    """A URI parameter by its name in any case; the empty string where it has no value."""
    for key, value in uri.parameters.items():
        if key.lower() == name:
            return value or ""
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """
    A name-addr or addr-spec with its parameters, as in To, From, Contact, Route
    and Record-Route (:rfc:`3261#section-20.10`).
    """

    uri_text: str
    "The URI as it was written, without angle brackets."
    uri: URI | None = None
    "None for a scheme that is neither SIP nor TEL, and for ``*``."
    name: str = ""
    "The display name, unquoted."
    parameters: Parameters = field(default_factory=Parameters)
    "The header parameters, names in lower case."

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """An address, or None where there is no URI to be found in it."""
        text = text.strip()
        opening = _opening_bracket(text)
        if opening < 0:
            uri_text, _, rest = text.partition(";")
            name = ""
        else:
            closing = text.find(">", opening)
            if closing < 0:
                return None
            name = unquoted(text[:opening].strip())
            uri_text, rest = text[opening + 1 : closing], text[closing + 1 :]
        uri_text = uri_text.strip()
        if not uri_text:
            return None
        return cls(uri_text, parse_uri(uri_text), name, parameters(rest))

    @property
    def tag(self) -> str | None:
        """The dialog tag of a To or From."""
        return self.parameters.get("tag")


def _opening_bracket(text: str) -> int:
    """Where the ``<`` of a name-addr is: not one within a quoted display name."""
    if not text.startswith('"'):
        return text.find("<")
    index = 1
    while index < len(text) and text[index] != '"':
        index += 2 if text[index] == "\\" else 1
    return text.find("<", index)


def parse_via(text: str) -> Via | None:
    """
    One Via element (:rfc:`3261#section-20.42`), parameter names in lower case;
    None where it does not tell who sent the message.
    """
    match = _SENT_BY.match(text.strip())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65_535:
        return None
    return Via(
        transport=match["transport"].upper(),
        host=match["host"],
        port=port,
        parameters=parameters(match["rest"] or ""),
    )


def bracketed(host: str) -> str:
    """A host as it is written in URIs and Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
