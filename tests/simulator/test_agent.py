from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import ANSWER, counting_token, request_of_srs, response
from twisted_siprec.errors import LocalError
from twisted_siprec.simulator.agent import CallAgent
from twisted_siprec.simulator.agent_events import (
    Answered,
    Caller,
    Ended,
    Output,
    Progressed,
    Purpose,
    Reoffered,
    Transmit,
)
from twisted_siprec.sip.events import Address, Transport
from twisted_siprec.sip.message import Request, Response, parse

SRS = ("192.0.2.9", 5060)
OFFER = b"v=0\r\nm=audio 20000 RTP/AVP 0\r\na=recvonly\r\n"


class AgentTestCase(SynchronousTestCase):
    """An agent of a call over UDP, begun where a test does not say otherwise."""

    transport = Transport.UDP

    def setUp(self) -> None:
        caller = Caller(
            target="sip:srs@srs.example.com",
            from_="<sip:src@example.com>",
            to="<sip:srs@srs.example.com>",
            contact="sip:src@192.0.2.1:5070",
            transport=self.transport,
            sent_by="192.0.2.1:5070",
            headers=(("X-Tag", "7"),),
        )
        self.offers: list[bytes] = []
        self.agent = CallAgent(caller, counting_token(), self.describe)

    def describe(self, offer: bytes) -> bytes:
        """Our SDP."""
        self.offers.append(offer)
        return b"v=0\r\nours\r\n"

    def begin(self) -> Request:
        """Send the INVITE."""
        self.agent.invite(b"offer", "multipart/mixed;boundary=x", 0.0)
        return self.one_request()

    def establish(self, **answer: object) -> Request:
        """Begin and have it answered; what went out for that is taken away."""
        invite = self.begin()
        self.agent.receive(response(invite, 200, body=ANSWER, **answer), SRS, 1.0)  # type: ignore[arg-type]
        self.agent.outputs()
        return invite

    def sent(self) -> tuple[list[Request | Response], list[Output]]:
        """The messages that go out, and what else there is."""
        outputs = self.agent.outputs()
        messages = [parse(each.octets) for each in outputs if isinstance(each, Transmit)]
        return messages, [each for each in outputs if not isinstance(each, Transmit)]

    def one_request(self) -> Request:
        """The only message that goes out."""
        (message,), _ = self.sent()
        assert isinstance(message, Request)
        return message

    def statuses(self) -> list[int]:
        """The responses that go out."""
        return [each.status for each in self.sent()[0] if isinstance(each, Response)]


class InviteTests(AgentTestCase):
    def test_message(self) -> None:
        """The INVITE has all that RFC 7866 section 6.1.1 asks for, and what the user adds."""
        self.agent.invite(b"offer", "multipart/mixed;boundary=x", 0.0)
        [output] = self.agent.outputs()
        self.assertEqual(
            output,
            Transmit(
                b"INVITE sip:srs@srs.example.com SIP/2.0\r\n"
                b"Via: SIP/2.0/UDP 192.0.2.1:5070;rport;branch=z9hG4bK0000000000000003\r\n"
                b"Max-Forwards: 70\r\n"
                b"From: <sip:src@example.com>;tag=000000000002\r\n"
                b"To: <sip:srs@srs.example.com>\r\n"
                b"Call-ID: 000000000000000000000001@192.0.2.1\r\n"
                b"CSeq: 1 INVITE\r\n"
                b"User-Agent: siprec-call\r\n"
                b"Require: siprec\r\n"
                b"Contact: <sip:src@192.0.2.1:5070>;+sip.src\r\n"
                b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\n"
                b"Accept: application/sdp\r\n"
                b"X-Tag: 7\r\n"
                b"Content-Type: multipart/mixed;boundary=x\r\n"
                b"Content-Length: 5\r\n"
                b"\r\n"
                b"offer",
                None,
            ),
        )

    def test_twice(self) -> None:
        """A call is begun once."""
        self.begin()
        self.assertRaises(LocalError, self.agent.invite, b"", "", 0.0)

    def test_retransmission(self) -> None:
        """The same INVITE goes out again after T1."""
        invite = self.begin()
        self.assertEqual(self.agent.next_deadline(), 0.5)
        self.agent.expire(0.5)
        self.assertEqual(bytes(self.one_request()), bytes(invite))

    def test_no_answer(self) -> None:
        """After 32 s of silence it is over."""
        self.begin()
        for now in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5):
            self.agent.expire(now)
        self.agent.outputs()
        self.agent.expire(32.0)
        self.assertEqual(
            self.agent.outputs(),
            [Answered(Purpose.CALL, 0, "no answer"), Ended(True, "no answer")],
        )
        self.assertTrue(self.agent.ended)
        self.assertIsNone(self.agent.next_deadline())

    def test_answered(self) -> None:
        """A 200 is acknowledged at the address of its Contact, and told with its body."""
        invite = self.begin()
        self.agent.receive(response(invite, 100, tag="", contact=None), SRS, 0.1)
        self.agent.receive(response(invite, 200, body=ANSWER), SRS, 0.2)
        progressed, acknowledgement, answered = self.agent.outputs()
        self.assertEqual(progressed, Progressed(100))
        self.assertEqual(answered, Answered(Purpose.CALL, 200, "Because", ANSWER))
        assert isinstance(acknowledgement, Transmit)
        ack = parse(acknowledgement.octets)
        assert isinstance(ack, Request)
        self.assertEqual(acknowledgement.destination, ("192.0.2.9", 5060))
        self.assertEqual(ack.start_line, "ACK sip:srs@192.0.2.9:5060 SIP/2.0")
        self.assertEqual(ack.headers.get("CSeq"), "1 ACK")
        self.assertEqual(ack.to_tag, "srs")
        self.assertNotEqual(ack.branch, invite.branch)
        self.assertTrue(self.agent.changeable)

    def test_answered_again(self) -> None:
        """A retransmitted 200 gets the same ACK and is not told again."""
        invite = self.begin()
        self.agent.receive(response(invite, 200, body=ANSWER), SRS, 0.2)
        first = self.agent.outputs()[0]
        self.agent.receive(response(invite, 200, body=ANSWER), SRS, 0.7)
        self.assertEqual(self.agent.outputs(), [first])

    def test_route(self) -> None:
        """Record-Route, in reverse, is the route of what follows; its first is where it goes."""
        self.establish(headers=(("Record-Route", "<sip:192.0.2.7:5080;lr>, <sip:192.0.2.8;lr>"),))
        self.agent.hang_up(2.0)
        [output] = self.agent.outputs()
        assert isinstance(output, Transmit)
        bye = parse(output.octets)
        self.assertEqual(
            bye.headers.lines("Route"), ("<sip:192.0.2.8;lr>", "<sip:192.0.2.7:5080;lr>")
        )
        self.assertEqual(output.destination, ("192.0.2.8", 5060))

    def test_named_target(self) -> None:
        """A Contact with a host name is not looked up: requests go where the INVITE went."""
        self.establish(contact="<sip:srs@srs.example.com>")
        self.agent.hang_up(2.0)
        [output] = self.agent.outputs()
        assert isinstance(output, Transmit)
        self.assertIsNone(output.destination)

    def test_refused(self) -> None:
        """A refusal is acknowledged within the transaction, told with its Warning, and the end."""
        invite = self.begin()
        refusal = response(invite, 488, contact=None, headers=(("Warning", '305 srs "no codec"'),))
        self.agent.receive(refusal, SRS, 0.2)
        messages, told = self.sent()
        [ack] = messages
        assert isinstance(ack, Request)
        self.assertEqual((ack.method, ack.branch, ack.to_tag), ("ACK", invite.branch, "srs"))
        self.assertEqual(ack.uri_text, invite.uri_text)
        self.assertEqual(
            told,
            [
                Answered(Purpose.CALL, 488, "Because", b"", '305 srs "no codec"'),
                Ended(True, "refused"),
            ],
        )
        self.agent.receive(refusal, SRS, 0.7)
        self.assertEqual(bytes(self.one_request()), bytes(ack))

    def test_stray_response(self) -> None:
        """A response to nothing that we sent is nothing."""
        invite = self.begin()
        other = Request(
            invite.headers.without("Via").adding(("Via", "SIP/2.0/UDP h;branch=z9hG4bKx")),
            method="INVITE",
            uri_text="sip:x",
        )
        self.agent.receive(response(other, 200), SRS, 0.1)
        self.assertEqual(self.agent.outputs(), [])


class HangUpTests(AgentTestCase):
    def test_bye(self) -> None:
        """BYE has the next CSeq; its 200 is the end, and asking twice sends one."""
        self.establish()
        self.agent.hang_up(5.0)
        self.agent.hang_up(5.0)
        bye = self.one_request()
        self.assertEqual((bye.method, bye.headers.get("CSeq")), ("BYE", "2 BYE"))
        self.agent.receive(response(bye, 200), SRS, 5.1)
        self.assertEqual(
            self.agent.outputs(),
            [Answered(Purpose.BYE, 200, "Because"), Ended(False, "BYE answered")],
        )

    def test_idle(self) -> None:
        """A call that never began is over at once."""
        self.agent.hang_up(0.0)
        self.assertEqual(self.agent.outputs(), [Ended(False, "not begun")])

    def test_cancel(self) -> None:
        """Before the answer: CANCEL with the INVITE's branch, but only after a 100."""
        invite = self.begin()
        self.agent.hang_up(0.1)
        self.assertEqual(self.agent.outputs(), [])
        self.agent.receive(response(invite, 100, tag=""), SRS, 0.2)
        cancel = self.one_request()
        self.assertEqual(
            (cancel.method, cancel.branch, cancel.headers.get("CSeq")),
            ("CANCEL", invite.branch, "1 CANCEL"),
        )
        self.agent.receive(response(cancel, 200), SRS, 0.3)
        self.assertEqual(self.agent.outputs(), [Answered(Purpose.CANCEL, 200, "Because")])
        self.agent.receive(response(invite, 487), SRS, 0.4)
        self.assertEqual(
            self.sent()[1],
            [Answered(Purpose.CALL, 487, "Because"), Ended(True, "refused")],
        )

    def test_cancel_too_late(self) -> None:
        """A 200 that crossed the CANCEL is acknowledged, and ended by BYE."""
        invite = self.begin()
        self.agent.receive(response(invite, 100, tag=""), SRS, 0.1)
        self.agent.hang_up(0.2)
        self.agent.outputs()
        self.agent.receive(response(invite, 200, body=ANSWER), SRS, 0.3)
        messages, _ = self.sent()
        methods = [each.method for each in messages if isinstance(each, Request)]
        self.assertEqual(methods, ["ACK", "BYE"])

    def test_bye_unanswered(self) -> None:
        """A BYE without an answer is the end as well, after 32 s."""
        self.establish()
        self.agent.hang_up(5.0)
        while not self.agent.ended:
            deadline = self.agent.next_deadline()
            assert deadline is not None
            self.agent.expire(deadline)
        self.assertEqual(deadline, 37.0)
        self.assertEqual(
            self.sent()[1], [Answered(Purpose.BYE, 0, "no answer"), Ended(True, "no answer")]
        )


class UnreachableTests(AgentTestCase):
    def test_waiting(self) -> None:
        """What waits for an answer gets none, at once."""
        self.begin()
        self.agent.unreachable("connection refused", 0.1)
        self.assertEqual(
            self.agent.outputs(),
            [
                Answered(Purpose.CALL, 0, "connection refused"),
                Ended(True, "connection refused"),
            ],
        )
        self.assertIsNone(self.agent.next_deadline())

    def test_established(self) -> None:
        """A call that stands is over."""
        self.establish()
        self.agent.unreachable("lost", 9.0)
        self.assertEqual(self.agent.outputs(), [Ended(True, "lost")])


class ReinviteTests(AgentTestCase):
    def test_changed(self) -> None:
        """A re-INVITE is acknowledged, and moves the remote target."""
        self.establish()
        self.assertTrue(self.agent.changeable)
        self.agent.reinvite(b"changed", 2.0)
        self.assertFalse(self.agent.changeable)
        self.assertRaises(LocalError, self.agent.reinvite, b"changed", 2.0)
        invite = self.one_request()
        self.assertEqual(
            (invite.headers.get("CSeq"), invite.body, invite.to_tag),
            ("2 INVITE", b"changed", "srs"),
        )
        self.agent.receive(
            response(invite, 200, body=ANSWER, contact="<sip:srs@192.0.2.9:5099>"), SRS, 2.1
        )
        (ack,), told = self.sent()
        assert isinstance(ack, Request)
        self.assertEqual(ack.uri_text, "sip:srs@192.0.2.9:5099")
        self.assertEqual(told, [Answered(Purpose.CHANGE, 200, "Because", ANSWER)])
        self.assertTrue(self.agent.changeable)

    def test_refused(self) -> None:
        """A refused change leaves the call as it was."""
        self.establish()
        self.agent.reinvite(b"changed", 2.0)
        self.agent.receive(response(self.one_request(), 491), SRS, 2.1)
        self.assertEqual(self.sent()[1], [Answered(Purpose.CHANGE, 491, "Because")])
        self.assertTrue(self.agent.changeable)

    def test_unknown(self) -> None:
        """481 means that there is no call any more (RFC 3261 section 12.2.1.2)."""
        self.establish()
        self.agent.reinvite(b"changed", 2.0)
        self.agent.receive(response(self.one_request(), 481), SRS, 2.1)
        self.assertTrue(self.agent.ended)


class RequestTests(AgentTestCase):
    def ask(self, request: Request, now: float = 3.0) -> None:
        """The SRS asks something."""
        self.agent.receive(request, SRS, now)

    def test_bye(self) -> None:
        """A BYE is answered, told with its Reason, and answered again when it comes again."""
        invite = self.establish()
        bye = request_of_srs(invite, "BYE", headers=(("Reason", 'SIP;text="enough"'),))
        self.ask(bye)
        messages, told = self.sent()
        self.assertEqual([each.status for each in messages if isinstance(each, Response)], [200])
        self.assertEqual(told, [Ended(True, 'SIP;text="enough"')])
        self.ask(bye)
        self.assertEqual(self.statuses(), [200])

    def test_bye_while_ending(self) -> None:
        """Two BYEs that cross are both answered."""
        invite = self.establish()
        self.agent.hang_up(2.0)
        self.agent.outputs()
        self.ask(request_of_srs(invite, "BYE"))
        messages, told = self.sent()
        self.assertEqual([each.status for each in messages if isinstance(each, Response)], [200])
        self.assertEqual(told, [Ended(True, "BYE from the SRS")])

    def test_unknown_dialog(self) -> None:
        """A request with another tag, or after the end, gets 481."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "BYE", tag="other"))
        self.assertEqual(self.statuses(), [481])
        self.ask(request_of_srs(invite, "BYE", branch="z9hG4bK2"))
        self.assertEqual(self.statuses(), [200])
        self.ask(request_of_srs(invite, "OPTIONS", branch="z9hG4bK3"))
        self.assertEqual(self.statuses(), [481])

    def test_before_answer(self) -> None:
        """There is no dialog before the 200."""
        self.ask(request_of_srs(self.begin(), "OPTIONS"))
        self.assertEqual(self.statuses(), [481])

    def test_options_and_info(self) -> None:
        """OPTIONS and INFO are answered; what we do not know gets 405 with Allow."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "OPTIONS", branch="z9hG4bK1"))
        self.ask(request_of_srs(invite, "INFO", branch="z9hG4bK2"))
        self.ask(request_of_srs(invite, "REFER", branch="z9hG4bK3"))
        messages, _ = self.sent()
        self.assertEqual(
            [each.status for each in messages if isinstance(each, Response)], [200, 200, 405]
        )
        self.assertIn("UPDATE", messages[2].headers.get("Allow") or "")

    def test_reinvite(self) -> None:
        """An offer is answered and told; the 200 goes out again until the ACK."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "INVITE", cseq=7, body=OFFER))
        (answer,), told = self.sent()
        self.assertEqual(told, [Reoffered(OFFER)])
        self.assertEqual((self.offers, answer.body), ([OFFER], b"v=0\r\nours\r\n"))
        self.assertEqual(answer.headers.get("Contact"), "<sip:src@192.0.2.1:5070>;+sip.src")
        self.assertFalse(self.agent.changeable)
        self.agent.expire(3.5)
        self.agent.expire(4.5)
        self.assertEqual(self.statuses(), [200, 200])
        self.ask(request_of_srs(invite, "ACK", cseq=7), 4.6)
        self.assertTrue(self.agent.changeable)
        self.agent.expire(6.5)
        self.assertEqual(self.agent.outputs(), [])

    def test_reinvite_without_offer(self) -> None:
        """An INVITE without a body gets our offer, and its answer comes in the ACK."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "INVITE", cseq=7))
        (answer,), told = self.sent()
        self.assertEqual((answer.body, told, self.offers), (b"v=0\r\nours\r\n", [], [b""]))
        self.ask(request_of_srs(invite, "ACK", cseq=7, body=ANSWER))
        self.assertEqual(self.agent.outputs(), [Reoffered(ANSWER)])

    def test_never_acknowledged(self) -> None:
        """Without an ACK the call is ended by BYE after 32 s."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "INVITE", cseq=7, body=OFFER))
        self.agent.outputs()
        self.agent.expire(35.0)
        self.assertEqual(self.one_request().method, "BYE")

    def test_glare(self) -> None:
        """An INVITE, or an UPDATE with an offer, that crosses ours gets 491."""
        invite = self.establish()
        self.agent.reinvite(b"changed", 2.0)
        self.agent.outputs()
        self.ask(request_of_srs(invite, "INVITE", branch="z9hG4bK1", body=OFFER))
        self.ask(request_of_srs(invite, "UPDATE", branch="z9hG4bK2", body=OFFER))
        self.ask(request_of_srs(invite, "UPDATE", branch="z9hG4bK3"))
        self.assertEqual(self.statuses(), [491, 491, 200])

    def test_update(self) -> None:
        """An UPDATE with an offer gets an answer, one without gets none; both move the target."""
        invite = self.establish()
        self.ask(request_of_srs(invite, "UPDATE", branch="z9hG4bK1", body=OFFER))
        (answer,), told = self.sent()
        self.assertEqual((answer.body, told), (b"v=0\r\nours\r\n", [Reoffered(OFFER)]))
        self.ask(
            request_of_srs(
                invite, "UPDATE", branch="z9hG4bK2", body=b"<x/>", content_type="text/xml"
            )
        )
        (answer,), told = self.sent()
        self.assertEqual((answer.body, told), (b"", []))
        self.agent.hang_up(4.0)
        self.assertEqual(self.one_request().uri_text, "sip:srs@192.0.2.9:5062")

    def test_memory_is_bounded(self) -> None:
        """Only the last responses are kept for retransmissions."""
        invite = self.establish()
        for number in range(40):
            self.ask(request_of_srs(invite, "OPTIONS", branch=f"z9hG4bK{number}"))
        self.assertEqual(len(self.agent._responses), 32)


class ReliableTests(AgentTestCase):
    transport = Transport.TCP

    def test_no_retransmission(self) -> None:
        """Over TCP the only deadline is the end of the wait."""
        self.begin()
        self.assertEqual(self.agent.next_deadline(), 32.0)

    def test_ended(self) -> None:
        """After the end nothing is waited for."""
        self.establish()
        self.agent.hang_up(5.0)
        self.agent.receive(response(self.one_request(), 200), _ADDRESS, 5.1)
        self.agent.expire(5.1)
        self.assertIsNone(self.agent.next_deadline())


_ADDRESS: Address = ("192.0.2.9", 5060)


class ChallengedTests(AgentTestCase):
    """An SRS that wants credentials."""

    asked = ("WWW-Authenticate", 'Digest realm="srs", nonce="n1", qop="auth", algorithm=SHA-256')
    again = ("WWW-Authenticate", 'Digest realm="srs", nonce="n2", qop="auth", stale=true')

    def setUp(self) -> None:
        super().setUp()
        caller = replace(self.agent.caller, credentials=("sbc", "secret"))
        self.agent = CallAgent(caller, counting_token(), self.describe)

    def challenge(self, request: Request, *fields: tuple[str, str]) -> list[Request | Response]:
        """The SRS answers 401; what goes out then."""
        refused = response(request, 401, contact=None, headers=fields or (self.asked,))
        self.agent.receive(refused, SRS, 0.1)
        messages, self.told = self.sent()
        return messages

    def test_invite(self) -> None:
        """The INVITE goes out again with credentials; the ACK of its 200 bears them too."""
        invite = self.begin()
        ack, again = self.challenge(invite)
        assert isinstance(ack, Request)
        assert isinstance(again, Request)
        self.assertEqual((ack.method, ack.branch, self.told), ("ACK", invite.branch, []))
        self.assertNotEqual(again.branch, invite.branch)
        self.assertEqual(again.headers.get("CSeq"), "2 INVITE")
        self.assertEqual((again.body, again.from_tag), (invite.body, invite.from_tag))
        given = again.headers.get("Authorization") or ""
        self.assertIn(
            'username="sbc", realm="srs", nonce="n1", uri="sip:srs@srs.example.com"', given
        )
        self.agent.receive(response(again, 200, body=ANSWER), SRS, 0.2)
        [ack], told = self.sent()
        self.assertEqual(ack.headers.get("Authorization"), given)
        self.assertEqual(ack.headers.get("CSeq"), "2 ACK")
        self.assertEqual(told, [Answered(Purpose.CALL, 200, "Because", ANSWER)])

    def test_stale(self) -> None:
        """A nonce that is too old is answered again, with the new one alone."""
        _, again = self.challenge(self.begin())
        assert isinstance(again, Request)
        _, third = self.challenge(again, self.again)
        [given] = third.headers.lines("Authorization")
        self.assertIn('nonce="n2"', given)
        # A third challenge is one too many.
        assert isinstance(third, Request)
        self.assertEqual(len(self.challenge(third, self.again)), 1)
        self.assertEqual(self.told[0], Answered(Purpose.CALL, 401, "Because"))

    def test_not_accepted(self) -> None:
        """Credentials that were not accepted are not sent again: the call is refused."""
        _, again = self.challenge(self.begin())
        assert isinstance(again, Request)
        [ack] = self.challenge(again)
        self.assertIsInstance(ack, Request)
        self.assertEqual(
            self.told, [Answered(Purpose.CALL, 401, "Because"), Ended(True, "refused")]
        )

    def test_bye(self) -> None:
        """A BYE is sent again too, to where it went."""
        self.establish()
        self.agent.hang_up(2.0)
        [again] = self.challenge(self.one_request())
        self.assertEqual(again.headers.get("CSeq"), "3 BYE")
        assert isinstance(again, Request)
        self.agent.receive(response(again, 200), SRS, 2.2)
        self.assertEqual(self.sent()[1][-1], Ended(False, "BYE answered"))

    def test_cancelled(self) -> None:
        """A call that is given up is not begun again."""
        invite = self.begin()
        self.agent.hang_up(0.0)
        [ack] = self.challenge(invite)
        self.assertEqual(ack.headers.get("CSeq"), "1 ACK")
        self.assertTrue(self.agent.ended)

    def test_without_credentials(self) -> None:
        """Who has none is refused."""
        self.agent = CallAgent(
            replace(self.agent.caller, credentials=None), counting_token(), self.describe
        )
        self.challenge(self.begin())
        self.assertTrue(self.agent.ended)

    def test_secret_is_not_shown(self) -> None:
        """The secret is in no representation."""
        self.assertNotIn("secret", repr(self.agent.caller))
