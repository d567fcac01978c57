"""
Every SIP message to Homer, as it comes and goes.

SIP never waits for it: a datagram is sent or it is not; over TCP what the
connection does not take is bounded, and more is dropped. All of it is counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.internet import ClientService
from twisted.application.service import Service
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...config.model import HomerConfiguration
from ...sip.events import Traced
from ..credentials import SecretError, read_secret
from . import hep
from .ends import Ends, discreet

RESOLVE_S = 60.0
"How often the name of a collector is looked up."
KEY_S = 10.0
"For how long the password is used that was read."
MAX_UDP_OCTETS = 65_507
"Of a datagram over IPv4."


class _Datagrams(DatagramProtocol):
    """A socket that only sends."""

    noisy = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Homer has nothing to say."""


class _Connection(Protocol):
    """A connection on which we only send; ``full`` while it does not take any more."""

    def __init__(self, up: Callable[[_Connection | None], None]) -> None:
        self._up = up
        self.full = False

    def connectionMade(self) -> None:
        """It is there."""
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        self._up(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone; there will be another."""
        self._up(None)

    def pauseProducing(self) -> None:
        """The buffer of the transport is full."""
        self.full = True

    def resumeProducing(self) -> None:
        """It has room again."""
        self.full = False

    def stopProducing(self) -> None:
        """The connection ends."""


class Homer(Service):
    """
    Sends what :meth:`traced` is told.

    :param wall: POSIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        settings: HomerConfiguration,
        reactor: Any,
        wall: Callable[[], float] = time.time,
    ) -> None:
        assert settings.collector is not None  # noqa: S101 - there is no Homer without
        self._settings = settings
        self._reactor = reactor
        self._wall = wall
        self._host, self._port = settings.collector
        self._address: str | None = None
        self._datagrams: Any = None
        self._socket: Any = None
        self._connection: _Connection | None = None
        self._client: ClientService | None = None
        self._timer: IDelayedCall | None = None
        self._dropping = False
        self._key: str | None = None
        self._key_until = 0.0
        self.counters: Counter[str] = Counter({"sent to Homer": 0, "not sent to Homer": 0})

    # --- the service -------------------------------------------------------------------

    def startService(self) -> None:
        """Open the way."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._settings.transport == "tcp":
            endpoint = HostnameEndpoint(self._reactor, self._host, self._port)
            factory = Factory.forProtocol(lambda: _Connection(self._connected))
            factory.noisy = False
            self._client = ClientService(endpoint, factory, clock=self._reactor)
            self._client.startService()
        else:
            self._resolve()

    def stopService(self) -> Deferred[None]:
        """Send no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        client, self._client = self._client, None
        if client is not None:
            return maybeDeferred(client.stopService)
        port, self._socket, self._datagrams = self._socket, None, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)

    # --- messages ----------------------------------------------------------------------

    def traced(self, message: Traced) -> None:
        """A SIP message went in or out."""
        try:
            octets = hep.packet(
                Ends.of(message),
                self._wall(),
                discreet(message.octets),
                message.call_id or "",
                self._settings.capture_id,
                self._key_now(),
                self._settings.node or None,
            )
        except SecretError as error:
            self._log.warn("homer.password cannot be read: {error}", error=error)
            octets = None
        sent = octets is not None and self._send(octets)
        self.counters["sent to Homer" if sent else "not sent to Homer"] += 1
        if not sent and not self._dropping:
            self._log.warn(
                "SIP messages are not sent to Homer at {host}:{port}: it cannot be reached, "
                "does not keep up, or they are too long",
                host=self._host,
                port=self._port,
            )
        self._dropping = not sent

    def _key_now(self) -> str | None:
        """The password, read again now and then; with every message it would cost too much."""
        if self._settings.password is None:
            return None
        now = self._reactor.seconds()
        if self._key is None or now >= self._key_until:
            self._key, self._key_until = read_secret(self._settings.password), now + KEY_S
        return self._key

    def statistics(self) -> Mapping[str, int]:
        """How many messages were sent, and how many were not."""
        return self.counters

    def _send(self, octets: bytes) -> bool:
        if self._settings.transport == "tcp":
            connection = self._connection
            if connection is None or connection.full or connection.transport is None:
                return False
            connection.transport.write(octets)
            return True
        if self._datagrams is None or self._address is None or len(octets) > MAX_UDP_OCTETS:
            return False
        try:
            self._datagrams.transport.write(octets, (self._address, self._port))
        except (OSError, MessageLengthError):
            return False
        return True

    def _connected(self, connection: _Connection | None) -> None:
        self._connection = connection

    # --- names -------------------------------------------------------------------------

    def _resolve(self) -> None:
        """Find the collector, and look again now and then where it is known by name."""
        self._timer = None
        if isIPAddress(self._host) or isIPv6Address(self._host):
            self._found(self._host)
            return
        found: Deferred[str] = self._reactor.resolve(self._host)
        found.addCallbacks(self._found, self._not_found)
        self._timer = self._reactor.callLater(RESOLVE_S, self._resolve)

    def _found(self, address: str) -> None:
        self._address = address
        if self._datagrams is None and self.running:
            interface = "::" if ":" in address else ""
            self._datagrams = _Datagrams()
            self._socket = self._reactor.listenUDP(0, self._datagrams, interface=interface)

    def _not_found(self, failure: Failure) -> None:
        self._log.warn(
            "{host} (homer.collector) is not to be found: {error}",
            host=self._host,
            error=failure.getErrorMessage(),
        )
