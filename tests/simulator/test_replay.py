"""
siprec-replay from a file to a server made for the test.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import (
    ANSWER,
    FakePort,
    FakeReactor,
    counting_token,
    request_of_srs,
    response,
)
from twisted_siprec.net.traces import pcapng
from twisted_siprec.net.traces.packets import Conversations, udp
from twisted_siprec.simulator import replay
from twisted_siprec.simulator.display import Display
from twisted_siprec.simulator.replay import Options, Replayer, run
from twisted_siprec.sip.message import Request, Response

SRC, SRS = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n"
    "m=audio 4002 RTP/AVP 0\r\na=label:2\r\na=sendonly\r\n"
)
THEIRS = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.2\r\ns=-\r\nc=IN IP4 198.51.100.2\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\na=label:1\r\na=recvonly\r\n"
    "m=audio 6002 RTP/AVP 0\r\na=label:2\r\na=recvonly\r\n"
)


def sip(start: str, cseq: str, body: str = "", extra: str = "", *, tags: str = ";tag=srs") -> bytes:
    """A message of the capture."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=old\r\n"
        f'From: "SBC" <sip:sbc@example.com>;tag=old\r\nTo: <sip:rec@example.com>{tags}\r\n'
        f"Call-ID: old\r\nCSeq: {cseq}\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


INVITE = sip(
    "INVITE sip:rec@198.51.100.2 SIP/2.0",
    "7 INVITE",
    OFFER,
    "Contact: <sip:sbc@198.51.100.1>;+sip.src\r\nRequire: siprec\r\nUser-Agent: Vendor/1\r\n"
    "X-Odd:  kept\r\n",
    tags="",
)
OK = sip("SIP/2.0 200 OK", "7 INVITE", THEIRS)
ACK = sip("ACK sip:rec@198.51.100.2 SIP/2.0", "7 ACK")
HOLD = sip("INVITE sip:rec@198.51.100.2 SIP/2.0", "8 INVITE", OFFER.replace("sendonly", "inactive"))
HELD = sip("SIP/2.0 200 OK", "8 INVITE", THEIRS)
INFO = sip("INFO sip:rec@198.51.100.2 SIP/2.0", "9 INFO", extra="X-Info: 1\r\n")
BYE = sip("BYE sip:rec@198.51.100.2 SIP/2.0", "10 BYE", extra="Reason: Q.850;cause=16\r\n")
RTP, REPORT = b"\x80\x00" + bytes(10) + b"audio", b"\x80\xc8\x00\x01" + bytes(4)


def near(one: float, other: float, delta: float) -> bool:
    """Whether two times are the same but for so much."""
    return abs(one - other) <= delta


class Capture:
    """A file in the making."""

    def __init__(self) -> None:
        self.octets = pcapng.beginning("")

    def add(
        self,
        at: float,
        octets: bytes,
        *,
        theirs: bool = False,
        ports: tuple[int, int] = (5060, 5060),
    ) -> None:
        """A datagram of the SRC, or of the server."""
        ends = ((SRC[0], ports[0]), (SRS[0], ports[1]))
        packet = udp(*(reversed(ends) if theirs else ends), octets)
        self.octets += pcapng.packet(0, round(at * 1e9), packet).octets


def whole() -> Capture:
    """A call with a hold, an INFO, and packets."""
    capture = Capture()
    capture.add(10.0, INVITE)
    capture.add(10.5, OK, theirs=True)
    capture.add(10.6, ACK)
    for number in range(10):
        capture.add(11.0 + number / 50, RTP + bytes((number,)), ports=(4000, 6000))
    capture.add(11.5, RTP + b"other", ports=(4002, 6002))
    capture.add(11.6, REPORT, ports=(4003, 6003))
    capture.add(12.0, HOLD)
    capture.add(12.1, HELD, theirs=True)
    capture.add(13.0, INFO)
    capture.add(14.0, BYE)
    return capture


class TimedPort(FakePort):
    """A port that notes when something is sent."""

    def __init__(self, port: int, reactor: FakeReactor, times: list[float]) -> None:
        super().__init__(port)
        self.reactor, self.times = reactor, times

    def send(self, packet: bytes | memoryview) -> None:
        """Keep it, and when."""
        super().send(packet)
        self.times.append(self.reactor.seconds())


class ReplayTests(SynchronousTestCase):
    """Played to a server that answers a millisecond later."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.srs = self.answer
        self.heard: list[tuple[float, Request]] = []
        self.ports: list[FakePort] = []
        self.times: list[float] = []
        self.status = 200
        self.output = io.StringIO()

    def answer(self, message: Request | Response) -> Iterable[Request | Response]:
        if not isinstance(message, Request):
            return
        self.heard.append((self.reactor.seconds(), message))
        if message.method == "INVITE":
            yield response(message, self.status, body=ANSWER if self.status < 300 else b"")
        elif message.method != "ACK":
            yield response(message, 200)

    def open_port(self, host: str) -> FakePort:
        self.ports.append(TimedPort(7000 + 2 * len(self.ports), self.reactor, self.times))
        return self.ports[-1]

    def play(self, capture: Capture, *arguments: str, seconds: float = 10.0) -> int | None:
        """The exit code."""
        path = Path(self.mktemp())
        path.write_bytes(capture.octets)
        options = Options()
        options.parseOptions(["--to", "sip:srs@192.0.2.9", *arguments, str(path)])
        self.patch(replay, "Replayer", self.replayer)
        running = Deferred.fromCoroutine(run(self.reactor, options, Display(self.output)))
        self.reactor.pump([0.001] * int(seconds * 1000))
        return self.successResultOf(running) if running.called else None

    def replayer(self, reactor: FakeReactor, options: Options, display: Display) -> Replayer:
        return Replayer(
            reactor, options, display, self.open_port, counting_token(), reactor.seconds
        )

    def methods(self) -> list[str]:
        return [request.method for _, request in self.heard]

    def test_whole(self) -> None:
        """All requests with what they said, in a dialog of their own, at their times."""
        self.assertEqual(self.play(whole()), 0)
        self.assertEqual(self.methods(), ["INVITE", "ACK", "INVITE", "ACK", "INFO", "BYE"])
        (at, invite), _, (held_at, hold), _, (_, info), (bye_at, bye) = self.heard
        self.assertEqual(invite.headers.get("X-Odd"), "kept")
        self.assertEqual(invite.headers.get("User-Agent"), "Vendor/1")
        self.assertEqual(invite.headers.get("To"), "<sip:rec@example.com>")
        self.assertTrue(
            (invite.headers.get("From") or "").startswith('"SBC" <sip:sbc@example.com>;')
        )
        self.assertRegex(invite.headers.get("Contact") or "", r"<sip:src@.*:50\d\d>;\+sip\.src$")
        self.assertNotEqual(invite.from_tag, "old")
        self.assertNotEqual(invite.call_id, "old")
        self.assertEqual({request.call_id for _, request in self.heard}, {invite.call_id})
        self.assertIn(b"m=audio 7000 RTP/AVP 0", invite.body)
        self.assertIn(b"m=audio 7002 RTP/AVP 0", invite.body)
        self.assertNotIn(b"198.51.100.1", invite.body)
        self.assertIn(b"a=inactive", hold.body)
        self.assertEqual(info.headers.get("X-Info"), "1")
        self.assertEqual(bye.headers.get("Reason"), "Q.850;cause=16")
        # From the 200 on: 1.5 s to the hold, 3.5 s to the BYE.
        self.assertTrue(near(held_at - at, 1.5, 0.02))
        self.assertTrue(near(bye_at - at, 3.5, 0.03))

    def test_packets(self) -> None:
        """RTP and RTCP to where the answer wants them, unchanged and in order."""
        self.play(whole())
        first, second = self.ports
        self.assertEqual(first.sent, [RTP + bytes((number,)) for number in range(10)])
        self.assertEqual((second.sent, second.reports), ([RTP + b"other"], [REPORT]))
        self.assertEqual(first.remotes[0], ("192.0.2.9", 20000))
        self.assertEqual((first.closed, second.closed), (True, True))
        self.assertIn("sent 11 RTP and 1 RTCP packets, 2 requests", self.output.getvalue())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_timing(self) -> None:
        """Packets go out at their times, and faster where that is asked for."""
        for speed, span in (("1", 0.18), ("3", 0.06)):
            self.times.clear()
            self.play(whole(), "--speed", speed)
            self.assertTrue(near(self.times[9] - self.times[0], span, 0.011), self.times)

    def test_refused(self) -> None:
        """A server that refuses what was answered then is a failure; the same refusal is not."""
        self.status = 488
        self.assertEqual(self.play(whole()), 1)
        self.assertIn("the INVITE got 488 Because, in the capture 200", self.output.getvalue())
        refused = Capture()
        refused.add(10.0, INVITE)
        refused.add(10.1, sip("SIP/2.0 403 Forbidden", "7 INVITE"), theirs=True)
        self.assertEqual(self.play(refused), 0)

    def test_silent_server(self) -> None:
        """A server that does not answer is a failure, in the end."""
        self.reactor.srs = None
        self.assertEqual(self.play(whole(), seconds=40), 1)
        self.assertIn("was not answered", self.output.getvalue())

    def test_server_ends(self) -> None:
        """A BYE that the server did not send then is a failure; one that it did is not."""
        self.reactor.srs = self.ending
        self.assertEqual(self.play(whole()), 1)
        self.assertIn("the server ended it", self.output.getvalue())
        self.heard.clear()
        ended = Capture()
        ended.add(10.0, INVITE)
        ended.add(10.5, OK, theirs=True)
        bye = (
            b"BYE sip:sbc@198.51.100.1 SIP/2.0\r\nFrom: <sip:r>;tag=srs\r\nTo: <sip:s>;tag=old\r\n"
        )
        ended.add(11.0, bye + b"Call-ID: old\r\nCSeq: 1 BYE\r\n\r\n", theirs=True)
        self.assertEqual(self.play(ended), 0)

    def ending(self, message: Request | Response) -> Iterable[Request | Response]:
        yield from self.answer(message)
        if isinstance(message, Request) and message.method == "ACK":
            yield request_of_srs(self.heard[0][1], "BYE")

    def test_no_bye(self) -> None:
        """A capture that ends before the call does is ended all the same."""
        capture = Capture()
        capture.add(10.0, INVITE)
        capture.add(10.5, OK, theirs=True)
        capture.add(11.0, RTP, ports=(4000, 6000))
        self.assertEqual(self.play(capture), 0)
        self.assertEqual(self.methods(), ["INVITE", "ACK", "BYE"])
        self.assertEqual(self.ports[0].sent, [RTP])

    def test_no_offer(self) -> None:
        """An INVITE without an offer cannot be played."""
        capture = Capture()
        capture.add(10.0, INVITE.replace(OFFER.encode(), b"").replace(b"th: 243", b"th: 0"))
        self.assertEqual(self.play(capture), 1)
        self.assertIn("offers nothing", self.output.getvalue())

    def test_refusing_network(self) -> None:
        """Packets that the network does not take are counted."""

        def open_port(host: str) -> FakePort:
            port = FakePort(7000)
            port.refusing = True
            return port

        self.patch(self, "open_port", open_port)
        self.assertEqual(self.play(whole()), 0)
        self.assertIn("11 packets that nobody took", self.output.getvalue())

    def test_no_media(self) -> None:
        """Only the signalling, where that is asked for."""
        self.assertEqual(self.play(whole(), "--no-media"), 0)
        self.assertEqual(self.ports[0].sent, [])

    def test_nothing(self) -> None:
        """A file without a recording session, of another name, or none at all, is said to be so."""
        self.assertEqual(self.play(Capture()), 1)
        self.assertEqual(self.play(whole(), "--call", "new"), 1)
        self.assertIn("no recording session", self.output.getvalue())
        broken = Capture()
        broken.octets = b"GIF"
        self.assertEqual(self.play(broken), 1)
        self.assertIn("neither pcap nor pcapng", self.output.getvalue())

    def test_list(self) -> None:
        """What is in it, and nothing is sent."""
        self.assertEqual(self.play(whole(), "--list"), 0)
        self.assertIn(
            "old: 2 streams, 11 RTP and 1 RTCP packets, 4.0 s; answered 200; "
            "then INVITE, INFO, BYE",
            self.output.getvalue(),
        )
        self.assertEqual(self.heard, [])

    def test_by_tcp(self) -> None:
        """SIP of a capture by TCP is played by UDP as well."""
        capture, connection = Capture(), Conversations()
        for at, octets, ends in (
            (10.0, INVITE, (SRC, SRS)),
            (10.5, OK, (SRS, SRC)),
            (11.0, BYE, (SRC, SRS)),
        ):
            for segment in connection.segments(*ends, octets):
                capture.octets += pcapng.packet(0, round(at * 1e9), segment).octets
        self.assertEqual(self.play(capture), 0)
        self.assertEqual(self.methods(), ["INVITE", "ACK", "BYE"])

    def test_passed_over(self) -> None:
        """What could not be read is said."""
        capture = whole()
        cut = udp(SRC, SRS, RTP)
        capture.octets += pcapng.packet(1, 0, cut[:-1], len(cut)).octets
        self.play(capture, "--list")
        self.assertIn("1 packets were not captured as a whole", self.output.getvalue())

    def test_trace(self) -> None:
        """The messages are shown where that is asked for."""
        self.play(whole(), "--trace", "--no-media")
        self.assertIn("X-Odd: kept", self.output.getvalue())

    def test_options(self) -> None:
        """A command line that makes no sense is refused."""
        for arguments in ("x", "--to sip: x", "--to sip:a --speed 0 x", "--to sip:a", ""):
            self.assertRaises(usage.UsageError, Options().parseOptions, arguments.split())
