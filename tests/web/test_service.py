"""
The web listener as a service of the server.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import FakeServer, ask
from twisted_siprec.config import Configuration, WebConfiguration
from twisted_siprec.config.model import Tenant
from twisted_siprec.net.overload import Overload
from twisted_siprec.net.tls import CertificateError
from twisted_siprec.plan import Secret
from twisted_siprec.simulator.certificates import make_certificate
from twisted_siprec.sip.events import Traced
from twisted_siprec.web import WebService
from twisted_siprec.web.inside_metrics import Inside

ACME = Tenant("acme", token=Secret(environment="ACME"))


class WebServiceTests(SynchronousTestCase):
    """Its start, its watching, and its end."""

    def setUp(self) -> None:
        self.token: str = self.mktemp()
        with open(self.token, "w") as file:
            file.write("secret")
        self.reactor = MemoryReactorClock()
        self.server = FakeServer()
        self.overload = Overload(self.reactor, 0.5, lambda overloaded: None)
        self.inside = Inside(overload=self.overload)

    def service(self, **settings: object) -> WebService:
        web = WebConfiguration(enabled=True, token=Secret(file=self.token), **settings)
        return WebService(web, self.server, self.reactor, lambda: 1_000.0, (ACME,), self.inside)

    def test_listening(self) -> None:
        """It opens nothing before it starts, listens on loopback, and stops."""
        service = self.service()
        self.assertEqual(self.reactor.tcpServers, [])
        self.assertIsNone(service.address)
        service.privilegedStartService()
        service.startService()
        [(port, site, _, interface)] = self.reactor.tcpServers
        self.assertEqual((port, interface), (8080, "127.0.0.1"))
        self.assertEqual(ask(site, "/healthz", token=None).status, 200)
        self.successResultOf(service.stopService())
        self.assertIsNone(service.address)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_watching(self) -> None:
        """Calls, SIP messages and the event loop are watched from the beginning."""
        service = self.service()
        service.startService()
        self.overload.start()
        self.addCleanup(service.stopService)
        message = Traced(False, None, ("192.0.2.1", 5060), b"INVITE x", "c1@sbc", "INVITE x")
        for tracer in self.server.tracers:
            tracer(message)
        self.server.begin()
        self.reactor.pump([0.1] * 10)
        site = self.reactor.tcpServers[0][1]
        self.assertEqual(ask(site, "/api/v1/calls/3f2a").json["sip_messages"], 1)
        metrics = ask(site, "/metrics").body
        self.assertIn(b'siprec_calls_offered_total{source="sbc"} 1.0', metrics)
        self.assertIn(b"siprec_event_loop_lateness_seconds_count 10.0", metrics)
        self.assertIn(b"siprec_overloaded 0.0", metrics)
        self.assertIn(b'siprec_web_requests_total{operation="call",status="200"} 1.0', metrics)

    def test_no_trace(self) -> None:
        """Where nothing of SIP is to be kept, nothing is traced."""
        self.service(trace_octets_per_call=0)
        self.assertEqual(self.server.tracers, [])

    def test_renewed_certificate(self) -> None:
        """A certificate that is renewed on disk is used for the next handshake."""
        directory = Path(self.mktemp())
        directory.mkdir()
        certificate, key = map(str, make_certificate(directory))
        service = self.service(certificate=certificate, key=key)
        service.startService()
        self.addCleanup(service.stopService)
        before = self.shown()
        make_certificate(directory)
        self.assertNotEqual(self.shown(), before)

    def test_other_certificate(self) -> None:
        """A reload may name other files; what cannot be used changes nothing."""
        one, other = Path(self.mktemp()), Path(self.mktemp())
        one.mkdir()
        other.mkdir()
        service = self.service(
            **dict(zip(("certificate", "key"), map(str, make_certificate(one)), strict=True))
        )
        service.startService()
        self.addCleanup(service.stopService)
        before = self.shown()
        certificate, key = map(str, make_certificate(other))
        web = WebConfiguration(enabled=True, certificate=certificate, key=key)
        take_over = service.follow(Configuration(web=web))
        self.assertEqual(self.shown(), before)
        take_over()
        after = self.shown()
        self.assertNotEqual(after, before)
        broken = replace(web, key=__file__)
        self.assertRaises(CertificateError, service.follow, Configuration(web=broken))
        self.assertEqual(self.shown(), after)

    def shown(self) -> int:
        """The serial number of the certificate that the next connection gets."""
        _, _, context, *_ = self.reactor.sslServers[0]
        certificate = context.serverConnectionForTLS(None).get_certificate()
        return int(certificate.get_serial_number())
