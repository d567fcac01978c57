"""
Our own offers to the SRC, in every stage.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import EndReason
from twisted_siprec.sdp.description import Direction, SessionDescription
from twisted_siprec.sip.message import Headers, Response
from twisted_siprec.siprec.agreement import Agreement, Intent
from twisted_siprec.siprec.own_offer import TABLE, Input, OwnOffer, Stage
from twisted_siprec.siprec.session import (
    Accept,
    Output,
    SendBye,
    SendInvite,
    State,
    UpdateBridge,
)

from .support import (
    POLICY,
    WALL,
    offer,
    offered,
    ports,
    recording_of,
    request,
    with_metadata,
    with_sdp,
)

ASKING = replace(POLICY, pause_src=True, glare_delay_s=lambda: 1.5, max_attempts=2)
PAUSE = Intent(paused=True)

_Offered = list[tuple[int, Direction | None]]


def answered(body: bytes, status: int = 200) -> Response:
    """A response with an answer."""
    return Response(
        Headers([("Content-Type", "application/sdp")]), body=body, status=status, reason="x"
    )


class StageTests(SynchronousTestCase):
    """The table."""

    def test_table(self) -> None:
        """An INVITE that is on its way ends in one of four ways; no other stage can end."""
        ends = {happened for stage, happened in TABLE if stage is Stage.ASKED}
        self.assertEqual(ends, {Input.DONE, Input.GLARE, Input.REFUSED, Input.UNABLE})
        self.assertNotIn(Stage.UNABLE, {stage for stage, _ in TABLE})

    def test_attempts(self) -> None:
        """After glare the same is sent so often and no more; something else begins anew."""
        own, agreement = OwnOffer(lambda: 2.0, 2), Agreement.of("rec-1", "198.51.100.1")
        own.want(PAUSE)
        assert own.ask(agreement) is not None
        self.assertIsNone(own.ask(agreement))
        self.assertTrue(own.met(10.0))
        self.assertEqual((own.open, own.next_deadline()), (False, 12.0))
        own.expire(11.9)
        self.assertIsNone(own.ask(agreement))
        own.expire(12.0)
        self.assertIsNone(own.next_deadline())
        assert own.ask(agreement) is not None
        self.assertFalse(own.met(13.0))
        own.refused(491)
        own.want(PAUSE)
        self.assertIsNone(own.ask(agreement))
        own.want(Intent(dropped=frozenset({0})))
        self.assertIsNotNone(own.ask(agreement))

    def test_unable(self) -> None:
        """An SRC without re-INVITE is asked for nothing more, whatever is wanted."""
        for status in (405, 501):
            own, agreement = OwnOffer(lambda: 2.0, 2), Agreement.of("rec-1", "198.51.100.1")
            own.want(PAUSE)
            own.ask(agreement)
            own.refused(status)
            own.want(Intent(dropped=frozenset({1})))
            self.assertEqual((own.able, own.ask(agreement)), (False, None))


class AskingTests(SynchronousTestCase):
    """A recording session that asks its SRC."""

    def setUp(self) -> None:
        """Two streams, recorded; the ACK has come."""
        self.recording, _ = recording_of(with_sdp(offer("sendonly", "sendonly")), ASKING)
        self.recording.acknowledged(request("ACK"), 0.2, WALL)
        self.recording.outputs()

    def invites(self, outputs: list[Output] | None = None) -> list[_Offered]:
        """What our INVITEs offer: (port, direction) of each m-line."""
        outputs = self.recording.outputs() if outputs is None else outputs
        return [
            [(media.port, media.direction) for media in SessionDescription.parse(each.body).media]
            for each in outputs
            if isinstance(each, SendInvite)
        ]

    def answer(self, *directions: str, now: float = 1.0) -> list[Output]:
        """The SRC accepts ours."""
        self.recording.answered("INVITE", 200, answered(offer(*directions)), now, WALL)
        return self.recording.outputs()

    def codes(self) -> list[str]:
        """What was odd."""
        return [code for code, _ in self.recording.warnings if code != "metadata-missing"]

    def paused(self) -> None:
        """The SRC has accepted our pause."""
        self.recording.pause(0.5)
        self.assertEqual(
            self.invites(), [[(30000, Direction.INACTIVE), (30010, Direction.INACTIVE)]]
        )
        self.answer("inactive", "inactive")

    def test_not_configured(self) -> None:
        """Out of the box the SRC is not told of a pause."""
        recording, _ = recording_of(with_sdp(offer("sendonly")))
        recording.acknowledged(request("ACK"), 0.2, WALL)
        recording.pause(0.5)
        self.assertEqual(self.invites(recording.outputs()), [])

    def test_before_the_ports(self) -> None:
        """A pause that comes before the INVITE is answered is asked for after the ACK."""
        recording, _ = offered(with_sdp(offer("sendonly")), ASKING)
        recording.pause(0.0)
        recording.bridge_opened(ports(0), 0.1)
        self.assertEqual(self.invites(recording.outputs()), [])
        recording.acknowledged(request("ACK"), 0.2, WALL)
        self.assertEqual(self.invites(recording.outputs()), [[(30000, Direction.INACTIVE)]])

    def test_changed_meanwhile(self) -> None:
        """What is wanted while ours is on its way is asked for after its answer."""
        self.recording.pause(0.5)
        self.recording.resume(0.6)
        self.assertEqual(len(self.invites()), 1)
        outputs = self.answer("inactive", "inactive")
        self.assertEqual(
            self.invites(outputs), [[(30000, Direction.RECVONLY), (30010, Direction.RECVONLY)]]
        )
        self.answer("sendonly", "sendonly")
        self.assertIs(self.recording.state, State.RECORDING)

    def test_answers_while_paused(self) -> None:
        """A re-offer of the SRC's is answered inactive while its streams are paused by us."""
        self.paused()
        self.recording.reoffered("t2", with_sdp(offer("sendonly", "sendonly")), 2.0, WALL)
        (accept,) = [each for each in self.recording.outputs() if isinstance(each, Accept)]
        self.assertEqual(accept.body.count(b"a=inactive"), 2)
        self.recording.acknowledged(request("ACK"), 2.1, WALL)
        self.assertEqual(self.invites(), [])
        self.recording.resume(3.0)
        self.assertEqual(len(self.invites()), 1)

    def test_pause_not_accepted_yet(self) -> None:
        """Before the SRC has accepted a pause, its offers are answered as ever."""
        self.recording.pause(0.5)
        self.recording.answered("INVITE", 491, None, 0.6, WALL)
        self.recording.reoffered("t2", with_sdp(offer("sendonly", "sendonly")), 0.7, WALL)
        (accept,) = [each for each in self.recording.outputs() if isinstance(each, Accept)]
        self.assertEqual(accept.body.count(b"a=recvonly"), 2)

    def test_resumed_by_the_answer(self) -> None:
        """Where the SRC holds a stream by its answer, that is no longer our pause."""
        self.paused()
        self.recording.resume(2.0)
        self.answer("inactive", "inactive")
        self.assertIs(self.recording.state, State.PAUSED)
        self.recording.reoffered("t2", with_sdp(offer("sendonly", "sendonly")), 3.0, WALL)
        self.assertIs(self.recording.state, State.RECORDING)

    def test_dropped_for_good(self) -> None:
        """A dropped stream stays closed, also where the SRC offers it again or answers so."""
        self.assertTrue(self.recording.drop(1, 0.5))
        self.assertEqual(self.invites(), [[(30000, Direction.RECVONLY), (0, None)]])
        outputs = self.answer("sendonly", "sendonly")
        (update,) = [each.update for each in outputs if isinstance(each, UpdateBridge)]
        self.assertEqual([each.index for each in update.streams], [0])
        self.recording.reoffered("t2", with_sdp(offer("sendonly", "sendonly")), 2.0, WALL)
        (accept,) = [each for each in self.recording.outputs() if isinstance(each, Accept)]
        media = SessionDescription.parse(accept.body).media
        self.assertEqual([each.port for each in media], [30000, 0])
        self.assertFalse(self.recording.drop(1, 3.0))

    def test_another_in_its_place(self) -> None:
        """Another stream in the place of a dropped one is taken, and not dropped again."""
        self.recording.drop(1, 0.5)
        self.answer("sendonly", "inactive")
        again = offer("sendonly", "sendonly").replace(b"a=label:2", b"a=label:7")
        self.recording.reoffered("t2", with_sdp(again), 2.0, WALL)
        self.recording.bridge_opened(ports(0, 1), 2.1)
        (accept,) = [each for each in self.recording.outputs() if isinstance(each, Accept)]
        media = SessionDescription.parse(accept.body).media
        self.assertEqual([each.port for each in media], [30000, 30010])
        self.recording.acknowledged(request("ACK"), 2.2, WALL)
        self.assertEqual(self.invites(), [])

    def test_all_dropped(self) -> None:
        """The last stream can be dropped too; the dialog stays."""
        self.recording.drop(0, 0.5)
        self.recording.drop(1, 0.6)
        self.answer("inactive", "sendonly")
        self.answer("inactive", "inactive")
        self.assertEqual((self.recording.streams, self.codes()), ((), []))

    def test_no_such_stream(self) -> None:
        """What is not there cannot be dropped, nor when the call is over."""
        self.assertFalse(self.recording.drop(2, 0.5))
        self.recording.dialog_ended(None, EndReason.CALL_ENDED, 1.0, WALL)
        self.assertFalse(self.recording.drop(0, 1.5))

    def test_refresh_settles_nothing(self) -> None:
        """An UPDATE without SDP says nothing of what we want."""
        self.recording.drop(1, 0.5)
        self.recording.answered("INVITE", 491, None, 0.6, WALL)
        self.recording.outputs()
        self.recording.reoffered("t2", with_metadata(b"<recording/>"), 0.7, WALL)
        self.recording.expire(2.2)
        self.assertEqual(len(self.invites()), 1)

    def test_settled_by_their_offer(self) -> None:
        """Where our answer to an offer of theirs says it already, it is not offered again."""
        self.recording.drop(1, 0.5)
        self.recording.answered("INVITE", 491, None, 0.6, WALL)
        self.assertEqual(self.recording.next_deadline(), 2.1)
        self.recording.outputs()
        self.recording.reoffered("t2", with_sdp(offer("sendonly", "sendonly")), 0.7, WALL)
        self.recording.acknowledged(request("ACK"), 0.8, WALL)
        self.recording.expire(2.1)
        self.assertEqual((self.invites(), self.recording.streams), ([], (0,)))

    def test_too_much_glare(self) -> None:
        """What always meets a request of theirs is given up, with a warning."""
        self.recording.pause(0.5)
        self.recording.answered("INVITE", 491, None, 0.6, WALL)
        self.recording.expire(2.1)
        self.recording.answered("INVITE", 491, None, 2.2, WALL)
        self.assertEqual(self.codes(), ["sip-re-invite-refused"])
        self.assertIsNone(self.recording.next_deadline())
        self.assertEqual(len(self.invites()), 2)

    def test_bad_answers(self) -> None:
        """A 200 without an answer, or with a useless one, is a warning; all stays as it was."""
        for body in (b"", offer("sendonly", "sendonly", codecs="18"), b"v=0\r\nm=x\r\n"):
            self.setUp()
            self.recording.pause(0.5)
            self.recording.answered("INVITE", 200, answered(body), 1.0, WALL)
            self.assertEqual(self.codes(), ["sip-bad-answer"])
            self.assertEqual(self.recording.streams, (0, 1))
            self.recording.resume(2.0)
            self.assertIs(self.recording.state, State.RECORDING)

    def test_metadata_in_the_answer(self) -> None:
        """Metadata beside the SRC's answer is taken (RFC 7866 section 9.1)."""
        self.recording.pause(0.5)
        body = (
            b"--b\r\nContent-Type: application/sdp\r\n\r\n"
            + offer("inactive", "inactive")
            + b"\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n"
            + b'<recording xmlns="urn:ietf:params:xml:ns:recording:1"><session session_id="s"/>'
            + b"</recording>\r\n--b--\r\n"
        )
        response = Response(
            Headers([("Content-Type", "multipart/mixed;boundary=b")]),
            body=body,
            status=200,
            reason="OK",
        )
        self.recording.answered("INVITE", 200, response, 1.0, WALL)
        self.assertEqual([each.id for each in self.recording.description.sessions], ["s"])

    def test_other_answers(self) -> None:
        """The answers to other requests of ours, and to none, change nothing."""
        self.recording.answered("INVITE", 200, answered(offer("inactive")), 1.0, WALL)
        self.recording.pause(1.0)
        self.recording.outputs()
        self.recording.answered("UPDATE", 405, answered(b"", 405), 1.1, WALL)
        self.assertEqual((self.codes(), self.recording.outputs()), ([], []))

    def test_metadata_in_the_ack(self) -> None:
        """Metadata in an ACK is taken, where the offer was the SRC's."""
        body = b'<recording xmlns="urn:ietf:params:xml:ns:recording:1"><session session_id="s"/>'
        ack = with_metadata(body + b"</recording>", "ACK")
        self.recording.acknowledged(ack, 1.0, WALL)
        self.assertEqual([each.id for each in self.recording.description.sessions], ["s"])

    def test_over(self) -> None:
        """After the end there is nothing to wait for, and an answer is too late."""
        self.recording.pause(0.5)
        self.recording.answered("INVITE", 491, None, 0.6, WALL)
        self.recording.outputs()
        self.recording.hang_up(EndReason.OPERATOR, 0.7)
        self.assertIsNone(self.recording.next_deadline())
        self.recording.expire(5.0)
        self.recording.answered("INVITE", 200, answered(offer("inactive")), 5.0, WALL)
        byes = [each for each in self.recording.outputs() if isinstance(each, SendInvite | SendBye)]
        self.assertEqual([type(each) for each in byes], [SendBye])
