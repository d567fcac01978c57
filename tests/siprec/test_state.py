"""
The state that metadata builds up.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.participants import (
    CommunicationSession,
    MediaStream,
    Participant,
    SessionGroup,
    Span,
    Stay,
)
from twisted_siprec.plan import ParticipantEvent
from twisted_siprec.siprec.metadata import read_metadata
from twisted_siprec.siprec.parties import MAX_ELEMENTS
from twisted_siprec.siprec.state import Changes, MetadataState

NOW = "2026-01-02T15:00:00.000Z"
LATER = "2026-01-02T15:10:00.000Z"


def xml(inner: str, mode: str = "complete") -> bytes:
    """A document of these elements."""
    return (
        '<recording xmlns="urn:ietf:params:xml:ns:recording:1">'
        f"<datamode>{mode}</datamode>{inner}</recording>"
    ).encode()


def apply(
    state: MetadataState, inner: str, mode: str = "complete", now: str = LATER
) -> tuple[MetadataState, Changes]:
    """The state after these elements."""
    return state.apply(read_metadata(xml(inner, mode)), now)


def events(changes: Changes) -> list[tuple[str, str]]:
    """(event, participant)."""
    return [(each.event, each.participant_id) for each in changes.events]


CALL = (
    '<session session_id="s"><start-time>2026-01-02T15:00:00Z</start-time></session>'
    '<participant participant_id="p1"><nameID aor="sip:a@example.com"/></participant>'
    '<participant participant_id="p2"><nameID aor="sip:b@example.com"/></participant>'
    '<stream stream_id="t1" session_id="s"><label>1</label></stream>'
    '<stream stream_id="t2" session_id="s"><label>2</label></stream>'
)
MEMBERS = (
    '<participantsessionassoc participant_id="p1" session_id="s">'
    "<associate-time>2026-01-02T15:00:00Z</associate-time></participantsessionassoc>"
    '<participantsessionassoc participant_id="p2" session_id="s">'
    "<associate-time>2026-01-02T15:00:00Z</associate-time></participantsessionassoc>"
)
SPEECH = (
    '<participantstreamassoc participant_id="p1"><send>t1</send><recv>t2</recv>'
    "</participantstreamassoc>"
    '<participantstreamassoc participant_id="p2"><send>t2</send><recv>t1</recv>'
    "</participantstreamassoc>"
)


class CompleteTests(SynchronousTestCase):
    """Snapshots that replace what was known."""

    def setUp(self) -> None:
        """A call of two."""
        self.state, self.changes = apply(MetadataState(), CALL + MEMBERS + SPEECH, now=NOW)

    def test_first(self) -> None:
        """Everything is new, at the times that the document says."""
        self.assertEqual(
            self.changes.events,
            (
                ParticipantEvent("joined", "p1", "2026-01-02T15:00:00Z"),
                ParticipantEvent("joined", "p2", "2026-01-02T15:00:00Z"),
            ),
        )
        self.assertEqual((self.state.revision, self.changes.warnings), (1, ()))
        self.assertEqual(
            self.state.described_sessions,
            (CommunicationSession("s", None, (), "2026-01-02T15:00:00Z"),),
        )
        self.assertEqual(
            self.state.described_streams,
            (
                MediaStream("t1", "1", "s", ("p1",), ("p2",)),
                MediaStream("t2", "2", "s", ("p2",), ("p1",)),
            ),
        )

    def test_same_again(self) -> None:
        """A snapshot that says the same changes nothing, the revision included."""
        state, changes = apply(self.state, CALL + MEMBERS + SPEECH)
        self.assertEqual((changes.changed, changes.events, state.revision), (False, (), 1))

    def test_missing_participant_left(self) -> None:
        """Who is not in the next snapshot has left, and stays listed."""
        inner = CALL.replace(
            '<participant participant_id="p2">', '<participant participant_id="p3">'
        )
        first_alone = SPEECH[: SPEECH.index("</participantstreamassoc>")]
        inner += first_alone + "</participantstreamassoc>"
        state, changes = apply(self.state, inner)
        self.assertEqual(events(changes), [("left", "p2"), ("joined", "p3")])
        self.assertEqual(changes.events[0].at, LATER)
        self.assertEqual([each.id for each in state.present], ["p1", "p3"])
        self.assertEqual(
            state.parties["p2"].described,
            Participant("p2", "sip:b@example.com", None, ("s",), "2026-01-02T15:00:00Z", LATER),
        )
        self.assertEqual(state.revision, 2)

    def test_held_and_resumed(self) -> None:
        """An association without send is a hold; the channel stays the party's meanwhile."""
        held = SPEECH.replace("<send>t2</send>", "")
        state, changes = apply(self.state, CALL + MEMBERS + held)
        self.assertEqual(events(changes), [("held", "p2")])
        self.assertEqual(state.described_streams[1].sent_by, ())
        self.assertEqual(state.speakers("t2"), ("p2",))
        state, changes = apply(state, CALL + MEMBERS + SPEECH)
        self.assertEqual(events(changes), [("resumed", "p2")])

    def test_full_hold(self) -> None:
        """Empty associations hold everybody."""
        empty = (
            '<participantstreamassoc participant_id="p1"/>'
            '<participantstreamassoc participant_id="p2"/>'
        )
        state, changes = apply(self.state, CALL + MEMBERS + empty)
        self.assertEqual(events(changes), [("held", "p1"), ("held", "p2")])
        self.assertEqual(changes.warnings, ())
        _, changes = apply(state, CALL + MEMBERS + SPEECH)
        self.assertEqual(events(changes), [("resumed", "p1"), ("resumed", "p2")])

    def test_no_associations_any_more(self) -> None:
        """A snapshot that has no association at all says nothing of who speaks: all is kept."""
        state, changes = apply(self.state, CALL)
        self.assertEqual(events(changes), [])
        self.assertEqual([code for code, _ in changes.warnings], ["metadata-no-associations"])
        self.assertEqual(
            state.described_streams,
            (
                MediaStream("t1", "1", "s", ("p1",), ("p2",)),
                MediaStream("t2", "2", "s", ("p2",), ("p1",)),
            ),
        )
        self.assertEqual(state.parties["p1"].joined_at, "2026-01-02T15:00:00Z")
        only_one = CALL.replace(
            '<stream stream_id="t2" session_id="s"><label>2</label></stream>', ""
        )
        state, _ = apply(self.state, only_one)
        self.assertEqual(state.described_streams, (MediaStream("t1", "1", "s", ("p1",), ("p2",)),))

    def test_came_back(self) -> None:
        """Who is in one snapshot, not in the next, and in the one after was there twice."""
        second = MEMBERS[MEMBERS.index("</participantsessionassoc>") + 26 :]
        first = MEMBERS.removesuffix(second)
        alone = CALL.replace(
            '<participant participant_id="p2"><nameID aor="sip:b@example.com"/></participant>', ""
        )
        state, _ = apply(self.state, alone + first + SPEECH, now="2026-01-02T15:04:00Z")
        self.assertEqual(state.parties["p2"].left_at, "2026-01-02T15:04:00Z")
        back = second.replace("15:00:00", "15:08:00")
        state, changes = apply(state, CALL + first + back + SPEECH)
        self.assertEqual(
            changes.events, (ParticipantEvent("joined", "p2", "2026-01-02T15:08:00Z"),)
        )
        self.assertEqual(
            state.parties["p2"].described,
            Participant(
                "p2",
                "sip:b@example.com",
                None,
                ("s",),
                "2026-01-02T15:00:00Z",
                None,
                stays=(
                    Stay("s", "2026-01-02T15:00:00Z", "2026-01-02T15:04:00Z"),
                    Stay("s", "2026-01-02T15:08:00Z"),
                ),
            ),
        )
        self.assertEqual(state.parties["p1"].described.stays, ())

    def test_moved_to_another_session(self) -> None:
        """Who is associated with another session only has left the first, and is still there."""
        inner = (
            CALL
            + '<session session_id="s2"/>'
            + MEMBERS.replace(
                'participant_id="p2" session_id="s"', 'participant_id="p2" session_id="s2"'
            )
        )
        state, changes = apply(self.state, inner + SPEECH)
        self.assertEqual(events(changes), [])
        self.assertEqual(
            {key: value[-1].ends for key, value in state.parties["p2"].memberships.items()},
            {"s": LATER, "s2": None},
        )

    def test_groups(self) -> None:
        """Groups are told with their times and what they say besides; a snapshot replaces them."""
        inner = (
            '<group group_id="g"><associate-time>2026-01-02T15:00:00Z</associate-time>'
            '<x:gcid xmlns:x="urn:x">7</x:gcid></group>'
        )
        state, _ = apply(self.state, CALL + inner)
        self.assertEqual(
            state.described_groups,
            (SessionGroup("g", "2026-01-02T15:00:00Z", None, (("gcid", "7"),)),),
        )
        state, _ = apply(
            state,
            '<group group_id="g"><disassociate-time>2026-01-02T15:09:00Z</disassociate-time>'
            '</group><group group_id="h"/>',
            "partial",
        )
        self.assertEqual(
            state.described_groups,
            (
                SessionGroup("g", "2026-01-02T15:00:00Z", "2026-01-02T15:09:00Z", (("gcid", "7"),)),
                SessionGroup("h"),
            ),
        )
        state, _ = apply(state, CALL)
        self.assertEqual(state.described_groups, ())

    def test_another_speaker(self) -> None:
        """A stream that somebody else sends now is no longer the former speaker's."""
        swapped = SPEECH.replace("<send>t1", "<send>tx").replace("<send>t2", "<send>t1")
        state, _ = apply(self.state, CALL + MEMBERS + swapped.replace("tx", "t2"))
        self.assertEqual((state.speakers("t1"), state.speakers("t2")), (("p2",), ("p1",)))

    def test_moved_to_another_stream(self) -> None:
        """Who sends another stream now is not on hold on the former one."""
        moved = CALL + '<stream stream_id="t3"/>' + MEMBERS
        state, _ = apply(self.state, moved + SPEECH.replace("<send>t2", "<send>t3"))
        self.assertEqual((state.speakers("t2"), state.speakers("t3")), ((), ("p2",)))

    def test_session_over(self) -> None:
        """A stopped session has no participants, and one that is missing has stopped."""
        stopped = CALL.replace(
            "</start-time>", "</start-time><stop-time>2026-01-02T15:09:00Z</stop-time>"
        )
        state, changes = apply(self.state, stopped + MEMBERS)
        self.assertEqual(
            changes.events,
            (
                ParticipantEvent("left", "p1", "2026-01-02T15:09:00Z"),
                ParticipantEvent("left", "p2", "2026-01-02T15:09:00Z"),
            ),
        )
        state, changes = apply(self.state, '<session session_id="s2"/>')
        self.assertEqual(
            [(each.id, each.stop_time) for each in state.described_sessions],
            [("s", LATER), ("s2", None)],
        )
        self.assertEqual(events(changes), [("left", "p1"), ("left", "p2")])

    def test_recording_association(self) -> None:
        """Times of sessionrecordingassoc stand in for those that the session has not."""
        inner = (
            '<session session_id="s"/><sessionrecordingassoc session_id="s"><associate-time>'
            "2026-01-02T14:00:00Z</associate-time></sessionrecordingassoc>"
            '<sessionrecordingassoc session_id="unknown"/>'
        )
        state, _ = apply(MetadataState(), inner)
        self.assertEqual(state.described_sessions[0].start_time, "2026-01-02T14:00:00Z")

    def test_recorded_twice(self) -> None:
        """A session that left the recording and came back goes on, and both spans are told."""
        association = '<sessionrecordingassoc session_id="s">{}</sessionrecordingassoc>'
        begins = "<associate-time>2026-01-02T15:{}:00Z</associate-time>"
        ends = "<disassociate-time>2026-01-02T15:{}:00Z</disassociate-time>"
        state, _ = apply(self.state, association.format(begins.format("00")), "partial")
        state, changes = apply(state, association.format(ends.format("05")), "partial")
        self.assertEqual(state.described_sessions[0].stop_time, "2026-01-02T15:05:00Z")
        self.assertEqual(events(changes), [("left", "p1"), ("left", "p2")])
        state, changes = apply(state, association.format(begins.format("07")), "partial")
        self.assertEqual(events(changes), [("joined", "p1"), ("joined", "p2")])
        self.assertEqual(
            state.described_sessions,
            (
                CommunicationSession(
                    "s",
                    None,
                    (),
                    "2026-01-02T15:00:00Z",
                    None,
                    (
                        Span("2026-01-02T15:00:00Z", "2026-01-02T15:05:00Z"),
                        Span("2026-01-02T15:07:00Z"),
                    ),
                ),
            ),
        )

    def test_dangling(self) -> None:
        """Associations with what is not there are told, and otherwise ignored."""
        for inner in (
            '<participantstreamassoc participant_id="px"><send>t1</send></participantstreamassoc>',
            '<participantstreamassoc participant_id="p1"><send>tx</send></participantstreamassoc>',
        ):
            _, changes = apply(self.state, CALL + MEMBERS + inner)
            self.assertEqual([code for code, _ in changes.warnings], ["metadata-reference"])

    def test_closed(self) -> None:
        """At the end everybody has left and every session is over; the streams are kept."""
        state = self.state.closed(LATER)
        self.assertEqual([each.left_at for each in state.parties.values()], [LATER, LATER])
        self.assertEqual(state.described_sessions[0].stop_time, LATER)
        self.assertEqual(state.described_streams[0].sent_by, ("p1",))

    def test_bounded(self) -> None:
        """Who left first is forgotten first; there is a limit for who is there, too."""
        state = self.state
        for number in range(3):
            crowd = "".join(
                f'<participant participant_id="c{number}-{each}"/>' for each in range(120)
            )
            state, _ = apply(state, CALL + crowd)
        self.assertEqual(len(state.parties), MAX_ELEMENTS)
        self.assertIn("c2-119", state.parties)
        self.assertNotIn("c0-0", state.parties)
        crowd = "".join(f'<session session_id="x{each}"/>' for each in range(400))
        state, _ = apply(state, crowd)
        self.assertEqual(len(state.sessions), MAX_ELEMENTS)


class PartialTests(SynchronousTestCase):
    """Updates that are merged."""

    def setUp(self) -> None:
        """A call of two."""
        self.state, _ = apply(MetadataState(), CALL + MEMBERS + SPEECH, now=NOW)

    def test_leaves(self) -> None:
        """Only what is named changes: one participant leaves."""
        state, changes = apply(
            self.state,
            '<participantsessionassoc participant_id="p2" session_id="s"><disassociate-time>'
            "2026-01-02T15:05:00Z</disassociate-time></participantsessionassoc>",
            "partial",
        )
        self.assertEqual(changes.events, (ParticipantEvent("left", "p2", "2026-01-02T15:05:00Z"),))
        self.assertEqual([each.id for each in state.present], ["p1"])
        self.assertEqual(state.parties["p1"], self.state.parties["p1"])
        self.assertEqual(state.parties["p2"].joined_at, "2026-01-02T15:00:00Z")

    def test_comes_back(self) -> None:
        """An association without an end brings back who had left."""
        gone, _ = apply(
            self.state,
            '<participantsessionassoc participant_id="p2" session_id="s"><disassociate-time>'
            "2026-01-02T15:05:00Z</disassociate-time></participantsessionassoc>",
            "partial",
        )
        state, changes = apply(
            gone,
            '<participantsessionassoc participant_id="p2" session_id="s"><associate-time>'
            "2026-01-02T15:06:00Z</associate-time></participantsessionassoc>",
            "partial",
        )
        self.assertEqual(
            state.parties["p2"].described.stays,
            (
                Stay("s", "2026-01-02T15:00:00Z", "2026-01-02T15:05:00Z"),
                Stay("s", "2026-01-02T15:06:00Z"),
            ),
        )
        again, _ = apply(
            state,
            '<participantsessionassoc participant_id="p2" session_id="s"><disassociate-time>'
            "2026-01-02T15:09:00Z</disassociate-time></participantsessionassoc>",
            "partial",
        )
        self.assertEqual(again.parties["p2"].left_at, "2026-01-02T15:09:00Z")
        self.assertEqual(
            changes.events, (ParticipantEvent("joined", "p2", "2026-01-02T15:06:00Z"),)
        )

    def test_merged(self) -> None:
        """Unknown identifiers create; known ones keep what is not said again."""
        state, changes = apply(
            self.state,
            '<session session_id="s"><sipSessionID>x</sipSessionID></session>'
            '<participant participant_id="p1"><e xmlns="urn:x">1</e></participant>'
            '<participant participant_id="p3"><nameID aor="sip:c@example.com"/></participant>'
            '<stream stream_id="t2"/><stream stream_id="t3"><label>3</label></stream>'
            '<participantstreamassoc participant_id="p3"><send>t3</send></participantstreamassoc>',
            "partial",
        )
        self.assertEqual(events(changes), [("joined", "p3")])
        self.assertEqual(
            state.described_sessions,
            (CommunicationSession("s", None, ("x",), "2026-01-02T15:00:00Z"),),
        )
        self.assertEqual(state.parties["p1"].described.aor, "sip:a@example.com")
        self.assertEqual(state.parties["p1"].described.extensions, (("e", "1"),))
        self.assertEqual(
            [(each.id, each.label, each.session_id) for each in state.described_streams],
            [("t1", "1", "s"), ("t2", "2", "s"), ("t3", "3", None)],
        )

    def test_hold(self) -> None:
        """An association replaces the earlier one of its participant, and no other."""
        _, changes = apply(self.state, '<participantstreamassoc participant_id="p2"/>', "partial")
        self.assertEqual(events(changes), [("held", "p2")])

    def test_several_associations(self) -> None:
        """Those of one participant in one document add up; an ended one counts no more."""
        state, _ = apply(
            self.state,
            '<participantstreamassoc participant_id="p1"><send>t1</send></participantstreamassoc>'
            '<participantstreamassoc participant_id="p1"><send>t2</send></participantstreamassoc>'
            '<participantstreamassoc participant_id="p2"><send>t2</send><disassociate-time>'
            "2026-01-02T15:05:00Z</disassociate-time></participantstreamassoc>",
            "partial",
        )
        self.assertEqual(state.parties["p1"].sends, ("t1", "t2"))
        self.assertEqual(state.parties["p2"].sends, ())

    def test_first(self) -> None:
        """Before any snapshot it is applied as far as it goes, and told."""
        state, changes = apply(
            MetadataState(),
            '<participantsessionassoc participant_id="p9" session_id="s"/>',
            "partial",
        )
        self.assertEqual([code for code, _ in changes.warnings], ["metadata-partial-first"])
        self.assertEqual([each.id for each in state.present], ["p9"])
        self.assertTrue(state.partial)
        self.assertFalse(state.complete)

    def test_unknown_participant(self) -> None:
        """In a snapshot a membership of nobody makes nobody."""
        state, changes = apply(
            self.state,
            CALL
            + MEMBERS
            + SPEECH
            + '<participantsessionassoc participant_id="px" session_id="s"/>',
        )
        self.assertEqual((events(changes), list(state.parties)), ([], ["p1", "p2"]))

    def test_then_complete(self) -> None:
        """A snapshot after updates resets the base."""
        state, _ = apply(self.state, '<participant participant_id="p3"/>', "partial")
        state, changes = apply(state, CALL + MEMBERS + SPEECH)
        self.assertEqual(events(changes), [("left", "p3")])
        self.assertFalse(state.partial)

    def test_extensions(self) -> None:
        """A name that is said again has its new value."""
        state, _ = apply(MetadataState(), '<a xmlns="urn:x">1</a><b xmlns="urn:x">1</b>')
        state, _ = apply(state, '<a xmlns="urn:x">2</a>', "partial")
        self.assertEqual(dict(state.extensions), {"b": "1", "a": "2"})
