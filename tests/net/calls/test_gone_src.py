"""
SRCs that do not hear of the end of a call, and SRCs of which nothing is heard.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.net.calls.test_recording_server import CALL, TAKEN, Recorder
from tests.net.media.test_plane import PlaneTestCase, plan
from twisted_siprec.net.calls.bridged import Limits
from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.plan import EndReason
from twisted_siprec.report import StreamSilent

OFFER = (
    "> v=0\n> o=- 1 2 IN IP4 {here}\n> s=-\n> c=IN IP4 {here}\n> t=0 0\n> m=audio 4000 RTP/AVP 0\n"
)


def reinvite(direction: str) -> str:
    """The SRC pauses or resumes the call."""
    return f"> INVITE\n> Content-Type: application/sdp\n>\n{OFFER}> a={direction}\n< 200\nack\n"


class GoneSRCTests(SynchronousTestCase):
    """How calls end whose SRC is of no help."""

    def setUp(self) -> None:
        self.recorder = Recorder(limits=Limits(end_after_silence_s=30.0))
        self.server, self.reactor = self.recorder.server, self.recorder.reactor

    @property
    def ended(self) -> EndReason | None:
        """How the bridge of the call was closed, if it was."""
        return self.recorder.media.views["rec-1"].ended

    def sent(self) -> bytes:
        """The last message that went out."""
        octets, _ = self.reactor.udp[0][1].written[-1]
        return octets

    def test_bye_refused(self) -> None:
        """The bridge is closed when our BYE goes out, and stays so when the SRC refuses it."""
        self.recorder.replay(TAKEN)
        self.server.hang_up("rec-1")
        self.assertIs(self.ended, EndReason.OPERATOR)
        self.assertEqual(self.server.calls(), [])
        bye = self.sent()
        self.assertTrue(bye.startswith(b"BYE "))
        refused = bye.replace(bye.split(b"\r\n")[0], b"SIP/2.0 405 Method Not Allowed")
        self.reactor.udp[0][0].datagramReceived(refused, ("192.0.2.10", 5060))
        written = len(self.reactor.udp[0][1].written)
        self.reactor.advance(100)
        self.assertEqual(self.server.calls(), [])
        self.assertEqual(len(self.reactor.udp[0][1].written), written, "and nothing is repeated")

    def test_paused_after_silence(self) -> None:
        """A call that was silent and is paused now is left alone, until it is resumed."""
        self.recorder.replay(CALL + "< 200\nack\n")
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.reactor.advance(20)
        self.server.pause("rec-1")
        self.reactor.advance(1000)
        self.assertIsNone(self.ended)
        self.server.resume("rec-1")
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.reactor.advance(24)
        self.assertIsNone(self.ended)
        self.reactor.advance(2)
        self.assertIs(self.ended, EndReason.SRC_LOST)
        self.assertTrue(self.sent().startswith(b"BYE "))

    def test_paused_by_the_src(self) -> None:
        """The same where it is the SRC that paused it, with a re-INVITE in between."""
        self.recorder.replay(TAKEN + reinvite("inactive"))
        self.server.reported(StreamSilent("rec-1", 0, 5000))
        self.reactor.advance(1000)
        self.assertIsNone(self.ended)

    def test_session_timer(self) -> None:
        """An SRC that agreed to refresh the call and does not is taken for dead."""
        timer = "> Supported: timer\n> Session-Expires: 90;refresher=uac\n"
        self.recorder.replay(
            CALL.replace("> Require: siprec\n", f"> Require: siprec\n{timer}")
            + "< 200\n< Session-Expires: 90;refresher=uac\nack\n"
        )
        self.reactor.advance(50)
        self.assertIsNone(self.ended)
        self.reactor.advance(15)
        self.assertIs(self.ended, EndReason.SRC_LOST)
        self.assertTrue(self.sent().startswith(b"BYE "))


class PortsOfGoneSRCTests(PlaneTestCase):
    """RTP that goes on after the end of its call."""

    def test_cooldown(self) -> None:
        """The ports are closed at once, and rest before another call has them."""
        self.make(first_port=20000, last_port=20003, port_cooldown_s=30.0)
        self.open("b1")
        self.close("b1")
        self.assertTrue(all(pair.closed for pair in self.ports.pairs))
        self.clock.advance(29.9)
        self.failureResultOf(self.media.open(plan("b2")), NoPorts)
        self.clock.advance(0.1)
        opened = self.open("b3")
        self.assertEqual({each.rtp for each in opened.ports}, {20000, 20002})
