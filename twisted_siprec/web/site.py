"""
The HTTP side: requests to operations, answers to responses, everything bounded.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from .api import API, Answer, Asked, problem
from .metrics import CountRequest
from .pages import PAGES, page
from .permission import Tokens, bearer
from .routes import Match, find

IDLE_S = 60
_MAX_QUERY = 32
"Parameters of one query."

_CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Server", "twisted-siprec"),
    (
        "Content-Security-Policy",
        _CONTENT,
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
"With every response: nothing from elsewhere is loaded, framed, guessed or kept."


class Root(Resource):
    """
    Everything under the listener: the API by its routes, the page by its files,
    and the WebSocket of the page.

    :param live: the resource of the WebSocket.
    :param count: counts what was answered.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, api: API, tokens: Tokens, count: CountRequest, live: Resource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._api = api
        self._tokens = tokens
        self._count = count
        self._live = live

    def render(self, request: Request) -> Any:
        """Answer a request."""
        parts = urlsplit(request.uri.decode("ascii", "replace"))
        path = parts.path
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
            if method in ("GET", "HEAD"):
                return "page", page(path)
            return "page", _not_allowed(("GET", "HEAD"))
        match = find(method, path)
        route = match.route
        if route is None:
            return "none", _no_route(match)
        presented = bearer(request.getHeader("authorization"))
        access = self._tokens.access(route.permission, presented)
        if access is None:
            return route.operation, unauthorized()
        if route.of_all and access.tenant is not None:
            return route.operation, problem(403, "this is not for a tenant to do")
        try:
            asked = Asked(
                match.parameters,
                dict(parse_qsl(query, max_num_fields=_MAX_QUERY)),
                _body(request),
                access,
            )
        except ValueError:
            return route.operation, problem(400, "the query cannot be read")
        return route.operation, getattr(self._api, route.operation)(asked)


def _body(request: Request) -> bytes:
    """All of it; how much that may be, :class:`BoundedRequest` sees to."""
    content = request.content
    return bytes(content.read()) if content is not None else b""


def unauthorized() -> Answer:
    """The token is missing or wrong (:rfc:`6750#section-3`)."""
    return problem(
        401, "a token is needed: Authorization: Bearer …", (("WWW-Authenticate", "Bearer"),)
    )


def _no_route(match: Match) -> Answer:
    return _not_allowed(match.allowed) if match.allowed else problem(404, "nothing is here")


def _not_allowed(methods: tuple[str, ...]) -> Answer:
    allow = (("Allow", ", ".join(methods)),)
    return problem(405, "not by this method", allow)


def _respond(request: Request, answered: Answer) -> bytes:
    request.setResponseCode(answered.status)
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


def make_site(root: Root, connections: int, request_octets: int) -> LimitedFactory:
    """What listens."""
    request = type("SizedRequest", (BoundedRequest,), {"max_octets": request_octets})
    site: Any = QuietSite(root, requestFactory=request, timeout=IDLE_S)  # type: ignore[no-untyped-call]
    return LimitedFactory(site, connections)
