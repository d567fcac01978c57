"""
Where a host name of a Contact or a Route leads (:rfc:`3263#section-4`): by NAPTR and
SRV records where the URI names no port, else to the host itself.

The transport is known already, from the URI or from the dialog. So NAPTR records do
not choose it: they say under which name its SRV records are, where that is not the
usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.names import client
from twisted.names.dns import Record_NAPTR, Record_SRV
from twisted.names.error import DNSServerError, DNSUnknownError, DomainError

from ...sip.events import Address, Transport

TIMEOUTS_S = (1, 3)
"How long each attempt of a look-up waits."
RESOLV_CONF = "/etc/resolv.conf"
MAX_POINTERS = 4
"How many NAPTR records of one name are followed."
MAX_TARGETS = 8
"How many servers of one name are tried."

Lookup = Callable[[str], "Deferred[Any]"]
"Gives the answers to a question for records of one kind, as ``twisted.names`` has them."

Payload = TypeVar("Payload")

_POINTERS = {
    Transport.UDP: b"SIP+D2U",
    Transport.TCP: b"SIP+D2T",
    Transport.TLS: b"SIPS+D2T",
}
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

    :param lookup: finds SRV records; None where they are not looked at.
    :param lot: a random number from 0 to 1, not included.
    :param pointers: finds NAPTR records; None where they are not looked at.
    """

    def __init__(
        self,
        lookup: Lookup | None,
        lot: Callable[[], float],
        pointers: Lookup | None = None,
    ) -> None:
        self._lookup = lookup
        self._lot = lot
        self._pointers = pointers

    async def locate(self, transport: Transport, host: str, port: int | None) -> list[Address]:
        """The servers in the order in which to try them: names or addresses, with ports."""
        if port is None and not is_ip(host) and self._lookup is not None:
            for name in await self._services(transport, host):
                targets = self._ordered(await _records(self._lookup, name, Record_SRV))
                if targets:
                    return targets[:MAX_TARGETS]
        return [(host, port or default_port(transport))]

    async def _services(self, transport: Transport, host: str) -> list[str]:
        """The names of the transport's service: what the domain says, then the usual one."""
        usual = f"{_SERVICES[transport]}.{host}"
        if self._pointers is None:
            return [usual]
        pointers = [
            pointer
            for pointer in await _records(self._pointers, host, Record_NAPTR)
            if pointer.service.string.upper() == _POINTERS[transport]
            and pointer.flags.string.lower() == b"s"
        ]
        pointers.sort(key=lambda pointer: (pointer.order, pointer.preference))
        names = (pointer.replacement.name.decode("ascii", "replace") for pointer in pointers)
        named = [name.rstrip(".") for name in names][:MAX_POINTERS]
        return list(dict.fromkeys([*filter(None, named), usual]))

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


def system_locator(reactor: IReactorTime, lot: Callable[[], float]) -> Locator:
    """Look-ups by the system's name servers, asked for the first time when there is a need."""
    resolvers: list[client.Resolver] = []

    def resolver() -> client.Resolver:
        if not resolvers:
            resolvers.append(client.Resolver(RESOLV_CONF, reactor=reactor))
        return resolvers[0]

    return Locator(
        lambda name: resolver().lookupService(name, timeout=TIMEOUTS_S),
        lot,
        lambda name: resolver().lookupNamingAuthorityPointer(name, timeout=TIMEOUTS_S),
    )


async def _records(lookup: Lookup, name: str, kind: type[Payload]) -> list[Payload]:
    try:
        answers, _, _ = await lookup(name)
    except (DomainError, DNSServerError, DNSUnknownError, DNSLookupError, OSError):
        return []  # a name without a service, or nobody to ask: its addresses will do
    payloads = (answer.payload for answer in answers)
    return [payload for payload in payloads if isinstance(payload, kind)]


def is_ip(host: str) -> bool:
    """The host is an address already."""
    return bool(isIPAddress(host) or isIPv6Address(host))
