"""
The HTTP side: requests to operations, answers to responses, everything bounded.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from ..config.model import Role
from .api import API, Answer, Asked, problem
from .gate import Gate, Refusal, Visitor
from .metrics import CountRequest
from .origin import Origins
from .pages import PAGES, page
from .permission import Access, bearer
from .routes import Match, Route, find

IDLE_S = 60
_AGENT = 100
"Characters of what a program calls itself."
_MAX_QUERY = 32
"Parameters of one query."

_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = (
    ("Server", "twisted-siprec"),
    ("Content-Security-Policy", _CONTENT),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"""With every response: nothing from elsewhere is loaded or framed, no text becomes markup
or script, and nothing is guessed, kept, or left to a page of others."""
_READING = ("GET", "HEAD")


class Root(Resource):
    """
    Everything under the listener: the API by its routes, the page by its files,
    and the WebSocket of the page.

    :param origins: the names that browsers may come by.
    :param live: the resource of the WebSocket.
    :param count: counts what was answered.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self,
        api: API,
        gate: Gate,
        count: CountRequest,
        live: Resource,
        origins: Origins = Origins(),  # noqa: B008 - it is frozen
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._api = api
        self._gate = gate
        self._origins = origins
        self._count = count
        self._live = live

    def render(self, request: Request) -> Any:
        """Answer a request."""
        parts = urlsplit(request.uri.decode("ascii", "replace"))
        path = parts.path
        stray = self._stray(request, path)
        if stray is not None:
            self._count("stray", stray.status)
            return _respond(request, stray)
        if path == "/live":
            return self._live.render(request)
        try:
            operation, answered = self._answer(request, path, parts.query)
        except Exception:  # noqa: BLE001 - a process boundary: our mistake is one answer's
            self._log.failure("web: a fault at {path}", path=path)
            operation, answered = "fault", problem(500, "a fault of the server: see its log")
        self._count(operation, answered.status)
        return _respond(request, answered)

    def _answer(self, request: Request, path: str, query: str) -> tuple[str, Answer]:
        method = request.method.decode("ascii", "replace")
        if path in PAGES:
            if method in _READING:
                return "page", page(path)
            return "page", _not_allowed(_READING)
        match = find(method, path)
        route = match.route
        if route is None:
            return "none", _no_route(match)
        visitor = visitor_of(request)
        presented = bearer(request.getHeader("authorization"))
        subject = " ".join(match.parameters.values())
        access = self._gate.admit(route.role, presented, visitor, route.operation, subject)
        if isinstance(access, Refusal):
            return route.operation, refused(access)
        try:
            asked = Asked(
                match.parameters,
                dict(parse_qsl(query, max_num_fields=_MAX_QUERY)),
                _body(request),
                access,
            )
        except ValueError:
            return route.operation, problem(400, "the query cannot be read")
        answered = self._perform(route, access, asked)
        if route.role is Role.STEER:
            actor, outcome = visitor.actor(access), str(answered.status)
            self._gate.audit.note(actor, route.operation, asked.subject, outcome)
        return route.operation, answered

    def _perform(self, route: Route, access: Access, asked: Asked) -> Answer:
        if route.of_all and access.tenant is not None:
            return problem(403, "this is not for a tenant to do")
        answered: Answer = getattr(self._api, route.operation)(asked)
        return answered

    def _stray(self, request: Request, path: str) -> Answer | None:
        """What a browser is told that somebody else's page or name has led here."""
        host = request.getHeader("host")
        if not self._origins.knows(host):
            self._gate.forbid("host")
            return problem(421, "not by this name (web.hosts)")
        changes = path == "/live" or request.method.decode("ascii", "replace") not in _READING
        if changes and not self._origins.own(request.getHeader("origin"), host):
            self._gate.forbid("origin")
            return problem(403, "not from a page of others (web.hosts)")
        return None


def visitor_of(request: Request) -> Visitor:
    """Who asks."""
    address = request.getClientAddress()
    return Visitor(
        str(getattr(address, "host", "?")), agent=(request.getHeader("user-agent") or "")[:_AGENT]
    )


def _body(request: Request) -> bytes:
    """All of it; how much that may be, :class:`BoundedRequest` sees to."""
    content = request.content
    return bytes(content.read()) if content is not None else b""


def refused(refusal: Refusal) -> Answer:
    """Why somebody is not let in (:rfc:`6750#section-3`, :rfc:`6585#section-4`)."""
    headers: tuple[tuple[str, str], ...] = ()
    if refusal.status == 401:
        headers = (("WWW-Authenticate", "Bearer"),)
    elif refusal.retry_after_s:
        headers = (("Retry-After", str(refusal.retry_after_s)),)
    return problem(refusal.status, refusal.detail, headers)


def _no_route(match: Match) -> Answer:
    return _not_allowed(match.allowed) if match.allowed else problem(404, "nothing is here")


def _not_allowed(methods: tuple[str, ...]) -> Answer:
    allow = (("Allow", ", ".join(methods)),)
    return problem(405, "not by this method", allow)


def _respond(request: Request, answered: Answer) -> bytes:
    # With the phrase, as Twisted does not know all of them.
    phrase = HTTPStatus(answered.status).phrase.encode("ascii")
    request.setResponseCode(answered.status, phrase)
    for name, value in (*HEADERS, *answered.headers, ("Content-Type", answered.content_type)):
        request.setHeader(name, value)
    return answered.body


class BoundedRequest(Request):
    """A request whose body is refused where it is longer than the site allows."""

    max_octets = 65_536
    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """The header is there, and says how long the body is, or that it comes in chunks."""
        super().gotLength(length)  # type: ignore[no-untyped-call]
        if length is not None and length > self.max_octets:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body."""
        self._received += len(data)
        if self._refused:
            return
        if self._received > self.max_octets:
            self._refuse()
        else:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it is there."""
        if not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def _refuse(self) -> None:
        self._refused = True
        body = problem(413, f"a body of at most {self.max_octets} octets is taken").body
        head = (
            f"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        transport: Any = self.channel.transport
        transport.write(head.encode("ascii") + body)
        transport.loseConnection()


class QuietSite(Site):
    """A site without a log of requests: they are counted, and tokens stay out of logs."""

    displayTracebacks = False
    noisy = False

    def log(self, request: Any) -> None:
        """Nothing."""


class LimitedFactory(WrappingFactory):
    """Closes connections that are more than there may be."""

    noisy = False

    def __init__(self, site: Site, connections: int) -> None:
        super().__init__(site)  # type: ignore[no-untyped-call]
        self._connections = connections

    def buildProtocol(self, addr: Any) -> Any:
        """A connection, if there is room for it."""
        return super().buildProtocol(addr) if len(self.protocols) < self._connections else None


def make_site(
    root: Root, connections: int, request_octets: int, clock: IReactorTime
) -> LimitedFactory:
    """What listens; its time-outs are on this clock."""
    request = type("SizedRequest", (BoundedRequest,), {"max_octets": request_octets})
    site: Any = QuietSite(root, requestFactory=request, timeout=IDLE_S, reactor=clock)  # type: ignore[no-untyped-call]
    return LimitedFactory(site, connections)
