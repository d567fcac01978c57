"""
Who may talk to us.
"""

from __future__ import annotations

from ipaddress import ip_network

from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Digest, DigestUsers, Source, Unknown
from twisted_siprec.errors import RemoteError
from twisted_siprec.net.sip.admission import Admission
from twisted_siprec.sip.digest import Challenge, answer
from twisted_siprec.sip.events import Flow, Transport
from twisted_siprec.sip.message import Headers, Request

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
        self.assertEqual(list(admission._decisions), [("192.0.2.1", ()), ("192.0.2.3", ())])


TRUNK = Source("trunk", identities=("sbc.example.com", "sip:example.org"), advertise="203.0.113.5")
INSIDE = Source("inside", (ip_network("192.0.2.0/24"),), identities=("inside.example.com",))


def secure(address: str, *identities: str) -> Flow:
    """What comes from an address by TLS, with these names in a verified certificate."""
    here = ("198.51.100.1", 5061)
    return Flow(Transport.TLS, "tls1", here, (address, 40_000), here, identities)


class IdentityTests(SynchronousTestCase):
    """Sources that are known by certificates."""

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        self.patch(Admission, "_log", Logger("admission", observer=self.events.append))
        self.admission = self.make(BANNED, INSIDE, TRUNK)

    def make(self, *sources: Source, unknown: Unknown = Unknown.SILENCE) -> Admission:
        return Admission(sources, unknown, Clock())

    def test_names(self) -> None:
        """A name is compared without case, as a domain or as a SIP URI of one."""
        for identities, expected in [
            (("sbc.example.com",), TRUNK),
            (("other", "SBC.Example.Com."), TRUNK),
            (("sip:sbc.example.com",), TRUNK),
            (("example.org",), TRUNK),
            (("x.sbc.example.com",), None),
            (("sip:user@example.org",), None),
            ((), None),
        ]:
            flow = secure("203.0.113.77", *identities)
            self.assertIs(self.admission.source_of(flow), expected, identities)

    def test_both(self) -> None:
        """Where a source names networks and identities, one of each is wanted."""
        here, there = "192.0.2.7", "203.0.113.7"
        self.assertIs(self.admission.source(here, ("inside.example.com",)), INSIDE)
        self.assertIsNone(self.admission.source(there, ("inside.example.com",)))
        self.assertIsNone(self.admission.source(here))
        self.assertIs(self.admission.source(here, ("example.org",)), TRUNK)

    def test_before_the_handshake(self) -> None:
        """A TLS connection is expected where a certificate could still make it known."""
        self.assertTrue(self.admission.expects(secure("203.0.113.7")))
        self.assertFalse(self.admission.admit(secure("203.0.113.7")))
        self.assertFalse(self.admission.expects(secure("192.0.2.66")), "the ban is first")
        [line] = self.events
        self.assertIn("203.0.113.7", formatEvent(line))
        inside = self.make(SBC, INSIDE)
        self.assertTrue(inside.expects(secure("192.0.2.7")))
        self.assertFalse(inside.expects(secure("203.0.113.7")))
        self.assertFalse(self.make(INSIDE).expects(flow("192.0.2.7")), "UDP has no certificates")
        self.assertTrue(self.make(INSIDE).expects(secure("192.0.2.7")))
        banned = Source("banned", identities=("bad",), allow=False)
        self.assertFalse(self.make(banned).expects(secure("192.0.2.7")))

    def test_named_in_the_log(self) -> None:
        """What a certificate says that nobody knows is in the log, and cannot break it."""
        self.admission.admit(secure("203.0.113.7", "evil\nname", "x" * 400))
        [line] = [formatEvent(event) for event in self.events]
        self.assertIn("nor is its certificate of theirs ('evil\\nname, xx", line)
        self.assertLess(len(line), 450)

    def test_presented(self) -> None:
        """Our address is what the source is to see, with the listener's port."""
        flow = secure("203.0.113.7", "example.org")
        self.assertEqual(self.admission.presented(flow).advertised, ("203.0.113.5", 5061))
        other = secure("192.0.2.7", "inside.example.com")
        self.assertIs(self.admission.presented(other), other)
        stranger = secure("192.0.2.7")
        self.assertIs(self.admission.presented(stranger), stranger)


class GateTests(SynchronousTestCase):
    """Requests that are let in."""

    def setUp(self) -> None:
        file = self.mktemp()
        with open(file, "w") as users:
            users.write("sbc:secret")
        digest = Digest(DigestUsers(file=file), realm="here")
        guarded = Source("guarded", (ip_network("192.0.2.0/25"),), digest=digest)
        self.admission = Admission((BANNED, guarded, SBC), Unknown.FORBIDDEN, Clock())

    def check(self, address: str, method: str = "OPTIONS", *fields: tuple[str, str]) -> object:
        """The credentials, or the status of the refusal and the first of its header fields."""
        request = Request(Headers(fields), method=method, uri_text="sip:a")
        try:
            return self.admission.check(request, flow(address), 1.0)
        except RemoteError as error:
            return (error.status, error.headers[0][1] if error.headers else "")

    def test_strangers(self) -> None:
        """Strangers and the banned get 403, whatever they send."""
        for address in ("203.0.113.1", "192.0.2.66"):
            for method in ("OPTIONS", "INVITE", "REGISTER"):
                self.assertEqual(self.check(address, method), (403, ""))

    def test_open(self) -> None:
        """A source without digest is not asked."""
        self.assertIsNone(self.check("192.0.2.200"))

    def test_digest(self) -> None:
        """One with digest is, and gets in by its answer."""
        asked = self.check("192.0.2.1")
        assert isinstance(asked, tuple)
        self.assertEqual(asked[0], 401)
        challenge = Challenge.parse(asked[1])
        assert challenge is not None
        self.assertEqual(challenge.realm, "here")
        given = answer(challenge, "sbc", "secret", "OPTIONS", "sip:a", cnonce="c")
        self.assertEqual(self.check("192.0.2.1", "OPTIONS", ("Authorization", str(given))), given)
