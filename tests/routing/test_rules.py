"""
Which destinations a call goes to.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.participants import CommunicationSession, Description, Participant
from twisted_siprec.plan import Destination
from twisted_siprec.routing import CallFacts, Condition, Fact, PatternError, Router, Rule

A = Destination("a", "ws://a.example.com")
B = Destination("b", "ws://b.example.com")
C = Destination("c", "ws://c.example.com")

DESCRIPTION = Description(
    recording_session_id="rs1",
    call_id="call1",
    src="sip:sbc@example.com",
    caller="sip:+15550100@example.com",
    called="sip:2001@example.com",
    request_uri="sip:srs@192.0.2.1",
    sessions=(CommunicationSession("cs1", "group1", ("sid1",)), CommunicationSession("cs2")),
    participants=(
        Participant("p1", aor="sip:+15550100@example.com", name="Ann"),
        Participant("p2", extensions=(("agent", "7"),)),
    ),
    extensions=(("ucid", "0001"),),
    headers=(("X-Queue", "sales"),),
)


class CallFactsTests(SynchronousTestCase):
    """What rules know of a call."""

    def test_of_description(self) -> None:
        """All that the description says is there, under the names that rules use."""
        self.assertEqual(
            CallFacts.of(DESCRIPTION, "sbc-1"),
            CallFacts(
                called="sip:2001@example.com",
                calling="sip:+15550100@example.com",
                request_uri="sip:srs@192.0.2.1",
                source="sbc-1",
                headers=(("X-Queue", "sales"),),
                metadata=(
                    ("ucid", "0001"),
                    ("src", "sip:sbc@example.com"),
                    ("participant", "sip:+15550100@example.com"),
                    ("participant_name", "Ann"),
                    ("agent", "7"),
                    ("session_id", "cs1"),
                    ("group_id", "group1"),
                    ("sip_session_id", "sid1"),
                    ("session_id", "cs2"),
                ),
            ),
        )

    def test_unknown(self) -> None:
        """What is not known is empty."""
        self.assertEqual(CallFacts.of(Description("rs", "call")), CallFacts())

    def test_headers_given(self) -> None:
        """Header fields of the INVITE take the place of those passed on."""
        facts = CallFacts.of(DESCRIPTION, headers=[("Subject", "x")])
        self.assertEqual(facts.headers, (("Subject", "x"),))


class ConditionTests(SynchronousTestCase):
    """When a condition holds."""

    facts = CallFacts.of(DESCRIPTION, "sbc-1")

    def holds(self, fact: Fact, *patterns: str, key: str = "") -> bool:
        return Condition.parse(fact, key, patterns).holds(self.facts)

    def test_each_fact(self) -> None:
        """Each fact is compared with its own value."""
        for fact, yes, no in [
            (Fact.CALLED, "2001", "+15550100"),
            (Fact.CALLING, "+1-555-0100", "2001"),
            (Fact.REQUEST_URI, "srs", "2001"),
            (Fact.SOURCE, "sbc-*", "pbx"),
        ]:
            self.assertTrue(self.holds(fact, yes), fact)
            self.assertFalse(self.holds(fact, no), fact)

    def test_header(self) -> None:
        """A header's name has no case; its value does."""
        self.assertTrue(self.holds(Fact.HEADER, "sales", key="x-queue"))
        self.assertFalse(self.holds(Fact.HEADER, "Sales", key="X-Queue"))
        self.assertFalse(self.holds(Fact.HEADER, "*", key="X-Other"))

    def test_metadata(self) -> None:
        """Metadata by its name; participants are compared as addresses."""
        self.assertTrue(self.holds(Fact.METADATA, "0001", key="ucid"))
        self.assertTrue(self.holds(Fact.METADATA, "+1 555 0100", key="participant"))
        self.assertTrue(self.holds(Fact.METADATA, "sbc", key="src"))
        self.assertFalse(self.holds(Fact.METADATA, "*", key="UCID"))

    def test_any_pattern(self) -> None:
        """One of several patterns is enough."""
        self.assertTrue(self.holds(Fact.CALLED, "2000", "2001"))
        self.assertFalse(self.holds(Fact.CALLED, "2000", "2002"))

    def test_bad_pattern(self) -> None:
        """A pattern that cannot be used is refused when it is read."""
        self.assertRaises(PatternError, Condition.parse, Fact.CALLED, "", ["~("])


class RouterTests(SynchronousTestCase):
    """The order of rules, the default and the refusals."""

    called = Condition.parse(Fact.CALLED, "", ["2001"])
    calling = Condition.parse(Fact.CALLING, "", ["3001"])
    queue = Condition.parse(Fact.HEADER, "X-Queue", ["*"])

    def test_first_wins(self) -> None:
        """The first rule that holds decides, though later ones hold too."""
        router = Router((Rule("one", (self.called,), (A, B)), Rule("two", (), (C,))))
        self.assertEqual(router.route(CallFacts(called="2001")), (A, B))
        self.assertEqual(router.route(CallFacts(called="2002")), (C,))
        rule = router.rule(CallFacts(called="2001"))
        assert rule is not None
        self.assertEqual(rule.name, "one")

    def test_all_conditions(self) -> None:
        """A rule holds only where all of its conditions do."""
        router = Router((Rule("both", (self.called, self.calling), (A,)),), (B,))
        self.assertEqual(router.route(CallFacts(called="2001", calling="3001")), (A,))
        self.assertEqual(router.route(CallFacts(called="2001")), (B,))
        self.assertIs(router.rule(CallFacts(called="2001")), None)

    def test_refusal(self) -> None:
        """A rule may refuse, with its name in the reason."""
        answer = Router((Rule("never", refuse=603),), (B,)).route(CallFacts())
        assert isinstance(answer, RemoteError)
        self.assertEqual((answer.status, answer.reason), (603, "Refused By Route never"))

    def test_nowhere(self) -> None:
        """Without a rule and a default the call is refused with 404."""
        answer = Router().route(CallFacts())
        assert isinstance(answer, RemoteError)
        self.assertEqual((answer.status, answer.reason), (404, "No Route For This Call"))
