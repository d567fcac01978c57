"""
What joins the recording sessions of one call.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.participants import CommunicationSession, SessionGroup
from twisted_siprec.siprec.stitching import MAX_KEYS, stitch_keys

NEAR = "ab30317f1a784dc48ff824d0d3715d86"
FAR = "47755a9de7794ba387653f2099600ef2"
NIL = "0" * 32


def session(id: str = "s", group: str | None = None, *sip_session_ids: str) -> CommunicationSession:
    """A communication session."""
    return CommunicationSession(id, group, sip_session_ids)


class StrengthTests(SynchronousTestCase):
    """Which key comes first."""

    def test_all(self) -> None:
        """From the call as a whole to the one communication session."""
        self.assertEqual(
            stitch_keys(
                (
                    ("original_call_id", "o@192.0.2.1"),
                    ("call_sid", "CA1"),
                    ("session_id", f"{NEAR};remote={FAR}"),
                    ("tracking_id", "39:1"),
                    ("gcid", "4711"),
                    ("call_guid", "1-2-3-4294967295"),
                    ("genesys_uuid", "0xyz"),
                    ("ucid", "00001000020000000003"),
                    ("refci", "12345"),
                ),
                (SessionGroup("g"),),
                (session("s", "g"),),
            ),
            (
                "refci:12345",
                "ucid:00001000020000000003",
                "genesys:0XYZ",
                "guid:000000010000000200000003ffffffff",
                "gcid:4711",
                "tracking:39:1",
                "sid:CA1",
                "group:g",
                f"session-id:{FAR}+{NEAR}",
                "call:o@192.0.2.1",
                "cs:s",
            ),
        )

    def test_nothing(self) -> None:
        """Nothing known, or only that there is nothing, is no key."""
        self.assertEqual(stitch_keys(()), ())
        self.assertEqual(
            stitch_keys(
                (
                    ("call_guid", "0-0-0-0"),
                    ("ucid", "00000000000000000000"),
                    ("session_id", f"{NEAR};remote={NIL}"),
                )
            ),
            (),
        )

    def test_bounded(self) -> None:
        """However many there are."""
        keys = stitch_keys((), [SessionGroup(f"g{number}" * 100) for number in range(100)])
        self.assertEqual(len(keys), MAX_KEYS)
        self.assertLess(max(map(len, keys)), 300)


class SameCallTests(SynchronousTestCase):
    """Two dialogs of one call have the same key."""

    def test_built_in_bridge(self) -> None:
        """Near end and far end."""
        near = stitch_keys((("nearend", "true"), ("refci", "77"), ("nearendaddr", "8000")))
        far = stitch_keys((("farend", "true"), ("refci", "77"), ("farendaddr", "8001")))
        self.assertEqual(near, far)

    def test_ucid(self) -> None:
        """In the User-to-User of one and the metadata of the other; also the second value."""
        header = stitch_keys((("ucid", "00001000020000000003"),))
        metadata = stitch_keys((("ucid", "00fa080001000200000003"),))
        self.assertEqual(header, metadata)
        self.assertEqual(header, stitch_keys((("ucid_2", "00001000020000000003"),)))

    def test_session_id(self) -> None:
        """The halves of the two sides are the other way round."""
        one = stitch_keys((("session_id", f"{NEAR.upper()}; remote={FAR}"),))
        other = stitch_keys((), (), (session("x", None, f"{FAR};a=b;remote={NEAR}"),))
        self.assertEqual(one[0], other[0])

    def test_guid(self) -> None:
        """Decimal in the header, hexadecimal elsewhere."""
        self.assertEqual(
            stitch_keys((("call_guid", "1-2-3-4"),)),
            stitch_keys((("call_guid", "00000001-0000-0002-0000-000300000004"),)),
        )
        self.assertEqual(
            stitch_keys((("call_guid", "99999999999-1-1-1"),)), ("guid:99999999999111",)
        )

    def test_transfer(self) -> None:
        """Another session in the same group; the group need not be listed."""
        before = stitch_keys((), (SessionGroup("g@192.0.2.1"),), (session("1", "g@192.0.2.1"),))
        after = stitch_keys((), (), (session("2", "g@192.0.2.1"),))
        self.assertEqual((before[0], after[0]), ("group:g@192.0.2.1", "group:g@192.0.2.1"))

    def test_call_id(self) -> None:
        """A Session-ID that is a Call-ID is one of the call."""
        keys = stitch_keys((), (), (session("s", None, "leg@192.0.2.1"),))
        self.assertEqual(keys, ("call:leg@192.0.2.1", "cs:s"))

    @given(st.lists(st.tuples(st.sampled_from(["ucid", "call_guid", "session_id"]), st.text())))
    @settings(max_examples=100, deadline=None)
    def test_anything(self, pairs: list[tuple[str, str]]) -> None:
        """Whatever is written there, keys are unique and bounded."""
        keys = stitch_keys(pairs, (), (session("s", None, *(value for _, value in pairs)),))
        self.assertEqual(len(keys), len(set(keys)))
        self.assertLessEqual(len(keys), MAX_KEYS)
