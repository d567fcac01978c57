"""
A session description, read leniently and written strictly (:rfc:`8866`).

Read: any line ending, lines in any order within their section, unknown types,
malformed attributes and missing ``t=``, ``s=`` or ``c=`` are no obstacle. Only
two things are: octets that are no SDP at all, and an ``m=`` line that cannot be
understood, since then the answer could not have as many as the offer.

Written: the order of :rfc:`8866#section-5`, CRLF, never an empty ``s=``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ..errors import RemoteError

_LINE_END = re.compile(r"\r\n|\n|\r")
_MEDIA = re.compile(r"^([^\s/]+)\s+(\d{1,5})(?:/(\d{1,5}))?\s+(\S+)(?:\s+(\S.*?))?\s*$")
_UNPRINTABLE = str.maketrans("", "", "\0\r\n")


class Direction(StrEnum):
    """Which way media flows, as seen by who wrote the description (:rfc:`8866#section-6.7`)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one description may hold."""

    lines: int = 2_000
    media: int = 32
    formats: int = 64
    "Formats of one m-line; further ones are not read."


@dataclass(frozen=True, slots=True)
class Origin:
    """The ``o=`` line: who wrote the description, and which version of it this is."""

    session_id: str
    version: str
    address: str
    username: str = "-"
    network: str = "IN"
    address_type: str = "IP4"

    @classmethod
    def parse(cls, value: str) -> Origin | None:
        """None where it has not its six fields."""
        fields = value.split()
        if len(fields) != 6:
            return None
        username, session_id, version, network, address_type, address = fields
        return cls(session_id, version, address, username, network, address_type)

    def __str__(self) -> str:
        return " ".join(
            (
                self.username,
                self.session_id,
                self.version,
                self.network,
                self.address_type,
                self.address,
            )
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """The ``c=`` line: where media goes to."""

    host: str
    "Without the time to live and the number of addresses of multicast."
    network: str = "IN"
    address_type: str = "IP4"

    @classmethod
    def to(cls, host: str) -> Connection:
        """The line for an IP address of either version."""
        return cls(host, "IN", "IP6" if ":" in host else "IP4")

    @classmethod
    def parse(cls, value: str) -> Connection | None:
        """None where it has not its three fields."""
        fields = value.split()
        if len(fields) != 3:
            return None
        host = fields[2].split("/", 1)[0].strip("[]")
        return cls(host, fields[0], fields[1].upper()) if host else None

    @property
    def holds(self) -> bool:
        """The unspecified address: the way of :rfc:`2543` to pause (:rfc:`3264#section-8.4`)."""
        return bool(self.host) and not self.host.strip("0.:")

    def __str__(self) -> str:
        return f"{self.network} {self.address_type} {self.host}"


@dataclass(frozen=True, slots=True, repr=False)
class Attribute:
    """An ``a=`` line; ``value`` is None for a property attribute. A repr shows no keys."""

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, value: str) -> Attribute | None:
        """None where there is no name."""
        name, colon, rest = value.partition(":")
        name = name.strip()
        return cls(name, rest.strip() if colon else None) if name else None

    def __repr__(self) -> str:
        shown = "(not shown)" if self.name.lower() == "crypto" else self.value
        return f"Attribute(name={self.name!r}, value={shown!r})"

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Media:
    """One m-line and what follows it."""

    kind: str
    "audio, video, …"
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    bandwidths: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    @classmethod
    def parse(cls, value: str, limits: Limits) -> Media | None:
        """None where the line cannot be understood."""
        match = _MEDIA.match(value)
        if match is None or int(match[2]) > 65535:
            return None
        formats = tuple((match[5] or "").split()[: limits.formats])
        return cls(match[1].lower(), int(match[2]), match[4], formats, int(match[3] or 1))

    def values(self, name: str) -> tuple[str, ...]:
        """The values of all attributes of this name; that of a property is empty."""
        return tuple(found.value or "" for found in self.attributes if found.name == name)

    def value(self, name: str) -> str | None:
        """The value of the first attribute of this name, None where there is none."""
        return next(iter(self.values(name)), None)

    @property
    def label(self) -> str | None:
        """The ``a=label`` (:rfc:`4574`), case kept; None where there is none or it is empty."""
        return self.value("label") or None

    @property
    def direction(self) -> Direction | None:
        """The direction that is given here; None where none is."""
        return _direction(self.attributes)

    def _lines(self) -> list[str]:
        port = f"{self.port}/{self.port_count}" if self.port_count > 1 else str(self.port)
        lines = ["m=" + " ".join((self.kind, port, self.protocol, *(self.formats or ("0",))))]
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines += [f"b={bandwidth}" for bandwidth in self.bandwidths]
        return lines + [f"a={attribute}" for attribute in self.attributes]


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description."""

    media: tuple[Media, ...] = ()
    origin: Origin | None = None
    name: str = "-"
    connection: Connection | None = None
    bandwidths: tuple[str, ...] = ()
    times: tuple[str, ...] = ("0 0",)
    attributes: tuple[Attribute, ...] = ()
    unread: int = field(default=0, compare=False)
    "Lines that could not be understood and were passed over."

    @classmethod
    def parse(cls, octets: bytes, limits: Limits | None = None) -> SessionDescription:
        """
        Read it.

        :raises RemoteError: 488 with a Warning (:rfc:`3261#section-20.43`).
        """
        limits = limits or Limits()
        lines = _LINE_END.split(_text(octets))
        if len(lines) > limits.lines:
            raise unusable("too many lines in the SDP")
        reading = _Reading(limits)
        for line in lines:
            reading.take(line.strip())
        return reading.result()

    def values(self, name: str) -> tuple[str, ...]:
        """The values of all attributes of this name that are of the session itself."""
        return tuple(found.value or "" for found in self.attributes if found.name == name)

    def direction_of(self, media: Media) -> Direction:
        """That of the m-line, else of the session, else sendrecv (:rfc:`8866#section-6.7`)."""
        return media.direction or _direction(self.attributes) or Direction.SENDRECV

    def connection_of(self, media: Media) -> Connection | None:
        """That of the m-line, else of the session; None where the SDP has neither."""
        return media.connection or self.connection

    def __bytes__(self) -> bytes:
        origin = self.origin or Origin("0", "0", "0.0.0.0")
        lines = ["v=0", f"o={origin}", f"s={self.name or '-'}"]
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines += [f"b={bandwidth}" for bandwidth in self.bandwidths]
        lines += [f"t={time}" for time in self.times or ("0 0",)]
        lines += [f"a={attribute}" for attribute in self.attributes]
        for media in self.media:
            lines += media._lines()
        return "".join(line.translate(_UNPRINTABLE) + "\r\n" for line in lines).encode()


class _Reading:
    """The description as far as it has been read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._session = SessionDescription(times=())
        self._media: list[Media] = []
        self._attributes: list[Attribute] = []
        self._recognised = False

    def take(self, line: str) -> None:
        """Read one line."""
        kind, equals, value = line[:1], line[1:2], line[2:].strip()
        if not line:
            return
        if equals != "=":
            self._passed_over()
        elif kind == "m":
            self._take_media(value)
        elif kind == "a":
            self._take_attribute(value)
        elif kind == "c":
            self._take_connection(value)
        elif kind == "b":
            self._take_bandwidth(value)
        elif not self._media:
            self._take_session_line(kind, value)

    def result(self) -> SessionDescription:
        """The whole of it."""
        if not self._recognised:
            raise unusable("the body is no SDP")
        self._end_section()
        return replace(self._session, media=tuple(self._media))

    def _passed_over(self) -> None:
        self._session = replace(self._session, unread=self._session.unread + 1)

    def _take_media(self, value: str) -> None:
        media = Media.parse(value, self._limits)
        if media is None:
            raise unusable("an m-line of the SDP cannot be understood")
        if len(self._media) >= self._limits.media:
            raise unusable("too many m-lines in the SDP")
        self._end_section()
        self._recognised = True
        self._media.append(media)

    def _take_attribute(self, value: str) -> None:
        attribute = Attribute.parse(value)
        if attribute is None:
            self._passed_over()
        else:
            self._attributes.append(attribute)

    def _take_connection(self, value: str) -> None:
        connection = Connection.parse(value)
        if connection is None:
            self._passed_over()
        elif not self._media:
            self._session = replace(self._session, connection=connection)
        elif self._media[-1].connection is None:
            # Several addresses are for layered multicast; the first is the base layer.
            self._media[-1] = replace(self._media[-1], connection=connection)

    def _take_bandwidth(self, value: str) -> None:
        if self._media:
            last = self._media[-1]
            self._media[-1] = replace(last, bandwidths=(*last.bandwidths, value))
        else:
            self._session = replace(self._session, bandwidths=(*self._session.bandwidths, value))

    def _take_session_line(self, kind: str, value: str) -> None:
        session = self._session
        if kind == "v":
            self._recognised = True
        elif kind == "o":
            origin = Origin.parse(value)
            if origin is None:
                self._passed_over()
            else:
                self._session = replace(session, origin=origin)
        elif kind == "s":
            self._session = replace(session, name=value or "-")
        elif kind == "t" and value:
            self._session = replace(session, times=(*session.times, value))

    def _end_section(self) -> None:
        attributes, self._attributes = tuple(self._attributes), []
        if self._media:
            self._media[-1] = replace(self._media[-1], attributes=attributes)
        else:
            self._session = replace(self._session, attributes=attributes)


def unusable(reason: str, code: int = 399) -> RemoteError:
    """The 488 with the Warning that says why (:rfc:`3261#section-20.43`)."""
    return RemoteError(488, reason, (("Warning", f'{code} srs "{reason}"'),))


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    for attribute in attributes:
        if attribute.value is None and attribute.name in Direction._value2member_map_:
            return Direction(attribute.name)
    return None


def _text(octets: bytes) -> str:
    """SDP is UTF-8 (:rfc:`8866#section-4.5`); what is not is taken as ISO 8859-1."""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return text.replace("\0", "")
