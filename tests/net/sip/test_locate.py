"""
Host names that lead to servers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names.dns import Record_A, Record_NAPTR, Record_SRV, RRHeader
from twisted.names.error import DNSNameError
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.sip.locate import MAX_TARGETS, Locator, system_locator
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

    def point(self, transport: Transport, *pointers: Record_NAPTR) -> list[tuple[str, int]]:
        """Where a domain with these NAPTR records leads."""
        found = [RRHeader(b"h", each.TYPE, payload=each) for each in pointers]
        locator = Locator(self.lookup, lambda: self.lot, lambda name: succeed((found, [], [])))
        return self.successResultOf(locator.locate(transport, "h", None))

    def test_pointers(self) -> None:
        """NAPTR names the service of each transport, the lowest order first."""
        self.records["_sip._udp.b"] = [Record_SRV(1, 1, 5062, b"udp")]
        self.records["_sips._tcp.c"] = [Record_SRV(1, 1, 5063, b"tls")]
        pointers = (
            Record_NAPTR(20, 1, b"s", b"SIP+D2U", b"", b"_sip._udp.z"),
            Record_NAPTR(10, 2, b"s", b"SIP+D2U", b"", b"_sip._udp.b"),
            Record_NAPTR(10, 1, b"s", b"SIPS+D2T", b"", b"_sips._tcp.c."),
            Record_NAPTR(10, 1, b"S", b"sip+d2u", b"", b"_sip._udp.a"),
            Record_NAPTR(1, 1, b"u", b"SIP+D2U", b"!.*!sip:x!", b""),
        )
        self.assertEqual(self.point(Transport.UDP, *pointers), [("udp", 5062)])
        self.assertEqual(self.asked, ["_sip._udp.a", "_sip._udp.b"])
        self.assertEqual(self.point(Transport.TLS, *pointers), [("tls", 5063)])

    def test_pointers_elsewhere(self) -> None:
        """What has no pointer, or one that leads nowhere, is asked for by its usual name."""
        self.records["_sip._tcp.h"] = [Record_SRV(1, 1, 5064, b"tcp")]
        astray = Record_NAPTR(1, 1, b"s", b"SIP+D2T", b"", b"_sip._tcp.gone")
        self.assertEqual(self.point(Transport.TCP, astray), [("tcp", 5064)])
        self.assertEqual(self.point(Transport.TCP), [("tcp", 5064)])
        self.asked.clear()
        many = [Record_NAPTR(n, 1, b"s", b"SIP+D2U", b"", b"n%d" % n) for n in range(20)]
        self.assertEqual(self.point(Transport.UDP, *many), [("h", 5060)])
        self.assertEqual(self.asked, ["n0", "n1", "n2", "n3", "_sip._udp.h"])

    def test_resolver(self) -> None:
        """Nothing is opened and no timer runs before there is a need."""
        clock = Clock()
        system_locator(clock, lambda: 0.0)
        self.assertEqual(clock.getDelayedCalls(), [])
