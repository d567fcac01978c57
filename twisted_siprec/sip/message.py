"""
SIP messages: a start line, header fields and a body (:rfc:`3261#section-7`).

Parsing is lenient in form (bare LF line ends, blanks around the colon, folded
lines, compact names, any charset) and keeps every value as the text that came,
because responses have to repeat Via, From, To, Call-ID and CSeq octet by octet.
What a value means is worked out when it is first asked for; a header field that is
malformed and not needed never fails a message (:rfc:`3261#section-8.2`). What
*is* needed of a request is checked in :mod:`~twisted_siprec.sip.screening`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from sipmessage import URI, CSeq, MediaType, Via

from ..errors import RemoteError
from .headers import Headers, canonical, declared_length
from .values import Address, attempt, parameters, parse_uri, parse_via

__all__ = ["VERSION", "Headers", "Request", "Response", "head_end", "parse", "unfolded_fields"]

VERSION = "SIP/2.0"

_FIELD = re.compile(r"^([^\s:]+)\s*:\s*(.*)$", re.DOTALL)
_STATUS_LINE = re.compile(r"^(?P<version>SIP/\S+) +(?P<status>\d{3})(?: (?P<reason>.*))?$", re.I)
_UNSAFE = re.compile(r"[\r\n\x00]")


# Without slots: what is worked out of a message is kept beside its fields.
@dataclass(frozen=True)
class _Message:
    """What requests and responses have in common."""

    headers: Headers
    body: bytes = field(default=b"", kw_only=True)
    version: str = field(default=VERSION, kw_only=True)
    charset: str = field(default="utf-8", kw_only=True)
    "How the head was decoded; what repeats its values has to encode them in the same way."

    @property
    def call_id(self) -> str | None:
        """The Call-ID."""
        return self.headers.get("Call-ID")

    @cached_property
    def cseq(self) -> CSeq | None:
        """The CSeq; None where it is missing or malformed."""
        value = self.headers.get("CSeq")
        if value is None:
            return None
        cseq = attempt(CSeq.parse, value)
        return cseq if cseq is not None and len(str(cseq.sequence)) <= 18 else None

    @cached_property
    def from_(self) -> Address | None:
        """The From address."""
        return _address(self.headers.get("From"))

    @cached_property
    def to(self) -> Address | None:
        """The To address."""
        return _address(self.headers.get("To"))

    @property
    def from_tag(self) -> str | None:
        """The tag of the From."""
        address = self.from_
        return address.tag if address is not None else None

    @property
    def to_tag(self) -> str | None:
        """The tag of the To."""
        address = self.to
        return address.tag if address is not None else None

    @cached_property
    def top_via(self) -> Via | None:
        """The topmost Via."""
        value = self.headers.first("Via")
        return parse_via(value) if value is not None else None

    @property
    def branch(self) -> str | None:
        """The branch of the topmost Via."""
        via = self.top_via
        return via.parameters.get("branch") if via is not None else None

    @cached_property
    def contact(self) -> Address | None:
        """The first Contact."""
        return _address(self.headers.first("Contact"))

    @property
    def content_type(self) -> MediaType | None:
        """The type of the body, in lower case; None where it is missing or no media type."""
        value = self.headers.get("Content-Type")
        if value is None:
            return None
        mime_type, _, rest = value.partition(";")
        kind, slash, subtype = (part.strip().lower() for part in mime_type.partition("/"))
        if not (kind and slash and subtype):
            return None
        return MediaType(mime_type=f"{kind}/{subtype}", parameters=parameters(rest))

    @property
    def content_length(self) -> int | None:
        """
        The octets that the body is said to have; None where it is not said.
        Raises :class:`RemoteError` for a value that is no length, and for two
        that differ (:rfc:`4475#section-3.3.9`).
        """
        return declared_length(self.headers)

    def _encoded(self, start_line: str) -> bytes:
        length = f"{len(self.body)}"
        lines = [start_line]
        placed = False
        for name, value in self.headers:
            if canonical(name) != "content-length":
                lines.append(f"{name}: {_UNSAFE.sub(' ', value)}")
            elif not placed:
                lines.append(f"{name}: {length}")
                placed = True
        if not placed:
            lines.append(f"Content-Length: {length}")
        lines += ["", ""]
        return "\r\n".join(lines).encode(self.charset, "replace") + self.body


@dataclass(frozen=True)
class Request(_Message):
    """A SIP request."""

    method: str = field(kw_only=True)
    uri_text: str = field(kw_only=True)
    "The Request-URI as it was written."

    @cached_property
    def uri(self) -> URI | None:
        """The Request-URI; None where its scheme is unknown or it is malformed."""
        return parse_uri(self.uri_text)

    @property
    def start_line(self) -> str:
        """The request line."""
        return f"{self.method} {self.uri_text} {self.version}"

    def __bytes__(self) -> bytes:
        return self._encoded(self.start_line)


@dataclass(frozen=True)
class Response(_Message):
    """A SIP response."""

    status: int = field(kw_only=True)
    reason: str = field(default="", kw_only=True)

    @property
    def start_line(self) -> str:
        """The status line."""
        return f"{self.version} {self.status} {self.reason}"

    def __bytes__(self) -> bytes:
        return self._encoded(_UNSAFE.sub(" ", self.start_line))


def _address(value: str | None) -> Address | None:
    return Address.parse(value) if value is not None else None


def head_end(octets: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
    """
    Where the head of a message ends and where its body begins: at the first
    empty line, whatever the line ends are. None while there is no empty line.
    """
    ends = [
        (found, found + len(mark))
        for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n")
        if (found := octets.find(mark, start)) >= 0
    ]
    return min(ends) if ends else None


def parse(octets: bytes) -> Request | Response:
    """
    Read one message. Line ends before it are skipped (:rfc:`3261#section-7.5`),
    and octets after the body that Content-Length tells are discarded
    (:rfc:`3261#section-18.3`).

    Raises :class:`RemoteError` only where it is no SIP message at all, so that
    it cannot be answered; all else is for :mod:`~twisted_siprec.sip.screening`.
    """
    octets = octets.lstrip(b"\r\n")
    end = head_end(octets)
    head, body = (octets, b"") if end is None else (octets[: end[0]], octets[end[1] :])
    try:
        text, charset = head.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, charset = head.decode("latin-1"), "latin-1"
    start_line, *lines = unfolded(text)
    headers = Headers(_fields(lines))
    try:
        length = declared_length(headers)
    except RemoteError:
        length = None
    if length is not None:
        body = body[:length]
    status_line = _STATUS_LINE.match(start_line)
    if status_line is not None:
        return Response(
            headers,
            body=body,
            version=status_line["version"],
            charset=charset,
            status=int(status_line["status"]),
            reason=status_line["reason"] or "",
        )
    method, uri_text, version = _request_line(start_line)
    return Request(
        headers, body=body, version=version, charset=charset, method=method, uri_text=uri_text
    )


def _request_line(line: str) -> tuple[str, str, str]:
    """
    Method, Request-URI and version. Blanks too many are skipped; those within
    the URI stay in it, so that it is the URI that is refused.
    """
    words = line.split()
    if len(words) < 3 or words[-1][:4].upper() != "SIP/":
        raise RemoteError(400, "neither a request line nor a status line")
    return words[0], " ".join(words[1:-1]), words[-1].upper()


def unfolded(head: str) -> list[str]:
    """The lines of a head, those that begin with a blank joined to the one before."""
    pieces: list[list[str]] = []
    for line in head.split("\n"):
        line = line.removesuffix("\r")
        if line[:1] in (" ", "\t") and pieces:
            pieces[-1].append(line.strip())
        else:
            pieces.append([line.rstrip()])
    return [_UNSAFE.sub(" ", " ".join(parts)) for parts in pieces]


def unfolded_fields(head: str) -> Iterator[tuple[str, str]]:
    """The header fields of a head, its start line left out."""
    return _fields(unfolded(head)[1:])


def _fields(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        match = _FIELD.match(line)
        if match is not None:
            yield match[1], match[2].rstrip()
