"""
Traces and packets by the API, and as siprecctl prints them.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.web_fakes import FakeServer, Response, ask, make_gate
from twisted_siprec.config.model import Tenant, WebConfiguration
from twisted_siprec.net.sip.trace import TooManyTraces
from twisted_siprec.net.traces.shelf import Kept
from twisted_siprec.plan import Secret
from twisted_siprec.web.api import API
from twisted_siprec.web.ctl_view import table
from twisted_siprec.web.metrics import Metrics
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.site import Root, make_site

KEPT = Kept("3f2a", "/flights/x-3f2a.pcapng", 2_000, 1_000.0)


class FakeFlights:
    """A flight recorder with a file."""

    def path(self, id: str) -> str | None:
        return KEPT.path if id == KEPT.id else None

    def files(self) -> list[Kept]:
        return [Kept("older", "/flights/older.pcapng", 1_000, 900.0), KEPT]


class TracingTests(SynchronousTestCase):
    """Requests of an operator, and of a tenant."""

    def setUp(self) -> None:
        tokens = []
        for token in ("secret", "blue"):
            path = Path(self.mktemp())
            path.write_text(token)
            tokens.append(Secret(file=str(path)))
        self.server = FakeServer()
        self.flights: FakeFlights | None = FakeFlights()
        self.gate = make_gate(WebConfiguration(token=tokens[0]), (Tenant("blue", token=tokens[1]),))

    def ask(self, path: str, method: str = "GET", **options: Any) -> Response:
        records = CallRecords(lambda: 1_000.0)
        api = API(self.server, records, Metrics(self.server), lambda: 1_000.0, self.flights)
        self.server.watch(records.happened)
        self.server.begin()
        root = Root(api, self.gate, lambda operation, status: None, Resource())
        return ask(make_site(root, 2, 1_000, Clock()), path, method, **options)

    def test_packets(self) -> None:
        """The files, the newest first; none where there is no flight recorder."""
        found = self.ask("/api/v1/packets").json["files"]
        self.assertEqual([each["id"] for each in found], ["3f2a", "older"])
        self.assertEqual(
            found[0],
            {
                "id": "3f2a",
                "path": "/flights/x-3f2a.pcapng",
                "octets": 2_000,
                "ended_at": "1970-01-01T00:16:40.000Z",
            },
        )
        self.flights = None
        self.assertEqual(self.ask("/api/v1/packets").json, {"files": []})

    def test_of_a_call(self) -> None:
        """A call says where its packets are; to a tenant it does not."""
        self.assertEqual(self.ask("/api/v1/calls/3f2a").json["packets"], KEPT.path)
        self.flights = None
        self.assertIsNone(self.ask("/api/v1/calls/3f2a").json["packets"])

    def test_traces(self) -> None:
        """On, twice, and off."""
        path, body = "/api/v1/traces", b'{"name": "sbc east"}'
        self.assertEqual(self.ask(path).json, {"traces": []})
        for _ in range(2):
            answered = self.ask(path, "POST", body=body)
            self.assertEqual((answered.status, answered.json), (200, {"traces": ["sbc east"]}))
        self.assertEqual(self.ask(f"{path}/sbc%20east", "DELETE").json, {"traces": []})
        self.assertEqual(self.ask(f"{path}/sbc", "DELETE").status, 404)

    def test_mistakes(self) -> None:
        """A body without a name, and too many traces, are refused."""
        for body in (b"", b"{}", b'{"name": ""}', b'{"name": "a\\nb"}', b'{"name": 1}', b"[" * 900):
            self.assertEqual(self.ask("/api/v1/traces", "POST", body=body).status, 400, body)
        long = json.dumps({"name": "x" * 257}).encode()
        self.assertEqual(self.ask("/api/v1/traces", "POST", body=long).status, 400)

        def too_many(word: str, on: bool) -> bool:
            raise TooManyTraces("16 traces are on already")

        self.patch(self.server, "trace_to_log", too_many)
        refused = self.ask("/api/v1/traces", "POST", body=b'{"name": "x"}')
        self.assertEqual(
            (refused.status, refused.json["detail"]), (409, "16 traces are on already")
        )

    def test_tenants(self) -> None:
        """They concern the whole server: no tenant may."""
        for method, path in (
            ("GET", "/api/v1/packets"),
            ("GET", "/api/v1/traces"),
            ("POST", "/api/v1/traces"),
            ("DELETE", "/api/v1/traces/x"),
        ):
            self.assertEqual(self.ask(path, method, token="blue").status, 403)
            self.assertEqual(self.ask(path, method, token=None).status, 401)

    def test_description(self) -> None:
        """openapi.json describes what is answered."""
        text = files("twisted_siprec.web").joinpath("openapi.json").read_text("utf-8")
        schemas = json.loads(text)["components"]["schemas"]
        [file, _] = self.ask("/api/v1/packets").json["files"]
        self.assertEqual(set(file), set(schemas["PacketFile"]["properties"]))

    def test_printed(self) -> None:
        """As tables."""
        text = table("packets", self.ask("/api/v1/packets").json)
        self.assertIn("3f2a   1970-01-01T00:16:40  2000    /flights/x-3f2a.pcapng", text)
        self.assertIn("no flight_recorder", table("packets", {"files": []}))
        self.assertEqual(table("trace", {"traces": ["a", "b"]}), "a\nb")
        self.assertEqual(table("trace", {"traces": []}), "nothing is traced")
