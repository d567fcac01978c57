"""
Which of this machine's addresses a peer reaches, where a listener is bound on
all of them: what Contact, Via and SDP have to name.
"""

from __future__ import annotations

import socket
from collections import OrderedDict

from ...sip.events import Address

WILDCARDS = frozenset({"0.0.0.0", "::", ""})
DISCARD_PORT = 9


class LocalAddresses:
    """
    Asks the system's routes, and remembers the answer.

    :param remembered: for how many peers.
    """

    def __init__(self, remembered: int = 4_096) -> None:
        self._remembered = remembered
        self._known: OrderedDict[str, str] = OrderedDict()

    def toward(self, peer: str) -> str:
        """
        The address that we send from to a peer, so that it can send back to
        it. Nothing is sent to find it out. Where there is no route, the
        wildcard.
        """
        known = self._known.get(peer)
        if known is None:
            known = self._known[peer] = _route(peer)
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return known

    def concrete(self, address: Address, peer: str) -> Address:
        """The address itself, or where it is a wildcard, the one toward the peer."""
        host, port = address
        return (self.toward(peer), port) if host in WILDCARDS else address


def bindable(address: str, advertised: str) -> str:
    """
    What ports are bound on that an SRC is to reach at an advertised address: where all
    addresses are meant, those of its family.
    """
    if address not in WILDCARDS:
        return address
    return "::" if ":" in advertised else "0.0.0.0"


def _route(peer: str) -> str:
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, DISCARD_PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return "::" if family is socket.AF_INET6 else "0.0.0.0"
