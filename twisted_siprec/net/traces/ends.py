"""
Where a SIP message came from and went to, and what of it others may see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from ...plan import Address
from ...sip.events import Traced, Transport

_NOWHERE: Address = ("0.0.0.0", 0)
_KEY = re.compile(rb"(inline:)([^\s|;]+)", re.IGNORECASE)
_SECRET = re.compile(
    rb"(^(?:proxy-)?authorization\s*:.*?\bresponse\s*=\s*\"?)([0-9a-f]+)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Ends:
    """The way of one message."""

    source: Address
    destination: Address
    transport: Transport

    @classmethod
    def of(cls, message: Traced) -> Ends:
        """As far as it is known: a request of ours may go to a name, or by a new connection."""
        flow = message.flow
        peer = (message.address[0].strip("[]"), message.address[1])
        if flow is None:
            transport = message.transport or Transport.UDP
            ours, peer = _NOWHERE, peer if _is_ip(peer[0]) else _NOWHERE
        else:
            transport = flow.transport
            ours, peer = flow.local, peer if _is_ip(peer[0]) else flow.remote
        if message.outgoing:
            return cls(ours, peer, transport)
        return cls(peer, ours, transport)


def discreet(octets: bytes) -> bytes:
    """
    A message without keys of SRTP and without what proves that a peer knows its
    password. Asterisks take their place, so that no length is wrong.
    """
    octets = _KEY.sub(_asterisks, octets)
    return _SECRET.sub(_asterisks, octets)


def _asterisks(found: re.Match[bytes]) -> bytes:
    return found[1] + b"*" * len(found[2])


def _is_ip(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
