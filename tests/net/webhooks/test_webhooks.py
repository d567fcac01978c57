"""
Webhooks: sending, failing, and never being in a call's way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.webhook_fakes import FakeDatabase, FakePoster
from twisted_siprec.config.model import Webhook, WebhookStore
from twisted_siprec.net.calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallMoved,
    CallOffered,
)
from twisted_siprec.net.http_client import HTTPAnswer
from twisted_siprec.net.webhooks.queue import WebhookQueue
from twisted_siprec.net.webhooks.sender import signature
from twisted_siprec.net.webhooks.webhooks import Webhooks, target
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, EndReason, Secret
from twisted_siprec.report import BridgeClosed

WEBHOOK = Webhook("crm", "https://crm.example.com/", timeout_s=10, backoff_max_s=60)
WALL = 1_767_366_000.0


class WebhooksTests(SynchronousTestCase):
    """From a call to a server of others."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.database = FakeDatabase()
        self.poster = FakePoster()
        self.webhooks = self.make()
        self.webhooks.startService()

    def tearDown(self) -> None:
        if self.webhooks.running:
            stopping = self.webhooks.stopService()
            self.clock.advance(100)
            self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, webhook: Webhook = WEBHOOK, **store: Any) -> Webhooks:
        numbers = count(1)
        return Webhooks(
            self.clock,
            lambda: WALL + self.clock.seconds(),
            lambda: f"e{next(numbers)}",
            lambda: 1.0,
            (webhook,),
            WebhookStore(**store),
            WebhookQueue(self.database, 100, 10),
            lambda _: self.poster,
        )

    def restart(self, webhook: Webhook = WEBHOOK, **store: Any) -> None:
        """Another server with the same file."""
        stopping = self.webhooks.stopService()
        self.clock.advance(100)
        self.successResultOf(stopping)
        self.poster = FakePoster()
        self.webhooks = self.make(webhook, **store)
        self.webhooks.startService()

    def happen(self, *events: Any) -> None:
        for event in events:
            self.webhooks.happened(event, WALL + self.clock.seconds())

    def call(self, id: str = "r1", updates: int = 0) -> None:
        """A call starts, and is paused and resumed so often."""
        self.happen(CallOffered(id, f"{id}@src", "sbc"), CallAnswered(id, 0.01))
        for _ in range(updates):
            self.happen(CallMoved(id, "paused"), CallMoved(id, "recording"))
        self.clock.advance(0)

    @property
    def posted(self) -> list[tuple[str, str, int]]:
        """Event, call and sequence of all that was posted."""
        bodies = [json.loads(body) for body, _ in self.poster.posted]
        return [(body["event"], body["call"]["id"], body["sequence"]) for body in bodies]

    def waiting(self) -> dict[str, int]:
        return self.successResultOf(self.webhooks.waiting())

    def test_delivered(self) -> None:
        """An event is posted with its headers, and gone once it is answered 2xx."""
        self.call()
        [(body, headers)] = self.poster.posted
        self.assertEqual(json.loads(body)["id"], "e1")
        self.assertEqual(
            headers,
            {
                "X-Siprec-Event": "call.started",
                "X-Siprec-Delivery": "e1",
                "X-Siprec-Attempt": "1",
                "X-Siprec-Timestamp": str(int(WALL)),
            },
        )
        self.assertEqual(self.waiting(), {"crm": 1})
        self.poster.answer(204)
        self.assertEqual(self.waiting(), {})
        self.assertEqual(self.webhooks.senders[0].tally.delivered, 1)

    def test_tenant(self) -> None:
        """A webhook of a tenant is told of its calls, and of no others."""
        self.restart(replace(WEBHOOK, tenant="acme"))
        for id, tenant in (("r1", "globex"), ("r2", ""), ("r3", "acme")):
            plan = BridgePlan(id, id, "127.0.0.1", (), (), (), Description(id, id), 0.0)
            self.happen(CallOffered(id, id, "sbc"), CallBegan(id, id, "sbc", (), plan, tenant))
            self.happen(CallAnswered(id, 0.01))
        self.clock.advance(0)
        self.assertEqual(self.posted, [("call.started", "r3", 1)])
        self.assertEqual(json.loads(self.poster.posted[0][0])["call"]["tenant"], "acme")

    def test_counted(self) -> None:
        """How many wait, and how many are dead, is known within ten seconds."""
        self.call("r1")
        self.call("r2")
        self.poster.answer(400)
        self.clock.advance(10)
        self.assertEqual(self.webhooks.depths, {"crm": (1, 1)})

    def test_retries(self) -> None:
        """Attempts that failed and are made again are counted."""
        self.call()
        self.poster.answer(503)
        self.assertEqual(self.webhooks.senders[0].tally.retries, 1)

    def test_signed(self) -> None:
        """The signature is the HMAC-SHA256 of time and body, by the secret as it is now."""
        path = Path(self.mktemp())
        path.write_text("geheim\n")
        self.restart(Webhook("crm", "https://x", secret=Secret(file=str(path))))
        self.call()
        [(body, headers)] = self.poster.posted
        signed = f"{headers['X-Siprec-Timestamp']}.".encode() + body
        self.assertEqual(
            headers["X-Siprec-Signature"],
            "v1=" + hmac.new(b"geheim", signed, hashlib.sha256).hexdigest(),
        )
        self.assertEqual(
            signature(b"key", 1, b"{}"),
            "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224",
        )
        self.poster.answer()

    def test_secret_missing(self) -> None:
        """Without its secret nothing is sent; it is tried again."""
        path = Path(self.mktemp())
        self.restart(Webhook("crm", "https://x", secret=Secret(file=str(path))))
        self.call()
        self.assertEqual(self.poster.posted, [])
        path.write_text("geheim")
        self.clock.advance(1.0)
        self.assertEqual(len(self.poster.posted), 1)
        self.poster.answer()

    def test_order(self) -> None:
        """The events of a call are posted one after the other, those of others beside them."""
        self.call("a", updates=1)
        self.call("b")
        self.assertEqual(self.posted, [("call.started", "a", 1), ("call.started", "b", 1)])
        self.poster.answer()
        self.assertEqual(self.posted[2:], [("call.updated", "a", 2)])
        self.poster.waiting.pop().callback(HTTPAnswer(200))
        self.assertEqual(self.posted[3:], [("call.updated", "a", 3)])

    def test_width(self) -> None:
        """No more requests at once than are configured."""
        for number in range(9):
            self.call(f"r{number}")
        self.assertEqual(len(self.poster.waiting), WEBHOOK.connections)
        while self.poster.waiting:
            self.poster.answer()
        self.assertEqual(len(self.poster.posted), 9)

    def test_wanted(self) -> None:
        """Only the events that are asked for are posted."""
        self.restart(Webhook("crm", "https://x", events=("call.ended",)))
        self.call()
        self.assertEqual(self.posted, [])
        closed = BridgeClosed("r1", EndReason.CALL_ENDED, 1, (), ())
        self.happen(CallClosed("r1", "sbc", closed))
        self.clock.advance(0)
        self.assertEqual(self.posted, [("call.ended", "r1", 2)])
        self.poster.answer()

    def test_again(self) -> None:
        """Without an answer, or with 5xx or 429, it is tried again, ever later, the same event."""
        self.call(updates=1)
        self.poster.fail()
        self.clock.advance(0.9)
        self.assertEqual(len(self.poster.posted), 1)
        self.clock.advance(0.1)
        self.poster.answer(503)
        self.clock.advance(1.9)
        self.assertEqual(len(self.poster.posted), 2)
        self.clock.advance(0.1)
        self.poster.answer(429, retry_after_s=30)
        self.clock.advance(29)
        self.assertEqual(len(self.poster.posted), 3)
        self.clock.advance(1)
        self.assertEqual({json.loads(body)["id"] for body, _ in self.poster.posted}, {"e1"})
        self.assertEqual(
            [headers["X-Siprec-Attempt"] for _, headers in self.poster.posted],
            ["1", "2", "3", "4"],
        )
        self.poster.answer()
        self.assertEqual(self.posted[-1], ("call.updated", "r1", 2))
        self.poster.answer()
        self.poster.answer()
        self.assertEqual(self.waiting(), {})

    def test_one_at_a_time_while_down(self) -> None:
        """A server that is down gets one request for each wait; once it is back, all."""
        for number in range(20):
            self.call(f"r{number}")
        while self.poster.waiting:
            self.poster.fail()
        before = len(self.poster.posted)
        self.assertEqual(before, 4)
        self.clock.advance(1)
        self.assertEqual(len(self.poster.posted), before + 1)
        self.poster.fail()
        self.clock.advance(2)
        self.assertEqual(len(self.poster.posted), before + 2)
        self.poster.answer()
        self.assertEqual(len(self.poster.waiting), 4)
        for _ in range(100):
            while self.poster.waiting:
                self.poster.answer()
            self.clock.advance(1)
        self.assertEqual(self.waiting(), {})

    def test_bad_letter(self) -> None:
        """One event that the server cannot digest does not hold up the other calls."""
        self.call("bad")
        self.poster.answer(500)
        for number in range(3):
            self.call(f"r{number}")
        for _ in range(10):
            self.clock.advance(1)
            while self.poster.waiting:
                bad = json.loads(self.poster.posted[-len(self.poster.waiting)][0])
                self.poster.answer(500 if bad["call"]["id"] == "bad" else 200)
        self.assertEqual(self.waiting(), {"crm": 1})

    def test_given_up(self) -> None:
        """An answer that will not change gives the event up, and the next one is sent."""
        self.call(updates=1)
        self.poster.answer(404)
        self.poster.answer()
        self.poster.answer()
        [dead] = self.successResultOf(self.webhooks.dead())
        self.assertEqual((dead.name, dead.dead), ("call.started", "it answered 404"))
        self.assertEqual(self.webhooks.senders[0].tally.given_up, 1)
        self.assertEqual(self.successResultOf(self.webhooks.revive("crm")), 1)
        self.assertEqual(self.posted[-1], ("call.started", "r1", 1))
        self.poster.answer()
        self.assertEqual(self.successResultOf(self.webhooks.dead()), ())

    def test_too_old(self) -> None:
        """What could not be delivered in keep_s is given up unsent."""
        self.restart(Webhook("crm", "https://x", keep_s=100, backoff_max_s=60))
        self.call()
        while self.poster.waiting:
            self.poster.fail()
            self.clock.advance(60)
        self.assertLess(len(self.poster.posted), 4)
        [dead] = self.successResultOf(self.webhooks.dead())
        self.assertEqual(dead.dead, "older than 100 s")

    def test_restarted(self) -> None:
        """What was not delivered is sent by the next server, signed anew."""
        self.call(updates=1)
        self.restart()
        self.assertEqual(self.posted, [("call.started", "r1", 1)])
        for _ in range(3):
            self.poster.answer()
        self.assertEqual(self.waiting(), {})

    def test_disk_full(self) -> None:
        """While the queue cannot be written events wait in memory, and none is lost."""
        self.database.fault = sqlite3.OperationalError("disk is full")
        self.call(updates=2)
        self.assertEqual(self.poster.posted, [])
        self.database.fault = None
        self.clock.advance(5)
        for _ in range(5):
            self.poster.answer()
        self.assertEqual([each[2] for each in self.posted], [1, 2, 3, 4, 5])

    def test_disk_full_for_long(self) -> None:
        """What waits in memory is bounded; the oldest is lost, and counted."""
        self.restart(max_unwritten_octets=1_000)
        self.database.fault = sqlite3.OperationalError("disk is full")
        self.call(updates=10)
        self.clock.advance(5)
        self.database.fault = None
        self.clock.advance(5)
        while self.poster.waiting:
            self.poster.answer()
        sequence = [each[2] for each in self.posted]
        self.assertEqual(sequence[-1], 21)
        self.assertEqual(self.webhooks.counters["lost"], 21 - len(sequence))
        self.assertLess(len(sequence), 6)

    def test_undeletable(self) -> None:
        """Where a delivered event cannot be removed it comes again, but not at full speed."""
        self.call()
        self.database.connection.execute(
            "CREATE TRIGGER no BEFORE DELETE ON webhook_events "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
        self.poster.answer()
        self.clock.advance(4)
        self.assertEqual(len(self.poster.posted), 1)
        self.database.connection.execute("DROP TRIGGER no")
        self.clock.advance(1)
        self.assertEqual(len(self.poster.posted), 2)
        self.poster.answer()
        self.assertEqual(self.waiting(), {})

    def test_queue_opens_late(self) -> None:
        """A queue that cannot be opened at the start is opened later."""
        self.restart()
        self.webhooks.stopService()
        self.database.fault = sqlite3.OperationalError("no such directory")
        self.webhooks = self.make()
        self.webhooks.startService()
        self.call()
        self.database.fault = None
        self.clock.advance(5)
        self.clock.advance(0)
        self.assertEqual(self.posted, [("call.started", "r1", 1)])
        self.poster.answer()

    def test_stop_delivers(self) -> None:
        """At the end what is due is still sent, and the end waits for it, but not for long."""
        self.call()
        self.happen(CallMoved("r1", "paused"))
        stopping = self.webhooks.stopService()
        self.clock.advance(0)
        self.poster.answer()
        self.assertNoResult(stopping)
        self.poster.answer()
        self.successResultOf(stopping)
        self.assertEqual([each[2] for each in self.posted], [1, 2])
        self.assertTrue(self.poster.closed and self.database.closed)

    def test_stop_gives_up(self) -> None:
        """A server that does not answer delays the end by stop_s at most."""
        self.call()
        stopping = self.webhooks.stopService()
        self.clock.advance(4.9)
        self.assertNoResult(stopping)
        self.clock.advance(0.1)
        self.successResultOf(stopping)
        self.assertEqual(self.waiting(), {"crm": 1})

    def test_stop_while_down(self) -> None:
        """One that is known to be down does not delay it."""
        self.call()
        self.poster.fail()
        self.successResultOf(self.webhooks.stopService())

    def test_target(self) -> None:
        """What the configuration says goes to the client."""
        made = target(Webhook("crm", "https://x", headers=(("X-A", "b"),), timeout_s=3))
        self.assertEqual(
            (made.url, made.headers, made.timeout_s), ("https://x", (("X-A", "b"),), 3)
        )
