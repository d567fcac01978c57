"""
Where consumer streams go: the WebSocket of a destination, or files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from ...bridge.delivery import Delivery, Earlier
from ...bridge.delivery_states import (
    DeliverySettings,
    Disconnect,
    Finished,
    Output,
    Puzzled,
    Send,
    Tell,
    ToSpool,
)
from ...bridge.entries import Entry
from ...dialects import dialect
from ...dialects.base import Audio, Dialect, Event, Message, StreamStart
from ...dialects.foreign import Foreign, Request
from ...plan import Destination, EndReason
from ...report import DeliveryStatistics, Report, StreamStatistics
from ..client_tls import CertificateError, ConsumerTLS
from ..credentials import (
    SecretError,
    authorization,
    foreign_authorization,
    proxy_authorization,
)
from ..driver import Driver
from ..media.outlet import Outlet
from .approach import Attempt, AttemptError, Leaving, LinkSettings
from .doors import Doors
from .http_proxy import ProxyEndpoint
from .link import Link
from .recordings import Recording, RecordingSettings
from .spool import Spool
from .spool_table import Shelved
from .websocket import Connection, Handshake

PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class OutletSettings:
    """What all destinations share."""

    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    recording: RecordingSettings = field(default_factory=RecordingSettings)


class WebSocketOutlet:
    """A consumer stream over WebSocket: the delivery decides, the link carries."""

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        start: StreamStart,
        report: Callable[[Report], None],
        prepare: Callable[[Destination, str, StreamStart, Dialect], Attempt],
        random: Callable[[], float],
        token: str,
        settings: OutletSettings,
        doors: Doors | None = None,
        spool: Spool | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        self._start = start
        self._report = report
        self._statistics: DeliveryStatistics | None = None
        self._waiting: list[Deferred[DeliveryStatistics]] = []
        spoken = dialect(start.destination)
        self._token = token
        self._spool = spool
        self._delivery = Delivery(start, spoken, token, settings.delivery, earlier)
        self._driver: Driver[Output] = Driver(self._delivery, reactor, self._do)
        self._link = Link(
            reactor,
            start.destination,
            lambda place, url: prepare(place, url, start, spoken),
            random,
            self,
            settings.link,
            doors,
        )
        self._link.open()

    # --- what the media plane does -----------------------------------------------

    @property
    def waiting_s(self) -> float:
        """How much audio waits to be sent."""
        return self._delivery.waiting_s

    def carry(self, audio: Audio) -> None:
        """The next audio."""
        self._driver.attempt(self._delivery.carry, audio)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        """
        The next audio, of which there is nothing to be told. While nothing else happens
        it goes past the driver, which would find nothing more to do.
        """
        message = self._delivery.straight(position, samples, payload)
        if message is None:
            self.carry(Audio(position, samples, payload))
        else:
            self._link.send(message)

    def tell(self, event: Event) -> None:
        """What happened, in order with the audio."""
        self._driver.attempt(self._delivery.tell, event)

    def stop(
        self, reason: EndReason, duration_ms: int, channels: tuple[StreamStatistics, ...]
    ) -> Deferred[DeliveryStatistics]:
        """No more comes; fires with the account, and never fails."""
        self._driver.attempt(self._delivery.stop, reason, duration_ms, channels)
        return self.account()

    def account(self) -> Deferred[DeliveryStatistics]:
        """Fires once all was delivered, given up or put by."""
        done: Deferred[DeliveryStatistics] = Deferred()
        if self._statistics is not None:
            done.callback(self._statistics)
        else:
            self._waiting.append(done)
        return done

    # --- what the link tells --------------------------------------------------------

    def link_up(self, subprotocol: str | None) -> None:
        """A connection is open."""
        self._driver.attempt(self._delivery.move_to, self._link.place.name)
        self._driver.attempt(self._delivery.connected, subprotocol)

    def link_down(self, reason: str, retry_in_s: float | None, clean: bool) -> None:
        """There is none."""
        self._driver.attempt(self._delivery.move_to, self._link.place.name)
        self._driver.attempt(self._delivery.disconnected, reason, retry_in_s, clean)

    def link_received(self, message: Message) -> None:
        """The consumer said something."""
        self._driver.attempt(self._delivery.received, message)

    def link_blocked(self) -> None:
        """The connection takes no more for now."""
        self._driver.attempt(self._delivery.blocked)

    def link_unblocked(self) -> None:
        """It does again."""
        self._driver.attempt(self._delivery.unblocked)

    # --- what the spool answers --------------------------------------------------------

    def recalled(self, entries: tuple[Entry, ...], through: int) -> None:
        """This came back from the disk."""
        self._driver.attempt(self._delivery.recalled, entries, through)

    def written(self, kept: bool) -> None:
        """What was put by is on disk, or is not."""
        self._driver.attempt(self._delivery.written, kept)

    # --- what the delivery wants -------------------------------------------------------

    def _do(self, output: Output) -> None:
        match output:
            case Send(message):
                self._link.send(message)
            case Disconnect(code, reason, True, after_s, url):
                self._link.leave(Leaving(code, reason, after_s, url))
            case Disconnect(code, reason):
                self._link.close(code, reason)
            case Tell(report):
                self._report(report)
            case Puzzled(reason):
                self._log.debug(
                    "{bridge}: {destination} said what makes no sense: {reason}",
                    bridge=self._start.bridge,
                    destination=self._start.destination.name,
                    reason=reason,
                )
            case ToSpool(order):
                if self._spool is not None:
                    shelved = Shelved(self._delivery.start, self._token, order)
                    self._spool.carry_out(shelved, self)
            case Finished(statistics):
                self._finish(statistics)

    def _finish(self, statistics: DeliveryStatistics) -> None:
        self._statistics = statistics
        self._driver.stop()
        self._link.close()
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(statistics)


class OutletFactory:
    """
    Opens outlets by the scheme of their destination's URL.

    :param reactor: connects, keeps time and has the threads that write files.
    :param random: a number from 0 to 1.
    :param token: an unguessable word; for nonces and resumptions.
    :param wall_clock: POSIX seconds.
    :param spool: for destinations that ask for one.
    :ivar doors: what the outlets know of their destinations.
    """

    def __init__(
        self,
        reactor: Any,
        random: Callable[[], float],
        token: Callable[[], str],
        wall_clock: Callable[[], float] = time.time,
        settings: OutletSettings | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._reactor = reactor
        self._random = random
        self._token = token
        self._wall_clock = wall_clock
        self._settings = settings or OutletSettings()
        self._tls = ConsumerTLS()
        self.doors = Doors()
        self._spool = spool

    def together(self) -> AbstractContextManager[None]:
        """What outlets are given within it is sent together."""
        return Connection.volley.together()

    def open(self, start: StreamStart, report: Callable[[Report], None]) -> Outlet:
        """The outlet of a stream; it is connected in its own time."""
        if start.destination.url.startswith("file:"):
            return Recording(
                self._reactor, start, report, self._in_thread, self._settings.recording
            )
        if self._spool is None and start.destination.spool:
            start = replace(start, destination=replace(start.destination, spool=False))
        return self._websocket(start, report, self._token(), None)

    def open_late(
        self, start: StreamStart, token: str, earlier: Earlier
    ) -> Deferred[DeliveryStatistics]:
        """Go on with a stream that is in the spool; fires with its account."""
        return self._websocket(start, lambda report: None, token, earlier).account()

    def _websocket(
        self,
        start: StreamStart,
        report: Callable[[Report], None],
        token: str,
        earlier: Earlier | None,
    ) -> WebSocketOutlet:
        return WebSocketOutlet(
            self._reactor,
            start,
            report,
            self._prepare,
            self._random,
            token,
            self._settings,
            self.doors,
            self._spool,
            earlier,
        )

    def _in_thread(self, write: Callable[[], int]) -> Deferred[int]:
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, write)

    def _prepare(
        self, destination: Destination, url: str, start: StreamStart, spoken: Dialect
    ) -> Attempt:
        if isinstance(spoken, Foreign):
            url = spoken.url(url, start)
        headers = spoken.headers(start)
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or PORTS.get(parts.scheme, 443)
        # What Autobahn sends as Host and as request target, which is what is signed.
        authority = f"{host}:{port}"
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        now, nonce = int(self._wall_clock()), self._token()
        try:
            if isinstance(spoken, Foreign):
                request = Request(url, authority, target, now, nonce)
                proof = foreign_authorization(destination, spoken, request)
            else:
                proof = authorization(destination, authority, target, start.stream_id, now, nonce)
            endpoint = self._endpoint(destination, parts.scheme == "wss", host, port)
        except (SecretError, CertificateError) as error:
            raise AttemptError(str(error)) from error
        said = (*headers, *destination.headers, *proof)
        return Attempt(endpoint, Handshake(url, spoken.subprotocols, said))

    def _endpoint(
        self, destination: Destination, secure: bool, host: str, port: int
    ) -> IStreamClientEndpoint:
        """A host with several addresses is tried at each of them, by HostnameEndpoint."""
        endpoint: IStreamClientEndpoint
        if destination.proxy is None:
            endpoint = HostnameEndpoint(self._reactor, host, port)
        else:
            proxy = HostnameEndpoint(self._reactor, *destination.proxy)
            endpoint = ProxyEndpoint(proxy, host, port, proxy_authorization(destination))
        if not secure:
            return endpoint
        return wrapClientTLS(self._tls.creator(destination.tls, host), endpoint)
