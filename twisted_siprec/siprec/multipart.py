"""
A MIME body cut into its parts (:rfc:`2046#section-5.1`), leniently.

Taken as it comes: CRLF or LF, a quoted or bare boundary, blanks around
delimiters, a preamble and an epilogue, no closing delimiter, no blank after the
colon of a part's header, a boundary parameter that is missing or wrong. The
octets of a part are never touched: to rewrite their line endings would shift
every length in them.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from .leniency import Oddity, warning


@dataclass(frozen=True, slots=True)
class Limits:
    """What one body may hold; what is beyond is not read."""

    parts: int = 16
    depth: int = 4
    part_header_octets: int = 4_096


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A header field's value and its parameters (:rfc:`2045#section-5.1`)."""

    value: str
    "In lower case."
    parameters: tuple[tuple[str, str], ...] = ()
    "Names in lower case, values unquoted."

    @classmethod
    def parse(cls, text: str) -> FieldValue:
        """Never fails: what is no parameter is left out."""
        main, _, rest = text.partition(";")
        found = [
            (match[1].lower(), _unquoted(match[2])) for match in _PARAMETER.finditer(";" + rest)
        ]
        return cls("".join(main.split()).lower(), tuple(found))

    def parameter(self, name: str) -> str | None:
        """The first parameter of this name."""
        return next((value for key, value in self.parameters if key == name), None)


@dataclass(frozen=True, slots=True)
class Part:
    """One body part, decoded."""

    content_type: FieldValue
    "Its value is empty where the part has none."
    disposition: FieldValue
    "Its value is empty where the part has none."
    body: bytes
    content_id: str | None = None

    @property
    def optional(self) -> bool:
        """Whoever does not know it may pass it over (:rfc:`3261#section-20.11`)."""
        return (self.disposition.parameter("handling") or "").lower() == "optional"


@dataclass(frozen=True, slots=True)
class Multipart:
    """The leaves of a body in their order, nested multiparts opened."""

    parts: tuple[Part, ...]
    warnings: tuple[Oddity, ...] = ()


_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_ANY_DELIMITER = re.compile(rb"(?:^|\n)[ \t]*--([^\s][^\r\n]{0,99}?)[ \t]*(?:\r?\n|$)")
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")

KNOWN_ALTERNATIVES = frozenset(
    {"application/sdp", "application/rs-metadata+xml", "application/rs-metadata"}
)


def open_part(part: Part, limits: Limits | None = None) -> Multipart:
    """The leaves of ``part``; itself where it is no multipart."""
    return _opened(part, limits or Limits(), 0)


def guessed_boundary(body: bytes) -> str | None:
    """The boundary that the first delimiter of a body shows; None where there is none."""
    match = _ANY_DELIMITER.search(body)
    return match[1].decode("latin-1") if match else None


def _opened(part: Part, limits: Limits, depth: int) -> Multipart:
    if not part.content_type.value.startswith("multipart/"):
        return Multipart((part,))
    if depth >= limits.depth:
        return Multipart((), (warning("multipart-limit"),))
    pieces, warnings = _split(part.body, part.content_type.parameter("boundary"))
    if len(pieces) > limits.parts:
        pieces = pieces[: limits.parts]
        warnings.append(warning("multipart-limit"))
    branches: list[tuple[Part, ...]] = []
    for piece in pieces:
        child, odd = _part(piece, limits)
        opened = _opened(child, limits, depth + 1)
        warnings += [*odd, *opened.warnings]
        branches.append(opened.parts)
    if part.content_type.value == "multipart/alternative":
        branches = _best(branches)
    leaves = tuple(leaf for branch in branches for leaf in branch)
    if len(leaves) > limits.parts:
        warnings.append(warning("multipart-limit"))
    return Multipart(leaves[: limits.parts], tuple(warnings))


def _best(branches: list[tuple[Part, ...]]) -> list[tuple[Part, ...]]:
    """Of alternatives the last that is understood (:rfc:`2046#section-5.1.4`)."""
    known = [
        branch
        for branch in branches
        if any(leaf.content_type.value in KNOWN_ALTERNATIVES for leaf in branch)
    ]
    return known[-1:] or branches[-1:]


def _split(body: bytes, boundary: str | None) -> tuple[list[bytes], list[Oddity]]:
    warnings: list[Oddity] = []
    found = _delimiters(body, boundary) if boundary else []
    if not found:
        boundary = guessed_boundary(body)
        if boundary is None:
            return [], [warning("body-malformed")]
        warnings.append(warning("multipart-no-boundary"))
        # The first that looks like a delimiter may be the closing one.
        found = _delimiters(body, boundary.removesuffix("--"))
    pieces: list[bytes] = []
    for index, delimiter in enumerate(found):
        if delimiter.closes:
            return pieces, warnings
        following = found[index + 1].start if index + 1 < len(found) else len(body)
        pieces.append(body[delimiter.end : following])
    warnings.append(warning("multipart-unclosed"))
    return pieces, warnings


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """Where one is, the line end before it included: that is its, not the part's."""

    start: int
    end: int
    closes: bool


def _delimiters(body: bytes, boundary: str) -> list[_Delimiter]:
    """
    The lines that hold a boundary and nothing else. Each call has a boundary of its own:
    looking for it takes less than compiling a regular expression that does.
    """
    mark = b"--" + boundary.strip().encode("utf-8", "replace")
    found: list[_Delimiter] = []
    at = body.find(mark)
    while at >= 0:
        start = _blanks_before(body, at)
        end = at + len(mark)
        closes = body.startswith(b"--", end)
        end = _blanks_after(body, end + 2 * closes)
        begins = start == 0 or body[start - 1 : start] == b"\n"
        if begins and (end == len(body) or body.startswith((b"\n", b"\r\n"), end)):
            line_end = 2 if body.endswith(b"\r\n", 0, start) else 1
            found.append(_Delimiter(max(0, start - line_end), end, closes))
            at = end
        at = body.find(mark, at + 1)
    return found


def _blanks_before(body: bytes, at: int) -> int:
    """Where the blanks begin that end here."""
    while at > 0 and body[at - 1] in b" \t":
        at -= 1
    return at


def _blanks_after(body: bytes, at: int) -> int:
    """Where the blanks end that begin here."""
    while at < len(body) and body[at] in b" \t":
        at += 1
    return at


def _part(piece: bytes, limits: Limits) -> tuple[Part, list[Oddity]]:
    """A part from what stands between two delimiters, which begins with a line end."""
    match = _BLANK_LINE.search(piece)
    header, body = (piece[: match.start()], piece[match.end() :]) if match else (piece, b"")
    fields: dict[str, str] = {}
    text = header[: limits.part_header_octets].decode("utf-8", "replace")
    for line in re.split(r"\r?\n", _FOLD.sub(" ", "\r\n" + text.lstrip("\r\n"))):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    decoded, warnings = _decoded(body, fields.get("content-transfer-encoding", ""))
    return (
        Part(
            FieldValue.parse(fields.get("content-type", fields.get("c", ""))),
            FieldValue.parse(fields.get("content-disposition", "")),
            decoded,
            fields.get("content-id"),
        ),
        warnings,
    )


def _decoded(body: bytes, encoding: str) -> tuple[bytes, list[Oddity]]:
    match encoding.strip().lower():
        case "" | "7bit" | "8bit" | "binary":
            return body, []
        case "base64":
            try:
                return binascii.a2b_base64(body), []
            except binascii.Error:
                return body, [warning("multipart-encoding", encoding)]
        case "quoted-printable":
            return binascii.a2b_qp(body), []
        case _:
            return body, [warning("multipart-encoding", encoding)]


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value.strip('"')
