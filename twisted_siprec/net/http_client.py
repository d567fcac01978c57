"""
Requests to HTTP servers of others: one POST of JSON, with an end in time and a
bound on what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionLost, DNSLookupError, TimeoutError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
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


class HTTPPoster:
    """
    Posts JSON to one target. Redirections are not followed: what is sent is meant
    for the server that was configured. Cookies are not kept.

    :param treq: a client of treq in place of our own, in tests.
    """

    def __init__(self, reactor: Any, target: HTTPTarget, treq: Any = None) -> None:
        self._reactor = reactor
        self.target = target
        self._pool: HTTPConnectionPool | None = None
        if treq is None:
            self._pool = HTTPConnectionPool(reactor)
            self._pool.maxPersistentPerHost = target.connections
            agent = Agent(reactor, _Policy(target.tls), target.timeout_s, pool=self._pool)
            no_cookies = IndexableCookieJar(CookieJar(DefaultCookiePolicy(allowed_domains=[])))
            treq = HTTPClient(agent, no_cookies)
        self._treq = treq

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
        fields = [("Content-Type", "application/json"), *self.target.headers, *headers]
        if self.target.bearer is not None:
            fields.append(("Authorization", f"Bearer {read_secret(self.target.bearer)}"))
        response = await self._treq.post(
            self.target.url,
            data=body,
            headers=dict(fields),
            allow_redirects=False,
            unbuffered=True,
        )
        content = await _content(response, self.target.max_answer_octets)
        return HTTPAnswer(response.code, content, _retry_after(response))

    def _failed(self, failure: Failure) -> HTTPAnswer:
        error = failure.value
        if failure.check(TimeoutError, CancelledError):
            raise HTTPFailure(f"no answer within {self.target.timeout_s:g} s")
        if failure.check(SecretError, CertificateError, DNSLookupError, ConnectError, HTTPFailure):
            raise HTTPFailure(str(error))
        if failure.check(ResponseFailed, ConnectionLost):
            raise HTTPFailure(_reason(error))
        raise HTTPFailure(f"{type(error).__name__}: {error}")


def _reason(error: BaseException | None) -> str:
    """What broke a connection; Twisted keeps a list of it."""
    inner = getattr(error, "reasons", None)
    return str(inner[0].value) if inner else str(error)


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

    def _end(self, error: Exception | None) -> None:
        if self.done.called:
            return
        if error is None:
            self.done.callback(bytes(self._octets))
        else:
            self.done.errback(error)

    def _cancel(self, done: Deferred[bytes]) -> None:
        self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _content(response: IResponse, limit: int) -> Deferred[bytes]:
    body = _Body(limit)
    response.deliverBody(body)
    return body.done
