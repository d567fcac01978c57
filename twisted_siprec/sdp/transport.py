"""
Where the media of an m-line goes, as its SDP says it, and how it is cut.
"""

from __future__ import annotations

import ipaddress
import re

from ..plan import Address
from .description import Connection, Media

_RTCP = re.compile(r"^(\d{1,5})(?:\s+IN\s+IP[46]\s+(\S+))?\s*$", re.IGNORECASE)


def address_of(connection: Connection | None, port: int) -> Address | None:
    """A usable source; None for a host name, which is left to the first packet to tell."""
    if connection is None or connection.holds:
        return None
    try:
        return str(ipaddress.ip_address(connection.host)), port
    except ValueError:
        return None


def rtcp_of(media: Media, source: Address | None) -> Address | None:
    """Where RTCP goes: ``a=rtcp`` (:rfc:`3605`), else the next port; nowhere with ``b=RR:0``."""
    if source is None or "RR:0" in media.bandwidths:
        return None
    match = _RTCP.match(media.value("rtcp") or "")
    if match is None or not 0 < int(match[1]) < 65536:
        return (source[0], source[1] + 1) if source[1] < 65535 else None
    named = address_of(Connection.to(match[2]), int(match[1])) if match[2] else None
    return named or (source[0], int(match[1]))


def packet_ms_of(media: Media) -> int | None:
    """The ``a=ptime`` of an m-line; None where it has none that can be."""
    match = re.match(r"\d{1,4}", media.value("ptime") or "")
    return int(match[0]) if match and 1 <= int(match[0]) <= 1000 else None
