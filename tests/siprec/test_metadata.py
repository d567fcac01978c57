"""
Metadata documents, in all their dialects.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.siprec.document import (
    Document,
    GroupElement,
    Interval,
    Membership,
    ParticipantElement,
    SessionElement,
    Speech,
    StreamElement,
)
from twisted_siprec.siprec.metadata import read_metadata
from twisted_siprec.siprec.state import MetadataState

ROOT = b'<recording xmlns="urn:ietf:params:xml:ns:recording:1">%s</recording>'


def document(inner: bytes, root: bytes = ROOT) -> Document:
    """What is read of these elements."""
    return read_metadata(root % inner)


def codes(found: Document) -> list[str]:
    """The codes of the warnings."""
    return [code for code, _ in found.warnings]


class StandardTests(SynchronousTestCase):
    """A document by RFC 7865."""

    def test_whole(self) -> None:
        """Every element of the schema, in any order."""
        found = document(
            b'<participantstreamassoc participant_id="p"><send>st</send><recv>\n sr \n</recv>'
            b"<associate-time>2026-01-02T15:00:00Z</associate-time></participantstreamassoc>"
            b'<participant participant_id="p"><nameID aor="sip:a@example.com"><name xml:lang="en">'
            b'Ann  B</name></nameID><nameID aor="tel:+15550100"/></participant>'
            b'<stream stream_id="st" session_id="s"><label>1</label></stream>'
            b'<session session_id="s"><sipSessionID>a;\n remote=b</sipSessionID>'
            b'<sipSessionID> </sipSessionID><reason cause="200">x</reason>'
            b"<group-ref>\n  g==  \n</group-ref><start-time>2026-01-02T15:00:00Z</start-time>"
            b"<stop-time>2026-01-02T16:00:00Z</stop-time></session>"
            b'<group group_id="g=="><associate-time>2026-01-02T15:00:00Z</associate-time></group>'
            b'<sessionrecordingassoc session_id="s"><associate-time>2026-01-02T15:00:01Z'
            b"</associate-time></sessionrecordingassoc>"
            b'<participantsessionassoc participant_id="p" session_id="s">'
            b"<disassociate-time>2026-01-02T15:30:00Z</disassociate-time>"
            b'<param pname="role" pval="agent"/></participantsessionassoc>'
            b"<datamode> Partial </datamode>"
        )
        self.assertEqual(found.warnings, ())
        self.assertEqual(
            found,
            Document(
                partial=True,
                groups=(GroupElement("g==", Interval("2026-01-02T15:00:00Z")),),
                sessions=(
                    SessionElement(
                        "s",
                        "g==",
                        ("a; remote=b",),
                        Interval("2026-01-02T15:00:00Z", "2026-01-02T16:00:00Z"),
                        reasons=(("SIP", "200", "x"),),
                    ),
                ),
                participants=(
                    ParticipantElement(
                        "p", (("sip:a@example.com", "Ann B"), ("tel:+15550100", None))
                    ),
                ),
                streams=(StreamElement("st", "st", "1", "s"),),
                session_intervals=(("s", Interval("2026-01-02T15:00:01Z")),),
                memberships=(Membership("p", "s", Interval(None, "2026-01-02T15:30:00Z")),),
                speeches=(Speech("p", ("st",), ("sr",), Interval("2026-01-02T15:00:00Z")),),
                extensions=(("header.role", "agent"),),
                text=found.text,
            ),
        )

    def test_data_mode(self) -> None:
        """complete is what is not partial; a word that is neither is told."""
        self.assertFalse(document(b"").partial)
        self.assertTrue(document(b"<dataMode>partial</dataMode>").partial)
        odd = document(b"<datamode>some</datamode>")
        self.assertEqual((odd.partial, codes(odd)), (False, ["metadata-data-mode"]))

    def test_names_in_any_script(self) -> None:
        """UTF-8 comes through as it is."""
        name = "Анна 📞 Müller"
        found = document(
            f'<participant participant_id="p"><nameID aor="sip:a@example.com"><name>{name}'
            "</name></nameID></participant>".encode()
        )
        self.assertEqual(found.participants[0].names, (("sip:a@example.com", name),))

    def test_reasons(self) -> None:
        """Why a session is over: SIP where no protocol is named."""
        found = document(
            b'<session session_id="s"><reason cause="200">Call  completed elsewhere</reason>'
            b'<reason protocol="Q.850" cause="16"/></session>'
        )
        self.assertEqual(
            found.sessions[0].reasons,
            (("SIP", "200", "Call completed elsewhere"), ("Q.850", "16", None)),
        )

    def test_end_time(self) -> None:
        """Cisco's end-time is a stop-time."""
        found = document(
            b'<session session_id="s"><end-time>2026-01-02T15:00:00Z</end-time></session>'
        )
        self.assertEqual(found.sessions[0].interval.ends, "2026-01-02T15:00:00Z")

    def test_broken_off(self) -> None:
        """A document without its end is a partial one."""
        found = read_metadata((ROOT % b'<participant participant_id="p"/>')[:-5])
        self.assertTrue(found.partial)
        self.assertEqual([each.id for each in found.participants], ["p"])


class IdentifierTests(SynchronousTestCase):
    """Identifiers that are missing or used twice."""

    def test_missing(self) -> None:
        """An element without identifier is passed over, a stream only if it has no label."""
        found = document(
            b"<participant/><session/><group/><stream/><stream><label>7</label></stream>"
        )
        self.assertEqual(found.participants, ())
        self.assertEqual(found.streams, (StreamElement("label 7", "", "7"),))
        self.assertEqual(codes(found), ["metadata-id-missing"])

    def test_one_for_two_kinds(self) -> None:
        """By the standard the later element is ignored; by older drafts it is not."""
        inner = b'<participant id="1"/><stream id="1"/>'
        found = document(inner)
        self.assertEqual((len(found.participants), len(found.streams)), (1, 0))
        self.assertIn("metadata-id-reused", codes(found))
        old = document(inner, ROOT.replace(b":1", b""))
        self.assertEqual((len(old.participants), len(old.streams)), (1, 1))
        self.assertIn("metadata-id-shared", codes(old))

    def test_one_for_two_participants(self) -> None:
        """Two participants of one identifier are one, with the streams of both."""
        found = document(
            b'<participant id="5" session="s"><nameID aor="a"/><send>x</send></participant>'
            b'<participant id="5"><nameID aor="b"/><send>y</send></participant>'
            b'<stream stream_id="x"/><stream stream_id="x"><label>2</label></stream>'
        )
        self.assertEqual(found.participants, (ParticipantElement("5", (("a", None),)),))
        self.assertEqual(found.speeches, (Speech("5", ("x",)), Speech("5", ("y",))))
        self.assertEqual(found.streams, (StreamElement("x", "x"),))
        self.assertIn("metadata-id-reused", codes(found))


class DialectTests(SynchronousTestCase):
    """What older drafts and vendors write."""

    def test_associations(self) -> None:
        """Participants by child element, streams by id child or attribute."""
        found = document(
            b"<participantstreamassoc><participant>p</participant><stream>a</stream>"
            b"<send><id>b</id><id>c</id></send><send id='d'/><send/></participantstreamassoc>"
            b'<participantstreamassoc id="q"/><participantstreamassoc/>'
            b"<participantsessionassoc><participant>p</participant><session>s</session>"
            b"</participantsessionassoc><participantsessionassoc/><sessionrecordingassoc/>"
        )
        self.assertEqual(found.speeches, (Speech("p", ("a", "b", "c", "d")), Speech("q")))
        self.assertEqual(found.memberships, (Membership("p", "s"),))

    def test_names(self) -> None:
        """Quotes, brackets and blanks around names and addresses go."""
        found = document(
            b'<participant id="1"><nameID aor=" &lt;sip:a@example.com&gt;;x ">'
            b'<name>"A"</name></nameID></participant>'
            b'<participant id="2"><aor>b</aor><name> </name></participant>'
            b'<participant id="3"><name>only</name></participant><participant id="4"/>'
        )
        self.assertEqual(
            [each.names for each in found.participants],
            [(("sip:a@example.com", "A"),), (("b", None),), ((None, "only"),), ()],
        )

    def test_roots(self) -> None:
        """Any root is read; one that is none of ours, or in another namespace, is told."""
        self.assertEqual(codes(document(b"", b"<other>%s</other>")), ["metadata-root"])
        self.assertEqual(codes(document(b"", b"<recording>%s</recording>")), ["metadata-namespace"])
        nested = document(
            b'<recording id="r"><participant id="p"/></recording>',
            b'<recording_metadata xmlns="urn:ietf:params:xml:ns:siprec">%s</recording_metadata>',
        )
        self.assertEqual([each.id for each in nested.participants], ["p"])

    def test_extensions_everywhere(self) -> None:
        """A foreign child in any element is kept."""
        x = b'<x:v xmlns:x="urn:x">%s</x:v>'
        found = document(
            b'<group group_id="g">'
            + x % b"1"
            + b'</group><session session_id="s">'
            + x % b"2"
            + b'</session><participant participant_id="p">'
            + x % b"3"
            + b'</participant><stream stream_id="t">'
            + x % b"4"
            + b'</stream><sessionrecordingassoc session_id="s">'
            + x % b"5"
            + b'</sessionrecordingassoc><participantsessionassoc participant_id="p" session_id="s">'
            + x % b"6"
            + b'</participantsessionassoc><participantstreamassoc participant_id="p">'
            + x % b"7"
            + b"<send>t</send></participantstreamassoc>"
            + x % b"8"
        )
        self.assertEqual(
            [value for _, value in found.extensions], ["1", "2", "4", "5", "6", "7", "8"]
        )
        self.assertEqual(found.participants[0].extensions, (("v", "3"),))

    def test_warnings_are_bounded(self) -> None:
        """Many faults of a kind are one warning."""
        found = document(b"<participant/>" * 100)
        self.assertEqual(codes(found), ["metadata-id-missing"])

    @given(
        st.recursive(
            st.sampled_from([b"", b"x", b"<send>1</send>", b"<nameID aor='a'/>"]),
            lambda inner: st.tuples(
                st.sampled_from(
                    [
                        b"participant",
                        b"session",
                        b"stream",
                        b"group",
                        b"recording",
                        b"participantstreamassoc",
                        b"participantsessionassoc",
                        b"foreign",
                    ]
                ),
                st.sampled_from([b"", b" id='1'", b" participant_id='1'", b" session_id='1'"]),
                inner,
            ).map(lambda t: b"<" + t[0] + t[1] + b">" + t[2] + b"</" + t[0] + b">"),
            max_leaves=6,
        )
    )
    @settings(max_examples=200, deadline=None)
    def test_anything(self, inner: bytes) -> None:
        """Any arrangement of elements is read, and applies."""
        found = document(inner)
        state, _ = MetadataState().apply(found, "now")
        state, changes = state.apply(found, "now")
        self.assertEqual(changes.events, ())
        state.closed("now")
