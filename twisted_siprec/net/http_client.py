"""
Requests to HTTP servers of others: one POST of JSON, with an end in time and a
bound on what comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from treq.client import HTTPClient
from twisted.internet import defer, error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers as WebHeaders
from twisted.web.iweb import IPolicyForHTTPS, IResponse
from zope.interface import implementer

from ..plan import ClientTLS, Secret
from .client_tls import CertificateError, ConsumerTLS
from .credentials import SecretError, read_secret

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HTTPTarget:
    """Where requests go, and how we prove who we are."""

    url: str
    headers: Headers = ()
    bearer: Secret | None = None
    tls: ClientTLS = field(default_factory=ClientTLS)
    timeout_s: float = 5.0
    "From the first octet of the connection to the last of the answer."
    connections: int = 4
    max_answer_octets: int = 65_536


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """What a server answered."""

    status: int
    body: bytes = b""
    retry_after_s: float | None = None


class HTTPFailure(Exception):
    """There was no answer: the text says why, for the log."""


@implementer(IPolicyForHTTPS)
class _Policy:
    """Verifies servers as consumers are verified."""

    def __init__(self, tls: ClientTLS) -> None:
        self._tls = tls
        self._creators = ConsumerTLS()

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        return self._creators.creator(self._tls, hostname.decode("ascii"))


def _quiet_connection(*arguments: Any) -> Any:
    """Twisted would log each connection that is made; there is no public way to say no."""
    factory = HTTPConnectionPool._factory(*arguments)
    factory.noisy = False
    return factory


class HTTPPoster:
    """
    Posts JSON to one target. Redirections are not followed: what is sent is meant
    for the server that was configured. Cookies are not kept.

    :param client: makes a client of treq; the tests have their own.
    """

    def __init__(
        self, reactor: Any, target: HTTPTarget, client: Callable[[], Any] | None = None
    ) -> None:
        self._reactor = reactor
        self.target = target
        self._pool: HTTPConnectionPool | None = None
        if client is None:
            self._pool = HTTPConnectionPool(reactor)
            self._pool.maxPersistentPerHost = target.connections
            self._pool._factory = _quiet_connection  # type: ignore[assignment]  # it makes one
            agent = Agent(reactor, _Policy(target.tls), target.timeout_s, pool=self._pool)
            # A client for each request, as it would keep cookies.
            client = partial(HTTPClient, agent)
        self._client = client

    def post(self, body: bytes, headers: Headers = ()) -> Deferred[HTTPAnswer]:
        """The answer, whatever its status; fails with :exc:`HTTPFailure` where there is none."""
        answer = Deferred.fromCoroutine(self._post(body, headers))
        answer.addTimeout(self.target.timeout_s, self._reactor)
        answer.addErrback(self._failed)
        return answer

    def close(self) -> Deferred[None]:
        """Close the connections that wait for further requests."""
        closing: Deferred[Any] = Deferred()
        if self._pool is None:
            closing.callback(None)
        else:
            self._pool.closeCachedConnections().chainDeferred(closing)
        return closing.addCallback(lambda _: None)

    async def _post(self, body: bytes, headers: Headers) -> HTTPAnswer:
        fields: list[tuple[str, str]] = [
            ("Content-Type", "application/json"),
            *self.target.headers,
            *headers,
        ]
        if self.target.bearer is not None:
            fields.append(("Authorization", f"Bearer {read_secret(self.target.bearer)}"))
        try:
            response = await self._request(body, fields)
        except ResponseNeverReceived as found:
            # Most likely a kept connection that the server closed in that very moment.
            if _cancelled(found):
                raise
            response = await self._request(body, fields)
        content = await _content(response, self.target.max_answer_octets)
        return HTTPAnswer(response.code, content, _retry_after(response))

    def _request(self, body: bytes, fields: list[tuple[str, str]]) -> Deferred[Any]:
        request: Deferred[Any] = self._client().post(
            self.target.url,
            data=body,
            headers=_fields(fields),
            allow_redirects=False,
            unbuffered=True,
        )
        return request

    def _failed(self, failure: Failure) -> HTTPAnswer:
        found = failure.value
        if failure.check(*_PATIENCE) or _cancelled(found):
            raise HTTPFailure(f"no answer within {self.target.timeout_s:g} s")
        if failure.check(*_PLAIN):
            raise HTTPFailure(str(found))
        if failure.check(ResponseFailed, error.ConnectionLost):
            raise HTTPFailure(_reason(found))
        raise HTTPFailure(f"{type(found).__name__}: {found}")


_PATIENCE = (defer.TimeoutError, error.TimeoutError, CancelledError)
_PLAIN = (SecretError, CertificateError, error.DNSLookupError, error.ConnectError, HTTPFailure)


def _fields(headers: list[tuple[str, str]]) -> WebHeaders:
    """The last value of each name holds."""
    fields = WebHeaders()
    for name, value in headers:
        fields.setRawHeaders(name, [value])
    return fields


def _cancelled(found: BaseException | None) -> bool:
    """It was our own patience that ended."""
    return any(reason.check(CancelledError) for reason in getattr(found, "reasons", ()))


def _reason(found: BaseException | None) -> str:
    """What broke a connection; Twisted keeps a list of it."""
    inner = getattr(found, "reasons", None)
    return str(inner[0].value) if inner else str(found)


def _retry_after(response: IResponse) -> float | None:
    """Seconds of Retry-After (:rfc:`9110#section-10.2.3`); a date there is not looked at."""
    values = response.headers.getRawHeaders("retry-after", [])
    return float(values[0]) if values and values[0].strip().isdecimal() else None


class _Body(Protocol):
    """Takes a body, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._octets = bytearray()
        self._limit = limit
        self.done: Deferred[bytes] = Deferred(self._cancel)

    def dataReceived(self, octets: bytes) -> None:
        self._octets += octets
        if len(self._octets) > self._limit:
            self._end(HTTPFailure(f"the answer is longer than {self._limit} octets"))
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._end(None)
        else:
            self._end(HTTPFailure("the answer was cut off"))

    def _end(self, failure: Exception | None) -> None:
        if self.done.called:
            return
        if failure is None:
            self.done.callback(bytes(self._octets))
        else:
            self.done.errback(failure)

    def _cancel(self, done: Deferred[bytes]) -> None:
        self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _content(response: IResponse, limit: int) -> Deferred[bytes]:
    body = _Body(limit)
    response.deliverBody(body)
    return body.done
