"""
HEP version 3: a SIP message as Homer takes it (the HEP/EEP specification, rev. 36).

::

    "HEP3"  length of all
    vendor (0: generic)  kind of chunk  length of it  its value
    …
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import Struct

from ...sip.events import Transport
from .ends import Ends

MAX_OCTETS = 65_535
_HEAD = Struct(">4sH")
_CHUNK = Struct(">HHH")
_OCTET, _SHORT, _LONG = Struct(">B"), Struct(">H"), Struct(">I")

_FAMILY, _PROTOCOL = 0x01, 0x02
_SOURCE, _DESTINATION = {4: 0x03, 6: 0x05}, {4: 0x04, 6: 0x06}
_SOURCE_PORT, _DESTINATION_PORT = 0x07, 0x08
_SECONDS, _MICROSECONDS = 0x09, 0x0A
_KIND, _AGENT, _KEY, _PAYLOAD, _CORRELATION, _NODE = 0x0B, 0x0C, 0x0E, 0x0F, 0x11, 0x13
_FAMILIES = {4: 2, 6: 10}
_SIP = 1


def packet(
    ends: Ends,
    at: float,
    octets: bytes,
    correlation: str,
    agent: int,
    key: str | None = None,
    node: str | None = None,
) -> bytes | None:
    """
    One SIP message; None where it is too long for HEP.

    :param at: POSIX seconds.
    :param correlation: the Call-ID.
    :param agent: by which Homer knows who captured it.
    :param key: what Homer may ask for.
    :param node: our name.
    """
    source = ip_address(ends.source[0].partition("%")[0])
    destination = ip_address(ends.destination[0].partition("%")[0])
    family = 4 if source.version == destination.version == 4 else 6
    microseconds = round(at * 1_000_000)
    chunks = [
        _chunk(_FAMILY, _OCTET.pack(_FAMILIES[family])),
        _chunk(_PROTOCOL, _OCTET.pack(17 if ends.transport is Transport.UDP else 6)),
        _chunk(_SOURCE[family], _packed(str(source), family)),
        _chunk(_DESTINATION[family], _packed(str(destination), family)),
        _chunk(_SOURCE_PORT, _SHORT.pack(ends.source[1])),
        _chunk(_DESTINATION_PORT, _SHORT.pack(ends.destination[1])),
        _chunk(_SECONDS, _LONG.pack(microseconds // 1_000_000)),
        _chunk(_MICROSECONDS, _LONG.pack(microseconds % 1_000_000)),
        _chunk(_KIND, _OCTET.pack(_SIP)),
        _chunk(_AGENT, _LONG.pack(agent)),
    ]
    if key is not None:
        chunks.append(_chunk(_KEY, key.encode()))
    if node:
        chunks.append(_chunk(_NODE, node.encode()))
    if correlation:
        chunks.append(_chunk(_CORRELATION, correlation.encode()[:1024]))
    length = _HEAD.size + sum(map(len, chunks)) + _CHUNK.size + len(octets)
    if length > MAX_OCTETS:
        return None
    return b"".join((_HEAD.pack(b"HEP3", length), *chunks, _chunk(_PAYLOAD, octets)))


def _chunk(kind: int, value: bytes) -> bytes:
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value


def _packed(host: str, family: int) -> bytes:
    address = ip_address(host)
    if address.version == family:
        return address.packed
    return ip_address(f"::ffff:{host}").packed
