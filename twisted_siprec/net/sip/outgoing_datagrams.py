"""
Our requests by UDP: the listener that each is sent from, and the server of a host
name that it goes to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...sip.events import Address, Hop, Send, Transport
from .locate import Locator, is_ip
from .outgoing import resolved
from .udp import SIPDatagrams

Located = Callable[[str, tuple[Address, ...]], Address]
"Takes the servers of a transaction's next hop, and says which of them it goes to now."


class OutgoingDatagrams:
    """
    Sends requests from our listeners.

    :param listeners: by the key of the flows of what comes by them.
    :param located: is told the servers of a name, and chooses.
    :param failed: is told each transaction whose request could not be sent.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        listeners: Mapping[str, SIPDatagrams],
        locator: Locator,
        located: Located,
        failed: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._listeners = listeners
        self._locator = locator
        self._located = located
        self._failed = failed

    def send(self, request: Send) -> None:
        """Send a request, once its host is looked up where that is a name."""
        looked_up = Deferred.fromCoroutine(self._address(request))
        looked_up.addCallback(self._write, request)
        looked_up.addErrback(self._unreachable, request)

    async def _address(self, request: Send) -> Address:
        """The IP address and the port that it goes to."""
        hop = request.hop
        servers = await self._locator.locate(Transport.UDP, hop.host, hop.port)
        if not is_ip(hop.host):
            servers = await self._with_addresses(servers)
            return self._located(request.transaction, tuple(servers))
        return servers[0]

    async def _with_addresses(self, servers: list[Address]) -> list[Address]:
        """Those that have an address, by that."""
        found: list[Address] = []
        missing: DNSLookupError | None = None
        for host, port in servers:
            try:
                found.append((await resolved(self._reactor, host), port))
            except DNSLookupError as error:
                missing = error
        if missing is not None and not found:
            raise missing
        return found

    def _write(self, address: Address, request: Send) -> None:
        listener = self._listener(request.hop, address)
        if listener is None or not listener.send(request.octets, address):
            self._failed(request.transaction)

    def _listener(self, hop: Hop, address: Address) -> SIPDatagrams | None:
        """That of the flow, else one of the address's family."""
        own = self._listeners.get(hop.flow.key) if hop.flow is not None else None
        family = ":" in address[0]
        fitting = (each for each in self._listeners.values() if (":" in each.local[0]) == family)
        return own if own is not None else next(fitting, None)

    def _unreachable(self, failure: Failure, request: Send) -> None:
        self._log.warn(
            "{host} is not to be found: {error}",
            host=request.hop.host,
            error=failure.getErrorMessage(),
        )
        self._failed(request.transaction)
