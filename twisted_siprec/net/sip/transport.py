"""
The sockets of the user agent: listeners, connections, and the way of each
message in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger

from ...config.model import Connections
from ...sip.events import (
    Address,
    CloseFlow,
    Discarded,
    Flow,
    Limits,
    Output,
    Respond,
    Send,
    Transport,
)
from ...sip.uas import UserAgentServer
from ..driver import Driver
from ..tls import ClientTLSFactory
from .local_address import LocalAddresses
from .locate import Locator
from .outgoing import OutgoingStreams
from .outgoing_datagrams import OutgoingDatagrams
from .server_identity import ServerIdentity
from .stream import SIPStreams
from .udp import Admit, SIPDatagrams

MAX_DATAGRAM = 65_535
"What :rfc:`3261#section-18.1.1` wants taken; Twisted would cut datagrams at 8 KiB."


Present = Callable[[Flow], Flow]
"Gives a flow our address as its source is to see it."


@dataclass(frozen=True, slots=True)
class SIPListener:
    """A listening socket."""

    transport: Transport
    local: Address
    "As it is bound."
    advertised: Address
    "As Via and Contact name it."


class SIPTransport:
    """
    Carries the messages of one user agent, and drives it.

    Its methods for the transaction user are those of
    :class:`~twisted_siprec.sip.uas.UserAgentServer` without the time.

    :param reactor: the reactor, or a fake that listens and connects.
    :param events: takes what is for the transaction user.
    :param admit: decides by source before anything is parsed.
    :param expect: decides whether a connection is taken whose peer TLS has not yet
        named; ``admit`` where it is not given.
    :param present: gives a flow our address as its source is to see it.
    :param locator: finds the servers of host names; SRV records are not looked at without.
    :param client_tls: makes the client side of TLS connections that we open.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        core: UserAgentServer,
        events: Callable[[Output], None],
        *,
        admit: Admit | None = None,
        expect: Admit | None = None,
        present: Present | None = None,
        connections: Connections | None = None,
        limits: Limits | None = None,
        client_tls: ClientTLSFactory = ServerIdentity,
        locator: Locator | None = None,
    ) -> None:
        self._reactor = reactor
        self._core = core
        self._events = events
        self._admit: Admit = self._telling(admit if admit is not None else _admit_all)
        self._expect: Admit = self._admit if expect is None else self._telling(expect)
        self._present: Present = present if present is not None else _as_it_is
        self._connections = connections if connections is not None else Connections()
        self._limits = limits if limits is not None else Limits()
        self._driver: Driver[Output] = Driver(core, reactor, self._do)
        self._addresses = LocalAddresses()
        self._datagrams: dict[str, SIPDatagrams] = {}
        self._streams: list[SIPStreams] = []
        self._ports: list[Any] = []
        self.listeners: list[SIPListener] = []
        locator = locator if locator is not None else Locator(None, lambda: 0.0)
        self._outgoing_datagrams = OutgoingDatagrams(
            reactor, self._datagrams, locator, self._located, self._failed
        )
        self._outgoing = OutgoingStreams(
            reactor, self._new_streams, self._failed, client_tls, locator
        )

    # --- listening ------------------------------------------------------------

    def listen_udp(
        self, interface: str, port: int, advertised: tuple[str, int | None] | None = None
    ) -> SIPListener:
        """
        Take SIP by UDP on an address. Port 0 is any free one; the listener that
        is returned knows which.

        :param advertised: what peers reach it by, where that is another address
            than the bound one; without a port, the bound one's.
        """
        key = f"udp-{len(self._datagrams) + 1}"
        datagrams = SIPDatagrams(key, self._receive, self._admit, self._addresses)
        bound = self._reactor.listenUDP(
            port, datagrams, interface=interface, maxPacketSize=MAX_DATAGRAM
        )
        listener = self._listening(Transport.UDP, bound, advertised)
        datagrams.local, datagrams.advertised = listener.local, listener.advertised
        self._datagrams[key] = datagrams
        return listener

    def listen_tcp(
        self, interface: str, port: int, advertised: tuple[str, int | None] | None = None
    ) -> SIPListener:
        """Take SIP by TCP."""
        streams = self._new_streams(Transport.TCP, True)
        bound = self._reactor.listenTCP(port, streams, interface=interface)
        listener = self._listening(Transport.TCP, bound, advertised)
        streams.advertised = listener.advertised
        return listener

    def listen_tls(
        self,
        interface: str,
        port: int,
        advertised: tuple[str, int | None] | None,
        context: IOpenSSLServerConnectionCreator,
    ) -> SIPListener:
        """Take SIP by TLS."""
        streams = self._new_streams(Transport.TLS, True)
        bound = self._reactor.listenSSL(port, streams, context, interface=interface)
        listener = self._listening(Transport.TLS, bound, advertised)
        streams.advertised = listener.advertised
        return listener

    def stop(self) -> Deferred[None]:
        """Close all sockets; what was written to connections goes out first."""
        self._driver.stop()
        self._outgoing.stop()
        ports, self._ports = self._ports, []
        waiting = [maybeDeferred(port.stopListening) for port in ports]
        for streams in self._streams:
            for stream in [*streams.streams.values()]:
                stream.close()
        if not waiting:
            return succeed(None)
        return DeferredList(waiting, consumeErrors=True).addCallback(lambda _: None)

    def _new_streams(self, transport: Transport, listening: bool) -> SIPStreams:
        streams = SIPStreams(
            f"{transport.value.lower()}-{len(self._streams) + 1}",
            transport,
            self._reactor,
            self._receive,
            self._lost,
            self._admit,
            self._expect,
            self._events,
            self._connections,
            self._limits,
            listening=listening,
        )
        if not listening:
            streams.advertised = next(
                (one.advertised for one in self.listeners if one.transport is transport), None
            )
        self._streams.append(streams)
        return streams

    def _listening(
        self, transport: Transport, bound: Any, advertised: tuple[str, int | None] | None
    ) -> SIPListener:
        self._ports.append(bound)
        host = bound.getHost()
        local = (str(host.host), int(host.port))
        shown = local if advertised is None else (advertised[0], advertised[1] or local[1])
        listener = SIPListener(transport, local, shown)
        self.listeners.append(listener)
        self._log.info(
            "SIP by {transport} on {host} port {port}",
            transport=transport.value,
            host=local[0],
            port=local[1],
        )
        return listener

    # --- for the transaction user ------------------------------------------------------------

    def accept(
        self,
        transaction: str,
        *,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer 200."""
        self._driver.run(
            self._core.accept, transaction, body=body, content_type=content_type, headers=headers
        )

    def refuse(
        self,
        transaction: str,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer with an error."""
        self._driver.run(
            self._core.refuse, transaction, status=status, reason=reason, headers=headers
        )

    def send_bye(self, dialog: str, reason: str = "") -> str | None:
        """End a dialog."""
        return self._driver.run(self._core.send_bye, dialog, reason=reason)

    def send_update(
        self,
        dialog: str,
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        *,
        content_type: str = "",
        disposition: str = "",
    ) -> str | None:
        """Send an UPDATE within a dialog."""
        return self._driver.run(
            self._core.send_update,
            dialog,
            body=body,
            content_type=content_type,
            disposition=disposition,
            headers=headers,
        )

    def send_invite(
        self, dialog: str, *, body: bytes, content_type: str = "application/sdp"
    ) -> str | None:
        """Send a re-INVITE within a dialog."""
        return self._driver.run(
            self._core.send_invite, dialog, body=body, content_type=content_type
        )

    def peer_allows(self, dialog: str, method: str) -> bool:
        """The peer lists the method in its Allow."""
        return self._core.peer_allows(dialog, method)

    def drain(self, retry_after_s: int | None) -> None:
        """Refuse new dialogs with 503 and this Retry-After; None to serve again."""
        self._core.drain(retry_after_s)

    def overload(self, retry_after_s: int | None) -> None:
        """Refuse new INVITEs with 503 and this Retry-After; None to take them again."""
        self._core.overload(retry_after_s)

    def trace(self, on: bool) -> None:
        """Tell every message as ``Traced``, or no longer."""
        self._core.trace(on)

    @property
    def connections(self) -> int:
        """How many TCP and TLS connections are up."""
        return sum(len(streams.streams) for streams in self._streams)

    # --- in ------------------------------------------------------------

    def _telling(self, admit: Admit) -> Admit:
        """The same, and who gets silence is told, for the counters."""

        def admitted(flow: Flow) -> bool:
            if admit(flow):
                return True
            self._events(Discarded("unknown source", flow, 0))
            return False

        return admitted

    def _receive(self, octets: bytes, flow: Flow) -> None:
        self._driver.attempt(self._core.receive, octets, self._present(flow))

    def _lost(self, key: str) -> None:
        self._driver.attempt(self._core.flow_lost, key)

    def _failed(self, transaction: str) -> None:
        self._driver.attempt(self._core.send_failed, transaction)

    def _located(self, transaction: str, servers: tuple[Address, ...]) -> Address:
        server: Address = self._driver.run(self._core.located, transaction, servers)
        return server

    # --- out ------------------------------------------------------------

    @singledispatchmethod
    def _do(self, output: Output) -> None:
        self._events(output)

    @_do.register
    def _respond(self, output: Respond) -> None:
        """On the way the request came; by a new connection where that is gone."""
        flow = output.flow
        if flow.transport is Transport.UDP:
            datagrams = self._datagrams.get(flow.key)
            if datagrams is not None:
                datagrams.send(output.octets, output.destination)
        elif (stream := self._stream(flow)) is not None:
            stream.send(output.octets)
        else:
            self._outgoing.send(flow.transport, output.destination, output.octets, None)

    @_do.register
    def _send(self, output: Send) -> None:
        """To the next hop, on a connection that is there or on a new one."""
        hop = output.hop
        stream = self._stream(hop.flow)
        if hop.transport is Transport.UDP:
            self._outgoing_datagrams.send(output)
        elif stream is not None:
            stream.send(output.octets)
        else:
            self._outgoing.send(
                hop.transport, (hop.host, hop.port), output.octets, output.transaction
            )

    @_do.register
    def _close(self, output: CloseFlow) -> None:
        stream = self._stream(output.flow)
        if stream is not None:
            self._log.debug("{key} closed: {reason}", key=output.flow.key, reason=output.reason)
            stream.close()

    def _stream(self, flow: Flow | None) -> Any:
        if flow is None:
            return None
        found = (streams.streams.get(flow.key) for streams in self._streams)
        return next((stream for stream in found if stream is not None), None)


def _admit_all(flow: Flow) -> bool:
    return True


def _as_it_is(flow: Flow) -> Flow:
    return flow
