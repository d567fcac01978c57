"""
Connections through an HTTP proxy: CONNECT (:rfc:`9110#section-9.3.6`).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

MAX_ANSWER_OCTETS = 16 * 1024
_END = b"\r\n\r\n"


class ProxyError(Exception):
    """The proxy does not connect us; its words."""


@implementer(IStreamClientEndpoint)
class ProxyEndpoint:
    """
    Connects to a host and port by way of a proxy.

    :param proxy: where the proxy is.
    :param authorization: the value of Proxy-Authorization, where it asks for one. The
        consumer behind it never sees it.
    """

    def __init__(
        self,
        proxy: IStreamClientEndpoint,
        host: str,
        port: int,
        authorization: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._authorization = authorization
        name = f"[{host}]" if ":" in host else host
        self._authority = f"{name}:{port}".encode("ascii" if host.isascii() else "idna")

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fires with the protocol, which knows nothing of the proxy."""
        asking = _Asking(protocolFactory, self._request())
        connecting = self._proxy.connect(Factory.forProtocol(lambda: asking))
        done: Deferred[IProtocol] = Deferred(lambda _: asking.cancel(connecting))
        asking.done = done
        connecting.addErrback(asking.failed)
        return done

    def _request(self) -> bytes:
        lines = [b"CONNECT " + self._authority + b" HTTP/1.1", b"Host: " + self._authority]
        if self._authorization is not None:
            lines.append(b"Proxy-Authorization: " + self._authorization.encode("ascii"))
        return b"\r\n".join(lines) + _END


class _Asking(Protocol):
    """Asks the proxy, then hands the transport over."""

    def __init__(self, factory: IProtocolFactory, request: bytes) -> None:
        self._factory = factory
        self._request = request
        self._answer = b""
        self._inner: IProtocol | None = None
        self.done: Deferred[IProtocol] | None = None

    def connectionMade(self) -> None:
        """The proxy is there."""
        self._transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        """Its answer; after that, whatever the consumer says."""
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._answer += data
        head, found, rest = self._answer.partition(_END)
        if not found:
            if len(self._answer) > MAX_ANSWER_OCTETS:
                self._refuse("the proxy's answer does not end")
            return
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        words = status.split(None, 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].startswith("2"):
            self._refuse(f"the proxy says {status[:120]}")
            return
        self._hand_over(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """By the proxy, or by the consumer behind it."""
        if self._inner is not None:
            self._inner.connectionLost(reason)
        else:
            self.failed(Failure(ProxyError("the proxy closed the connection")))

    def failed(self, failure: Failure) -> None:
        """There is no connection to be had."""
        done, self.done = self.done, None
        if done is not None:
            done.errback(failure)

    def cancel(self, connecting: Deferred[IProtocol]) -> None:
        """Nobody wants it any more."""
        self.done = None
        connecting.cancel()
        if self.transport is not None:
            self._abort()

    def _hand_over(self, rest: bytes) -> None:
        inner = self._factory.buildProtocol(self._transport.getPeer())
        done, self.done = self.done, None
        if inner is None or done is None:
            self._abort()
            return
        self._inner = inner
        transport = self._transport
        # Twisted's own endpoints do the same with a connection that changes hands.
        transport.protocol = inner  # type: ignore[attr-defined]
        inner.makeConnection(transport)
        done.callback(inner)
        if rest:
            inner.dataReceived(rest)

    def _refuse(self, why: str) -> None:
        self.failed(Failure(ProxyError(why)))
        self._abort()

    def _abort(self) -> None:
        getattr(self.transport, "abortConnection", self._transport.loseConnection)()

    @property
    def _transport(self) -> ITransport:
        assert self.transport is not None  # noqa: S101 - it is connected
        return self.transport
