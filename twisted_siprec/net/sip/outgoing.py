"""
Connections that we open: for our requests where the peer's own connection is
gone or was none, and for responses whose connection broke (:rfc:`3261#section-18.2.2`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ...sip.events import Address, Transport
from ..tls import ClientTLSFactory
from .locate import Locator, default_port, is_ip
from .stream import SIPStream, SIPStreams

CONNECT_TIMEOUT_S = 10.0
WAITING_MESSAGES = 64
"What may wait for one connection to come up."

Target = tuple[str, int | None]
"A host, and its port where it is named."

Waiting = tuple[bytes, str | None]
"A message, and the transaction that is told if it cannot be sent."


class OutgoingStreams:
    """
    Our own connections, by where they lead. Each is used for all that goes
    there while it lives; what is sent before it is up waits for it.

    :param streams: makes the owner of the connections of one transport.
    :param failed: is told each transaction whose request could not be sent.
    :param locator: finds the servers of a host, which are tried in their order.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        streams: Callable[[Transport, bool], SIPStreams],
        failed: Callable[[str], None],
        client_tls: ClientTLSFactory,
        locator: Locator,
    ) -> None:
        self._reactor = reactor
        self._make_streams = streams
        self._failed = failed
        self._client_tls = client_tls
        self._locator = locator
        self._streams: dict[Transport, SIPStreams] = {}
        self._live: dict[tuple[Transport, Target], SIPStream] = {}
        self._waiting: dict[tuple[Transport, Target], list[Waiting]] = {}
        self._attempts: dict[tuple[Transport, Target], Deferred[Any]] = {}
        self._stopped = False

    def send(
        self, transport: Transport, target: Target, octets: bytes, transaction: str | None
    ) -> None:
        """Send a message to a host, connecting first where that is needed."""
        key = (transport, target)
        live = self._live.get(key)
        if live is not None and live.key in self._streams[transport].streams:
            live.send(octets)
            return
        waiting = self._waiting.setdefault(key, [])
        if self._stopped or len(waiting) >= WAITING_MESSAGES:
            self._give_up([(octets, transaction)])
            return
        waiting.append((octets, transaction))
        if key not in self._attempts:
            self._connect(key)

    def stop(self) -> None:
        """Try no longer to connect."""
        self._stopped = True
        for attempt in [*self._attempts.values()]:
            attempt.cancel()

    def _connect(self, key: tuple[Transport, Target]) -> None:
        transport, _ = key
        if transport not in self._streams:
            self._streams[transport] = self._make_streams(transport, False)
        attempt = Deferred.fromCoroutine(self._reach(key))
        self._attempts[key] = attempt
        attempt.addCallback(self._connected, key)
        attempt.addErrback(self._not_connected, key)

    async def _reach(self, key: tuple[Transport, Target]) -> SIPStream:
        """Try the servers of a host in their order."""
        transport, (host, port) = key
        *others, last = await self._locator.locate(transport, host, port)
        for address in others:
            try:
                return await self._connection(transport, host, address)
            except (ConnectError, OSError, ValueError):
                if self._stopped:
                    raise
        return await self._connection(transport, host, last)

    async def _connection(self, transport: Transport, host: str, address: Address) -> SIPStream:
        """
        :param host: the name that the URI has, which TLS has to prove (:rfc:`5922#section-4`).
        """
        name, port = address
        endpoint: Any = HostnameEndpoint(
            self._reactor,
            name.encode("idna") if not is_ip(name) else name,
            port,
            timeout=CONNECT_TIMEOUT_S,
        )
        if transport is Transport.TLS:
            endpoint = wrapClientTLS(self._client_tls(host), endpoint)
        stream: SIPStream = await endpoint.connect(self._streams[transport])
        return stream

    def _connected(self, stream: SIPStream, key: tuple[Transport, Target]) -> None:
        self._attempts.pop(key, None)
        self._forget_dead()
        self._live[key] = stream
        for octets, _ in self._waiting.pop(key, []):
            stream.send(octets)

    def _not_connected(self, failure: Failure, key: tuple[Transport, Target]) -> None:
        self._attempts.pop(key, None)
        transport, (host, port) = key
        self._log.warn(
            "No {transport} connection to {host} port {port}: {kind} {error}",
            transport=transport.value,
            host=host,
            port=port or default_port(transport),
            kind=getattr(failure.type, "__name__", ""),
            error=failure.getErrorMessage(),
        )
        self._give_up(self._waiting.pop(key, []))

    def _give_up(self, messages: list[Waiting]) -> None:
        for _, transaction in messages:
            if transaction is not None:
                self._failed(transaction)

    def _forget_dead(self) -> None:
        for key, stream in [*self._live.items()]:
            if stream.key not in self._streams[key[0]].streams:
                del self._live[key]


@implementer(IResolutionReceiver)
class _FirstAddress:
    """The first address that a name leads to."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._found: str | None = None
        self.result: Deferred[str] = Deferred()

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """The look-up has begun."""

    def addressResolved(self, address: IAddress) -> None:
        """An address of the name."""
        if self._found is None:
            self._found = str(getattr(address, "host", ""))

    def resolutionComplete(self) -> None:
        """No more addresses come."""
        if self._found is None:
            self.result.errback(DNSLookupError(f"{self._host} has no address"))
        else:
            self.result.callback(self._found)


def resolved(reactor: Any, host: str) -> Deferred[str]:
    """An IP address for a host, which may be one already."""
    if is_ip(host):
        return succeed(host)
    receiver = _FirstAddress(host)
    reactor.nameResolver.resolveHostName(receiver, host)
    return receiver.result
