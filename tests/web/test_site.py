"""
The web listener, from a request's octets to its response.
"""

from __future__ import annotations

import json
import re
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.web_fakes import ACCOUNT, FakeServer, Notes, Response, ask, connection, make_gate
from twisted_siprec.config.model import AccessToken, HashedToken, Role, WebConfiguration
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallForgotten,
    CallOffered,
    CallRefused,
)
from twisted_siprec.plan import Secret
from twisted_siprec.sip.events import Traced
from twisted_siprec.web.api import API
from twisted_siprec.web.gate import Gate
from twisted_siprec.web.metrics import Metrics
from twisted_siprec.web.origin import Origins
from twisted_siprec.web.pages import PAGES
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.site import Root, make_site
from twisted_siprec.web.token_hash import hashed

VIEWER = AccessToken("vic", (Role.VIEW,), HashedToken(hashed("viewer")))
SCRAPER = AccessToken("prom", (Role.METRICS,), HashedToken(hashed("scraper")))


class SiteTests(SynchronousTestCase):
    """Requests and responses."""

    def setUp(self) -> None:
        path: str = self.mktemp()
        with open(path, "w") as file:
            file.write("secret\n")
        self.now = 1_000.0
        self.server = FakeServer()
        self.clock = Clock()
        self.notes = Notes()
        self.refusals: list[str] = []
        self.records = CallRecords(lambda: self.now)
        self.metrics = Metrics(self.server)
        self.api = API(self.server, self.records, self.metrics, lambda: self.now)
        self.counted: list[tuple[str, int]] = []
        self.server.watch(self.records.happened)
        root = Root(
            self.api,
            make_gate(
                WebConfiguration(token=Secret(file=path), tokens=(VIEWER, SCRAPER)),
                clock=self.clock,
                notes=self.notes,
                count=self.refusals.append,
            ),
            lambda operation, status: self.counted.append((operation, status)),
            Resource(),
            Origins(frozenset({"rec.example.com"}), True),
        )
        self.site = make_site(root, 2, 1_000, Clock())

    def ask(self, path: str, method: str = "GET", **options: Any) -> Response:
        return ask(self.site, path, method, **options)

    def problem(self, path: str, method: str = "GET", **options: Any) -> tuple[int, str]:
        """The status and the detail of an error."""
        response = self.ask(path, method, **options)
        self.assertEqual(response.headers["content-type"], "application/problem+json")
        self.assertEqual(response.json["status"], response.status)
        return response.status, response.json["detail"]

    # --- who may ---------------------------------------------------------------------

    def test_health(self) -> None:
        """Health and readiness need no token; a server that drains is not ready."""
        self.assertEqual(self.ask("/healthz", token=None).json, {"status": "ok"})
        ready = self.ask("/readyz", token=None)
        self.assertEqual((ready.status, ready.json), (200, {"status": "ready"}))
        self.server.drain()
        ready = self.ask("/readyz", token=None)
        self.assertEqual((ready.status, ready.json), (503, {"status": "draining"}))
        self.assertEqual(self.ask("/healthz", token=None).status, 200)

    def test_unauthorized(self) -> None:
        """Everything else answers 401 without the token, and does nothing."""
        self.server.begin()
        for method, path in (
            ("GET", "/metrics"),
            ("GET", "/api/v1/status"),
            ("GET", "/api/v1/calls"),
            ("GET", "/api/v1/calls/3f2a"),
            ("GET", "/api/v1/calls/3f2a/sip"),
            ("GET", "/api/v1/calls/3f2a/metadata"),
            ("GET", "/api/v1/history"),
            ("POST", "/api/v1/calls/3f2a/hangup"),
            ("POST", "/api/v1/drain"),
        ):
            for token in (None, "wrong"):
                response = self.ask(path, method, token=token)
                self.assertEqual(response.status, 401, path)
                self.assertEqual(response.headers["www-authenticate"], "Bearer")
                self.assertNotIn(b"sbc", response.body)
        self.assertEqual(self.server.told, [])
        self.assertFalse(self.server.counters["draining"])

    def test_token_in_query(self) -> None:
        """A token in the address, where it would get into logs, is none."""
        self.assertEqual(self.ask("/api/v1/status?token=secret", token=None).status, 401)

    def test_locked_out(self) -> None:
        """Ten wrong tokens lock an address out for a minute, right tokens too; health goes on."""
        for _ in range(10):
            self.assertEqual(self.ask("/api/v1/calls", token="wrong").status, 401)
        response = self.ask("/api/v1/calls")
        self.assertEqual((response.status, response.headers["retry-after"]), (429, "60"))
        self.assertEqual(response.reason, "Too Many Requests")
        self.assertEqual(self.ask("/healthz", token=None).status, 200)
        self.assertEqual(self.refusals, ["wrong_token"] * 10 + ["locked_out"])
        self.clock.advance(59.5)
        self.assertEqual(self.ask("/api/v1/calls").headers["retry-after"], "1")
        self.clock.advance(0.5)
        self.assertEqual(self.ask("/api/v1/calls").status, 200)

    def test_no_token_is_no_guess(self) -> None:
        """Who shows no token at all is not locked out."""
        for _ in range(30):
            self.ask("/api/v1/calls", token=None)
        self.assertEqual(self.ask("/api/v1/calls").status, 200)
        self.assertEqual((self.refusals, self.notes.lines), ([], []))

    def test_lockout_logged(self) -> None:
        """One line of the log says who is locked out, and nothing says the token."""
        events: list[LogEvent] = []
        self.patch(Gate, "_log", Logger("gate", observer=events.append))
        for _ in range(15):
            self.ask("/api/v1/calls", token="wrong")
        self.assertEqual(
            [formatEvent(event) for event in events],
            ["web: 127.0.0.1 is locked out for 60 s: too many wrong tokens"],
        )

    def test_pace(self) -> None:
        """A token has its requests a second, and so many at once; more are told to wait."""
        statuses = [self.ask("/api/v1/calls").status for _ in range(101)]
        self.assertEqual(statuses, [200] * 100 + [429])
        self.assertEqual(self.ask("/api/v1/calls").headers["retry-after"], "1")
        self.clock.advance(0.02)
        self.assertEqual(self.ask("/api/v1/calls").status, 200)
        self.assertEqual(self.refusals, ["pace", "pace"])

    def test_audit(self) -> None:
        """What is done is noted with who did it and what came of it; looking is not."""
        self.server.begin()
        self.ask("/api/v1/calls")
        self.ask("/api/v1/calls/3f2a/hangup", "POST")
        self.ask("/api/v1/calls/nope/pause", "POST")
        self.ask("/api/v1/calls/3f2a/destinations", "POST", body=b'{"name": "qa"}')
        self.ask("/api/v1/drain", "POST")
        self.ask("/api/v1/drain", "POST", token="wrong")
        self.ask("/api/v1/calls/3f2a/hangup", "POST", token="viewer")
        self.assertEqual(
            self.notes.lines,
            [
                ("web.token", "api", "hang_up", "3f2a", "202"),
                ("web.token", "api", "pause", "nope", "404"),
                ("web.token", "api", "copy", "3f2a qa", "202"),
                ("web.token", "api", "drain", "", "202"),
                ("anybody", "api", "drain", "", "wrong token"),
                ("vic", "api", "hang_up", "3f2a", "refused: not steer"),
            ],
        )

    def test_roles(self) -> None:
        """A token does what its roles say, and is told which one is missing."""
        self.server.begin()
        for token, path, method, status in (
            ("viewer", "/metrics", "GET", 200),
            ("viewer", "/api/v1/calls/3f2a/sip", "GET", 200),
            ("viewer", "/api/v1/calls/3f2a/hangup", "POST", 403),
            ("viewer", "/api/v1/calls/3f2a/streams/0", "DELETE", 403),
            ("viewer", "/api/v1/calls/3f2a/destinations/qa", "DELETE", 403),
            ("viewer", "/api/v1/drain", "POST", 403),
            ("viewer", "/api/v1/traces", "GET", 200),
            ("viewer", "/api/v1/traces", "POST", 403),
            ("scraper", "/metrics", "GET", 200),
            ("scraper", "/api/v1/status", "GET", 403),
            ("scraper", "/api/v1/calls", "GET", 403),
            ("scraper", "/api/v1/calls/3f2a/pause", "POST", 403),
            ("secret", "/api/v1/calls/3f2a/pause", "POST", 202),
        ):
            response = self.ask(path, method, token=token)
            self.assertEqual(response.status, status, (token, path))
        detail = self.ask("/api/v1/drain", "POST", token="viewer").json["detail"]
        self.assertEqual(detail, "this takes a token with the role steer")
        self.assertEqual(self.server.told, [("pause", "3f2a")])
        self.assertFalse(self.server.counters["draining"])

    def test_foreign_name(self) -> None:
        """On loopback a browser that was led here by another's name is turned away."""
        for host in ("evil.example", "evil.example:8080", "[", "localhost.evil.example", ""):
            self.assertEqual(self.ask("/api/v1/calls", host=host).status, 421, host)
            self.assertEqual(self.ask("/", host=host).status, 421, host)
        for host in ("localhost", "127.0.0.1:8080", "[::1]:8080", "REC.example.com", "192.0.2.1"):
            self.assertEqual(self.ask("/api/v1/calls", host=host).status, 200, host)
        self.assertEqual(self.refusals, ["host"] * 10)

    def test_foreign_page(self) -> None:
        """A page of others changes nothing, even with the token."""
        for origin in ("https://evil.example", "null", "http://localhost:3000", "x", ""):
            response = self.ask("/api/v1/drain", "POST", headers=(f"Origin: {origin}",))
            self.assertEqual(response.status, 403, origin)
        self.assertFalse(self.server.counters["draining"])
        self.assertEqual(self.refusals, ["origin"] * 5)
        for origin in ("http://localhost:8080", "https://rec.example.com"):
            response = self.ask("/api/v1/drain", "POST", headers=(f"Origin: {origin}",))
            self.assertEqual(response.status, 202, origin)
        self.assertNotIn("access-control-allow-origin", response.headers)

    # --- what is answered --------------------------------------------------------------

    def test_calls(self) -> None:
        """The calls in progress are rows, which a search and a state narrow down."""
        self.server.begin()
        self.now = 1_061.5
        [row] = self.ask("/api/v1/calls").json["calls"]
        self.assertEqual(
            row,
            {
                "id": "3f2a",
                "call_id": "c1@sbc",
                "state": "recording",
                "source": "sbc",
                "tenant": None,
                "calling": "sip:+15550100@example.com",
                "called": "sip:2001@example.com",
                "offered_at": "1970-01-01T00:16:40.000Z",
                "ended_at": None,
                "seconds": 61.5,
                "result": None,
                "destinations": [{"name": "speech", "state": "connecting"}],
                "codecs": ["PCMU"],
                "loss": 0.15,
                "jitter_ms": 12.5,
                "mos": 2.98,
                "warnings": 1,
            },
        )
        for query, count in (
            ("q=ann", 1),
            ("q=bob", 0),
            ("state=paused", 0),
            ("state=recording", 1),
        ):
            self.assertEqual(len(self.ask(f"/api/v1/calls?{query}").json["calls"]), count, query)

    def test_call(self) -> None:
        """All about a call, and what is not known of one that never was."""
        self.server.begin()
        call = self.ask("/api/v1/calls/3f2a").json
        self.assertEqual(call["answered_after_s"], 0.004)
        self.assertEqual(call["description"]["participants"][0]["name"], "Ann")
        self.assertEqual(call["streams"][0]["lost"], 10)
        self.assertEqual([each["kind"] for each in call["moments"]], ["metadata", "state", "state"])
        self.assertEqual(self.problem("/api/v1/calls/nope")[0], 404)

    def test_account(self) -> None:
        """An ended call is in the history, with its account."""
        self.server.begin()
        self.server.statistics_of.clear()
        self.server.happen(CallClosed("3f2a", "sbc", ACCOUNT), CallForgotten("3f2a"))
        self.assertEqual(self.ask("/api/v1/calls").json, {"calls": []})
        [row] = self.ask("/api/v1/history").json["calls"]
        self.assertEqual((row["result"], row["loss"]), ("call_ended", 0.15))
        [delivery] = self.ask("/api/v1/calls/3f2a").json["deliveries"]
        self.assertEqual((delivery["gaps_ms"], delivery["complete"]), ({"reconnect": 1000}, False))

    def test_history(self) -> None:
        """The newest first, no more than asked, recorded and refused apart."""
        for number in range(3):
            self.server.happen(CallOffered(f"id{number}", "c", "sbc"), CallForgotten(f"id{number}"))
        refused = CallRefused("c", "request", "sbc", "sbc", 503, "Too Many Calls", True, "r")
        self.server.happen(CallOffered("r", "c", "sbc"), refused, CallForgotten("r"))
        rows = self.ask("/api/v1/history?limit=2").json["calls"]
        self.assertEqual([row["id"] for row in rows], ["id2", "id1"])
        [row] = self.ask("/api/v1/history?refused=true").json["calls"]
        self.assertEqual((row["id"], row["result"]), ("r", "refused 503"))
        for query in ("limit=0", "limit=1001", "limit=x", "refused=maybe"):
            self.assertEqual(self.problem(f"/api/v1/history?{query}")[0], 400, query)

    def test_sip(self) -> None:
        """The ladder of a call."""
        self.records.traced(Traced(False, None, ("192.0.2.1", 5060), b"INVITE x", "c1@sbc", "INV"))
        self.server.begin()
        answer = self.ask("/api/v1/calls/3f2a/sip").json
        self.assertEqual(answer["forgotten"], 0)
        self.assertEqual(answer["messages"][0]["text"], "INVITE x")
        self.assertEqual(self.problem("/api/v1/calls/nope/sip")[0], 404)

    def test_metadata(self) -> None:
        """The metadata is a plain text, never a document that a browser would show."""
        self.server.begin()
        response = self.ask("/api/v1/calls/3f2a/metadata")
        self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")
        self.assertEqual(response.body, b"<recording/>")
        self.server.happen(CallOffered("bare", "c", "sbc"))
        for id in ("bare", "nope"):
            self.assertEqual(self.problem(f"/api/v1/calls/{id}/metadata")[0], 404)

    def test_status(self) -> None:
        """The server as a whole."""
        self.now += 10
        status = self.ask("/api/v1/status").json
        self.assertEqual(
            (status["uptime_s"], status["draining"], status["counters"]["calls offered"]),
            (10, False, 3),
        )

    def test_metrics(self) -> None:
        """Metrics are in Prometheus's text format."""
        response = self.ask("/metrics")
        self.assertEqual(
            response.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8"
        )
        self.assertIn(b"\nsiprec_calls{", response.body)

    def test_description(self) -> None:
        """The description of the API is there for all."""
        self.assertEqual(self.ask("/api/v1/openapi.json", token=None).json["openapi"], "3.1.0")

    # --- what is done ------------------------------------------------------------------

    def test_steering(self) -> None:
        """A call is ended, paused and resumed."""
        self.server.begin()
        for word, told, status in (
            ("hangup", "hang up", "ending"),
            ("pause", "pause", "paused"),
            ("resume", "resume", "resumed"),
        ):
            response = self.ask(f"/api/v1/calls/3f2a/{word}", "POST")
            self.assertEqual((response.status, response.json["status"]), (202, status))
            self.assertEqual(self.server.told.pop(), (told, "3f2a"))

    def test_drop(self) -> None:
        """One stream of a call is given up, where there is such a stream."""
        self.server.begin()
        response = self.ask("/api/v1/calls/3f2a/streams/1", "DELETE")
        self.assertEqual(
            (response.status, response.json), (202, {"id": "3f2a", "status": "dropping"})
        )
        self.assertEqual(self.server.told, [("drop 1", "3f2a")])
        for path, status in (
            ("3f2a/streams/2", 409),
            ("3f2a/streams/x", 400),
            ("3f2a/streams/%C2%B2", 400),
            ("3f2a/streams/1000000", 400),
            ("nope/streams/0", 404),
        ):
            self.assertEqual(self.problem(f"/api/v1/calls/{path}", "DELETE")[0], status, path)
        self.server.happen(CallForgotten("3f2a"))
        self.assertEqual(self.problem("/api/v1/calls/3f2a/streams/0", "DELETE")[0], 409)
        self.assertEqual(len(self.server.told), 2)

    def test_too_late(self) -> None:
        """A call that is over, or is about to be, cannot be steered."""
        self.server.begin()
        self.server.summaries.clear()
        self.assertEqual(self.problem("/api/v1/calls/3f2a/pause", "POST")[0], 409)
        self.server.happen(CallForgotten("3f2a"))
        self.assertEqual(self.problem("/api/v1/calls/3f2a/pause", "POST")[0], 409)
        self.assertEqual(self.problem("/api/v1/calls/nope/pause", "POST")[0], 404)
        self.assertEqual(self.server.told, [("pause", "3f2a")])

    def test_drain(self) -> None:
        """The server drains, and says for how many calls."""
        response = self.ask("/api/v1/drain", "POST")
        self.assertEqual((response.status, response.json), (202, {"draining": True, "calls": 0}))
        self.assertTrue(self.server.counters["draining"])

    # --- HTTP --------------------------------------------------------------------------

    def test_not_found(self) -> None:
        """What is nowhere is 404, what is there by another method is 405 and says by which."""
        self.assertEqual(self.problem("/nowhere")[0], 404)
        self.assertEqual(self.problem("/live.js/../api.py")[0], 404)
        response = self.ask("/api/v1/drain")
        self.assertEqual((response.status, response.headers["allow"]), (405, "POST"))
        response = self.ask("/", "POST")
        self.assertEqual((response.status, response.headers["allow"]), (405, "GET, HEAD"))

    def test_head(self) -> None:
        """HEAD is GET without the body."""
        response = self.ask("/healthz", "HEAD", token=None)
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.headers["content-length"], "15")

    def test_page(self) -> None:
        """The files of the page need no token."""
        for path, (_, content_type) in PAGES.items():
            response = self.ask(path, token=None)
            self.assertEqual(response.status, 200, path)
            self.assertEqual(response.headers["content-type"], content_type)

    def test_nothing_inline(self) -> None:
        """The page has no script, style or handler in its text, which its policy forbids."""
        page = self.ask("/", token=None).body.decode()
        self.assertIsNone(re.search(r"<style|\sstyle=|\son\w+=|javascript:", page))
        for script in re.findall(r"<script[^>]*>[^<]*</script>", page):
            self.assertRegex(script, r'^<script type="module" src="/[^"]+"></script>$')

    def test_headers(self) -> None:
        """Nothing is loaded from elsewhere, framed, guessed or kept, errors included."""
        for path in ("/", "/healthz", "/nowhere"):
            headers = self.ask(path, token=None).headers
            self.assertIn("default-src 'none'", headers["content-security-policy"])
            self.assertIn("frame-ancestors 'none'", headers["content-security-policy"])
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["x-frame-options"], "DENY")
            self.assertEqual(headers["referrer-policy"], "no-referrer")
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertEqual(headers["server"], "twisted-siprec")

    def test_long_body(self) -> None:
        """A body that is too long is refused before it is there, by its length or by its chunks."""
        response = self.ask("/api/v1/drain", "POST", body=b"x" * 1_001)
        self.assertEqual(response.status, 413)
        protocol, transport = connection(self.site)
        protocol.dataReceived(
            b"POST /api/v1/drain HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + b"1f4\r\n" + b"x" * 500 + b"\r\n"
        )
        self.assertEqual(transport.value(), b"")
        protocol.dataReceived(b"1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n")
        self.assertEqual(Response(transport.value()).status, 413)
        self.assertTrue(transport.disconnecting)
        self.assertFalse(self.server.counters["draining"])

    def test_body(self) -> None:
        """A body of a fair length does no harm."""
        self.assertEqual(self.ask("/api/v1/drain", "POST", body=b"x" * 1_000).status, 202)

    def test_long_query(self) -> None:
        """A query of very many parameters is refused."""
        query = "&".join(f"q{number}=1" for number in range(40))
        self.assertEqual(self.problem(f"/api/v1/calls?{query}")[0], 400)

    def test_connections(self) -> None:
        """There are no more connections than allowed, and a closed one makes room."""
        first, _ = connection(self.site)
        second, _ = connection(self.site)
        self.assertIsNone(connection(self.site)[0])
        second.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(connection(self.site)[0])
        first.connectionLost(Failure(ConnectionDone()))

    def test_fault(self) -> None:
        """A mistake of ours is a 500 that says nothing of it, and the next request is answered."""
        self.server.calls = lambda: 1 / 0  # type: ignore[assignment,return-value]
        status, detail = self.problem("/api/v1/status")
        self.assertEqual((status, detail), (500, "a fault of the server: see its log"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.ask("/healthz").status, 200)

    def test_counted(self) -> None:
        """Requests are counted by operation and status, never by what was asked for."""
        for path in ("/healthz", "/api/v1/calls/x", "/x" * 20, "/"):
            self.ask(path)
        self.ask("/metrics", token="x")
        self.assertEqual(
            self.counted,
            [("health", 200), ("call", 404), ("none", 404), ("page", 200), ("metrics", 401)],
        )

    def test_hostile(self) -> None:
        """What a peer wrote into a call is escaped."""
        self.server.happen(CallOffered("h", "\udc80</script>\u2028\x00", "sbc"))
        response = self.ask("/api/v1/calls")
        self.assertEqual(json.loads(response.body)["calls"][0]["call_id"][1:10], "</script>")
