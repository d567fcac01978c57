from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from struct import unpack

import numpy as np
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import (
    ANSWER,
    FakePort,
    FakeReactor,
    counting_token,
    request_of_srs,
    response,
)
from twisted_siprec.simulator.client import RecordingClient, hex_token
from twisted_siprec.simulator.client_plan import CallPlan, CallResult, ClientSettings, StreamResult
from twisted_siprec.simulator.sending import Sending, encode
from twisted_siprec.simulator.speech import Speech
from twisted_siprec.simulator.wire import Target
from twisted_siprec.sip.events import Address
from twisted_siprec.sip.message import Request, Response

SPEECH = encode(Speech(np.zeros(8000, np.int16), 8000), Sending.of("PCMU"))
PLAN = CallPlan((SPEECH, SPEECH), seed=1)


class RecordedWatcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.methods: list[str] = []

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A message."""
        self.methods.append(("> " if outgoing else "< ") + octets.split(b"\r\n")[0].decode())

    def waiting(self, call_id: str, seconds: float) -> None:
        """Silence."""
        self.told.append(("waiting", seconds))

    def answered(self, call_id: str, answer_s: float, streams: tuple[StreamResult, ...]) -> None:
        """The call is up."""
        self.told.append(("answered", round(answer_s, 4), [each.destination for each in streams]))

    def held(self, call_id: str, held: bool) -> None:
        """Hold."""
        self.told.append(("held", held))

    def ended(self, result: CallResult) -> None:
        """Over."""
        self.told.append(("ended", result.ok))


class ClientTestCase(SynchronousTestCase):
    """A client over UDP with an SRS that answers everything with 200."""

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.reactor.srs = self.answer
        self.watcher = RecordedWatcher()
        self.ports: list[FakePort] = []
        self.requests: list[Request] = []
        self.body = ANSWER
        self.client = self.make("sip:srs@192.0.2.9")

    def make(self, uri: str, **settings: object) -> RecordingClient:
        """A client."""
        return RecordingClient(
            self.reactor,
            replace(ClientSettings(Target.parse(uri)), **settings),  # type: ignore[arg-type]
            watcher=self.watcher,
            open_port=self.open_port,
            token=counting_token(),
            monotonic=self.reactor.seconds,
            wallclock=lambda: 1_000_000_000.0 + self.reactor.seconds(),
        )

    def open_port(self, host: str) -> FakePort:
        """A port of a stream."""
        self.ports.append(FakePort(20_000 + 2 * len(self.ports)))
        return self.ports[-1]

    def answer(self, message: Request | Response) -> Iterable[Request | Response]:
        """What the SRS says."""
        if not isinstance(message, Request):
            return []
        self.requests.append(message)
        if message.method == "ACK":
            return []
        body = self.body if message.method == "INVITE" else b""
        if b"a=inactive" in message.body:
            body = body.replace(b"recvonly", b"inactive")
        return [response(message, 200, body=body)]

    def pump(self, seconds: float) -> None:
        """Time passes."""
        self.reactor.pump([0.005] * round(seconds / 0.005))

    def run_call(self, plan: CallPlan, seconds: float = 2.0) -> CallResult:
        """Make a call, from its beginning to its end."""
        calling = self.client.call(plan)
        self.pump(seconds)
        return self.successResultOf(calling)

    def quiet(self) -> None:
        """After the client was closed, nothing is left behind."""
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(all(port.closed for port in self.ports))
        self.assertTrue(all(port.stopped for port in self.reactor.ports))


class CallTests(ClientTestCase):
    def test_whole_call(self) -> None:
        """INVITE, ACK, two streams to the end, BYE; and an account of it."""
        result = self.run_call(PLAN)
        self.assertTrue(result.ok)
        self.assertEqual(
            [each.start_line for each in self.requests],
            [
                "INVITE sip:srs@192.0.2.9 SIP/2.0",
                "ACK sip:srs@192.0.2.9:5060 SIP/2.0",
                "BYE sip:srs@192.0.2.9:5060 SIP/2.0",
            ],
        )
        self.assertEqual((result.status, result.ended_by_srs), (200, None))
        self.assertEqual(
            result.streams,
            (
                StreamResult("1", ("192.0.2.9", 20000), 50, 8000, 0),
                StreamResult("2", ("192.0.2.9", 20002), 50, 8000, 0),
            ),
        )
        self.assertEqual(
            self.watcher.told,
            [
                ("answered", 0.005, [("192.0.2.9", 20000), ("192.0.2.9", 20002)]),
                ("ended", True),
            ],
        )
        self.quiet()

    def test_offer(self) -> None:
        """The INVITE offers the ports that the audio is sent from, and describes the call."""
        self.run_call(PLAN)
        invite = self.requests[0]
        self.assertIn(b"m=audio 20000 RTP/AVP 0 101\r\n", invite.body)
        self.assertIn(b"m=audio 20002 RTP/AVP 0 101\r\n", invite.body)
        self.assertIn(b"<label>2</label>", invite.body)
        self.assertIn(b"2001-09-09T01:46:40", invite.body)
        self.quiet()

    def test_undescribed(self) -> None:
        """Without metadata the body is SDP alone; with a document of one's own it is that."""
        self.run_call(replace(PLAN, described=False))
        self.assertEqual(self.requests[0].headers.get("Content-Type"), "application/sdp")
        self.requests.clear()
        self.run_call(replace(PLAN, metadata=b"<mine/>"))
        self.assertIn(b"\r\n\r\n<mine/>\r\n--", self.requests[0].body)

    def test_duration(self) -> None:
        """Speech is repeated for as long as was asked for."""
        result = self.run_call(replace(PLAN, duration_s=1.5))
        self.assertEqual([each.packets for each in result.streams], [75, 75])
        self.assertGreaterEqual(result.sent_s, 1.5)

    def test_hold(self) -> None:
        """Held by a re-INVITE (inactive) and resumed by another; nothing is sent meanwhile."""
        result = self.run_call(replace(PLAN, hold_at_s=0.4, hold_for_s=0.2))
        self.assertTrue(result.ok)
        directions = [
            each.body.decode().rsplit("a=", 1)[1].strip()
            for each in self.requests
            if each.method == "INVITE" and each.to_tag
        ]
        self.assertEqual(directions, ["inactive", "sendonly"])
        self.assertEqual(self.watcher.told[1:], [("held", True), ("held", False), ("ended", True)])
        sequences = [unpack(">H", each[2:4])[0] for each in self.ports[0].sent]
        self.assertEqual(len(set(np.diff(sequences) % 65536)), 1)
        self.assertTrue(35 <= len(sequences) <= 40, len(sequences))
        self.quiet()

    def test_hold_refused(self) -> None:
        """A hold that the SRS refuses is told at the end."""
        answer = self.answer

        def refuse(message: Request | Response) -> Iterable[Request | Response]:
            if isinstance(message, Request) and b"a=inactive" in message.body:
                return [response(message, 500)]
            return answer(message)

        self.reactor.srs = refuse
        result = self.run_call(replace(PLAN, hold_at_s=0.4, hold_for_s=0.2))
        self.assertEqual(result.error, "re-INVITE: 500 Because")

    def test_glare(self) -> None:
        """After a 491 the re-INVITE is sent again, 2.1 to 4 s later."""
        answer, refusals = self.answer, [1]

        def refuse(message: Request | Response) -> Iterable[Request | Response]:
            if isinstance(message, Request) and b"a=inactive" in message.body and refusals:
                refusals.pop()
                return [response(message, 491)]
            return answer(message)

        self.reactor.srs = refuse
        plan = replace(PLAN, duration_s=6.0, hold_at_s=0.4, hold_for_s=0.2)
        self.assertTrue(self.run_call(plan, 7.0).ok)

    def test_reports(self) -> None:
        """Sender reports with the canonical name of the call, and a goodbye at the end."""
        result = self.run_call(replace(PLAN, reports=True))
        first, last = self.ports[0].reports
        self.assertEqual(first[:4], b"\x80\xc8\x00\x06")
        self.assertIn(result.call_id.encode(), first)
        self.assertEqual(len(first) % 4, 0)
        self.assertEqual(last[:4], b"\x81\xcb\x00\x01")
        self.assertIn(b"a=rtcp:20001\r\n", self.requests[0].body)

    def test_digits(self) -> None:
        """Keys are pressed on the first stream only."""
        self.run_call(replace(PLAN, digits="7", digits_at_s=0.2))
        events = [[each for each in port.sent if each[1] & 0x7F == 101] for port in self.ports]
        self.assertEqual([len(each) for each in events], [7, 0])
        self.assertEqual(events[0][-1][12:], b"\x07\x8a\x03\x20")


class RefusalTests(ClientTestCase):
    def refuse(self, status: int) -> str:
        """The words for a refusal."""
        self.reactor.srs = lambda message: (
            [response(message, status, contact=None)]
            if isinstance(message, Request) and message.method == "INVITE"
            else []
        )
        result = self.run_call(PLAN, 0.1)
        self.assertEqual((result.ok, result.status), (False, status))
        self.assertTrue(all(port.closed for port in self.ports))
        return result.error or ""

    def test_advice(self) -> None:
        """A refusal is told with what to look at."""
        self.assertEqual(
            self.refuse(403),
            "403 Because: is 192.0.2.1 in `sources:` of the server's configuration?",
        )
        self.assertIn("codecs:", self.refuse(488))
        self.assertEqual(self.refuse(600), "600 Because")

    def test_silence(self) -> None:
        """Silence is hinted at early, and is the end after 32 s."""
        self.reactor.srs = None
        calling = self.client.call(PLAN)
        self.pump(3.1)
        self.assertEqual(self.watcher.told, [("waiting", 3.0)])
        self.assertNoResult(calling)
        self.pump(30.0)
        error = self.successResultOf(calling).error or ""
        self.assertIn("no answer from UDP 192.0.2.9:5060", error)
        self.assertIn("`sources:`", error)
        self.quiet()

    def test_useless_answers(self) -> None:
        """A 200 that leaves nothing to send is ended by BYE, and told."""
        for body, words in (
            (b"", "200, but it has no body"),
            (
                ANSWER.replace(b"RTP/AVP 0", b"RTP/AVP 8"),
                "stream 1 is answered without PCMU: 8 101",
            ),
            (ANSWER.replace(b"20000", b"0").replace(b"20002", b"0"), "all streams are refused"),
        ):
            self.body = body
            result = self.run_call(PLAN, 0.1)
            self.assertIn(words, result.error or "")
            self.assertEqual(self.requests[-1].method, "BYE")
        self.quiet()

    def test_refused_connection(self) -> None:
        """Where nothing listens, the call fails at once, and another call tries anew."""
        calling = self.client.call(PLAN)
        self.reactor.ports[0].protocol.connectionRefused()
        self.assertEqual(
            self.successResultOf(calling).error,
            "connection refused: nothing listens on UDP 192.0.2.9:5060",
        )
        self.assertTrue(self.run_call(PLAN).ok)

    def test_unknown_host(self) -> None:
        """A host without an address is told by its name."""
        self.client = self.make("sip:srs@nowhere.example")
        error = self.run_call(PLAN, 0.1).error or ""
        self.assertIn("nowhere.example has no address", error)

    def test_bye_refused(self) -> None:
        """A call whose BYE is refused did not end well."""
        answer = self.answer
        self.reactor.srs = lambda message: (
            [response(message, 500)]
            if isinstance(message, Request) and message.method == "BYE"
            else answer(message)
        )
        self.assertEqual(self.run_call(PLAN).error, "BYE: 500 Because")


class SRSTests(ClientTestCase):
    def say(self, request: Request) -> None:
        """The SRS asks something."""
        self.reactor.ports[-1].protocol.datagramReceived(bytes(request), ("192.0.2.9", 5060))

    def begin(self) -> Deferred[CallResult]:
        """A call that is answered and is 0.5 s old."""
        calling = self.client.call(PLAN)
        self.pump(0.5)
        return calling

    def test_bye(self) -> None:
        """A BYE of the SRS ends the call early, which is not what was wanted."""
        calling = self.begin()
        self.say(request_of_srs(self.requests[0], "BYE", headers=(("Reason", "enough"),)))
        result = self.successResultOf(calling)
        self.assertEqual(result.ended_by_srs, "enough")
        self.assertIn("the SRS ended the call after 0.5 s: enough", result.error or "")
        self.assertNotIn("BYE", [each.method for each in self.requests])
        self.quiet()

    def test_moved(self) -> None:
        """A re-INVITE of the SRS moves the audio to another port."""
        calling = self.begin()
        offer = ANSWER.replace(b"20000", b"30000")
        self.say(request_of_srs(self.requests[0], "INVITE", body=offer))
        self.assertEqual(self.ports[0].remotes, [("192.0.2.9", 20000), ("192.0.2.9", 30000)])
        self.pump(1.0)
        self.assertEqual(self.successResultOf(calling).streams[0].destination[1], 30000)  # type: ignore[index]

    def test_paused_by_srs(self) -> None:
        """While the SRS wants nothing, nothing is sent, and our answer says inactive."""
        self.begin()
        self.say(
            request_of_srs(
                self.requests[0], "INVITE", body=ANSWER.replace(b"recvonly", b"inactive")
            )
        )
        sent = len(self.ports[0].sent)
        self.pump(0.2)
        self.assertEqual(len(self.ports[0].sent), sent)
        self.assertIn(b"a=inactive", self.reactor.ports[-1].written[-1][0])
        self.say(request_of_srs(self.requests[0], "UPDATE", branch="z9hG4bK2", body=ANSWER))
        self.pump(0.2)
        self.assertGreater(len(self.ports[0].sent), sent)

    def test_strays(self) -> None:
        """Outside of any call OPTIONS are answered, and other requests get 481; ACK nothing."""
        self.begin()
        other = replace(
            self.requests[0],
            headers=self.requests[0].headers.without("Call-ID").adding(("Call-ID", "other")),
        )
        for method, branch in (("OPTIONS", "z9hG4bK1"), ("BYE", "z9hG4bK2"), ("ACK", "z9hG4bK3")):
            self.say(request_of_srs(other, method, branch=branch))
        self.assertEqual(
            [each for each in self.watcher.methods if each.startswith("> SIP/2.0")],
            ["> SIP/2.0 200 OK", "> SIP/2.0 481 Call/Transaction Does Not Exist"],
        )

    def test_garbage(self) -> None:
        """What is no SIP message is passed over."""
        self.begin()
        self.reactor.ports[-1].protocol.datagramReceived(b"\x00\x01", ("192.0.2.9", 5060))
        self.assertNotIn("<", self.watcher.methods[-1][:1])

    def test_close(self) -> None:
        """A client that is closed ends its calls by BYE, and waits for their ends."""
        calling = self.begin()
        closing = Deferred.fromCoroutine(self.client.close())
        self.assertNoResult(closing)
        self.pump(0.1)
        self.successResultOf(closing)
        self.assertTrue(self.successResultOf(calling).ok)
        self.assertEqual(self.requests[-1].method, "BYE")
        self.quiet()

    def test_close_unanswered(self) -> None:
        """An SRS that has fallen silent is not waited for longer than the settings say."""
        calling = self.begin()
        self.reactor.srs = None
        closing = Deferred.fromCoroutine(self.client.close())
        self.pump(5.1)
        self.successResultOf(closing)
        self.assertEqual(self.successResultOf(calling).error, "BYE: no answer in time")
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class ManyCallsTests(ClientTestCase):
    def test_one_wire(self) -> None:
        """Many calls share one SIP port, and each has ports of its own."""
        calls = [self.client.call(PLAN) for _ in range(20)]
        self.pump(1.5)
        self.assertTrue(all(self.successResultOf(call).ok for call in calls))
        self.assertEqual((len(self.reactor.ports), len(self.ports)), (2, 40))
        self.assertEqual(len({each.call_id for each in self.requests}), 20)

    def test_memory(self) -> None:
        """Calls are forgotten once no late message can come for them."""
        self.run_call(PLAN, 1.5)
        self.pump(40.0)
        self.run_call(PLAN, 1.5)
        self.assertEqual(len(self.client._calls), 1)

    def test_token(self) -> None:
        """Tokens have the length that was asked for."""
        self.assertEqual([len(hex_token(digits)) for digits in (1, 12, 31)], [1, 12, 31])
