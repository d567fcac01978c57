"""
Requests to servers of others, in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from treq.testing import StubTreq
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_siprec.net.http_client import HTTPAnswer, HTTPFailure, HTTPPoster, HTTPTarget
from twisted_siprec.plan import Secret


class Server(Resource):
    """Answers as the test says."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.status = 200
        self.body: bytes | None = b"{}"
        self.first: bytes | None = None
        self.headers: dict[str, str] = {}

    def render_POST(self, request: Request) -> Any:
        fields = {
            name.decode().lower(): values[-1].decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        self.got.append((request.content.read(), fields))
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        if self.first is not None:
            request.write(self.first)
        return NOT_DONE_YET if self.body is None else self.body


class HTTPPosterTests(SynchronousTestCase):
    """One POST."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = Server()
        self.stub = StubTreq(self.server)

    def poster(self, **more: Any) -> HTTPPoster:
        target = HTTPTarget("https://crm.example.com/hook", timeout_s=3, **more)
        return HTTPPoster(self.clock, target, lambda: self.stub)

    def test_posts(self) -> None:
        """A body of JSON, with the target's fields and those of the request."""
        poster = self.poster(headers=(("X-Tenant", "blue"), ("X-Event", "old")))
        answer = self.successResultOf(poster.post(b'{"a":1}', (("X-Event", "new"),)))
        self.assertEqual(answer, HTTPAnswer(200, b"{}"))
        [(body, fields)] = self.server.got
        self.assertEqual(body, b'{"a":1}')
        self.assertEqual(
            [fields[name] for name in ("content-type", "x-tenant", "x-event")],
            ["application/json", "blue", "new"],
        )
        self.assertNotIn("authorization", fields)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bearer(self) -> None:
        """The token is read at each request, and its absence is told without a request."""
        path = Path(self.mktemp())
        poster = self.poster(bearer=Secret(file=str(path)))
        failure = self.failureResultOf(poster.post(b""), HTTPFailure)
        self.assertIn(str(path), failure.getErrorMessage())
        path.write_text("geheim\n")
        self.successResultOf(poster.post(b""))
        self.assertEqual(self.server.got[0][1]["authorization"], "Bearer geheim")

    def test_statuses(self) -> None:
        """Any status is an answer; Retry-After in seconds comes with it, a date does not."""
        self.server.status = 503
        for value, expected in (("30", 30.0), ("Fri, 02 Jan 2026 15:00:00 GMT", None)):
            self.server.headers = {"Retry-After": value}
            answer = self.successResultOf(self.poster().post(b""))
            self.assertEqual((answer.status, answer.retry_after_s), (503, expected))

    def test_redirections(self) -> None:
        """They are not followed."""
        self.server.status = 307
        self.server.headers = {"Location": "https://other.example.com/"}
        self.assertEqual(self.successResultOf(self.poster().post(b"")).status, 307)
        self.assertEqual(len(self.server.got), 1)

    def test_no_cookies(self) -> None:
        """What a server sets is not sent back."""
        self.server.headers = {"Set-Cookie": "a=b"}
        stubs = iter([StubTreq(self.server), StubTreq(self.server)])
        poster = HTTPPoster(self.clock, HTTPTarget("https://x/"), lambda: next(stubs))
        for _ in range(2):
            self.successResultOf(poster.post(b""))
        self.assertNotIn("cookie", self.server.got[1][1])

    def test_too_long(self) -> None:
        """An answer longer than may be is cut off and counts as none."""
        self.server.body = bytes(101)
        posting = self.poster(max_answer_octets=100).post(b"")
        self.assertIn("100 octets", self.failureResultOf(posting, HTTPFailure).getErrorMessage())

    def test_no_answer(self) -> None:
        """A server that says nothing, or does not end, is left after the timeout."""
        for first in (None, b"{"):
            self.server.first, self.server.body = first, None
            posting = self.poster().post(b"")
            self.stub.flush()
            self.clock.advance(2.9)
            self.assertNoResult(posting)
            self.clock.advance(0.1)
            failure = self.failureResultOf(posting, HTTPFailure)
            self.assertEqual(failure.getErrorMessage(), "no answer within 3 s")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close(self) -> None:
        """Closing it closes what is kept, if anything is."""
        self.successResultOf(self.poster().close())
