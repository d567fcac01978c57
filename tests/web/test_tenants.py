"""
What a tenant sees and steers by the web listener, and what it does not.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from tests.web_fakes import ACCOUNT, FakeServer, Response, ask, make_gate
from twisted_siprec.config.model import Role, Tenant, WebConfiguration
from twisted_siprec.net.calls.calls import Copying
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallForgotten,
    CallOffered,
    CallRedirected,
    CallRefused,
)
from twisted_siprec.plan import Secret
from twisted_siprec.web import bodies
from twisted_siprec.web.api import API
from twisted_siprec.web.feed import Feed, Viewer
from twisted_siprec.web.metrics import Metrics
from twisted_siprec.web.permission import EVERYTHING, Access, Tokens, holders
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.site import Root, make_site

ACME = Access("acme")
WEB = WebConfiguration(token=Secret(environment="ALL"))
OPERATOR = Access(None, "web.token", frozenset({Role.STEER, Role.VIEW, Role.METRICS}))
OF_ACME = "a"


class TokensTests(SynchronousTestCase):
    """Tokens of tenants."""

    def setUp(self) -> None:
        self.patch(os, "environ", {"ALL": "all", "ACME": "a", "EAR": "ear", "GLOBEX": "g"})
        acme = Tenant(
            "acme", token=Secret(environment="ACME"), listen_token=Secret(environment="EAR")
        )
        globex = Tenant("globex", token=Secret(environment="GLOBEX"))
        self.tokens = Tokens(holders(WEB, (acme, globex)))

    def test_access(self) -> None:
        """A token is good for the calls of its tenant, and for what it is a token for."""
        tenants = {"all": None, "a": "acme", "ear": "acme", "g": "globex"}
        for token, tenant in tenants.items():
            access = self.tokens.access(Role.VIEW, token)
            assert access is not None
            self.assertEqual(access.tenant, tenant)
            self.assertEqual(access.may(Role.STEER), token != "ear", token)
            self.assertEqual(access.may(Role.LISTEN), token == "ear", token)
        self.assertIsNone(self.tokens.access(Role.VIEW, "wrong"))

    def test_sees(self) -> None:
        """A tenant sees its own calls; the operator sees all, and those of nobody."""
        self.assertTrue(ACME.sees("acme"))
        self.assertFalse(ACME.sees("globex"))
        self.assertFalse(ACME.sees(""))
        self.assertTrue(EVERYTHING.sees(""))

    def test_configured(self) -> None:
        """Who may be listened to by somebody."""
        configured = self.tokens.configured
        self.assertTrue(configured(Role.LISTEN, ACME))
        self.assertFalse(configured(Role.LISTEN, Access("globex")))
        self.assertTrue(configured(Role.LISTEN))

    def test_change(self) -> None:
        """Other tokens hold at once."""
        self.tokens.change(holders(WebConfiguration(token=Secret(environment="GLOBEX"))))
        self.assertIsNone(self.tokens.access(Role.VIEW, "a"))
        self.assertEqual(self.tokens.access(Role.VIEW, "g"), OPERATOR)

    def test_same_token(self) -> None:
        """A token that a tenant shares with the operator is the operator's."""
        self.tokens.change(holders(WEB, (Tenant("acme", token=Secret(environment="ALL")),)))
        self.assertEqual(self.tokens.access(Role.VIEW, "all"), OPERATOR)


class TenantSiteTests(SynchronousTestCase):
    """Requests with a tenant's token: one call is its own, one another's, one nobody's."""

    def setUp(self) -> None:
        self.patch(os, "environ", {"ALL": "all", "ACME": "a"})
        self.server = FakeServer()
        self.records = CallRecords(lambda: 1_000.0)
        self.metrics = Metrics(self.server)
        api = API(self.server, self.records, self.metrics, lambda: 1_000.0)
        self.server.watch(self.records.happened)
        self.server.watch(self.metrics.happened)
        gate = make_gate(WEB, (Tenant("acme", token=Secret(environment="ACME")),))
        self.site = make_site(Root(api, gate, lambda *_: None, Resource()), 2, 1_000, Clock())
        self.server.begin(tenant="acme", id="aaaa")
        self.server.begin(tenant="globex", id="bbbb")
        self.server.begin(id="cccc")

    def ask(self, path: str, method: str = "GET", **options: Any) -> Response:
        return ask(self.site, path, method, **{"token": "a", **options})

    def ids(self, path: str, token: str = OF_ACME) -> list[str]:
        return [each["id"] for each in self.ask(path, token=token).json["calls"]]

    def test_calls(self) -> None:
        """The lists have its own calls; the operator's have all."""
        self.assertEqual(self.ids("/api/v1/calls"), ["aaaa"])
        self.assertEqual(self.ids("/api/v1/calls", "all"), ["aaaa", "bbbb", "cccc"])
        [call] = self.ask("/api/v1/calls").json["calls"]
        self.assertEqual(call["tenant"], "acme")
        for id in ("aaaa", "bbbb", "cccc"):
            self.server.happen(CallForgotten(id))
        self.assertEqual(self.ids("/api/v1/history"), ["aaaa"])
        self.assertEqual(self.ids("/api/v1/history?limit=1"), ["aaaa"])
        self.assertEqual(self.ids("/api/v1/history", "all"), ["cccc", "bbbb", "aaaa"])

    def test_refused(self) -> None:
        """A call that was refused for a quota is its own; one without a tenant is not."""
        for id, tenant in (("dddd", "acme"), ("eeee", "")):
            self.server.happen(
                CallOffered(id, id, "sbc"),
                CallRefused(id, "INVITE", "sbc", "x", 486, "Busy", True, id, tenant),
                CallForgotten(id),
            )
        self.assertEqual(self.ids("/api/v1/history?refused=true"), ["dddd"])

    def test_others(self) -> None:
        """Calls of others are not there, whatever is asked of them."""
        for id in ("bbbb", "cccc"):
            for method, path in (
                ("GET", ""),
                ("GET", "/sip"),
                ("GET", "/metadata"),
                ("GET", "/waveform"),
                ("POST", "/hangup"),
                ("POST", "/pause"),
                ("POST", "/resume"),
                ("POST", "/destinations"),
                ("DELETE", "/destinations/qa"),
                ("DELETE", "/streams/0"),
            ):
                response = self.ask(f"/api/v1/calls/{id}{path}", method, body=b'{"name":"qa"}')
                self.assertEqual(response.status, 404, (id, path))
        self.assertEqual(self.server.told, [])
        self.assertEqual(self.ask("/api/v1/calls/aaaa/hangup", "POST").status, 202)
        self.assertEqual(self.server.told, [("hang up", "aaaa")])

    def test_server(self) -> None:
        """Of the server it sees its own calls; it does not drain it."""
        status = self.ask("/api/v1/status").json
        self.assertEqual((status["tenant"], status["calls"], status["counters"]), ("acme", 1, {}))
        self.assertEqual(self.ask("/api/v1/drain", "POST").status, 403)
        self.assertFalse(self.server.counters["draining"])

    def test_metrics(self) -> None:
        """The metrics are those with its name, and nothing of the server or of others."""
        self.server.happen(
            CallRefused("x", "INVITE", "sbc", "x", 486, "Busy", True, "x", "acme"),
            CallClosed("aaaa", "sbc", ACCOUNT),
        )
        text = self.ask("/metrics").body.decode()
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(
            samples,
            [
                'siprec_tenant_calls{state="recording",tenant="acme"} 1.0',
                'siprec_tenant_calls_recorded_total{tenant="acme"} 1.0',
                'siprec_tenant_recorded_seconds_total{tenant="acme"} 61.0',
                'siprec_tenant_calls_refused_total{status="486",tenant="acme"} 1.0',
                'siprec_tenant_calls_ended_total{reason="call_ended",tenant="acme"} 1.0',
            ],
        )
        everything = self.ask("/metrics", token="all").body
        self.assertIn(b'siprec_tenant_calls_recorded_total{tenant="globex"} 1.0', everything)
        self.assertIn(b'siprec_calls_recorded_total{source="sbc"} 3.0', everything)

    # --- copies ---

    def test_copy(self) -> None:
        """A call is sent to a destination by its name, and no more; refusals say why."""
        path = "/api/v1/calls/aaaa/destinations"
        self.assertEqual(self.ask(path, "POST", body=b'{"name": "qa"}').status, 202)
        self.assertEqual(self.ask(f"{path}/speech", "DELETE").status, 202)
        self.assertEqual(self.server.told, [("copy to qa", "aaaa"), ("uncopy to speech", "aaaa")])
        for copying, status in (
            (Copying.NO_CALL, 409),
            (Copying.ALREADY, 409),
            (Copying.LAST, 409),
            (Copying.TOO_OFTEN, 409),
            (Copying.NO_DESTINATION, 404),
            (Copying.NOT_THERE, 404),
        ):
            self.server.copying = copying
            answer = self.ask(path, "POST", body=b'{"name": "qa"}')
            self.assertEqual((answer.status, answer.json["detail"]), (status, copying.value))
        for body in (b"", b"[]", b"qa", b'{"name": 5}', b'{"url": "ws://x"}', b"[" * 900):
            self.assertEqual(self.ask(path, "POST", body=body).status, 400, body)

    def test_redirected(self) -> None:
        """Where a call goes is shown as it is by then, and what changed is told."""
        self.server.happen(CallRedirected("aaaa", ("speech", "qa")))
        call = self.ask("/api/v1/calls/aaaa").json
        self.assertEqual(
            call["destinations"],
            [{"name": "speech", "state": "connecting"}, {"name": "qa", "state": "connecting"}],
        )
        self.server.happen(CallRedirected("aaaa", ("qa",)))
        call = self.ask("/api/v1/calls/aaaa").json
        self.assertEqual([each["name"] for each in call["destinations"]], ["qa"])
        self.assertEqual(
            [(each["destination"], each["text"]) for each in call["moments"][-2:]],
            [("qa", "it goes there too from now on"), ("speech", "it goes there no more")],
        )

    def test_no_waveform(self) -> None:
        """A call without one says so."""
        self.assertEqual(self.ask("/api/v1/calls/aaaa/waveform").status, 404)


class Screen:
    """A page that keeps what it is shown."""

    def __init__(self) -> None:
        self.ready = True
        self.shown: list[bodies.Body] = []

    def show(self, body: bodies.Body) -> None:
        self.shown.append(body)


class TenantFeedTests(SynchronousTestCase):
    """The live page of a tenant."""

    def test_rows(self) -> None:
        """It has the tenant's rows and its count of calls, and no call of another."""
        server, clock = FakeServer(), Clock()
        records = CallRecords(lambda: 1_000.0)
        server.watch(records.happened)
        api = API(server, records, Metrics(server), lambda: 1_000.0)
        feed = Feed(clock, lambda: 1_000.0, api, records, api.state)
        server.begin(tenant="acme", id="aaaa")
        server.begin(tenant="globex", id="bbbb")
        own, everyone = Screen(), Screen()
        viewer = Viewer(own, ACME)
        feed.join(viewer)
        feed.join(Viewer(everyone))
        clock.pump([0.1] * 10)
        self.addCleanup(feed.leave, viewer)
        for shown in own.shown:
            self.assertLessEqual({row["id"] for row in shown["changed"]}, {"aaaa"})
            self.assertEqual(shown["status"]["calls"], 1)
        self.assertEqual(everyone.shown[-1]["status"]["calls"], 2)
        feed.follow(viewer, "bbbb")
        self.assertIsNone(own.shown[-1]["call"])
        feed.follow(viewer, "aaaa")
        self.assertEqual(own.shown[-1]["call"]["id"], "aaaa")
