"""Delivery through an HTTP proxy, over real sockets of this machine."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from tests.interop.test_delivery import DeliveryTestCase as _DeliveryTestCase
from twisted_siprec.plan import EndReason, Secret
from twisted_siprec.report import LinkDown


class Onward(Protocol):
    """The proxy's connection to the consumer."""

    def __init__(self, back: Proxy) -> None:
        self._back = back

    def dataReceived(self, data: bytes) -> None:
        self._back.transport.write(data)

    def connectionLost(self, reason: Any = None) -> None:
        self._back.transport.loseConnection()


class Proxy(Protocol):
    """An HTTP proxy that knows CONNECT."""

    asked: list[bytes] = []
    expected: bytes | None = None
    "The Proxy-Authorization without which nobody is led on."
    onward: Onward | None = None
    buffered = b""

    def dataReceived(self, data: bytes) -> None:
        if self.onward is not None:
            self.onward.transport.write(data)
            return
        self.buffered += data
        if not self.buffered.endswith(b"\r\n\r\n"):
            return
        authority = self.buffered.split()[1]
        self.asked.append(authority)
        wanted = b"\r\nProxy-Authorization: %b\r\n" % (self.expected or b"")
        if self.expected is not None and wanted not in self.buffered:
            challenge = b'Proxy-Authenticate: Basic realm="p"\r\n\r\n'
            self.transport.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + challenge)
            self.transport.loseConnection()
            return
        host, _, port = authority.decode().partition(":")
        endpoint = TCP4ClientEndpoint(reactor, host, int(port))
        connectProtocol(endpoint, Onward(self)).addCallbacks(self.there, self.not_there)

    def there(self, onward: Onward) -> None:
        self.onward = onward
        self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def not_there(self, failure: Any) -> None:
        self.transport.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        if self.onward is not None:
            self.onward.transport.loseConnection()


class ProxyTests(_DeliveryTestCase):
    """CONNECT, and what is behind it."""

    async def setUp(self) -> None:
        super().setUp()
        Proxy.asked, Proxy.expected = [], None
        self.proxy = reactor.listenTCP(0, Factory.forProtocol(Proxy), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.where = ("127.0.0.1", self.proxy.getHost().port)

    async def tearDown(self) -> None:
        await super().tearDown()
        stopping: Deferred[None] = self.proxy.stopListening()
        await stopping

    async def test_through(self) -> None:
        """All of it, by way of the proxy."""
        consumer = await self.consumer()
        outlet = self.outlet(consumer.url, proxy=self.where)
        await self.speak(outlet, 0, 20)
        await outlet.stop(EndReason.CALL_ENDED, 400, ())
        self.check(await consumer.finished, 20)
        self.assertEqual(Proxy.asked, [f"127.0.0.1:{consumer.port}".encode()])

    async def test_credentials(self) -> None:
        """A proxy that asks for them gets them, as they are at the time, and leads on."""
        Proxy.expected = b"Basic c3JzOnMzY3JldA=="
        password = self.directory / "password"
        self.directory.mkdir(exist_ok=True)
        password.write_text("wrong")
        consumer = await self.consumer()
        outlet = self.outlet(
            consumer.url,
            proxy=self.where,
            proxy_user="srs",
            proxy_password=Secret(file=str(password)),
        )
        await self.speak(outlet, 0, 5)
        password.write_text("s3cret\n")
        await self.speak(outlet, 5, 15)
        await outlet.stop(EndReason.CALL_ENDED, 400, ())
        self.check(await consumer.finished, 20)
        downs = [report for report in self.reports if isinstance(report, LinkDown)]
        self.assertIn("407 Proxy Authentication Required", downs[0].reason)
        self.assertNotIn("proxy-authorization", consumer.headers[0])

    async def test_nobody_behind_it(self) -> None:
        """What the proxy says is told, and it is tried again."""
        consumer = await self.consumer()
        await consumer.kill()
        outlet = self.outlet(consumer.url, proxy=self.where, linger_s=0.2)
        await self.speak(outlet, 0, 5)
        await outlet.stop(EndReason.CALL_ENDED, 100, ())
        downs = [report for report in self.reports if isinstance(report, LinkDown)]
        self.assertIn("502", downs[0].reason)
