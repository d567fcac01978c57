"""
What the live page is told, second by second.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import FakeServer
from twisted_siprec.net.calls.events import CallForgotten, CallMoved, CallOffered
from twisted_siprec.report import StreamStatistics
from twisted_siprec.web.api import API
from twisted_siprec.web.feed import RECENT, Feed, Viewer
from twisted_siprec.web.metrics import Metrics
from twisted_siprec.web.records import CallRecords, RecordLimits


class FakeScreen:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.ready = True
        self.shown: list[dict[str, Any]] = []

    def show(self, body: dict[str, Any]) -> None:
        self.shown.append(body)

    def take(self) -> list[dict[str, Any]]:
        shown, self.shown = self.shown, []
        return shown


class FeedTests(SynchronousTestCase):
    """Viewers and what they see."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = FakeServer()
        self.records = CallRecords(self.wall, RecordLimits(calls=100))
        self.server.watch(self.records.happened)
        api = API(self.server, self.records, Metrics(self.server), self.wall)
        self.feed = Feed(self.clock, self.wall, api, self.records, api.state, 1.0)
        self.screen = FakeScreen()
        self.viewer = Viewer(self.screen)

    def wall(self) -> float:
        return 1_000.0 + self.clock.seconds()

    def test_rows(self) -> None:
        """A viewer sees all calls at once, and then only those that are different."""
        self.server.begin()
        self.feed.join(self.viewer)
        [first] = self.screen.take()
        self.assertEqual([row["id"] for row in first["changed"]], ["3f2a"])
        self.assertNotIn("seconds", first["changed"][0])
        self.assertEqual(first["status"]["draining"], False)
        self.clock.pump([0.1] * 10)
        [second] = self.screen.take()
        self.assertEqual((second["changed"], second["gone"]), ([], []))
        self.server.happen(CallMoved("3f2a", "paused"), CallOffered("b", "c2", "sbc"))
        self.clock.pump([0.1] * 10)
        [third] = self.screen.take()
        self.assertEqual(
            [(row["id"], row["state"]) for row in third["changed"]],
            [("3f2a", "paused"), ("b", "offered")],
        )

    def test_slices(self) -> None:
        """Many rows are made in parts, and all come at once, in order."""
        for number in range(95):
            self.server.happen(CallOffered(f"id{number}", "c", "sbc"))
        self.feed.join(self.viewer)
        self.screen.take()
        for number in range(95):
            self.server.happen(CallMoved(f"id{number}", "recording"))
        made: list[str] = []
        streams = self.server.streams

        def count(id: str) -> tuple[StreamStatistics, ...]:
            made.append(id)
            return streams(id)

        self.server.streams = count  # type: ignore[method-assign]
        self.clock.advance(0.1)
        self.assertEqual(len(made), 10)
        self.assertEqual(self.screen.take(), [])
        self.clock.pump([0.1] * 9)
        [shown] = self.screen.take()
        self.assertEqual([row["id"] for row in shown["changed"]], [f"id{n}" for n in range(95)])

    def test_ended(self) -> None:
        """An ended call stays a row, until there are many younger ones."""
        self.server.begin()
        self.feed.join(self.viewer)
        self.server.happen(CallForgotten("3f2a"))
        self.screen.take()
        self.clock.pump([0.1] * 10)
        [shown] = self.screen.take()
        self.assertEqual(shown["changed"][0]["state"], "ended")
        for number in range(RECENT):
            self.server.happen(CallOffered(str(number), "c", "s"), CallForgotten(str(number)))
        self.clock.pump([0.1] * 10)
        [shown] = self.screen.take()
        self.assertEqual((len(shown["changed"]), shown["gone"]), (RECENT, ["3f2a"]))

    def test_follow(self) -> None:
        """The call that is followed is shown whole, when it changes, until another one is."""
        self.server.begin()
        self.feed.join(self.viewer)
        self.screen.take()
        self.feed.follow(self.viewer, "3f2a")
        [call] = self.screen.take()
        self.assertEqual((call["type"], call["id"], call["call"]["id"]), ("call", "3f2a", "3f2a"))
        self.clock.pump([0.1] * 10)
        self.assertEqual([each["type"] for each in self.screen.take()], ["calls"])
        self.server.happen(CallMoved("3f2a", "paused"))
        self.clock.pump([0.1] * 10)
        self.assertEqual([each["type"] for each in self.screen.take()], ["calls", "call"])
        self.feed.follow(self.viewer, None)
        self.server.happen(CallMoved("3f2a", "recording"))
        self.clock.pump([0.1] * 10)
        self.assertEqual([each["type"] for each in self.screen.take()], ["calls"])

    def test_forgotten(self) -> None:
        """A call that is not known is said to be none, once."""
        self.feed.join(self.viewer)
        self.feed.follow(self.viewer, "nope")
        self.assertEqual(self.screen.take()[-1], {"type": "call", "id": "nope", "call": None})
        self.clock.pump([0.1] * 10)
        self.assertEqual([each["type"] for each in self.screen.take()], ["calls"])

    def test_slow(self) -> None:
        """A connection that takes no more gets nothing, and what it missed when it does again."""
        self.server.begin()
        self.feed.join(self.viewer)
        self.screen.take()
        self.screen.ready = False
        self.server.happen(CallMoved("3f2a", "paused"))
        self.clock.pump([0.1] * 100)
        self.assertEqual(self.screen.take(), [])
        self.screen.ready = True
        self.clock.pump([0.1] * 10)
        self.assertEqual(self.screen.take()[0]["changed"][0]["state"], "paused")

    def test_nobody(self) -> None:
        """Where nobody looks, nothing is done; leaving twice is allowed."""
        self.feed.join(self.viewer)
        other = Viewer(FakeScreen())
        self.feed.join(other)
        self.feed.leave(self.viewer)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.feed.leave(other)
        self.feed.leave(other)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault(self) -> None:
        """A mistake while it is shown is logged, and the next second is another chance."""
        self.feed.join(self.viewer)
        self.screen.take()
        calls, self.server.calls = self.server.calls, lambda: 1 / 0  # type: ignore[assignment,return-value]
        self.clock.pump([0.1] * 10)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.server.calls = calls  # type: ignore[method-assign]
        self.clock.pump([0.1] * 10)
        self.assertEqual(len(self.screen.take()), 1)
