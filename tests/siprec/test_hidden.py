"""
What of the metadata is not passed on.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.participants import CommunicationSession, Description, Participant, SessionGroup
from twisted_siprec.plan import Destination
from twisted_siprec.siprec.hidden import FIELDS, without
from twisted_siprec.siprec.session import Changed, OpenBridge, RecordingSession, UpdateBridge

from .support import POLICY, WALL, offer, ports, with_both, with_metadata

PARTY = Participant("p1", "sip:a@example.com", "Alice", extensions=(("vip", "yes"),))
SESSION = CommunicationSession("s1", "g1", ("ab;remote=cd",), reasons=("Q.850",))
WHOLE = Description(
    "rec-1",
    "call-1",
    src="sip:sbc@example.com",
    caller="sip:a@example.com",
    called="sip:b@example.com",
    request_uri="sip:srs@example.com",
    sessions=(SESSION,),
    participants=(PARTY,),
    groups=(SessionGroup("g1"),),
    headers=(("X-Account", "1"), ("X-Other", "2")),
    extensions=(("ucid", "0000100001600000001"), ("genesys", "G1")),
    xml="<recording/>",
    stitch="ucid:x",
    stitch_keys=("ucid:x",),
)

METADATA = (
    b'<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="p1">'
    b'<nameID aor="sip:a@example.com"><name>%s</name></nameID></participant></recording>'
)


class WithoutTests(SynchronousTestCase):
    """A description without some of it."""

    def test_nothing(self) -> None:
        """Without any name all is passed on, the metadata as it came too."""
        self.assertEqual(without(WHOLE, frozenset()), WHOLE)

    def test_each(self) -> None:
        """Every name hides what it says, and nothing else but the metadata as it came."""
        hidden = {
            "src": replace(WHOLE, src=None),
            "caller": replace(WHOLE, caller=None),
            "called": replace(WHOLE, called=None),
            "request_uri": replace(WHOLE, request_uri=None),
            "participant.name": replace(WHOLE, participants=(replace(PARTY, name=None),)),
            "participant.aor": replace(WHOLE, participants=(replace(PARTY, aor=None),)),
            "participant.extensions": replace(WHOLE, participants=(replace(PARTY, extensions=()),)),
            "session.sip_session_ids": replace(
                WHOLE, sessions=(replace(SESSION, sip_session_ids=()),)
            ),
            "session.reasons": replace(WHOLE, sessions=(replace(SESSION, reasons=()),)),
            "group": replace(WHOLE, groups=(), sessions=(replace(SESSION, group_id=None),)),
            "header": replace(WHOLE, headers=()),
            "header.x-account": replace(WHOLE, headers=(("X-Other", "2"),)),
            "extension": replace(WHOLE, extensions=()),
            "extension.ucid": replace(WHOLE, extensions=(("genesys", "G1"),)),
            "xml": WHOLE,
        }
        self.assertEqual(set(FIELDS), {name for name in hidden if name in FIELDS})
        for name, expected in hidden.items():
            found = without(WHOLE, frozenset({name}))
            self.assertEqual(
                replace(found, stitch=None, stitch_keys=()),
                replace(expected, xml=None, stitch=None, stitch_keys=()),
                name,
            )

    def test_keys(self) -> None:
        """No key tells what is hidden; those of the rest are there."""
        shown = without(WHOLE, frozenset({"xml"}))
        self.assertTrue(any(key.startswith("ucid:") for key in shown.stitch_keys))
        shown = without(WHOLE, frozenset({"extension.ucid", "group"}))
        self.assertEqual(shown.stitch_keys, ("call:ab", "cs:s1"))
        self.assertEqual(shown.stitch, "call:ab")
        self.assertIsNone(without(Description("r", "c"), frozenset({"xml"})).stitch)


class RecordingTests(SynchronousTestCase):
    """A recording session that keeps names to itself."""

    def test_nobody_is_told(self) -> None:
        """Only the route sees what is hidden: not the plan, nor an update, nor the shell."""
        seen: list[str | None] = []

        def route(description: Description) -> tuple[Destination, ...]:
            seen.append(description.participants[0].name)
            return (Destination("d", "ws://x", include_xml=True),)

        policy = replace(POLICY, hide=frozenset({"participant.name"}))
        recording = RecordingSession("rec-1", "d", policy, route)
        recording.offered("t1", with_both(offer("sendonly"), METADATA % b"Alice"), 0.0, WALL)
        recording.bridge_opened(ports(0), 0.1)
        outputs = recording.outputs()
        recording.reoffered("t2", with_metadata(METADATA % b"Alicia"), 1.0, WALL)
        outputs += recording.outputs()
        # The name is all that the update changes, so there is nothing to tell of it.
        self.assertEqual(seen, ["Alice"])
        (plan,) = [each.plan for each in outputs if isinstance(each, OpenBridge)]
        self.assertEqual((plan.description.participants[0].aor), "sip:a@example.com")
        told = [each for each in outputs if isinstance(each, Changed | UpdateBridge | OpenBridge)]
        self.assertNotIn("Alic", repr(told))
        self.assertIsNone(recording.metadata_text)
        self.assertNotIn("Alic", repr(recording.description))
