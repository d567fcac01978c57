"""
Recording sessions whose route has to be asked for.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.plan import Destination, EndReason
from twisted_siprec.siprec.session import (
    Accept,
    Ask,
    Changed,
    Later,
    OpenBridge,
    Output,
    RecordingSession,
    Refuse,
    Routed,
    State,
    Warned,
)

from .support import POLICY, WALL, offer, ports, request, with_sdp

INVITE = with_sdp(offer("sendonly", "sendonly"))
SPEECH = Destination("speech", "ws://speech")


def quiet(outputs: list[Output]) -> list[Output]:
    """Outputs without what is told of the call."""
    return [each for each in outputs if not isinstance(each, (Changed, Warned))]


class AskingTests(SynchronousTestCase):
    """The INVITE waits until it is known where the call goes."""

    def setUp(self) -> None:
        self.recording = RecordingSession(
            "rec-1", "dialog-1", POLICY, lambda description: Later.LATER
        )
        self.recording.offered("t1", INVITE, 0.0, WALL)
        self.asked = quiet(self.recording.outputs())

    def test_asks(self) -> None:
        """It asks with what is known, and nothing is opened or answered yet."""
        self.assertIs(self.recording.state, State.ROUTING)
        self.assertEqual(self.asked, [Ask(self.recording.description)])
        self.assertEqual(self.recording.description.call_id, "call-1")

    def test_routed(self) -> None:
        """Once it is known the call is opened as if it had been known at once."""
        self.recording.routed(Routed((SPEECH,)), 0.5)
        self.assertIs(self.recording.state, State.OPENING)
        [opened] = quiet(self.recording.outputs())
        assert isinstance(opened, OpenBridge)
        at_once = RecordingSession("rec-1", "dialog-1", POLICY, lambda description: (SPEECH,))
        at_once.offered("t1", INVITE, 0.0, WALL)
        self.assertEqual([opened], quiet(at_once.outputs()))
        self.recording.bridge_opened(ports(0, 1), 0.6)
        [accepted] = quiet(self.recording.outputs())
        assert isinstance(accepted, Accept)
        self.assertEqual(accepted.transaction, "t1")
        self.assertIs(self.recording.state, State.RECORDING)

    def test_parameters(self) -> None:
        """What comes with the route is told with the call, now and later."""
        self.recording.routed(Routed((SPEECH,), (("tenant", "blue"),)), 0.5)
        opened = quiet(self.recording.outputs())[0]
        assert isinstance(opened, OpenBridge)
        self.assertEqual(opened.plan.description.extensions, (("tenant", "blue"),))
        self.recording.bridge_opened(ports(0, 1), 0.6)
        self.assertEqual(self.recording.description.extensions, (("tenant", "blue"),))

    def test_refused(self) -> None:
        """A refusal answers the INVITE, and that is all."""
        self.recording.routed(RemoteError(403, "No"), 0.5)
        self.assertEqual(self.recording.outputs(), [Refuse("t1", 403, "No")])
        self.assertIs(self.recording.state, State.ENDED)
        self.recording.routed(Routed((SPEECH,)), 0.6)
        self.assertEqual(self.recording.outputs(), [])

    def test_cancelled(self) -> None:
        """Where the caller gave up meanwhile the answer is too late."""
        self.recording.dialog_ended(None, EndReason.CALL_ENDED, 0.4, WALL)
        self.assertIs(self.recording.state, State.ENDED)
        self.recording.routed(Routed((SPEECH,)), 0.5)
        self.assertEqual(self.recording.outputs(), [])

    def test_hung_up(self) -> None:
        """A server that stops refuses it; there is no bridge to close and no BYE to send."""
        self.recording.hang_up(EndReason.SHUTDOWN, 0.4)
        [refused] = self.recording.outputs()
        assert isinstance(refused, Refuse)
        self.assertEqual((refused.transaction, refused.status), ("t1", 503))
        self.assertIs(self.recording.state, State.ENDED)

    def test_answer_twice(self) -> None:
        """A second answer changes nothing, nor does one that nobody asked for."""
        self.recording.routed(Routed((SPEECH,)), 0.5)
        self.recording.outputs()
        self.recording.routed(Routed(()), 0.6)
        self.assertEqual(self.recording.outputs(), [])

    def test_change_meanwhile(self) -> None:
        """An UPDATE that comes before waits for it too."""
        self.recording.reoffered("t2", with_sdp(offer("inactive", "sendonly"), "UPDATE"), 0.1, WALL)
        self.assertEqual(self.recording.outputs(), [])
        self.recording.routed(Routed((SPEECH,)), 0.5)
        self.recording.bridge_opened(ports(0, 1), 0.6)
        accepted = [each for each in self.recording.outputs() if isinstance(each, Accept)]
        self.assertEqual([each.transaction for each in accepted], ["t1", "t2"])

    def test_bad_invite(self) -> None:
        """An INVITE that cannot be recorded is refused before anybody is asked."""
        recording = RecordingSession("r", "d", POLICY, lambda description: Later.LATER)
        recording.offered("t1", request("INVITE", b"nonsense", "application/sdp"), 0.0, WALL)
        self.assertIs(recording.state, State.ENDED)
        self.assertFalse(any(isinstance(each, Ask) for each in recording.outputs()))
