"""
Who may talk to us.
"""

from __future__ import annotations

from ipaddress import ip_network

from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Source, Unknown
from twisted_siprec.net.admission import Admission
from twisted_siprec.sip.events import Flow, Transport

BANNED = Source("banned", (ip_network("192.0.2.66/32"),), allow=False)
SBC = Source("sbc", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))


def flow(address: str) -> Flow:
    """What comes from an address by UDP."""
    here = ("192.0.2.1", 5060)
    return Flow(Transport.UDP, "udp0", here, (address, 5060), here)


class AdmissionTests(SynchronousTestCase):
    """Decisions by network, and how strangers are named in the log."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.events: list[LogEvent] = []
        self.patch(Admission, "_log", Logger("admission", observer=self.events.append))

    def admission(self, unknown: Unknown = Unknown.SILENCE, **sizes: int) -> Admission:
        return Admission((BANNED, SBC), unknown, self.clock, **sizes)

    def logged(self) -> list[str]:
        lines = [formatEvent(event) for event in self.events]
        self.events.clear()
        return lines

    def test_networks(self) -> None:
        """Addresses of both families, in all their notations, find their source."""
        admission = self.admission()
        for address, expected in [
            ("192.0.2.7", SBC),
            ("::ffff:192.0.2.7", SBC),
            ("2001:db8::7", SBC),
            ("2001:DB8:0::7%eth0", SBC),
            ("192.0.2.66", BANNED),
            ("::ffff:192.0.2.66", BANNED),
            ("198.51.100.1", None),
            ("::1", None),
            ("no address", None),
        ]:
            self.assertIs(admission.source(address), expected, address)
            self.assertIs(admission.source(address), expected, f"{address} again")

    def test_allowed(self) -> None:
        """A source that is allowed is admitted, without a word."""
        admission = self.admission()
        self.assertTrue(admission.admit(flow("192.0.2.7")))
        self.assertEqual((self.logged(), admission.refused), ([], 0))

    def test_banned(self) -> None:
        """The first source decides: a ban ahead of its network holds, and is not logged."""
        admission = self.admission()
        self.assertFalse(admission.admit(flow("192.0.2.66")))
        self.assertEqual((self.logged(), admission.refused), ([], 1))

    def test_silence(self) -> None:
        """A stranger gets silence, and one line a minute that names the key."""
        admission = self.admission()
        for _ in range(3):
            self.assertFalse(admission.admit(flow("198.51.100.1")))
        self.assertEqual(
            self.logged(),
            [
                (
                    "198.51.100.1 sent SIP over UDP and is in none of the networks of `sources` in "
                    "the configuration: not answered"
                )
            ],
        )
        self.clock.advance(59.9)
        admission.admit(flow("198.51.100.1"))
        self.assertEqual(self.logged(), [])
        self.clock.advance(0.1)
        admission.admit(flow("198.51.100.1"))
        self.assertEqual(len(self.logged()), 1)
        self.assertEqual(admission.refused, 5)

    def test_forbidden(self) -> None:
        """Where strangers are to be told, they are read on, and are no less strangers."""
        admission = self.admission(Unknown.FORBIDDEN)
        for address in ("198.51.100.1", "192.0.2.66"):
            self.assertTrue(admission.admit(flow(address)))
            self.assertFalse(admission.allows(address))
        [line] = self.logged()
        self.assertTrue(line.endswith("answered 403"), line)

    def test_many_strangers(self) -> None:
        """A flood of addresses makes a few lines, and one that counts the rest."""
        admission = self.admission(named_per_minute=2)
        for number in range(1, 6):
            admission.admit(flow(f"198.51.100.{number}"))
        self.assertEqual(len(self.logged()), 2)
        self.clock.advance(60)
        admission.admit(flow("198.51.100.9"))
        count, stranger = self.logged()
        self.assertTrue(count.startswith("3 more messages came from other addresses"), count)
        self.assertTrue(stranger.startswith("198.51.100.9 sent"), stranger)

    def test_bounded(self) -> None:
        """No more decisions are kept than configured; the latest used stay."""
        admission = self.admission(remembered=2)
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
            admission.source(address)
        self.assertEqual(list(admission._decisions), ["192.0.2.1", "192.0.2.3"])
