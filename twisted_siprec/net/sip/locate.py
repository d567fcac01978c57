"""
Where a host name of a Contact or a Route leads (:rfc:`3263#section-4`): by SRV
records where the URI names no port, else to the host itself.

The transport is known already, from the URI or from the dialog, so that NAPTR has
nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.names import client
from twisted.names.dns import Record_SRV
from twisted.names.error import DNSServerError, DNSUnknownError, DomainError

from ...sip.events import Address, Transport

TIMEOUTS_S = (1, 3)
"How long each attempt of a look-up waits."
RESOLV_CONF = "/etc/resolv.conf"
MAX_TARGETS = 8
"How many servers of one name are tried."

Lookup = Callable[[str], "Deferred[Any]"]
"Gives the answers to a question for SRV records, as ``twisted.names`` has them."

_SERVICES = {
    Transport.UDP: "_sip._udp",
    Transport.TCP: "_sip._tcp",
    Transport.TLS: "_sips._tcp",
}


def default_port(transport: Transport) -> int:
    """The port of a URI that names none (:rfc:`3261#section-19.1.2`)."""
    return 5061 if transport is Transport.TLS else 5060


class Locator:
    """
    Finds the servers of a host.

    :param lookup: None where SRV records are not looked at.
    :param lot: a random number from 0 to 1, not included.
    """

    def __init__(self, lookup: Lookup | None, lot: Callable[[], float]) -> None:
        self._lookup = lookup
        self._lot = lot

    async def locate(self, transport: Transport, host: str, port: int | None) -> list[Address]:
        """The servers in the order in which to try them: names or addresses, with ports."""
        if port is None and not is_ip(host) and self._lookup is not None:
            records = await self._records(self._lookup, f"{_SERVICES[transport]}.{host}")
            targets = self._ordered(records)
            if targets:
                return targets[:MAX_TARGETS]
        return [(host, port or default_port(transport))]

    async def _records(self, lookup: Lookup, name: str) -> list[Record_SRV]:
        try:
            answers, _, _ = await lookup(name)
        except (DomainError, DNSServerError, DNSUnknownError, DNSLookupError, OSError):
            return []  # a name without a service, or nobody to ask: its addresses will do
        payloads = (answer.payload for answer in answers)
        return [payload for payload in payloads if isinstance(payload, Record_SRV)]

    def _ordered(self, records: Iterable[Record_SRV]) -> list[Address]:
        """By priority, and by lot among equals, the heavier the likelier (:rfc:`2782`)."""
        ordered: list[Address] = []
        rest = sorted(records, key=lambda record: (record.priority, record.weight))
        while rest:
            equals = [record for record in rest if record.priority == rest[0].priority]
            place = self._lot() * sum(record.weight for record in equals)
            chosen = equals[0]
            for chosen in equals:
                place -= chosen.weight
                if place < 0:
                    break
            rest.remove(chosen)
            target = chosen.target.name.decode("ascii", "replace").rstrip(".")
            if target:  # a dot alone says that there is no such service
                ordered.append((target, int(chosen.port)))
        return ordered


def service_lookup(reactor: IReactorTime) -> Lookup:
    """Look-ups by the system's name servers, asked for the first time when there is a need."""
    resolvers: list[client.Resolver] = []

    def lookup(name: str) -> Deferred[Any]:
        if not resolvers:
            resolvers.append(client.Resolver(RESOLV_CONF, reactor=reactor))
        found: Deferred[Any] = resolvers[0].lookupService(name, timeout=TIMEOUTS_S)
        return found

    return lookup


def is_ip(host: str) -> bool:
    """The host is an address already."""
    return bool(isIPAddress(host) or isIPv6Address(host))
