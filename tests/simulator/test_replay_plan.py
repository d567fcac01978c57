"""
What a capture has of recording sessions, and what is made of it.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.capture_packets import Packet
from twisted_siprec.simulator.capture_sip import CapturedMessage
from twisted_siprec.simulator.replay_body import BodyError, body_of, rewritten
from twisted_siprec.simulator.replay_plan import (
    CapturedCall,
    MediaPacket,
    calls_in,
    media_of,
)
from twisted_siprec.sip.events import Transport
from twisted_siprec.sip.message import Request, parse

SRC, SRS = ("192.0.2.1", 5060), ("198.51.100.7", 5060)
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0\r\na=label:1\r\nm=audio 4002 RTP/AVP 0\r\na=label:2\r\n"
)
ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\nm=audio 6002 RTP/AVP 0\r\na=rtcp:6009\r\n"
)
RTP, REPORT = b"\x80\x00rtp", b"\x80\xc8rtcp"


def captured(
    at: float,
    start: str,
    cseq: str,
    body: str = "",
    *,
    to_tag: bool = True,
    from_us: bool = False,
    extra: str = "",
    call_id: str = "c1",
) -> CapturedMessage:
    """A message of the dialog."""
    sides = ("<sip:src@x>;tag=src", "<sip:srs@x>" + (";tag=srs" if to_tag else ""))
    from_, to = reversed(sides) if from_us and not start.startswith("SIP") else sides
    octets = (
        f"{start}\r\nFrom: {from_}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n{extra}"
        + ("Content-Type: application/sdp\r\n" if body else "")
        + f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    ends = (SRS, SRC) if from_us else (SRC, SRS)
    return CapturedMessage(at, *ends, Transport.UDP, parse(octets.encode()))


INVITE = captured(
    1.0, "INVITE sip:srs@x SIP/2.0", "1 INVITE", OFFER, to_tag=False, extra="Require: siprec\r\n"
)
OK = captured(1.5, "SIP/2.0 200 OK", "1 INVITE", ANSWER, from_us=True)
ACK = captured(1.6, "ACK sip:srs@x SIP/2.0", "1 ACK")
BYE = captured(9.0, "BYE sip:srs@x SIP/2.0", "2 BYE")


class CallsTests(SynchronousTestCase):
    """Dialogs."""

    def one(self, *messages: CapturedMessage) -> CapturedCall:
        [call] = calls_in(messages)
        return call

    def test_call(self) -> None:
        """INVITE, its answer, and its end; an ACK is nobody's step."""
        call = self.one(INVITE, OK, ACK, BYE)
        self.assertEqual((call.call_id, call.answered_at, call.ended_at), ("c1", 1.5, 9.0))
        self.assertEqual((call.invite.status, call.invite.sdp), (200, OFFER.encode()))
        self.assertEqual(call.invite.answer, ANSWER.encode())
        self.assertEqual([step.request.method for step in call.steps], ["BYE"])
        self.assertEqual((call.stream_count, call.ended_by_server), (2, False))

    def test_retransmitted(self) -> None:
        """What comes twice, or by two interfaces, is one."""
        call = self.one(INVITE, INVITE, OK, OK, ACK, BYE, BYE)
        self.assertEqual(len(call.steps), 1)

    def test_challenged(self) -> None:
        """Of several attempts the last is played, from the time of the first on."""
        asked = captured(1.1, "SIP/2.0 401 Unauthorized", "1 INVITE", from_us=True)
        again = captured(
            1.2,
            "INVITE sip:srs@x SIP/2.0",
            "2 INVITE",
            OFFER,
            to_tag=False,
            extra="Require: siprec\r\nSubject: again\r\n",
        )
        answered = captured(1.3, "SIP/2.0 200 OK", "2 INVITE", ANSWER, from_us=True)
        call = self.one(INVITE, asked, again, answered)
        self.assertEqual((call.invite.at, call.invite.status), (1.0, 200))
        self.assertEqual(call.invite.request.headers.get("Subject"), "again")
        self.assertEqual(call.answered_at, 1.3)

    def test_steps(self) -> None:
        """Re-INVITE, UPDATE and INFO of the SRC in the order of time; others are not its own."""
        call = self.one(
            INVITE,
            OK,
            captured(5.0, "INFO sip:srs@x SIP/2.0", "4 INFO"),
            captured(3.0, "INVITE sip:srs@x SIP/2.0", "2 INVITE", OFFER),
            captured(3.1, "SIP/2.0 200 OK", "2 INVITE", ANSWER, from_us=True),
            captured(4.0, "UPDATE sip:srs@x SIP/2.0", "3 UPDATE"),
            captured(4.5, "OPTIONS sip:srs@x SIP/2.0", "9 OPTIONS"),
            captured(4.6, "UPDATE sip:src@x SIP/2.0", "1 UPDATE", from_us=True),
        )
        self.assertEqual(
            [(step.request.method, step.status) for step in call.steps],
            [("INVITE", 200), ("UPDATE", None), ("INFO", None)],
        )

    def test_ended_by_server(self) -> None:
        """A BYE of the server ends it, and is not repeated."""
        call = self.one(INVITE, OK, captured(4.0, "BYE sip:src@x SIP/2.0", "1 BYE", from_us=True))
        self.assertEqual((call.steps, call.ended_at, call.ended_by_server), ([], 4.0, True))

    def test_signs(self) -> None:
        """A recording session by any of its signs; another call is none."""
        for extra, found in (
            ("Supported: siprec\r\n", 1),
            ("Contact: <sip:x>;+sip.src\r\n", 1),
            ("X: y\r\n", 0),
        ):
            invite = captured(
                1.0, "INVITE sip:x SIP/2.0", "1 INVITE", OFFER, to_tag=False, extra=extra
            )
            self.assertEqual(len(calls_in([invite])), found, extra)
        self.assertEqual(calls_in([OK, ACK, BYE]), [])

    def test_order(self) -> None:
        """Several calls, in the order in which they began."""
        start = "INVITE sip:x SIP/2.0"
        given = [
            captured(at, start, "1 INVITE", to_tag=False, extra="Require: siprec\r\n", call_id=name)
            for at, name in ((3.0, "c"), (1.0, "a"), (2.0, "b"))
        ]
        self.assertEqual([call.call_id for call in calls_in(given)], ["a", "b", "c"])

    # --- media ---

    def media(
        self, call: CapturedCall, *packets: tuple[object, object, bytes]
    ) -> list[MediaPacket]:
        return media_of(
            call,
            [Packet(2.0, source, destination, octets) for source, destination, octets in packets],  # type: ignore[arg-type]
        )

    def test_media(self) -> None:
        """RTP and RTCP by where the answer wanted them, and nothing else."""
        call, src = self.one(INVITE, OK, ACK, BYE), ("192.0.2.1", 4000)
        srs = SRS[0]
        found = self.media(
            call,
            (src, (srs, 6000), RTP),
            (src, (srs, 6001), REPORT),
            (src, (srs, 6002), RTP),
            (src, (srs, 6002), REPORT),
            (src, (srs, 6009), REPORT),
            (src, (srs, 6001), RTP),
            (src, (srs, 6000), b"\x00\x01stun"),
            (src, (srs, 7000), RTP),
            ((srs, 6000), src, RTP),
            (src, (srs, 6000), b""),
        )
        self.assertEqual(
            sorted((each.stream, each.is_rtcp, each.shared) for each in found),
            [
                (0, False, False),
                (0, True, False),
                (1, False, False),
                (1, True, False),
                (1, True, True),
            ],
        )

    def test_time(self) -> None:
        """Packets of before and of long after are of another call; so are segments."""
        call, way = self.one(INVITE, OK, ACK, BYE), (SRC, (SRS[0], 6000))
        packets = [Packet(at, *way, RTP) for at in (-1.0, 0.5, 9.5, 20.0)]
        packets.append(Packet(5.0, *way, RTP, 1))
        self.assertEqual([each.at for each in media_of(call, packets)], [0.5, 9.5])

    def test_nat(self) -> None:
        """Where no packet goes to the address of the answer, the port is enough."""
        call = self.one(INVITE, OK, ACK, BYE)
        inside, outside = ("10.0.0.1", 6000), (SRS[0], 6000)
        self.assertEqual(len(self.media(call, (SRC, inside, RTP), (SRC, inside, RTP))), 2)
        self.assertEqual(len(self.media(call, (SRC, inside, RTP), (SRC, outside, RTP))), 1)

    def test_no_answer(self) -> None:
        """Without an answer, packets are known by where the SRC sends from."""
        call = self.one(INVITE)
        found = self.media(call, (("192.0.2.1", 4002), SRS, RTP), (("192.0.2.1", 9), SRS, RTP))
        self.assertEqual([each.stream for each in found], [1])


class BodyTests(SynchronousTestCase):
    """Session descriptions with our addresses."""

    def test_rewritten(self) -> None:
        """Addresses and ports are ours; all else is as it was, line ends too."""
        given = (
            b"v=0\no=x 1 1 IN IP4 192.0.2.1\ns=a c=b\nc=IN IP4 192.0.2.1/127\nt=0 0\n"
            b"m=audio  4000/2 RTP/SAVP 0 96\na=rtcp:4001 IN IP4 192.0.2.1\na=crypto:1 X inline:K\n"
            b"a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\na=odd \n"
            b"m=audio 0 RTP/AVP 0\nm=audio 4004 RTP/AVP 0\nc=IN IP4 0.0.0.0"
        )
        self.assertEqual(
            rewritten(given, "127.0.0.1", [7000, 7002, 7004]),
            b"v=0\no=x 1 1 IN IP4 127.0.0.1\ns=a c=b\nc=IN IP4 127.0.0.1\nt=0 0\n"
            b"m=audio  7000/2 RTP/SAVP 0 96\na=rtcp:7001\na=crypto:1 X inline:K\na=odd \n"
            b"m=audio 0 RTP/AVP 0\nm=audio 7004 RTP/AVP 0\nc=IN IP4 0.0.0.0",
        )

    def test_version_6(self) -> None:
        """The family is that of the address."""
        self.assertEqual(rewritten(b"c=IN IP4 192.0.2.1\r\n", "::1", []), b"c=IN IP6 ::1\r\n")

    def test_more_streams(self) -> None:
        """An m-line for which there is no port stays as it is."""
        self.assertEqual(rewritten(b"m=audio 4 RTP/AVP 0", "x", []), b"m=audio 4 RTP/AVP 0")

    def test_body(self) -> None:
        """Of a body in parts only the description changes; an encoded one is refused."""
        head = b"INVITE x SIP/2.0\r\nContent-Length: 29\r\n\r\n"
        request = parse(head + b"--b\r\nc=IN IP4 192.0.2.1\r\n--b-")
        assert isinstance(request, Request)
        made = body_of(request, b"c=IN IP4 192.0.2.1\r\n", "127.0.0.1", [])
        self.assertEqual(made, b"--b\r\nc=IN IP4 127.0.0.1\r\n--b-")
        self.assertEqual(body_of(request, None, "x", []), request.body)
        self.assertRaises(BodyError, body_of, request, b"other", "x", [])
