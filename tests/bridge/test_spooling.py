"""Delivery with a spool: what waits on disk, what comes back, and the account of it all."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.bridge.test_delivery import CHUNK, FRAMED, PLAIN, audio, stream_start
from twisted_siprec.bridge.delivery import Delivery, Earlier
from twisted_siprec.bridge.delivery_states import Disconnect, Finished, Send, ToSpool
from twisted_siprec.bridge.journal import Keep, PutBy, Recall, Release
from twisted_siprec.dialects import RecstreamDialect
from twisted_siprec.dialects.base import Digit, Gap, StreamStart
from twisted_siprec.net.delivery.late import late_start
from twisted_siprec.net.delivery.spool_cipher import Open
from twisted_siprec.net.delivery.spool_table import Shelved, SpoolTable
from twisted_siprec.plan import EndReason
from twisted_siprec.report import DeliveryStatistics
from twisted_siprec.simulator.recstream import ConsumerConnection, ConsumerSettings
from twisted_siprec.simulator.stream_record import StreamRecord


class House:
    """A consumer, a disk, and deliveries of one stream to the one by way of the other."""

    def __init__(self, framed: bool = True, behaviour: ConsumerSettings | None = None) -> None:
        self.framed = framed
        self.behaviour = behaviour or ConsumerSettings()
        self.table = SpoolTable(Open())
        self.disk = sqlite3.connect(":memory:")
        self.table.create(self.cursor)
        self.orders: list[Any] = []
        self.full = False
        self.unreadable = False
        self.records: dict[str, StreamRecord] = {}
        self.heard: dict[int, bytes] = {}
        self.now = 0.0
        self.position = 0
        start = stream_start(spool=True, replay_ms=1000, backlog_ms=300, linger_s=1.0)
        self.begin(start)

    @property
    def cursor(self) -> Any:
        return self.disk.cursor()

    def rows(self) -> tuple[int, int]:
        """Streams and entries on disk."""
        counts = [
            self.disk.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("streams", "entries")
        ]
        return counts[0], counts[1]

    def begin(self, start: StreamStart, earlier: Earlier | None = None) -> None:
        self.delivery = Delivery(start, RecstreamDialect(start.destination), "t", None, earlier)
        self.connection: ConsumerConnection | None = None
        self.wire: deque[str | bytes] = deque()
        self.closed = False
        self.statistics: DeliveryStatistics | None = None
        self.settle()

    def settle(self) -> None:
        """Do what the delivery wants, until it wants nothing."""
        while outputs := self.delivery.outputs():
            for output in outputs:
                self.do(output)

    def do(self, output: Any) -> None:
        match output:
            case Send(message):
                self.wire.append(message)
            case Disconnect():
                self.read()
                self.connection = None
                self.delivery.disconnected("left", 1.0 if output.again else None, True, self.now)
                self.closed = not output.again
            case Finished(statistics):
                self.statistics = statistics
            case ToSpool(order):
                self.orders.append(order)
                self.carry_out(order)

    def carry_out(self, order: Any) -> None:
        shelved = Shelved(self.delivery.start, "t", order)
        if self.full and isinstance(order, (Keep, PutBy)):
            if isinstance(order, PutBy):
                self.table.delete(self.cursor, "s1")
                self.delivery.written(False, self.now)
            return
        self.table.write(self.cursor, [shelved], 1000.0)
        if isinstance(order, PutBy):
            self.delivery.written(True, self.now)
        elif isinstance(order, Recall):
            found = self.table.recall(self.cursor, "s1", order)
            if self.unreadable:
                found = ((), order.until - 1)
            self.delivery.recalled(*found, self.now)

    # --- what happens ---

    def carry(self, chunks: int) -> None:
        for _ in range(chunks):
            self.delivery.carry(audio(self.position), self.now)
            self.position += CHUNK
            self.settle()

    def connect(self) -> None:
        if self.connection is None and not self.closed:
            self.wire.clear()
            self.connection = ConsumerConnection(
                self.records, self.framed, self.behaviour, heard=self.take
            )
            self.delivery.connected(FRAMED if self.framed else PLAIN, self.now)
            self.settle()

    def take(self, record: StreamRecord, new: Any) -> None:
        for offset in range(new.samples):
            sample = new.payload[4 * offset : 4 * offset + 4]
            assert new.position + offset not in self.heard
            self.heard[new.position + offset] = sample

    def read(self, count: int = 100_000) -> None:
        while self.connection is not None and self.wire and count:
            count -= 1
            for reply in self.connection.received(self.wire.popleft()):
                self.delivery.received(reply, self.now)
        self.settle()

    def lose(self) -> None:
        if self.connection is not None:
            self.connection = None
            self.wire.clear()
            self.delivery.disconnected("lost", 1.0, False, self.now)
            self.settle()

    def run(self, seconds: float, reading: bool = True) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (due := self.delivery.next_deadline()) is not None and due <= until:
            self.now = max(self.now, due)
            self.delivery.expire(self.now)
            self.settle()
            if reading:
                self.read()
        self.now = until

    def stop(self) -> None:
        self.delivery.stop(EndReason.CALL_ENDED, self.position, (), self.now)
        self.settle()

    def die(self) -> None:
        """kill -9: nothing but the disk is left."""
        self.connection = None
        self.wire.clear()

    def late(self, exact: bool) -> bool:
        """Another delivery goes on with what is on disk; False where there is nothing."""
        loaded = self.table.load(self.cursor, "s1", exact)
        if loaded is None:
            return False
        start = late_start(loaded, loaded.start.destination)
        until = self.now + 86_400.0
        self.begin(start, Earlier(loaded.kept, loaded.standing, loaded.ending, until))
        return True

    def finish(self) -> DeliveryStatistics:
        """The consumer is there and reads until all is done."""
        for _ in range(200):
            self.connect()
            self.read()
            self.run(1.0)
            if self.statistics is not None:
                return self.statistics
        raise AssertionError("it does not end")


class HouseTestCase(SynchronousTestCase):
    """Checks of what came."""

    def assert_promise(self, house: House) -> None:
        """The sum is exact, the consumer found nothing amiss, each sample is in its place."""
        known = house.statistics
        assert known is not None
        total = known.delivered + known.missing + known.spooled
        self.assertEqual(known.final_position, total, known)
        for record in house.records.values():
            self.assertEqual(record.violations, [])
        for position, sample in house.heard.items():
            self.assertEqual(sample, (position % 65536).to_bytes(2, "little") * 2)


class DuringTests(HouseTestCase):
    """The consumer comes back while the call goes on."""

    def test_a_consumer_that_keeps_up(self) -> None:
        """Nothing is written."""
        house = House()
        house.connect()
        house.read()
        house.carry(100)
        house.stop()
        house.finish()
        self.assertEqual(house.orders, [])
        self.assertEqual(house.rows(), (0, 0))

    def test_a_short_absence(self) -> None:
        """Less than backlog_ms is kept in memory alone."""
        house = House()
        house.carry(3)
        self.assertEqual(house.orders, [])
        house.carry(1)
        self.assertEqual([type(order) for order in house.orders], [Keep])
        self.assertEqual(len(house.orders[0].entries), 4)

    def test_a_long_absence(self) -> None:
        """Ten times what the ring holds comes back whole and in order; the disk is empty then."""
        house = House()
        house.carry(100)
        self.assertEqual(house.rows(), (1, 100))
        house.connect()
        house.read()
        house.run(5.0)
        house.carry(1)
        house.run(5.0)
        house.read()
        self.assertEqual(len(house.heard), 10_100)
        self.assertIsInstance(house.orders[-1], Release)
        self.assertEqual(house.rows(), (0, 0))
        house.carry(1)
        self.assertIsInstance(house.orders[-1], Release)
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.missing), (10_200, 0))

    def test_paced(self) -> None:
        """What comes from disk is caught up with at four times real time, not at once."""
        house = House()
        house.carry(100)
        house.connect()
        house.read()
        house.run(1.0)
        self.assertGreater(len(house.heard), 3_500)
        self.assertLess(len(house.heard), 5_000)

    def test_memory_is_bounded(self) -> None:
        """However long it is away, the ring holds what it may and no more."""
        house = House()
        house.carry(1000)
        waiting = house.delivery._backlog._ring.waiting_samples
        self.assertLessEqual(waiting, 1000 + CHUNK)
        self.assertEqual(house.delivery.waiting_s, 100.0)

    def test_texts_keep_their_places(self) -> None:
        """A key press, and a gap of the call itself, come back between the same samples."""
        told: list[Any] = []
        house = House()
        house.carry(30)
        house.delivery.tell(Digit("5", 80, 0, None, "rfc4733"), house.now)
        house.delivery.tell(Gap(3000, 500, (0, 1), "paused", "none"), house.now)
        house.position += 500
        house.carry(30)
        house.connect()
        assert house.connection is not None
        house.connection._told = lambda record, text: told.append(
            (text["type"], text["pos"], len(house.heard))
        )
        house.read()
        house.run(5.0)
        self.assertEqual(told[-2:], [("dtmf", 3000, 3000), ("gap", 3000, 3000)])
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.missing), (6000, 500))

    def test_full(self) -> None:
        """What the disk did not take is a gap; the rest comes, and the sum is exact."""
        house = House()
        house.carry(20)
        house.full = True
        house.carry(20)
        house.full = False
        house.carry(20)
        house.connect()
        house.read()
        house.run(10.0)
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual(statistics.missing, 2000)
        self.assertEqual(dict(statistics.gaps_ms), {"reconnect": 2000})

    def test_unreadable(self) -> None:
        """A disk that gives nothing back: all that was on it alone is a gap."""
        house = House()
        house.carry(50)
        house.unreadable = True
        house.connect()
        house.read()
        house.run(5.0)
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual(statistics.delivered, 1_100)
        self.assertEqual(statistics.missing, 3_900)

    def test_lost_amid_the_recall(self) -> None:
        """
        A consumer that dies while it catches up gets the rest when it is back again,
        and what takes longer than the linger of its destination after that.
        """
        house = House(behaviour=ConsumerSettings(ack_every_ms=200))
        house.carry(100)
        house.connect()
        house.read(20)
        house.lose()
        house.carry(50)
        house.connect()
        house.read()
        house.run(2.0)
        house.lose()
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.spooled), (13_500, 1_500))
        house.late(exact=True)
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.missing), (15_000, 0))

    def test_rejected(self) -> None:
        """A consumer that refuses the stream does not get it later either."""
        house = House(behaviour=ConsumerSettings(reject="no"))
        house.carry(50)
        house.connect()
        house.read()
        house.carry(5)
        house.stop()
        self.assert_promise(house)
        self.assertEqual(house.rows(), (0, 0))

    def test_live_only(self) -> None:
        """A consumer that wants what is live gets a gap for what is on disk."""
        house = House(behaviour=ConsumerSettings(start_at="live"))
        house.carry(50)
        house.connect()
        house.read()
        house.carry(5)
        house.read()
        house.stop()
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.missing), (500, 5000))
        self.assertEqual(house.rows(), (0, 0))


class AfterTests(HouseTestCase):
    """The call ends before the consumer is back."""

    def put_by(self, house: House) -> DeliveryStatistics:
        house.stop()
        house.run(2.0, reading=False)
        assert house.statistics is not None
        self.assert_promise(house)
        return house.statistics

    def test_never_there(self) -> None:
        """All is spooled, named so, and delivered later under the same name, with ``late``."""
        house = House()
        house.carry(50)
        account = self.put_by(house)
        self.assertEqual((account.delivered, account.missing, account.spooled), (0, 0, 5000))
        self.assertFalse(account.complete)
        self.assertTrue(house.late(exact=True))
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.spooled), (5000, 0))
        self.assertTrue(statistics.complete)
        record = house.records["s1"]
        self.assertIs(record.start["late"], True)
        assert record.stop is not None
        self.assertEqual(record.stop["reason"], "call_ended")

    def test_a_short_call(self) -> None:
        """What never was too much for memory goes to disk at the end."""
        house = House()
        house.carry(2)
        self.assertEqual(self.put_by(house).spooled, 200)
        house.late(exact=True)
        self.assertEqual(house.finish().delivered, 200)

    def test_gone_in_the_middle(self) -> None:
        """What it had acknowledged counts as delivered, and is not sent again."""
        house = House(behaviour=ConsumerSettings(ack_every_ms=100))
        house.connect()
        house.read()
        house.carry(10)
        house.read()
        house.carry(2)
        house.lose()
        house.carry(40)
        account = self.put_by(house)
        self.assertEqual((account.delivered, account.spooled), (1000, 4200))
        house.late(exact=True)
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.delivered, statistics.missing), (5200, 0))
        self.assertEqual(house.records["s1"].repeated, 0)

    def test_plain(self) -> None:
        """A plain consumer gets what was in the ring again, as after any reconnection."""
        house = House(framed=False)
        house.connect()
        house.carry(5)
        house.read()
        house.lose()
        house.carry(4)
        account = self.put_by(house)
        self.assertEqual((account.delivered, account.spooled), (0, 900))
        house.late(exact=True)
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual(statistics.delivered, 900)
        self.assertEqual(house.records["s1"].repeated, 500)
        house = House(framed=False)
        house.connect()
        house.carry(5)
        house.read()
        house.lose()
        house.carry(40)
        account = self.put_by(house)
        self.assertEqual((account.delivered, account.spooled), (0, 4500))

    def test_full_at_the_end(self) -> None:
        """Where it cannot be written, it is given up and named at once."""
        house = House()
        house.carry(2)
        house.full = True
        account = self.put_by(house)
        self.assertEqual((account.spooled, account.missing), (0, 200))
        self.assertFalse(house.late(exact=True))

    def test_expired(self) -> None:
        """Nobody came until its time was over: all of it is missing."""
        house = House()
        house.carry(50)
        self.put_by(house)
        house.late(exact=True)
        house.run(90_000.0)
        self.assert_promise(house)
        assert house.statistics is not None
        self.assertEqual(house.statistics.missing, 5000)
        self.assertFalse(house.statistics.complete)

    def test_shutting_down(self) -> None:
        """When the server stops, a stream without its consumer is put by at once."""
        house = House()
        house.carry(5)
        house.delivery.stop(EndReason.SHUTDOWN, 500, (), house.now)
        house.run(0.0)
        assert house.statistics is not None
        self.assertEqual(house.statistics.spooled, 500)

    def test_stop_unconfirmed(self) -> None:
        """A consumer that vanished before it acknowledged the last gets it, and stop, later."""
        house = House(behaviour=ConsumerSettings(ack_every_ms=10_000))
        house.connect()
        house.read()
        house.carry(10)
        # The consumer acknowledges at stop alone.
        house.delivery.received('{"type": "ack", "seq": 9, "data": {"frame": 4}}', house.now)
        house.stop()
        house.lose()
        house.run(10.0, reading=False)
        assert house.statistics is not None
        self.assertEqual((house.statistics.delivered, house.statistics.spooled), (500, 500))


class KilledTests(HouseTestCase):
    """The process is killed, and another one finds what is on disk."""

    def test_amid_the_call(self) -> None:
        """All that was written comes, with an end that says what happened."""
        house = House()
        house.carry(50)
        house.die()
        self.assertTrue(house.late(exact=False))
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual((statistics.final_position, statistics.delivered), (5000, 5000))
        stop = house.records["s1"].stop
        assert stop is not None
        self.assertEqual(stop["reason"], "error")

    def test_amid_the_recall(self) -> None:
        """What the consumer had by then comes again at most; frames and texts go on counting."""
        house = House(behaviour=ConsumerSettings(ack_every_ms=100))
        house.carry(100)
        house.connect()
        house.read()
        house.run(0.5)
        self.assertLess(len(house.heard), 10_000)
        house.die()
        house.late(exact=False)
        statistics = house.finish()
        self.assert_promise(house)
        self.assertEqual(statistics.delivered, 10_000)
        self.assertEqual(len(house.heard), 10_000)

    def test_with_nothing_on_disk(self) -> None:
        """A stream that was up to date leaves nothing behind."""
        house = House()
        house.connect()
        house.read()
        house.carry(10)
        house.die()
        self.assertFalse(house.late(exact=False))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("carry"), st.integers(1, 30)),
        st.tuples(st.just("jump"), st.integers(1, 300)),
        st.tuples(st.just("digit"), st.just(0)),
        st.tuples(st.just("pass"), st.sampled_from([10, 100, 1000, 4000])),
        st.tuples(st.just("connect"), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 30)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("full"), st.integers(0, 1)),
        st.tuples(st.just("unreadable"), st.integers(0, 1)),
        st.tuples(st.just("say"), st.sampled_from(["pause", "resume", "drain"])),
    ),
    max_size=50,
)
BEHAVIOURS = st.builds(
    ConsumerSettings,
    ack_every_ms=st.sampled_from([None, 100, 500]),
    window_ms=st.sampled_from([None, None, 1000]),
    start_at=st.sampled_from(["buffered", "buffered", "live"]),
)


class PromiseTests(HouseTestCase):
    """Delivered, or accounted for, whatever happens."""

    def step(self, house: House, kind: str, value: Any) -> None:
        match kind:
            case "carry":
                house.carry(value)
            case "jump":
                house.position += value
            case "digit":
                house.delivery.tell(Digit("1", 80, None, None, "rfc4733"), house.now)
                house.settle()
            case "pass":
                house.run(value / 1000, reading=False)
            case "connect":
                house.connect()
            case "read":
                house.read(value)
            case "lose":
                house.lose()
            case "full":
                house.full = bool(value)
            case "unreadable":
                house.unreadable = bool(value)
            case "say" if house.connection is not None:
                message = f'{{"type": "{value}", "data": {{"afterMs": 1}}}}'
                house.delivery.received(message, house.now)
                house.settle()

    @settings(deadline=None, max_examples=150)
    @given(STEPS, STEPS, BEHAVIOURS, st.booleans(), st.sampled_from(["end", "die"]))
    def test_any_course(
        self, steps: Any, later: Any, behaviour: ConsumerSettings, framed: bool, how: str
    ) -> None:
        """
        A call, its end or a kill, and late deliveries that are lost too: at the end
        the sum is exact, and the consumer heard no sample twice or in another's place.
        """
        if behaviour.ack_every_ms is None:
            # A window that no acknowledgement ever moves would be a stop.
            behaviour = replace(behaviour, window_ms=None)
        house = House(framed, behaviour)
        for kind, value in steps:
            self.step(house, kind, value)
        if how == "end":
            house.stop()
            house.run(30.0, reading=False)
            self.assert_promise(house)
        if behaviour.ack_every_ms is None or not framed:
            # Without acknowledgements, what was sent is taken for delivered.
            house.read()
        house.die()
        if house.late(exact=how == "end" and house.statistics is not None):
            for kind, value in later:
                if house.statistics is None:
                    self.step(house, kind, value)
            house.full = house.unreadable = False
            house.finish()
            self.assert_promise(house)
