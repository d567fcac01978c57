"""
Call records: what is in a row, and how it gets into the database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.webhook_fakes import FakeDatabase
from twisted_siprec.net.calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallOffered,
    CallRedirected,
    CallRefused,
    CallWarned,
)
from twisted_siprec.net.records.record import CallRecord, CallRecords, Privacy
from twisted_siprec.net.records.records import Records
from twisted_siprec.net.records.table import TABLE, RecordTable
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import BridgePlan, EndReason
from twisted_siprec.report import BridgeClosed, DeliveryStatistics, StreamStatistics

WALL = 1_767_366_000.0
AT = "2026-01-02T15:00:00.000000Z"
DESCRIPTION = Description(
    "r1",
    "c1@src",
    caller="sip:a@example.com",
    called="sip:b@example.com",
    participants=(Participant("p1", "sip:a@example.com", "Ann"),),
    extensions=(("ucid", "0001"),),
    stitch="ucid:0001",
)


def events(id: str = "r1", description: Description = DESCRIPTION) -> list[CallEvent]:
    """A call that is answered, and ends well."""
    plan = BridgePlan(id, "c1@src", "127.0.0.1", (), (), (), description, 0.0)
    streams = (
        StreamStatistics(0, packets=50, lost=2, concealed_ms=40, max_jitter_ms=1.5),
        StreamStatistics(1, packets=48, lost=1, concealed_ms=20, max_jitter_ms=2.5),
    )
    deliveries = (
        DeliveryStatistics("speech", "s1"),
        DeliveryStatistics("log", "s2", gaps_ms=(("away", 300), ("loss", 20)), complete=False),
    )
    return [
        CallOffered(id, "c1@src", "sbc"),
        CallBegan(id, "c1@src", "sbc", ("speech", "log"), plan),
        CallAnswered(id, 0.01),
        CallWarned(id, "x", "odd"),
        CallEnded(id, "BYE"),
        CallClosed(id, "sbc", BridgeClosed(id, EndReason.CALL_ENDED, 1_000, streams, deliveries)),
        CallForgotten(id),
    ]


class CallRecordsTests(SynchronousTestCase):
    """What is in a row."""

    def rows(self, calls: list[CallEvent], privacy: Privacy | None = None) -> list[dict[str, Any]]:
        """Each row as it would be written."""
        records = CallRecords("node-1", privacy or Privacy())
        rows: list[dict[str, Any]] = []
        for second, event in enumerate(calls):
            record = records.happened(event, WALL + second)
            if record is not None:
                rows.append({name: getattr(record, name) for name in CallRecord.__slots__})
        return rows

    def test_a_call(self) -> None:
        """A row when it is answered, and the whole of it when it is over."""
        first, last = self.rows(events())
        self.assertEqual(
            {name: first[name] for name in ("state", "began_at", "answered_at", "ended_at")},
            {
                "state": "recording",
                "began_at": AT,
                "answered_at": "2026-01-02T15:00:02.000000Z",
                "ended_at": None,
            },
        )
        self.assertEqual(
            {name: last[name] for name in last if name not in ("streams", "deliveries")},
            {
                "id": "r1",
                "node": "node-1",
                "call_id": "c1@src",
                "source": "sbc",
                "state": "ended",
                "began_at": AT,
                "answered_at": "2026-01-02T15:00:02.000000Z",
                "ended_at": "2026-01-02T15:00:05.000000Z",
                "reason": "call_ended",
                "status": None,
                "duration_ms": 1_000,
                "caller": "sip:a@example.com",
                "called": "sip:b@example.com",
                "src": None,
                "request_uri": None,
                "participants": '[{"id": "p1", "aor": "sip:a@example.com", "name": "Ann"}]',
                "identifiers": '[{"name": "ucid", "value": "0001"}]',
                "destinations": '["speech", "log"]',
                "packets": 98,
                "lost": 3,
                "concealed_ms": 60,
                "max_jitter_ms": 2.5,
                "complete": False,
                "missing_ms": 320,
                "warnings": 1,
                "stitch": "ucid:0001",
                "tenant": None,
            },
        )
        self.assertEqual(json.loads(last["deliveries"])[1]["gapsMs"], {"away": 300, "loss": 20})
        self.assertEqual(json.loads(last["streams"])[0]["packets"], 50)

    def test_failed(self) -> None:
        """A call that is refused, or given up before its answer, has one row."""
        refused = CallRefused("c1", "INVITE", "sbc", "sbc", 404, "No Route", True, "r1")
        [row] = self.rows([CallOffered("r1", "c1", "sbc"), refused, CallForgotten("r1")])
        self.assertEqual((row["state"], row["status"], row["reason"]), ("failed", 404, "No Route"))
        offered, began, *_ = events()
        [row] = self.rows([offered, began, CallEnded("r1", "cancelled"), CallForgotten("r1")])
        self.assertEqual((row["state"], row["reason"]), ("failed", "cancelled"))

    def test_no_account(self) -> None:
        """A call whose end nobody told has one all the same; what nobody knows has no row."""
        rows = self.rows([*events()[:3], CallForgotten("r1"), CallAnswered("r9", 0.0)])
        self.assertEqual([row["state"] for row in rows], ["recording", "ended"])

    def test_later_metadata(self) -> None:
        """The end has what was known last."""
        calls = events()
        changed = Description("r1", "c1", caller="sip:c@example.com")
        calls.insert(4, CallDescribed("r1", changed, None))
        self.assertEqual(self.rows(calls)[-1]["caller"], "sip:c@example.com")

    def test_hidden(self) -> None:
        """What is to be hidden is in no column."""
        privacy = Privacy(frozenset({"caller", "called", "participants", "identifiers"}))
        row = self.rows(events(), privacy)[-1]
        self.assertEqual(
            [row[name] for name in ("caller", "called", "participants", "identifiers", "stitch")],
            [None] * 5,
        )
        self.assertNotIn("example.com", str(row))

    def test_hashed(self) -> None:
        """The hash is keyed, and the same for the same; names of identifiers are kept."""
        fields = frozenset({"caller", "participants", "identifiers"})
        row = self.rows(events(), Privacy(frozenset(), fields, lambda: b"key"))[-1]
        expected = hmac.new(b"key", b"sip:a@example.com", hashlib.sha256).hexdigest()[:32]
        self.assertEqual(row["caller"], expected)
        [participant] = json.loads(row["participants"])
        self.assertEqual((participant["id"], participant["aor"]), ("p1", expected))
        self.assertEqual(json.loads(row["identifiers"])[0]["name"], "ucid")
        self.assertEqual(row["called"], "sip:b@example.com")
        self.assertNotIn("sip:a@", str(row))
        self.assertNotIn("0001", str(row))

    def test_bad_texts(self) -> None:
        """What a database would refuse in a text is taken out of it."""
        odd = Description("r1", "c1", caller="a\x00b\ud800", extensions=(("x", "\x00y"),))
        row = self.rows(events(description=odd))[-1]
        self.assertEqual((row["caller"], json.loads(row["identifiers"])[0]["value"]), ("ab?", "y"))


class RecordsTests(SynchronousTestCase):
    """Into the database."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.database = FakeDatabase()
        self.records = self.make()
        self.records.startService()
        self.clock.advance(0)

    def tearDown(self) -> None:
        if self.records.running:
            self.successResultOf(self.records.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(
        self,
        keep_s: float = 0.0,
        node: str = "node-1",
        keep_tenants_s: dict[str, float] | None = None,
    ) -> Records:
        return Records(
            self.clock,
            lambda: WALL + self.clock.seconds(),
            CallRecords(node, Privacy()),
            RecordTable(self.database, node),
            keep_s,
            keep_tenants_s,
            max_waiting=3,
        )

    def restart(self, **more: Any) -> None:
        self.successResultOf(self.records.stopService())
        self.records = self.make(**more)
        self.records.startService()
        self.clock.advance(0)

    def happen(self, *happened: CallEvent) -> None:
        for event in happened:
            self.records.happened(event, WALL + self.clock.seconds())

    def rows(self, columns: str = "id, state") -> list[tuple[Any, ...]]:
        return self.database.connection.execute(
            f"SELECT {columns} FROM {TABLE} ORDER BY id"  # noqa: S608
        ).fetchall()

    def test_written(self) -> None:
        """A row appears with the answer, and is made complete at the end."""
        calls = events()
        self.happen(*calls[:3])
        self.clock.advance(0)
        self.assertEqual(self.rows(), [("r1", "recording")])
        self.happen(*calls[3:])
        self.clock.advance(0)
        self.assertEqual(self.rows("id, state, packets, complete"), [("r1", "ended", 98, 0)])
        self.assertEqual(self.records.counters["written"], 2)

    def test_written_at_the_end(self) -> None:
        """What waits when the server stops is still written."""
        self.happen(*events())
        self.successResultOf(self.records.stopService())
        self.assertEqual(self.rows(), [("r1", "ended")])
        self.assertTrue(self.database.closed)

    def own(self, id: str, tenant: str) -> None:
        """A call of a tenant, to its end."""
        self.happen(
            *(
                replace(event, tenant=tenant) if isinstance(event, CallBegan) else event
                for event in events(id)
            )
        )
        self.clock.advance(0)

    def test_tenant(self) -> None:
        """The row says whose the call is; of a call that was refused too."""
        self.own("r1", "acme")
        self.own("r2", "")
        self.happen(
            CallOffered("r3", "c3", "sbc"),
            CallRefused("c3", "INVITE", "sbc", "x", 486, "Busy", True, "r3", "acme"),
        )
        self.clock.advance(0)
        self.assertEqual(self.rows("id, tenant"), [("r1", "acme"), ("r2", None), ("r3", "acme")])

    def test_keep_tenants(self) -> None:
        """Rows of a tenant have a time of their own, or none; the others have that of all."""
        self.restart(keep_s=86_400.0, keep_tenants_s={"acme": 3_600.0, "globex": 0.0})
        for id, tenant in (("r1", "acme"), ("r2", "globex"), ("r3", "initech"), ("r4", "")):
            self.own(id, tenant)
        self.clock.advance(0)
        self.clock.advance(7_200.0)
        self.assertEqual([id for (id,) in self.rows("id")], ["r2", "r3", "r4"])
        self.clock.pump([3_600.0] * 24)
        self.assertEqual([id for (id,) in self.rows("id")], ["r2"])

    def test_keep_one_tenant(self) -> None:
        """Where all other rows are kept for ever, those of a tenant may still go."""
        self.restart(keep_tenants_s={"acme": 3_600.0})
        self.own("r1", "acme")
        self.own("r2", "")
        self.clock.advance(0)
        self.clock.advance(7_200.0)
        self.assertEqual([id for (id,) in self.rows("id")], ["r2"])

    def test_redirected(self) -> None:
        """All destinations that it ever went to are in the row."""
        began = events()
        self.happen(*began[:3], CallRedirected("r1", ("speech", "qa")), *began[3:])
        self.happen(CallRedirected("r1", ("qa",)))
        self.clock.advance(0)
        [(destinations,)] = self.rows("destinations")
        self.assertEqual(json.loads(destinations), ["speech", "log", "qa"])

    def test_older_table(self) -> None:
        """A table that an earlier version made gets the columns that it lacks."""
        connection = self.database.connection
        connection.execute(f"ALTER TABLE {TABLE} DROP COLUMN tenant")
        self.restart()
        self.own("r1", "acme")
        self.clock.advance(0)
        self.assertEqual(self.rows("id, tenant"), [("r1", "acme")])

    def test_lost_calls(self) -> None:
        """After a crash, calls without an end are lost: those of this node alone."""
        self.happen(*events("r1")[:3])
        self.clock.advance(0)
        self.restart(node="node-2")
        self.happen(*events("r2")[:3])
        self.clock.advance(0)
        self.restart(node="node-1")
        self.assertEqual(self.rows(), [("r1", "lost"), ("r2", "recording")])

    def test_database_away(self) -> None:
        """Rows wait for it, each call with its latest; the end of the wait writes them."""
        self.database.fault = sqlite3.OperationalError("locked")
        self.happen(*events()[:3])
        self.clock.advance(0)
        self.happen(*events("r2")[:3], *events()[3:])
        self.clock.advance(4)
        self.database.fault = None
        self.clock.advance(1)
        self.assertEqual(self.rows(), [("r1", "ended"), ("r2", "recording")])
        self.assertEqual(self.records.counters["lost"], 0)

    def test_later_row_wins(self) -> None:
        """Where the end comes while the row of the answer fails, the end is what is written."""
        self.database.pending = Deferred()
        calls = events()
        failing = self.database.pending
        self.happen(*calls[:3])
        self.clock.advance(0)
        self.happen(*calls[3:])
        failing.errback(sqlite3.OperationalError("locked"))
        self.clock.advance(5)
        self.assertEqual(self.rows(), [("r1", "ended")])

    def test_bounded(self) -> None:
        """More rows than may wait push out the oldest."""
        self.database.fault = sqlite3.OperationalError("locked")
        for number in range(5):
            self.happen(*events(f"r{number}"))
        self.database.fault = None
        self.clock.advance(5)
        self.assertEqual([row[0] for row in self.rows()], ["r2", "r3", "r4"])
        self.assertEqual(self.records.counters["lost"], 2)

    def test_away_at_the_start(self) -> None:
        """A database that is away at the start is waited for."""
        self.restart()
        self.successResultOf(self.records.stopService())
        self.database.fault = sqlite3.OperationalError("away")
        self.records = self.make()
        self.records.startService()
        self.clock.advance(0)
        self.happen(*events())
        self.database.fault = None
        self.clock.advance(5)
        self.assertEqual(self.rows(), [("r1", "ended")])

    def test_away_at_the_end(self) -> None:
        """A database that is away holds up the end for as long as it may, and no longer."""
        self.happen(*events())
        self.database.fault = sqlite3.OperationalError("away")
        stopped = self.records.stopService()
        for _ in range(24):
            self.clock.advance(0.2)
        self.assertNoResult(stopped)
        self.clock.advance(0.2)
        self.clock.advance(0.2)
        self.successResultOf(stopped)

    def test_broken_at_the_end(self) -> None:
        """A connection that breaks with the last row is made anew, and the row is written."""
        self.happen(*events())
        self.database.fault = sqlite3.OperationalError("broken")
        stopped = self.records.stopService()
        self.assertNoResult(stopped)
        self.database.fault = None
        self.clock.advance(0.2)
        self.successResultOf(stopped)
        self.assertEqual(self.rows(), [("r1", "ended")])

    def test_bad_row(self) -> None:
        """A row that the database does not take is lost alone."""
        self.database.connection.execute(
            f"CREATE TRIGGER no BEFORE INSERT ON {TABLE} WHEN new.id = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no such thing'); END"
        )
        for id in ("r1", "bad", "r2"):
            self.happen(*events(id))
        for _ in range(6):
            self.clock.advance(5)
        self.assertEqual([row[0] for row in self.rows()], ["r1", "r2"])
        self.assertEqual(self.records.counters["lost"], 1)

    def test_removed(self) -> None:
        """Rows are removed after their time, at the start and every hour."""
        self.happen(*events("old"))
        self.clock.advance(0)
        self.restart(keep_s=86_400.0)
        self.clock.advance(80_000)
        self.happen(*events("new"))
        self.clock.advance(0)
        self.assertEqual(len(self.rows()), 2)
        self.clock.advance(10_000)
        self.assertEqual([row[0] for row in self.rows()], ["new"])
