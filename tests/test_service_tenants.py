"""
Tenants of the whole server, from the INVITE on; and what a reload changes of the web listener.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.sip_fakes import UDPMemoryReactor
from tests.test_service import INVITE, URI
from tests.vendor_replay import WatchedMedia
from tests.web_fakes import ask
from twisted_siprec import recording_service, service
from twisted_siprec.config import Configuration, parse
from twisted_siprec.log import json_line
from twisted_siprec.net.calls.calls import Copying
from twisted_siprec.sip.message import Response
from twisted_siprec.sip.message import parse as parse_message

CONFIGURATION = """
sip: {listeners: [{transport: udp, address: 198.51.100.1}]}
sources:
  - {name: sbc-acme, networks: 192.0.2.1}
  - {name: sbc, networks: 192.0.2.2}
destinations:
  speech: {url: ws://speech.example.com/}
  acme: {url: ws://acme.example.com/}
  qa: {url: ws://qa.example.com/}
default_destinations: speech
tenants:
  - name: acme
    match: {source: sbc-acme}
    limits: {calls: 1, status: 486}
    token: {environment: ACME}
    destinations: acme
    copies: qa
web: {enabled: true, token: {environment: ALL}}
"""


class TenantServiceTests(SynchronousTestCase):
    """A server in memory, with a media plane that only takes notes."""

    def setUp(self) -> None:
        self.patch(os, "environ", {"ALL": "all", "ACME": "a", "NEWER": "n"})
        self.media = WatchedMedia()
        self.patch(recording_service, "LocalMedia", lambda *_, **__: self.media)
        self.reactor = UDPMemoryReactor()
        self.whole = service.make_service(self.parsed(CONFIGURATION), self.reactor)
        self.whole.startService()
        self.addCleanup(self.whole.stopService)
        self.recording = self.whole.getServiceNamed("recording")
        self.site = self.reactor.tcpServers[0][1]

    def parsed(self, text: str) -> Configuration:
        return parse(text, environment=dict(os.environ))

    def invite(self, host: str, call: str) -> Response:
        protocol, bound = self.reactor.udp[0]
        octets = INVITE.format(host=host, call=call, uri=URI, extra="").encode()
        protocol.datagramReceived(octets, (host, 5060))
        response = parse_message(bound.written[-1][0])
        assert isinstance(response, Response)
        return response

    def calls(self, token: str) -> list[tuple[str, str | None]]:
        found = ask(self.site, "/api/v1/calls", token=token).json["calls"]
        return [(each["call_id"], each["tenant"]) for each in found]

    def test_calls(self) -> None:
        """A tenant's calls go where it says, as many as it may have; it sees them and no others."""
        self.assertEqual(self.invite("192.0.2.1", "one").status, 200)
        self.assertEqual(self.invite("192.0.2.2", "two").status, 200)
        refused = self.invite("192.0.2.1", "three")
        self.assertEqual((refused.status, refused.reason), (486, "Too Many Calls Of This Tenant"))
        self.assertEqual(
            [[each.name for each in view.plan.destinations] for view in self.media.views.values()],
            [["acme"], ["speech"]],
        )
        self.assertEqual(self.calls("a"), [("one", "acme")])
        self.assertEqual(self.calls("all"), [("one", "acme"), ("two", None)])
        [past] = ask(self.site, "/api/v1/history?refused=true", token="a").json["calls"]
        self.assertEqual((past["call_id"], past["result"]), ("three", "refused 486"))

    def test_copies(self) -> None:
        """A tenant's call may be sent to its own destinations; anybody else's to all."""
        self.invite("192.0.2.1", "one")
        self.invite("192.0.2.2", "two")
        one, two = (call.id for call in self.recording.server.calls())
        self.assertIs(self.recording.server.copy(one, "qa"), Copying.DONE)
        self.assertIs(self.recording.server.copy(one, "speech"), Copying.NO_DESTINATION)
        self.assertIs(self.recording.server.copy(two, "acme"), Copying.DONE)

    def test_logged(self) -> None:
        """The line of the beginning says whose the call is, in JSON as a member."""
        lines: list[str] = []
        log = self.recording.server._log._log
        self.patch(type(log), "_log", _Taken(lines))
        self.invite("192.0.2.1", "one")
        self.invite("192.0.2.2", "two")
        one, two = (line for line in lines if " streams, to " in line)
        self.assertIn('"tenant":"acme"', one)
        self.assertIn("from sbc-acme for tenant acme, 1 streams, to acme", one)
        self.assertNotIn("tenant", two)

    def test_reload(self) -> None:
        """Other tokens, limits and destinations of tenants hold after a reload."""
        self.invite("192.0.2.1", "one")
        text = CONFIGURATION.replace("environment: ACME", "environment: NEWER")
        text = text.replace("calls: 1,", "calls: 2,").replace(
            "destinations: acme", "destinations: qa"
        )
        self.recording.change(self.parsed(text))
        self.assertEqual(ask(self.site, "/api/v1/calls", token="a").status, 401)
        self.assertEqual(self.calls("n"), [("one", "acme")])
        self.assertEqual(self.invite("192.0.2.1", "two").status, 200)
        self.assertEqual(self.invite("192.0.2.1", "three").status, 486)
        last = list(self.media.views.values())[-1]
        self.assertEqual([each.name for each in last.plan.destinations], ["qa"])

    def test_reload_operator(self) -> None:
        """So does another token of the operator's, and another tenant's is let in."""
        text = CONFIGURATION.replace("environment: ALL", "environment: NEWER")
        self.recording.change(self.parsed(text))
        self.assertEqual(ask(self.site, "/api/v1/calls", token="all").status, 401)
        self.assertEqual(ask(self.site, "/api/v1/calls", token="n").status, 200)


class _Taken:
    """Takes what is logged."""

    def __init__(self, lines: list[str]) -> None:
        from twisted.logger import Logger

        self._logger = Logger("calls", observer=lambda event: lines.append(json_line(event)))

    def __getattr__(self, name: str) -> object:
        return getattr(self._logger, name)
