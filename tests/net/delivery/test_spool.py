"""The spool's file: batches, answers, bounds, encryption, and a disk that fails."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.bridge.test_delivery import audio, stream_start
from twisted_siprec.bridge.entries import Entry, Sound, Word
from twisted_siprec.bridge.gaps import Span
from twisted_siprec.bridge.journal import (
    Ending,
    Keep,
    Kept,
    Order,
    PutBy,
    Recall,
    Release,
    Standing,
)
from twisted_siprec.bridge.records import entry_from_octets, entry_to_octets
from twisted_siprec.config.model import SpoolConfiguration
from twisted_siprec.dialects.base import Audio, Digit, Rearranged, Redescribed, StreamStart
from twisted_siprec.net.credentials import SecretError
from twisted_siprec.net.delivery.late import LateDeliveries, LateSettings
from twisted_siprec.net.delivery.spool import Spool, SpoolLimits
from twisted_siprec.net.delivery.spool_cipher import Cipher, Open, Sealed, SealError
from twisted_siprec.net.delivery.spool_file import SpoolFile, spool_of
from twisted_siprec.net.delivery.spool_table import MARGIN, Shelved, SpoolTable
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import Destination, EndReason, Secret
from twisted_siprec.report import DeliveryStatistics
from twisted_siprec.wire import RecordError, from_octets, to_octets

T = TypeVar("T")


class FakeDatabase:
    """SQLite in memory; jobs are done when the test says so, in order."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.jobs: list[tuple[Callable[[Any], Any], Deferred[Any]]] = []
        self.broken = False
        self.manual = False
        self.closed = False
        self.transactions = 0

    def run(self, job: Callable[[Any], T]) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        self.jobs.append((job, done))
        if not self.manual:
            self.work()
        return done

    def work(self) -> None:
        while self.jobs:
            job, done = self.jobs.pop(0)
            self.transactions += 1
            try:
                if self.broken:
                    raise sqlite3.OperationalError("database or disk is full")
                result = job(self.connection.cursor())
            except sqlite3.Error:
                self.connection.rollback()
                done.errback(Failure())
            except Exception:  # noqa: BLE001 - as a thread would
                done.errback(Failure())
            else:
                self.connection.commit()
                done.callback(result)

    def count(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608

    def close(self) -> None:
        self.closed = True


class FakeReader:
    """What a delivery is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def recalled(self, entries: tuple[Entry, ...], through: int) -> None:
        self.told.append(([entry.position for entry in entries], through))

    def written(self, kept: bool) -> None:
        self.told.append(kept)


def keep(first: int, count: int, at: int = 0) -> Keep:
    entries = tuple(Sound(audio(100 * n)) for n in range(first, first + count))
    return Keep(first, entries, Standing(at))


ENDING = Ending(EndReason.CALL_ENDED, 500, (), 500)


class SpoolTestCase(SynchronousTestCase):
    """A spool with a database of the test's."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.database = FakeDatabase()
        self.reader = FakeReader()
        self.wallclock = 1000.0
        self.spool = self.make()

    def make(self, cipher: Cipher | None = None, **limits: Any) -> Spool:
        spool = Spool(
            self.database,
            SpoolTable(cipher or Open()),
            self.clock,
            lambda: self.wallclock,
            SpoolLimits(**limits),
        )
        self.successResultOf(spool.open())
        return spool

    def order(self, order: Order, stream_id: str = "s1") -> None:
        start = stream_start(spool=True)
        self.spool.carry_out(Shelved(replace(start, stream_id=stream_id), "t", order), self.reader)


class BatchTests(SpoolTestCase):
    """One transaction for all that comes in 200 ms."""

    def test_gathered(self) -> None:
        """Orders of several streams are written together, when their time has come."""
        before = self.database.transactions
        self.order(keep(0, 2))
        self.order(keep(0, 3), "s2")
        self.order(keep(2, 1))
        self.clock.advance(0.19)
        self.assertEqual(self.database.transactions, before)
        self.clock.advance(0.01)
        self.assertEqual(self.database.transactions, before + 1)
        self.assertEqual((self.database.count("streams"), self.database.count("entries")), (2, 6))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_recall(self) -> None:
        """What was just ordered is written first; then it comes back, so much at a time."""
        self.order(keep(0, 5))
        self.order(Recall(1, 5, 3, Standing()))
        self.order(Recall(4, 5, 3, Standing()))
        self.assertEqual(self.reader.told, [([100, 200, 300], 3), ([400], 4)])

    def test_what_is_settled_goes(self) -> None:
        """A recall tells where the stream stands: what is before is deleted, and counted off."""
        self.order(keep(0, 5))
        self.clock.advance(1)
        octets = self.spool.octets
        self.order(Recall(5, 5, 3, Standing(300)))
        self.assertEqual(self.database.count("entries"), 2)
        self.assertLess(self.spool.octets, octets)
        self.order(Recall(5, 5, 3, Standing(500)))
        self.assertEqual(self.database.count("entries"), 0)

    def test_release(self) -> None:
        """Nothing of the stream stays, and nobody takes it for a late one meanwhile."""
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.order(Release())
        self.assertEqual(self.successResultOf(self.spool.waiting()), [])
        self.clock.advance(1)
        self.assertEqual(self.database.count("streams"), 0)

    def test_released_and_kept_again(self) -> None:
        """A stream that spools again, before it was released, is the call's own still."""
        self.order(keep(0, 5))
        self.order(Release())
        self.order(keep(5, 5))
        self.clock.advance(1)
        self.assertEqual(self.database.count("entries"), 5)
        self.assertEqual(self.successResultOf(self.spool.waiting()), [])

    def test_put_by(self) -> None:
        """The end of a call is written at once, and only then a late delivery may have it."""
        self.order(keep(0, 5))
        self.assertEqual(self.successResultOf(self.spool.waiting()), [])
        entries = (Sound(audio(150, 50)), Sound(audio(200)))
        self.order(PutBy(1, entries, Standing(150, 10, frames=7), ENDING))
        self.assertEqual(self.reader.told, [True])
        [waiting] = self.successResultOf(self.spool.waiting())
        self.assertEqual((waiting.stream_id, waiting.destination), ("s1", "analytics"))
        loaded = self.successResultOf(self.spool.load("s1"))
        assert loaded is not None
        self.assertEqual(loaded.kept, Kept(1, 5))
        self.assertEqual((loaded.standing.frames, loaded.ending), (7, ENDING))
        self.assertEqual(loaded.start.stream_id, "s1")
        self.order(Recall(1, 5, 9, Standing(150, 10, frames=7)))
        self.assertEqual(self.reader.told[-1], ([150, 200, 300, 400], 4))
        # A second look at it is not by the process that put it by: it may have gone on since.
        again = self.successResultOf(self.spool.load("s1"))
        assert again is not None
        self.assertEqual(again.standing.frames, 7 + MARGIN)
        self.successResultOf(self.spool.delete("s1"))
        self.assertEqual(self.database.count("entries"), 0)
        self.assertIsNone(self.successResultOf(self.spool.load("s1")))

    def test_killed_amid_a_call(self) -> None:
        """A stream without an end is taken as it is, when it is nobody's call any more."""
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.spool = self.make()
        self.assertGreater(self.spool.octets, 5 * 400)
        loaded = self.successResultOf(self.spool.load("s1"))
        assert loaded is not None
        self.assertEqual(loaded.ending, Ending(EndReason.ERROR, 500, (), 500))
        self.assertEqual(loaded.standing.connections, 1)

    def test_closed(self) -> None:
        """What was gathered is written before the file is let go."""
        self.order(keep(0, 5))
        self.successResultOf(self.spool.close())
        self.assertEqual(self.database.count("entries"), 5)
        self.assertTrue(self.database.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class BoundTests(SpoolTestCase):
    """A disk that is full, slow or broken costs gaps, and nothing else."""

    def test_full(self) -> None:
        """Past max_octets nothing is written; it is said once a minute; room can come back."""
        self.spool = self.make(max_octets=3000)
        self.order(keep(0, 5))
        self.clock.advance(1)
        with capturedLogs() as complaints:
            self.order(keep(5, 5))
            self.order(keep(10, 5))
            self.clock.advance(1)
        self.assertEqual((self.database.count("entries"), self.spool.refused), (5, 10))
        self.assertEqual([each["log_level"] for each in complaints], [LogLevel.error])
        self.order(Release())
        self.clock.advance(1)
        self.order(keep(15, 4))
        self.clock.advance(1)
        self.assertEqual(self.database.count("entries"), 4)

    def test_put_by_refused(self) -> None:
        """Where the end of a call cannot be written the delivery is told, and nothing stays."""
        self.spool = self.make(max_octets=3000)
        self.order(keep(0, 5))
        self.order(PutBy(0, keep(0, 5).entries, Standing(), ENDING))
        self.assertEqual(self.reader.told, [False])
        self.clock.advance(1)
        self.assertEqual(self.database.count("streams"), 0)

    def test_slow(self) -> None:
        """What waits for a disk is bounded."""
        self.spool = self.make(max_pending_octets=3000)
        self.database.manual = True
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.order(keep(5, 5))
        self.assertEqual(self.spool.refused, 5)
        self.database.work()
        self.order(keep(10, 4))
        self.clock.advance(1)
        self.database.work()
        self.assertEqual(self.database.count("entries"), 9)

    def test_broken(self) -> None:
        """A batch that fails is refused, the delivery is told, and the next may work again."""
        self.database.broken = True
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.assertEqual((self.spool.refused, self.spool.octets), (5, 0))
        self.order(PutBy(0, keep(0, 5).entries, Standing(), ENDING))
        self.assertEqual(self.reader.told, [False])
        self.database.broken = False
        self.order(keep(5, 5))
        self.clock.advance(1)
        self.assertEqual(self.database.count("entries"), 5)

    def test_unreadable(self) -> None:
        """Reading is tried three times; then the delivery has to do without."""
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.database.broken = True
        self.order(Recall(0, 5, 9, Standing()))
        self.clock.advance(1)
        self.assertEqual(self.reader.told, [])
        self.clock.advance(1)
        self.assertEqual(self.reader.told, [([], 4)])

    def test_readable_again(self) -> None:
        """A lock that goes away costs nothing."""
        self.order(keep(0, 5))
        self.clock.advance(1)
        self.database.broken = True
        self.order(Recall(0, 2, 9, Standing()))
        self.database.broken = False
        self.clock.advance(1)
        self.assertEqual(self.reader.told, [([0, 100], 1)])


class CipherTests(SpoolTestCase):
    """With a key, nothing of a call can be read on the disk."""

    def test_sealed(self) -> None:
        """Neither audio nor metadata is in the file, and all comes back with the key."""
        self.spool = self.make(Sealed("secret"))
        self.order(PutBy(0, (Sound(Audio(0, 100, b"plainsong" * 50)),), Standing(), ENDING))
        dump = "".join(self.database.connection.iterdump())
        raw = self.database.connection.serialize()
        for word in (b"plainsong", b"call@src", b"call_ended"):
            self.assertNotIn(word, raw)
        self.assertIn("entries", dump)
        self.assertIsNotNone(self.successResultOf(self.spool.load("s1")))
        self.order(Recall(0, 1, 9, Standing()))
        self.assertEqual(self.reader.told[-1], ([0], 0))

    def test_another_key(self) -> None:
        """It is an error for a late delivery, and a gap for one that is under way."""
        self.spool = self.make(Sealed("secret"))
        self.order(keep(0, 3))
        self.clock.advance(1)
        self.spool = self.make(Sealed("other"))
        self.failureResultOf(self.spool.load("s1"), SealError)
        self.order(Recall(0, 3, 9, Standing()))
        self.assertEqual(self.reader.told, [([], 2)])

    def test_places_are_sealed_in(self) -> None:
        """An entry that is moved to another place does not open."""
        cipher = Sealed("secret")
        sealed = cipher.seal(b"x", "s1 1")
        self.assertEqual(cipher.open(sealed, "s1 1"), b"x")
        self.assertNotEqual(sealed, cipher.seal(b"x", "s1 1"))
        for octets, about in ((sealed, "s1 2"), (sealed[:-1], "s1 1"), (b"", "s1 1")):
            self.assertRaises(SealError, cipher.open, octets, about)


class RecordTests(SynchronousTestCase):
    """Values as octets and back."""

    def test_entries(self) -> None:
        """Each kind of entry comes back as it was."""
        described = Description("b1", "c", participants=(Participant("p", "sip:a@b", "Ä"),))
        for entry in (
            Sound(Audio(7, 2, b"\0\1\2\3", silence=True, held=True)),
            Sound(Audio(7, 1, b"\0\1", discontinuity=True, concealed=True)),
            Span(7, 2**33, "reconnect"),
            Word(Digit("5", 80, None, "p", "rfc4733"), 7),
            Word(Redescribed(described), 7),
            Word(Rearranged(7, stream_start().channels), 7),
        ):
            self.assertEqual(entry_from_octets(7, entry_to_octets(entry)), entry)

    def test_start(self) -> None:
        """A start with all that a destination has."""
        start = stream_start(
            bearer=Secret(file="x"), failover=(Destination("b", "ws://b/"),), proxy=("p", 1)
        )
        self.assertEqual(from_octets(StreamStart, to_octets(start)), start)

    def test_younger_fields(self) -> None:
        """What an older version did not write has its default."""
        self.assertEqual(from_octets(Standing, b'{"position": 5}'), Standing(5))

    def test_damage(self) -> None:
        """Anything else is refused as what it is."""
        for octets in (b"", b"{", b"[]", b'{"position": "x"}', b"7", b'{"gaps": [[1]]}'):
            self.assertRaises(RecordError, from_octets, Standing, octets)
        for octets in (b"", b"\0", b"\3\0x {}", b"\2\0Nothing {}", b"\2\0Digit {}", b"\2\0Digit"):
            self.assertRaises(RecordError, entry_from_octets, 0, octets)


class LateTests(SpoolTestCase):
    """Who delivers what is on disk."""

    def setUp(self) -> None:
        super().setUp()
        self.named = {"analytics": stream_start(spool=True).destination}
        self.opened: list[tuple[StreamStart, Deferred[DeliveryStatistics]]] = []
        self.late = LateDeliveries(
            self.spool,
            self.clock,
            lambda: self.wallclock,
            lambda: self.named,
            self.open_late,
            LateSettings(max_age_s=100.0, at_once=2),
        )

    def tearDown(self) -> None:
        if self.late.running:
            self.successResultOf(self.late.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def open_late(
        self, start: StreamStart, token: str, earlier: Any
    ) -> Deferred[DeliveryStatistics]:
        done: Deferred[DeliveryStatistics] = Deferred()
        self.opened.append((start, done))
        self.until = earlier.until
        return done

    def put_by(self, *stream_ids: str) -> None:
        for stream_id in stream_ids:
            self.order(PutBy(0, keep(0, 5).entries, Standing(), ENDING), stream_id)

    def names(self) -> list[str]:
        return [start.stream_id for start, _ in self.opened]

    def test_so_many_at_once(self) -> None:
        """The oldest two first, each other when one is done; what is done is deleted."""
        self.put_by("s1")
        self.wallclock += 1
        self.put_by("s2", "s3")
        self.late.startService()
        self.assertEqual(self.names(), ["s1", "s2"])
        self.clock.advance(1)
        self.assertEqual(len(self.opened), 2)
        self.opened[0][1].callback(DeliveryStatistics("analytics", "s1", delivered=500))
        self.assertEqual(self.database.count("streams"), 2)
        self.clock.advance(1)
        self.assertEqual(self.names(), ["s1", "s2", "s3"])
        self.assertEqual(self.late.accounts["delivered"], 500)
        self.assertTrue(all(start.late for start, _ in self.opened))

    def test_age(self) -> None:
        """A delivery has as long as is left of max_age_s since the call's end."""
        self.put_by("s1")
        self.wallclock += 40
        self.late.startService()
        self.assertEqual(self.until, 60.0)

    def test_nobody_to_have_it(self) -> None:
        """A destination that is not configured any more: it stays for so long, and then goes."""
        self.put_by("s1")
        self.named = {}
        self.late.startService()
        self.assertEqual((self.opened, self.database.count("streams")), ([], 1))
        self.wallclock += 101
        self.clock.advance(1)
        self.assertEqual(self.database.count("streams"), 0)

    def test_where_it_goes_now(self) -> None:
        """By what is configured now, but as it was made: encoded audio cannot change its rate."""
        self.put_by("s1")
        self.named = {"analytics": Destination("analytics", "ws://new/", chunk_ms=20, spool=True)}
        self.late.startService()
        made = self.opened[0][0].destination
        self.assertEqual((made.url, made.chunk_ms), ("ws://new/", 100))

    def test_unreadable(self) -> None:
        """What was written with another key is complained of once, and left alone."""
        self.put_by("s1")
        self.spool._table = SpoolTable(Sealed("key"))
        self.late.startService()
        self.clock.advance(1)
        self.assertEqual((self.opened, self.database.count("streams")), ([], 1))

    def test_broken(self) -> None:
        """A database that fails is asked again."""
        self.put_by("s1")
        self.database.broken = True
        self.late.startService()
        self.flushLoggedErrors()
        self.database.broken = False
        self.clock.advance(1)
        self.flushLoggedErrors()
        self.assertEqual(self.names(), ["s1"])


class FileTests(SynchronousTestCase):
    """The spool of a configuration."""

    def test_none(self) -> None:
        """Without a directory there is none."""
        self.assertIsNone(spool_of(SpoolConfiguration(), Clock()))

    def test_key(self) -> None:
        """A key that cannot be read is told before anything is written in the clear."""
        settings = SpoolConfiguration("spool", key=Secret(file="/no/such"))
        self.assertRaises(SecretError, spool_of, settings, Clock())

    def test_directory(self) -> None:
        """It is made with the first job; where it cannot be, the job fails."""
        blocked = self.mktemp()
        with open(blocked, "w", encoding="utf-8"):
            pass
        file = SpoolFile(os.path.join(blocked, "spool"), Clock())
        self.failureResultOf(file.run(lambda cursor: None), OSError)
        file.close()
