"""Two dialogs that are the halves of a call, as one."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.participants import Description, MediaStream, Participant
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Half,
    KeyPress,
    ParticipantEvent,
    StreamPlan,
)
from twisted_siprec.report import BridgeOpened, StreamPorts, StreamStatistics
from twisted_siprec.siprec.joint import SPAN, Joint, is_half

PCMU = Codec(0, "PCMU", 8000)
SOURCE = ("192.0.2.1", 4000)
AT = "2026-01-02T15:00:05.000Z"


def half(
    bridge: str,
    end: str | None = None,
    party: Participant | None = None,
    role: str | None = None,
    keys: tuple[str, ...] = ("refci:1",),
    scope: str = "",
) -> BridgePlan:
    """A dialog with one stream."""
    party = party or Participant(f"{bridge}-party", f"{bridge}@example.com")
    return BridgePlan(
        bridge,
        f"{bridge}-call",
        "192.0.2.9",
        (StreamPlan(0, (PCMU,), SOURCE, "1"),),
        (ChannelPlan(0, (0,), party.id, role, "1"),),
        (),
        Description(
            bridge,
            f"{bridge}-call",
            participants=(party,),
            streams=(MediaStream(f"{bridge}-stream", "1", None, (party.id,)),),
            extensions=(("refci", "1"),),
            stitch=keys[0],
            stitch_keys=keys,
            revision=3,
        ),
        0.0,
        half=Half(keys, end, scope),
    )


NEAR, FAR = half("near", "near"), half("far", "far")
ANN, BOB = half("ann"), half("bob")


def update_of(plan: BridgePlan, **changes: object) -> BridgeUpdate:
    """What a dialog is by itself."""
    update = BridgeUpdate(plan.bridge, plan.streams, plan.channels, plan.description)
    return replace(update, **changes)  # type: ignore[arg-type]


def channels(update: BridgePlan | BridgeUpdate) -> list[tuple[object, ...]]:
    """Streams, participant, role and label of each."""
    return [(each.streams, each.participant_id, each.role, each.label) for each in update.channels]


class HalfTests(SynchronousTestCase):
    """What may be joined at all."""

    def test_one_stream(self) -> None:
        """A dialog with one stream."""
        self.assertTrue(is_half(NEAR))
        self.assertFalse(is_half(replace(NEAR, half=None)), "where it is not asked for")
        self.assertFalse(is_half(replace(NEAR, streams=())), "and something is recorded")

    def test_two_streams(self) -> None:
        """A dialog with both parties is a whole call by itself."""
        two = (NEAR.streams[0], StreamPlan(1, (PCMU,), SOURCE, "2"))
        self.assertFalse(is_half(replace(NEAR, streams=two)))

    def test_offer_of_ours(self) -> None:
        """Where we offer two streams, the SRC says by the ACK which there are."""
        offered = (StreamPlan(0, (PCMU,), None, "1"), StreamPlan(1, (PCMU,), None, "2"))
        self.assertTrue(is_half(replace(NEAR, streams=offered)))


class AdmissionTests(SynchronousTestCase):
    """Which dialogs belong together."""

    def test_key_in_common(self) -> None:
        """One key is enough; none is none."""
        joint = Joint(half("a", keys=("refci:1", "call:x")))
        self.assertTrue(joint.admits(half("b", keys=("ucid:9", "call:x"))))
        self.assertFalse(joint.admits(half("b", keys=("ucid:9",))))
        self.assertFalse(joint.admits(replace(BOB, half=None)))

    def test_ends(self) -> None:
        """Two near ends of one call are not its two halves, whatever they have in common."""
        joint = Joint(NEAR)
        self.assertFalse(joint.admits(half("other", "near")))
        self.assertTrue(joint.admits(FAR))

    def test_full(self) -> None:
        """A third half begins a bridge of its own, until a seat is free."""
        joint = Joint(ANN)
        joint.seat(BOB, AT)
        self.assertFalse(joint.admits(half("cyd")))
        joint.leave("bob", AT)
        self.assertTrue(joint.admits(half("cyd")))

    def test_scope(self) -> None:
        """The same key of another SRC, or another tenant, is of another call."""
        joint = Joint(half("a", scope="sbc/one"))
        self.assertFalse(joint.admits(half("b", scope="sbc/two")))
        self.assertTrue(joint.admits(half("b", scope="sbc/one")))

    def test_otherwise_alike(self) -> None:
        """Halves of which one may be heard with its key presses are not joined."""
        self.assertFalse(Joint(ANN).admits(replace(BOB, mask_dtmf=True)))

    def test_broken(self) -> None:
        """Nobody joins a bridge that failed."""
        joint = Joint(ANN)
        joint.broken = True
        self.assertFalse(joint.admits(BOB))


class ChannelTests(SynchronousTestCase):
    """Whose channel is which."""

    def test_alone(self) -> None:
        """A half by itself is two channels, one of them silent and labelled already."""
        plan = Joint(FAR).plan()
        self.assertEqual(
            channels(plan),
            [((SPAN,), None, None, "near-end"), ((0,), "far-party", None, "far-end")],
        )
        self.assertEqual([stream.index for stream in plan.streams], [0])
        self.assertIsNone(plan.half)
        self.assertIn(("join", "waiting"), plan.description.extensions)

    def test_joined(self) -> None:
        """The near end is the first channel, whichever came first."""
        joint = Joint(FAR)
        joint.plan()
        joint.seat(NEAR, AT)
        update = joint.update()
        self.assertEqual(
            channels(update),
            [((SPAN,), "near-party", None, "near-end"), ((0,), "far-party", None, "far-end")],
        )
        self.assertEqual(update.bridge, "far")
        self.assertEqual([stream.index for stream in update.streams], [0, SPAN])

    def test_by_role(self) -> None:
        """Without ends the callee is the second channel; without roles the later is."""
        joint = Joint(half("ann", role="callee"))
        joint.seat(half("bob", role="caller"), AT)
        self.assertEqual(
            channels(joint.update()),
            [((SPAN,), "bob-party", "caller", "1"), ((0,), "ann-party", "callee", "1")],
        )
        joint = Joint(ANN)
        joint.seat(BOB, AT)
        self.assertEqual([one[1] for one in channels(joint.update())], ["ann-party", "bob-party"])

    def test_both_the_caller(self) -> None:
        """A half that knows nobody else takes its party for the caller: the later is not."""
        joint = Joint(half("ann", role="caller"))
        self.assertEqual([one[2] for one in channels(joint.plan())], ["caller", "callee"])
        joint.seat(half("bob", role="caller"), AT)
        self.assertEqual([one[2] for one in channels(joint.update())], ["caller", "callee"])
        joint = Joint(half("ann", role="callee"))
        joint.seat(half("bob", role="callee"), AT)
        self.assertEqual([one[2] for one in channels(joint.update())], ["caller", "callee"])

    def test_all_streams_of_a_half(self) -> None:
        """What a dialog has beyond one stream is in its channel too."""
        offered = (StreamPlan(0, (PCMU,)), StreamPlan(1, (PCMU,)))
        plan = replace(
            NEAR, streams=offered, channels=(*NEAR.channels, ChannelPlan(1, (1,), label="2"))
        )
        joint = Joint(FAR)
        joint.seat(plan, AT)
        self.assertEqual(joint.update().channels[0].streams, (SPAN, SPAN + 1))
        joint.renew(update_of(NEAR))
        self.assertEqual(joint.update().channels[0].streams, (SPAN,))

    def test_ended(self) -> None:
        """Of a half that is over the channel stays as it was, without a stream."""
        joint = Joint(NEAR)
        joint.seat(FAR, AT)
        before = joint.update()
        joint.leave("near", AT)
        after = joint.update()
        self.assertEqual(after.channels, before.channels)
        self.assertEqual([stream.index for stream in after.streams], [SPAN])
        self.assertEqual(after.bridge, "near")

    def test_taken_again(self) -> None:
        """Who comes in the place of a half that ended has indexes of its own."""
        joint = Joint(NEAR)
        joint.seat(FAR, AT)
        joint.leave("near", AT)
        joint.seat(half("again", "near"), AT)
        update = joint.update()
        self.assertEqual([each.streams for each in update.channels], [(2 * SPAN,), (SPAN,)])
        self.assertEqual(update.channels[0].participant_id, "again-party")

    def test_undone(self) -> None:
        """A half that could not join leaves no trace."""
        joint = Joint(NEAR)
        before = joint.plan()
        joint.seat(FAR, AT)
        joint.undo("far")
        after = joint.update()
        self.assertEqual((after.streams, after.description), (before.streams, before.description))
        self.assertTrue(joint.admits(FAR))


class DescriptionTests(SynchronousTestCase):
    """What is known of the whole."""

    def setUp(self) -> None:
        """A far end that came first."""
        self.joint = Joint(FAR)
        self.before = self.joint.plan().description

    def test_joined(self) -> None:
        """Both parties, under the name of the first, one revision later."""
        _, events = self.joint.seat(NEAR, AT)
        update = self.joint.update()
        known = update.description
        self.assertEqual(events, (ParticipantEvent("joined", "near-party", AT),))
        self.assertTrue(update.described)
        self.assertEqual((known.recording_session_id, known.call_id), ("far", "far-call"))
        self.assertEqual([each.id for each in known.participants], ["far-party", "near-party"])
        self.assertEqual([each.id for each in known.streams], ["far-stream", "near-stream"])
        self.assertEqual((self.before.revision, known.revision), (3, 4))
        self.assertEqual(
            known.extensions,
            (
                ("refci", "1"),
                ("join", "joined"),
                ("join_recording", "near"),
                ("join_call_id", "near-call"),
            ),
        )

    def test_no_news(self) -> None:
        """What changes nothing of what is known is not told, and is no revision."""
        self.joint.seat(NEAR, AT)
        first = self.joint.update().description
        again = self.joint.renew(update_of(FAR, described=True))
        self.assertFalse(again.described)
        self.assertEqual(again.description, first)

    def test_news_of_a_half(self) -> None:
        """What one half learns, all are told."""
        self.joint.seat(NEAR, AT)
        self.joint.update()
        learnt = replace(NEAR.description, caller="sip:ann@example.com", revision=4)
        update = self.joint.renew(update_of(NEAR, description=learnt))
        self.assertTrue(update.described)
        self.assertEqual(update.description.caller, "sip:ann@example.com")
        self.assertEqual(update.description.revision, 5)

    def test_ended(self) -> None:
        """Who was in a half that is over has left, and is known still."""
        self.joint.seat(NEAR, AT)
        self.joint.update()
        self.assertEqual(self.joint.leave("far", AT), (ParticipantEvent("left", "far-party", AT),))
        known = self.joint.update().description
        self.assertEqual([each.left_at for each in known.participants], [AT, None])
        self.assertIn(("join", "alone"), known.extensions)
        self.assertEqual(self.joint.leave("far", AT), (), "once")

    def test_same_party(self) -> None:
        """Metadata that names both parties in both dialogs names two and not four."""
        party = Participant("p1", "ann@example.com")
        joint = Joint(half("ann", party=party))
        self.assertEqual(joint.seat(half("bob", party=party), AT)[1], ())
        self.assertEqual(joint.update().description.participants, (party,))
        self.assertEqual(joint.leave("ann", AT), ())

    def test_same_name(self) -> None:
        """An identifier that means somebody else in the other dialog is told apart, for good."""
        joint = Joint(half("ann", party=Participant("party-1", "ann@example.com")))
        plan = half("bob", party=Participant("party-1", "bob@example.com"))
        self.assertEqual(joint.seat(plan, AT)[1], (ParticipantEvent("joined", "party-1-2", AT),))
        update = joint.renew(update_of(plan, events=(ParticipantEvent("held", "party-1", AT),)))
        self.assertEqual(update.events, (ParticipantEvent("held", "party-1-2", AT),))
        known = update.description
        self.assertEqual([each.id for each in known.participants], ["party-1", "party-1-2"])
        self.assertEqual([each.sent_by for each in known.streams], [("party-1",), ("party-1-2",)])
        self.assertEqual(
            [each.participant_id for each in update.channels], ["party-1", "party-1-2"]
        )
        joint.leave("ann", AT)
        self.assertEqual(joint.update().channels[1].participant_id, "party-1-2")


class PauseTests(SynchronousTestCase):
    """What is not recorded."""

    def setUp(self) -> None:
        """Two halves."""
        self.joint = Joint(NEAR)
        self.joint.seat(FAR, AT)

    def pause(self, plan: BridgePlan, by: str) -> tuple[bool, str]:
        """A half is paused; what the whole is then."""
        update = self.joint.renew(update_of(plan, paused=True, paused_by=by))
        return update.paused, update.paused_by

    def test_by_the_operator(self) -> None:
        """The operator pauses the call, by either half."""
        self.assertEqual(self.pause(FAR, "policy"), (True, "policy"))
        self.assertFalse(self.joint.renew(update_of(FAR)).paused)

    def test_by_the_src(self) -> None:
        """A half that its SRC holds is no pause of the other one; both are."""
        self.assertEqual(self.pause(NEAR, "src"), (False, "src"))
        self.assertEqual(self.pause(FAR, "src"), (True, "src"))
        self.joint.leave("far", AT)
        self.assertTrue(self.joint.update().paused)

    def test_keys(self) -> None:
        """Key presses and events go on once, and are not said again by the other half."""
        key = KeyPress("5", 100)
        self.assertEqual(self.joint.renew(update_of(NEAR, key_presses=(key,))).key_presses, (key,))
        self.assertEqual(self.joint.renew(update_of(FAR)).key_presses, ())


class OwnTests(SynchronousTestCase):
    """To each dialog what is its own."""

    def setUp(self) -> None:
        """Two halves."""
        self.joint = Joint(NEAR)
        (self.near,) = self.joint.present
        self.far, _ = self.joint.seat(FAR, AT)

    def test_ports(self) -> None:
        """By the indexes of the dialog."""
        opened = BridgeOpened("near", (StreamPorts(0, 1000, 1001), StreamPorts(SPAN, 1002, 1003)))
        self.assertEqual(
            [self.near.ports(opened), self.far.ports(opened)],
            [
                BridgeOpened("near", (StreamPorts(0, 1000, 1001),)),
                BridgeOpened("far", (StreamPorts(0, 1002, 1003),)),
            ],
        )

    def test_statistics(self) -> None:
        """Of each its own; what follows is somebody else's."""
        streams = tuple(
            StreamStatistics(index, packets=7) for index in (0, SPAN - 1, SPAN, SPAN + 1, 2 * SPAN)
        )
        self.assertEqual([each.index for each in self.near.statistics(streams)], [0, SPAN - 1])
        self.assertEqual([each.index for each in self.far.statistics(streams)], [0, 1])

    def test_seat_of_a_stream(self) -> None:
        """Reports of a stream are its dialog's, while that goes on."""
        found = self.joint.at(SPAN + 1)
        self.assertEqual(found.bridge if found else None, "far")
        self.joint.leave("far", AT)
        self.assertIsNone(self.joint.at(SPAN))
        self.assertIsNone(self.joint.at(5 * SPAN))
