"""
Host names that lead to servers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names.dns import Record_A, Record_SRV, RRHeader
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.sip.locate import MAX_TARGETS, Locator, service_lookup
from twisted_siprec.sip.events import Transport


class LocatorTests(SynchronousTestCase):
    """SRV records, and what stands in for them."""

    def setUp(self) -> None:
        self.asked: list[str] = []
        self.records: dict[str, list[Record_SRV]] = {}
        self.lot = 0.0

    def lookup(self, name: str) -> Deferred[Any]:
        """The records that a test has."""
        self.asked.append(name)
        if name not in self.records:
            return fail(DNSNameError(name))
        payloads = [*self.records[name], Record_A("192.0.2.1")]
        return succeed(
            ([RRHeader(name.encode(), each.TYPE, payload=each) for each in payloads], [], [])
        )

    def locate(
        self, host: str, port: int | None = None, transport: Transport = Transport.TCP
    ) -> list[tuple[str, int]]:
        """Where it leads."""
        return self.successResultOf(
            Locator(self.lookup, lambda: self.lot).locate(transport, host, port)
        )

    def test_known(self) -> None:
        """Addresses, and names with a port, are not looked up."""
        self.assertEqual(self.locate("192.0.2.1"), [("192.0.2.1", 5060)])
        self.assertEqual(self.locate("2001:db8::1"), [("2001:db8::1", 5060)])
        self.assertEqual(self.locate("h.example.com", 5070), [("h.example.com", 5070)])
        self.assertEqual(self.asked, [])

    def test_services(self) -> None:
        """Each transport has a service of its own, and a port where there is none."""
        for transport, service, port in (
            (Transport.UDP, "_sip._udp", 5060),
            (Transport.TCP, "_sip._tcp", 5060),
            (Transport.TLS, "_sips._tcp", 5061),
        ):
            self.assertEqual(
                self.locate("h.example.com", None, transport), [("h.example.com", port)]
            )
            self.assertEqual(self.asked.pop(), f"{service}.h.example.com")

    def test_order(self) -> None:
        """By priority; among equals the lot decides, and weights count."""
        self.records["_sip._tcp.h"] = [
            Record_SRV(20, 0, 5064, b"last"),
            Record_SRV(10, 1, 5062, b"light."),
            Record_SRV(10, 3, 5063, b"heavy"),
        ]
        light, heavy, last = ("light", 5062), ("heavy", 5063), ("last", 5064)
        self.lot = 0.24
        self.assertEqual(self.locate("h"), [light, heavy, last])
        self.lot = 0.26
        self.assertEqual(self.locate("h"), [heavy, light, last])

    def test_no_weights(self) -> None:
        """Weights of nothing are weights too."""
        self.records["_sip._tcp.h"] = [Record_SRV(1, 0, 1, b"a"), Record_SRV(1, 0, 2, b"b")]
        self.lot = 0.9
        self.assertEqual(sorted(self.locate("h")), [("a", 1), ("b", 2)])

    def test_no_service(self) -> None:
        """A record that says that there is none is none."""
        self.records["_sip._tcp.h"] = [Record_SRV(0, 0, 0, b".")]
        self.assertEqual(self.locate("h"), [("h", 5060)])

    def test_bounded(self) -> None:
        """Of very many servers some are tried."""
        self.records["_sip._tcp.h"] = [Record_SRV(1, 1, port, b"a") for port in range(1, 50)]
        self.assertEqual(len(self.locate("h")), MAX_TARGETS)

    def test_without(self) -> None:
        """Without look-ups a name is what it is."""
        found = self.successResultOf(Locator(None, lambda: 0.0).locate(Transport.UDP, "h", None))
        self.assertEqual(found, [("h", 5060)])

    def test_resolver(self) -> None:
        """Nothing is opened and no timer runs before there is a need."""
        clock = Clock()
        service_lookup(clock)
        self.assertEqual(clock.getDelayedCalls(), [])
