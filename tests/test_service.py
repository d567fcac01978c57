"""
What a configuration is made into: sources, and what each of them gets.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.sip_fakes import UDPMemoryReactor
from tests.vendor_replay import WatchedMedia
from twisted_siprec import recording_service as service
from twisted_siprec.config import parse
from twisted_siprec.sip.digest import Challenge, answer
from twisted_siprec.sip.message import Response
from twisted_siprec.sip.message import parse as parse_message

CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 198.51.100.1}}]
  domains: [recorder.example.com]
  credentials: [{{user: recorder, password: {{environment: HOME}}}}]
sources:
  - {{name: guarded, networks: 192.0.2.1, digest: {{users: {users}}}}}
  - {{name: small, networks: 192.0.2.2, advertise: 203.0.113.5, limits: {{calls: 1}}}}
  - {{name: banned, networks: 192.0.2.66, allow: false}}
unknown_sources: 403
limits: {{retry_after_s: 7}}
"""
INVITE = (
    "INVITE {uri} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host};branch=z9hG4bK{call}\r\n"
    "From: <sip:src@example.com>;tag=src\r\n"
    "To: <sip:srs@example.com>\r\n"
    "Call-ID: {call}\r\n"
    "CSeq: 1 INVITE\r\n"
    "Max-Forwards: 70\r\n"
    "Contact: <sip:src@{host}>;+sip.src\r\n"
    "Require: siprec\r\n"
    "{extra}"
    "Content-Type: application/sdp\r\n"
    "\r\n"
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n"
)
URI = "sip:srs@198.51.100.1"


class RecordingServiceTests(SynchronousTestCase):
    """The service on a reactor in memory, with a media plane that only takes notes."""

    def setUp(self) -> None:
        users = self.mktemp()
        with open(users, "w") as file:
            file.write("sbc:secret\n")
        self.patch(service, "LocalMedia", lambda *_, **__: WatchedMedia())
        self.reactor = UDPMemoryReactor()
        text = CONFIGURATION.format(users=users)
        configuration = parse(text, directory=".", environment={"HOME": "x"})
        self.service = service.RecordingService(configuration, self.reactor)
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def invite(self, host: str, call: str, uri: str = URI, extra: str = "") -> Response:
        """An INVITE comes, and this is the answer."""
        protocol, bound = self.reactor.udp[0]
        octets = INVITE.format(host=host, call=call, uri=uri, extra=extra).encode()
        protocol.datagramReceived(octets, (host, 5060))
        response = parse_message(bound.written[-1][0])
        assert isinstance(response, Response)
        self.assertEqual(response.call_id, call)
        return response

    def test_strangers(self) -> None:
        """Who is no source, and who is banned, gets 403."""
        for host in ("192.0.2.9", "192.0.2.66"):
            self.assertEqual(self.invite(host, host).status, 403)

    def test_digest(self) -> None:
        """A source with digest is asked, and taken when it has answered."""
        asked = self.invite("192.0.2.1", "one")
        self.assertEqual(asked.status, 401)
        challenge = Challenge.parse(asked.headers.lines("WWW-Authenticate")[0])
        assert challenge is not None
        given = answer(challenge, "sbc", "secret", "INVITE", URI, cnonce="c")
        taken = self.invite("192.0.2.1", "two", extra=f"Authorization: {given}\r\n")
        self.assertEqual(taken.status, 200)

    def test_source(self) -> None:
        """A source sees us at its own address, in SIP and for media, and has limits of its own."""
        taken = self.invite("192.0.2.2", "one")
        self.assertEqual(taken.status, 200)
        self.assertIn("sip:srs@203.0.113.5:5060", taken.headers.get("Contact") or "")
        self.assertIn(b"c=IN IP4 203.0.113.5\r\n", taken.body)
        refused = self.invite("192.0.2.2", "two")
        self.assertEqual((refused.status, refused.reason), (503, "Too Many Calls From Here"))
        self.assertEqual(refused.headers.get("Retry-After"), "7")
        self.service.server.hang_up_all(service.EndReason.OPERATOR)
        self.reactor.pump([0.1] * 400)
        self.assertEqual(self.invite("192.0.2.2", "three").status, 200)

    def test_domains(self) -> None:
        """Another domain than ours is not served."""
        self.assertEqual(self.invite("192.0.2.2", "one", "sip:srs@example.net").status, 404)
        uri = "sip:srs@recorder.example.com"
        self.assertEqual(self.invite("192.0.2.2", "two", uri).status, 200)

    def test_late(self) -> None:
        """While the event loop is late new calls are refused, and taken when it is not."""
        for _ in range(6):
            self.reactor.advance(2.0)
        refused = self.invite("192.0.2.2", "one")
        self.assertEqual((refused.status, refused.headers.get("Retry-After")), (503, "7"))
        self.reactor.pump([0.1] * 20)
        self.assertEqual(self.invite("192.0.2.2", "two").status, 200)
