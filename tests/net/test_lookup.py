"""
Routes that are asked for.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.net.http_client import HTTPAnswer, HTTPFailure
from twisted_siprec.net.lookup import (
    Answer,
    RouteLookup,
    RouteLookups,
    Unusable,
    read_answer,
    target,
)
from twisted_siprec.participants import Description
from twisted_siprec.plan import Destination, Secret
from twisted_siprec.routing.rules import Failing, Lookup, Router, Rule
from twisted_siprec.siprec.session import Routed

SPEECH, ARCHIVE = Destination("speech", "ws://speech"), Destination("archive", "file:archive")
NAMED = {"speech": SPEECH, "archive": ARCHIVE}
CALL = Description("r1", "c1@src", caller="sip:a@x", called="sip:b@x", request_uri="sip:srs@y")
ACCEPT = b'{"action": "accept", "destinations": ["speech"], "parameters": {"tenant": "blue"}}'
ROUTED = Routed((SPEECH,), (("tenant", "blue"),))
UNKNOWN = RemoteError(404, "No Route For This Call")


def said(answer: Answer) -> Any:
    """An answer that can be compared."""
    if isinstance(answer, RemoteError):
        return answer.status, answer.reason, answer.headers
    return answer


class FakeAsker:
    """Keeps the questions; the answers are the test's to give."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.waiting: list[Deferred[HTTPAnswer]] = []
        self.closed = False

    def post(self, body: bytes) -> Deferred[HTTPAnswer]:
        self.asked.append(body)
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    def answer(self, body: bytes = ACCEPT, status: int = 200) -> None:
        self.waiting.pop(0).callback(HTTPAnswer(status, body))

    def fail(self) -> None:
        self.waiting.pop(0).errback(HTTPFailure("connection refused"))


class RouteLookupTests(SynchronousTestCase):
    """One server."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asker = FakeAsker()

    def lookup(
        self, otherwise: tuple[Destination, ...] | RemoteError = (ARCHIVE,), **settings: Any
    ) -> RouteLookup:
        lookup = Lookup("https://crm", **settings)
        return RouteLookup(self.clock, lookup, self.asker, NAMED, otherwise, max_cached=2)

    def ask(self, lookup: RouteLookup, call: Description = CALL) -> Deferred[Answer]:
        return lookup.ask(call, "sbc")

    def test_accepted(self) -> None:
        """The server gets the call as JSON, and its answer is the route."""
        asking = self.ask(self.lookup())
        body = json.loads(self.asker.asked[0])
        self.assertEqual((body["source"], body["siprec"]["caller"]), ("sbc", "sip:a@x"))
        self.assertNoResult(asking)
        self.asker.answer()
        self.assertEqual(self.successResultOf(asking), ROUTED)

    def test_refused(self) -> None:
        """It may refuse the call, with a status."""
        asking = self.ask(self.lookup())
        self.asker.answer(b'{"action": "refuse", "status": 603, "reason": "No consent"}')
        self.assertEqual(said(self.successResultOf(asking)), (603, "No consent", ()))

    def test_fails(self) -> None:
        """No answer, an error, or nonsense: the call goes where calls go otherwise."""
        lookup = self.lookup()
        for fail in (
            self.asker.fail,
            lambda: self.asker.answer(b"{}"),
            lambda: self.asker.answer(status=500),
        ):
            asking = self.ask(lookup)
            fail()
            self.assertEqual(self.successResultOf(asking), Routed((ARCHIVE,)))
        self.assertEqual(lookup.counters["failed"], 3)

    def test_fails_without_default(self) -> None:
        """Where calls go nowhere otherwise, it is refused as they are."""
        asking = self.ask(self.lookup(UNKNOWN))
        self.asker.fail()
        self.assertEqual(said(self.successResultOf(asking)), (404, "No Route For This Call", ()))

    def test_fails_refuse(self) -> None:
        """Or it is refused, so that another recorder can be tried."""
        asking = self.ask(self.lookup(when_failing=Failing.REFUSE))
        self.asker.fail()
        self.assertEqual(
            said(self.successResultOf(asking)),
            (503, "The Route Cannot Be Looked Up", (("Retry-After", "5"),)),
        )

    def test_breaker(self) -> None:
        """After failures in a row no call waits for it; later one call tries again."""
        lookup = self.lookup(failures_to_open=2, open_s=10)
        for _ in range(2):
            self.ask(lookup)
            self.asker.fail()
        self.assertEqual(self.successResultOf(self.ask(lookup)), Routed((ARCHIVE,)))
        self.assertEqual(len(self.asker.asked), 2)
        self.clock.advance(10)
        trying, other = self.ask(lookup), self.ask(lookup)
        self.assertEqual(self.successResultOf(other), Routed((ARCHIVE,)))
        self.asker.answer()
        self.assertEqual(self.successResultOf(trying), ROUTED)
        self.ask(lookup)
        self.assertEqual(len(self.asker.asked), 4)

    def test_breaker_of_one_that_stays_away(self) -> None:
        """It is left alone for as long each time, and one that never answers bars nobody."""
        lookup = self.lookup(failures_to_open=1, open_s=10, timeout_s=3)
        self.ask(lookup)
        self.asker.fail()
        for asked in (2, 3):
            self.clock.advance(10)
            self.ask(lookup)
            self.assertEqual(len(self.asker.asked), asked)
            self.asker.fail()
        self.clock.advance(10)
        unanswered = self.ask(lookup)
        self.clock.advance(2.9)
        self.ask(lookup)
        self.assertEqual(len(self.asker.asked), 4)
        self.clock.advance(0.1)
        self.ask(lookup)
        self.assertEqual(len(self.asker.asked), 5)
        self.assertNoResult(unanswered)

    def test_cache(self) -> None:
        """An answer holds for the same parties from the same source, for its time."""
        lookup = self.lookup(cache_s=60)
        self.ask(lookup)
        self.asker.answer()
        same = Description("r2", "c2@src", None, CALL.caller, CALL.called, CALL.request_uri)
        self.assertEqual(self.successResultOf(self.ask(lookup, same)), ROUTED)
        self.assertEqual(len(self.asker.asked), 1)
        self.assertNoResult(lookup.ask(CALL, "other"))
        self.clock.advance(60)
        self.assertNoResult(self.ask(lookup))
        self.assertEqual(len(self.asker.asked), 3)

    def test_failures_not_cached(self) -> None:
        """Only what the server said is kept, refusals too."""
        lookup = self.lookup(cache_s=60)
        self.ask(lookup)
        self.asker.fail()
        self.ask(lookup)
        self.asker.answer(b'{"action": "refuse"}')
        self.assertEqual(said(self.successResultOf(self.ask(lookup)))[0], 403)
        self.assertEqual(len(self.asker.asked), 2)

    def test_cache_bounded(self) -> None:
        """The oldest answer goes first."""
        lookup = self.lookup(cache_s=60)
        calls = [Description(name, name, caller=name) for name in "abc"]
        for call in calls:
            self.ask(lookup, call)
            self.asker.answer()
        self.assertNoResult(self.ask(lookup, calls[0]))
        self.successResultOf(self.ask(lookup, calls[2]))

    def test_not_cached(self) -> None:
        """Without cache_s each call is asked for."""
        lookup = self.lookup()
        for _ in range(2):
            self.ask(lookup)
            self.asker.answer()
        self.assertEqual(len(self.asker.asked), 2)

    def test_too_many_wait(self) -> None:
        """More calls than may wait are treated as if it failed."""
        lookup = self.lookup(max_waiting=1)
        first = self.ask(lookup)
        self.assertEqual(self.successResultOf(self.ask(lookup)), Routed((ARCHIVE,)))
        self.asker.answer()
        self.assertEqual(self.successResultOf(first), ROUTED)
        self.assertNoResult(self.ask(lookup))


class ReadAnswerTests(SynchronousTestCase):
    """What a server may answer."""

    def test_several(self) -> None:
        """Several destinations, each once; parameters may be left out."""
        answer = read_answer(
            b'{"action": "accept", "destinations": ["archive", "speech", "archive"]}', NAMED
        )
        self.assertEqual(answer, Routed((ARCHIVE, SPEECH)))

    def test_unusable(self) -> None:
        """Anything else says what is wrong with it."""
        for text, why in (
            ("", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "no JSON object"),
            ('{"action": "maybe"}', "neither accept nor refuse"),
            ('{"action": ["accept"]}', "neither accept nor refuse"),
            ('{"action": "accept"}', "no list of destinations"),
            ('{"action": "accept", "destinations": []}', "no list of destinations"),
            ('{"action": "accept", "destinations": "speech"}', "no list of destinations"),
            ('{"action": "accept", "destinations": ["ws://evil"]}', "which is no destination"),
            ('{"action": "accept", "destinations": [{}]}', "which is no destination"),
            ('{"action": "accept", "destinations": ["speech"], "parameters": 1}', "no object"),
            (
                '{"action": "accept", "destinations": ["speech"], "parameters": {"a": 1}}',
                "'a' is no short text",
            ),
            (
                '{"action": "accept", "destinations": ["speech"], "parameters": {"a": "\\ud800"}}',
                "'a' is no short text",
            ),
            ('{"action": "refuse", "status": 200}', "from 400 to 699"),
            ('{"action": "refuse", "status": true}', "from 400 to 699"),
            ('{"action": "refuse", "reason": "a\\r\\nVia: x"}', "no short text"),
        ):
            error = self.assertRaises(Unusable, read_answer, text.encode(), NAMED)
            self.assertIn(why, str(error), text[:80])

    @settings(deadline=None, max_examples=100)
    @given(st.binary(max_size=100))
    def test_noise(self, octets: bytes) -> None:
        """Whatever it sends, it is usable or not."""
        try:
            read_answer(octets, NAMED)
        except Unusable:
            return


class RouteLookupsTests(SynchronousTestCase):
    """All servers of a configuration."""

    def test_change(self) -> None:
        """Other routes have other servers; the old ones are let go."""
        askers: list[FakeAsker] = []

        def open_asker(lookup: Lookup) -> FakeAsker:
            askers.append(FakeAsker())
            return askers[-1]

        lookups = RouteLookups(Clock(), open_asker)
        one, other = Lookup("https://one"), Lookup("https://other")
        rules = (Rule("a", lookup=one), Rule("b", lookup=one), Rule("c", lookup=other))
        lookups.change([Router(rules, (ARCHIVE,))], (SPEECH, ARCHIVE))
        self.assertEqual(len(askers), 2)
        router = Router(rules, (ARCHIVE,))
        before = lookups.of(one, router)
        asking = before.ask(CALL, "sbc")
        lookups.change([Router(rules[2:])], (ARCHIVE,))
        self.assertEqual([each.closed for each in askers], [True, True, False])
        next(each for each in askers if each.waiting).answer()
        self.assertEqual(self.successResultOf(asking), ROUTED)
        self.assertRaises(KeyError, lookups.of, one, router)
        lookups.close()
        self.assertTrue(askers[2].closed)

    def test_target(self) -> None:
        """What the configuration says goes to the client."""
        token = Secret(environment="TOKEN")
        made = target(Lookup("https://x", timeout_s=0.5, bearer=token, connections=3))
        self.assertEqual(
            (made.url, made.timeout_s, made.bearer, made.connections), ("https://x", 0.5, token, 3)
        )


class RouterTests(SynchronousTestCase):
    """A look-up as a route's answer."""

    def test_route(self) -> None:
        """The first route that matches may say who is asked."""
        from twisted_siprec.routing.rules import CallFacts

        lookup = Lookup("https://one")
        router = Router((Rule("a", lookup=lookup),), (ARCHIVE,))
        self.assertEqual(router.route(CallFacts()), lookup)
        self.assertEqual(router.lookups, {lookup})
        self.assertEqual(router.otherwise, (ARCHIVE,))
