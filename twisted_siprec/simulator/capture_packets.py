"""
From frames to datagrams and TCP segments: the link layers that are in use, IP of
both versions, and fragments put together again.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct

from ..sip.events import Address
from .capture_file import Frame

MAX_FRAGMENTED = 1_000
"Packets of which fragments are kept at once."

_NULL, _ETHERNET, _RAW_BSD, _RAW_OPENBSD, _RAW, _LOOP = 0, 1, 12, 14, 101, 108
_COOKED, _IPV4, _IPV6, _COOKED_2 = 113, 228, 229, 276
LINKS = frozenset(
    {_NULL, _ETHERNET, _RAW_BSD, _RAW_OPENBSD, _RAW, _LOOP, _COOKED, _IPV4, _IPV6, _COOKED_2}
)
"The link layers that are understood."
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_INTERNET = frozenset({0x0800, 0x86DD})
_UDP, _TCP = 17, 6
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_SHORT, _WORD = Struct(">H"), Struct(">I")


@dataclass(frozen=True, slots=True)
class Packet:
    """A datagram, or a segment where there is a sequence number."""

    at: float
    source: Address
    destination: Address
    payload: bytes
    sequence: int | None = None
    begins: bool = False
    "A segment with SYN."


@dataclass(slots=True)
class Passed:
    """What could not be read, for who wonders."""

    links: set[int] = field(default_factory=set)
    "Of unknown kinds."
    cut: int = 0
    "Packets that were not captured as a whole."
    fragments: int = 0
    "Fragments whose packets are not whole."


@dataclass(slots=True)
class _Parts:
    pieces: dict[int, bytes] = field(default_factory=dict)
    length: int | None = None

    def whole(self) -> bytes | None:
        """The packet, where nothing of it is missing."""
        if self.length is None:
            return None
        at, joined = 0, b""
        for begins, piece in sorted(self.pieces.items()):
            if begins > at:
                return None
            joined = joined[:begins] + piece
            at = len(joined)
        return joined if at >= self.length else None


@dataclass(frozen=True, slots=True)
class _IP:
    """A packet without its header; a fragment where there is a part of it only."""

    protocol: int
    source: str
    destination: str
    payload: bytes
    identification: int = 0
    offset: int = 0
    more: bool = False


def packets(frames: Iterable[Frame], passed: Passed) -> Iterator[Packet]:
    """Everything in the frames that is UDP or TCP."""
    parts: OrderedDict[tuple[object, ...], _Parts] = OrderedDict()
    for frame in frames:
        if frame.link not in LINKS:
            passed.links.add(frame.link)
            continue
        internet = _without_link(frame)
        ip = _internet(internet) if internet else None
        if ip is None or ip.protocol not in (_UDP, _TCP):
            continue
        if len(frame.octets) < frame.length:
            passed.cut += 1
            continue
        whole = _whole(ip, parts)
        packet = _packet(frame.at, ip, whole) if whole is not None else None
        if packet is not None:
            yield packet
    passed.fragments += sum(len(each.pieces) for each in parts.values())


def _without_link(frame: Frame) -> bytes | None:
    octets, link = frame.octets, frame.link
    if link in (_NULL, _LOOP):
        return octets[4:]
    if link == _ETHERNET:
        at = 12
        while octets[at : at + 2] and int.from_bytes(octets[at : at + 2], "big") in _TAGS:
            at += 4
    elif link == _COOKED:
        at = 14
    elif link == _COOKED_2:
        return octets[20:] if _ethertype(octets, 0) in _INTERNET else None
    else:
        return octets
    return octets[at + 2 :] if _ethertype(octets, at) in _INTERNET else None


def _ethertype(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 2], "big")


def _internet(octets: bytes) -> _IP | None:
    version = octets[0] >> 4
    if version == 4 and len(octets) >= 20:
        return _version_4(octets)
    if version == 6 and len(octets) >= 40:
        return _version_6(octets)
    return None


def _version_4(octets: bytes) -> _IP:
    begins = 4 * (octets[0] & 0x0F)
    # Where a network card cuts for us the length is not filled in yet.
    total = _SHORT.unpack_from(octets, 2)[0] or len(octets)
    flags = _SHORT.unpack_from(octets, 6)[0]
    return _IP(
        octets[9],
        socket.inet_ntop(socket.AF_INET, octets[12:16]),
        socket.inet_ntop(socket.AF_INET, octets[16:20]),
        octets[begins:total],
        _SHORT.unpack_from(octets, 4)[0],
        8 * (flags & 0x1FFF),
        bool(flags & 0x2000),
    )


def _version_6(octets: bytes) -> _IP | None:
    total = _SHORT.unpack_from(octets, 4)[0] or len(octets)
    following, at, end = octets[6], 40, 40 + total
    identification = offset = 0
    more = False
    while following in (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION):
        if at + 8 > len(octets):
            return None
        after = octets[at]
        if following == _FRAGMENT:
            placed = _SHORT.unpack_from(octets, at + 2)[0]
            offset, more = placed & 0xFFF8, bool(placed & 1)
            identification = _WORD.unpack_from(octets, at + 4)[0]
            at += 8
        elif following == _AUTHENTICATION:
            at += 4 * (octets[at + 1] + 2)
        else:
            at += 8 * (octets[at + 1] + 1)
        following = after
    source = socket.inet_ntop(socket.AF_INET6, octets[8:24])
    destination = socket.inet_ntop(socket.AF_INET6, octets[24:40])
    return _IP(following, source, destination, octets[at:end], identification, offset, more)


def _whole(ip: _IP, parts: OrderedDict[tuple[object, ...], _Parts]) -> bytes | None:
    """The payload, where it is whole by now."""
    if not (ip.offset or ip.more):
        return ip.payload
    key = (ip.source, ip.destination, ip.protocol, ip.identification)
    known = parts.setdefault(key, _Parts())
    known.pieces[ip.offset] = ip.payload
    if not ip.more:
        known.length = ip.offset + len(ip.payload)
    whole = known.whole()
    if whole is not None:
        del parts[key]
    elif len(parts) > MAX_FRAGMENTED:
        parts.popitem(last=False)
    return whole


def _packet(at: float, ip: _IP, octets: bytes) -> Packet | None:
    if len(octets) < (8 if ip.protocol == _UDP else 20):
        return None
    source = (ip.source, _SHORT.unpack_from(octets)[0])
    destination = (ip.destination, _SHORT.unpack_from(octets, 2)[0])
    if ip.protocol == _UDP:
        length = _SHORT.unpack_from(octets, 4)[0] or len(octets)
        return Packet(at, source, destination, octets[8:length])
    begins = 4 * (octets[12] >> 4)
    sequence = _WORD.unpack_from(octets, 4)[0]
    return Packet(at, source, destination, octets[begins:], sequence, bool(octets[13] & 0x02))
