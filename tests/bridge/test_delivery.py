"""Delivery of a consumer stream: reconnections, slowness, endings, and the account of it all."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.delivery import Delivery
from twisted_siprec.bridge.delivery_states import (
    DeliverySettings,
    Disconnect,
    Finished,
    Puzzled,
    Send,
    Tell,
)
from twisted_siprec.dialects import RecstreamDialect
from twisted_siprec.dialects.base import (
    Audio,
    ChannelStart,
    Digit,
    Gap,
    Paused,
    Rearranged,
    Redescribed,
    Resumed,
    StreamStart,
)
from twisted_siprec.participants import Description
from twisted_siprec.plan import ChannelPlan, Destination, Encoding, EndReason
from twisted_siprec.report import ConsumerSaid, DeliveryStatistics, LinkDown, LinkUp
from twisted_siprec.simulator.recstream import ConsumerConnection, ConsumerSettings
from twisted_siprec.simulator.stream_record import StreamRecord

FRAMED = "recstream.v1.framed"
PLAIN = "recstream.v1.plain"
RATE = 1000
CHUNK = 100


def stream_start(**changes: Any) -> StreamStart:
    """A stereo stream of 1000 samples a second, so that a sample is a millisecond."""
    destination = replace(
        Destination("analytics", "ws://127.0.0.1:9000/", replay_ms=2000, replay_bytes=1 << 20),
        **changes,
    )
    channels = (ChannelStart(ChannelPlan(0, (0,))), ChannelStart(ChannelPlan(1, (1,))))
    return StreamStart(
        stream_id="s1",
        bridge="b1",
        started_at=1_700_000_000.0,
        encoding=Encoding.L16,
        sample_rate=RATE,
        channels=channels,
        destination=destination,
        description=Description("b1", "call@src"),
    )


def audio(position: int, samples: int = CHUNK) -> Audio:
    """Audio whose every sample says where it belongs."""
    payload = b"".join(
        (p % 65536).to_bytes(2, "little") * 2 for p in range(position, position + samples)
    )
    return Audio(position, samples, payload)


class Exchange:
    """A delivery, and what came out of it."""

    def __init__(self, limits: DeliverySettings | None = None, **changes: Any) -> None:
        start = stream_start(**changes)
        dialect = RecstreamDialect(start.destination)
        self.delivery = Delivery(start, dialect, "token", limits)
        self.position = 0
        self.now = 0.0
        self.sent: list[Any] = []
        self.others: list[Any] = []
        self.statistics: DeliveryStatistics | None = None

    def drain(self) -> list[Any]:
        """What came out since, texts decoded."""
        new: list[Any] = []
        for output in self.delivery.outputs():
            if isinstance(output, Send):
                message = output.message
                new.append(json.loads(message) if isinstance(message, str) else message)
            else:
                new.append(output)
                self.others.append(output)
                if isinstance(output, Finished):
                    self.statistics = output.statistics
        self.sent += new
        return new

    def carry(self, count: int = 1) -> list[Any]:
        for _ in range(count):
            self.delivery.carry(audio(self.position), self.now)
            self.position += CHUNK
        return self.drain()

    def connect(self, subprotocol: str | None = FRAMED) -> list[Any]:
        self.delivery.connected(subprotocol, self.now)
        return self.drain()

    def say(self, kind: str, **body: Any) -> list[Any]:
        self.delivery.received(json.dumps({"type": kind, "seq": 1, "data": body}), self.now)
        return self.drain()

    def lose(self, retry_in_s: float | None = 1.0, clean: bool = False) -> list[Any]:
        self.delivery.disconnected("gone", retry_in_s, clean, self.now)
        return self.drain()

    def run(self, until: float) -> list[Any]:
        """Let time pass, expiring on the way."""
        new: list[Any] = []
        while (deadline := self.delivery.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.delivery.expire(self.now)
            new += self.drain()
        self.now = until
        return new

    def stop(self, reason: EndReason = EndReason.CALL_ENDED) -> list[Any]:
        self.delivery.stop(reason, self.position, (), self.now)
        return self.drain()


def kinds(messages: list[Any]) -> list[str]:
    """The types of texts, and of frames their numbers, ``r`` for replayed."""
    words = []
    for message in messages:
        if isinstance(message, bytes):
            frame = int.from_bytes(message[4:8], "big")
            words.append(f"{frame}{'r' if message[1] & 4 else ''}")
        elif isinstance(message, dict):
            words.append(message["type"])
        else:
            words.append(type(message).__name__)
    return words


class Model:
    """A consumer, its connection with what is under way in it, and a delivery to it."""

    def __init__(self, framed: bool, behaviour: ConsumerSettings) -> None:
        self.exchange = Exchange()
        self.framed = framed
        self.behaviour = behaviour
        self.records: dict[str, StreamRecord] = {}
        self.connection: ConsumerConnection | None = None
        self.wire: deque[str | bytes] = deque()
        self.heard: list[tuple[int, int, bytes | None]] = []
        self.told: list[str] = []
        self.made_plain = False
        self.closed = False

    def step(self) -> None:
        for output in self.exchange.delivery.outputs():
            if isinstance(output, Send):
                self.wire.append(output.message)
                self.made_plain = self.made_plain or "ready_timeout" in str(output.message)
            elif isinstance(output, Disconnect):
                self.read()
                self.connection = None
                self.wire.clear()
                retry = 1.0 if output.again else None
                self.exchange.delivery.disconnected("left", retry, True, self.exchange.now)
                self.closed = not output.again
            elif isinstance(output, Finished):
                self.exchange.statistics = output.statistics

    def connect(self) -> None:
        if self.connection is None and not self.closed:
            self.wire.clear()
            self.connection = ConsumerConnection(
                self.records,
                self.framed,
                self.behaviour,
                heard=lambda record, new: self.heard.append(
                    (new.position, new.samples, new.payload)
                ),
                told=lambda record, text: self.told.append(text["type"]),
            )
            self.exchange.delivery.connected(FRAMED if self.framed else PLAIN, self.exchange.now)
            self.step()

    def read(self, count: int = 1000) -> None:
        while self.connection is not None and self.wire and count:
            count -= 1
            for reply in self.connection.received(self.wire.popleft()):
                self.exchange.delivery.received(reply, self.exchange.now)
        self.step()

    def lose(self) -> None:
        """The connection dies with what is under way in it."""
        if self.connection is not None:
            self.connection = None
            self.wire.clear()
            self.exchange.delivery.disconnected("lost", 1.0, False, self.exchange.now)
            self.step()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("carry"), st.integers(1, 12)),
        st.tuples(st.just("jump"), st.integers(1, 300)),
        st.tuples(st.just("silent"), st.integers(1, 50)),
        st.tuples(st.just("digit"), st.just(0)),
        st.tuples(st.just("pass"), st.sampled_from([10, 100, 1000, 4000])),
        st.tuples(st.just("connect"), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 8)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("block"), st.just(0)),
        st.tuples(st.just("unblock"), st.just(0)),
        st.tuples(st.just("say"), st.sampled_from(["pause", "resume", "drain", "nonsense"])),
    ),
    max_size=60,
)
BEHAVIOURS = st.builds(
    ConsumerSettings,
    ack_every_ms=st.sampled_from([None, 100, 500]),
    window_ms=st.sampled_from([None, None, 250, 1000]),
    start_at=st.sampled_from(["buffered", "buffered", "live"]),
)


class PromiseTests(SynchronousTestCase):
    """Delivered, or accounted for."""

    def check(self, model: Model, statistics: DeliveryStatistics) -> None:
        self.assertEqual(
            statistics.final_position, statistics.delivered + statistics.missing, statistics
        )
        for record in model.records.values():
            self.assertEqual(record.violations, [])
        for position, samples, payload in model.heard:
            if payload is not None:
                self.assertEqual(payload, audio(position, samples).payload)

    def play(self, model: Model, steps: list[tuple[str, int | str]]) -> None:
        exchange = model.exchange
        for step, argument in steps:
            if step == "carry":
                for _ in range(int(argument)):
                    exchange.delivery.carry(audio(exchange.position), exchange.now)
                    exchange.position += CHUNK
            elif step == "jump":
                gap = Gap(exchange.position, int(argument), (0, 1), "paused", "none")
                exchange.delivery.tell(gap, exchange.now)
                exchange.position += int(argument)
            elif step == "silent":
                gap = Gap(exchange.position, int(argument), (0,), "no_packets", "silence")
                exchange.delivery.tell(gap, exchange.now)
            elif step == "digit":
                exchange.delivery.tell(Digit("5", 80, 0, None, "rfc4733"), exchange.now)
            elif step == "pass":
                until = exchange.now + int(argument) / 1000
                while (due := exchange.delivery.next_deadline()) is not None and due <= until:
                    exchange.now = max(exchange.now, due)
                    exchange.delivery.expire(exchange.now)
                    model.step()
                exchange.now = until
            elif step == "connect":
                model.connect()
            elif step == "read":
                model.read(int(argument))
            elif step == "lose":
                model.lose()
            elif step == "block":
                exchange.delivery.blocked(exchange.now)
            elif step == "unblock":
                exchange.delivery.unblocked(exchange.now)
            elif step == "say" and model.connection is not None:
                said = json.dumps({"type": argument, "data": {}})
                exchange.delivery.received(said, exchange.now)
            model.step()

    def finish(self, model: Model) -> DeliveryStatistics:
        exchange = model.exchange
        exchange.delivery.stop(EndReason.CALL_ENDED, exchange.position, (), exchange.now)
        model.step()
        for _ in range(10_000):
            if exchange.statistics is not None:
                return exchange.statistics
            if model.connection is not None:
                exchange.delivery.unblocked(exchange.now)
            model.read()
            due = exchange.delivery.next_deadline()
            if exchange.statistics is None and due is not None:
                exchange.now = max(exchange.now, due)
                exchange.delivery.expire(exchange.now)
                model.step()
        raise AssertionError("it never finished")

    @settings(max_examples=250, deadline=None)
    @given(STEPS, BEHAVIOURS, st.booleans(), st.booleans())
    def test_whatever_happens(
        self,
        steps: list[tuple[str, int | str]],
        behaviour: ConsumerSettings,
        framed: bool,
        reachable: bool,
    ) -> None:
        """
        However calls, losses, blockades and words interleave, each sample is
        delivered or named, and the consumer sees no hole that was not named. One
        that resumes is told of each key press once, as long as the ring has it.
        """
        if not framed:
            behaviour = ConsumerSettings()
        model = Model(framed, behaviour)
        self.play(model, steps)
        if reachable:
            model.connect()
        statistics = self.finish(model)
        self.check(model, statistics)
        self.assertEqual(statistics.final_position, model.exchange.position)
        for record in model.records.values():
            if record.stop is not None:
                self.assertEqual(record.position or 0, statistics.final_position)
                if framed and not model.made_plain:
                    pressed = sum(step == "digit" for step, _ in steps)
                    told = model.told.count("dtmf")
                    self.assertLessEqual(told, pressed)
                    if statistics.final_position <= 2000:
                        # Nothing has left the ring: texts do with the audio around them.
                        self.assertEqual(told, pressed)


class ConnectionTests(SynchronousTestCase):
    """A consumer that comes, goes and comes back."""

    def test_plain_is_not_waited_for(self) -> None:
        """A plain consumer gets start, then audio at once, as it was."""
        exchange = Exchange()
        started = exchange.connect(PLAIN)
        self.assertEqual(started[0], Tell(LinkUp("b1", "analytics", 1)))
        self.assertEqual(kinds(started[1:]), ["start"])
        self.assertEqual(exchange.carry(), [audio(0).payload])

    def test_framed_waits_for_ready(self) -> None:
        """What is heard before a framed consumer is ready is kept for it."""
        exchange = Exchange()
        exchange.connect()
        self.assertEqual(exchange.carry(2), [])
        self.assertEqual(exchange.say("ready", accept=True)[0], frame(0, 0))
        self.assertEqual(exchange.run(1.0), [frame(1, 100)])

    def test_late_ready_falls_back_to_plain(self) -> None:
        """No ready in 5 s: said in words, then headerless audio."""
        exchange = Exchange()
        exchange.connect()
        exchange.carry()
        self.assertEqual(exchange.run(4.9), [])
        late = exchange.run(5.0)
        self.assertEqual(kinds(late[:1]), ["error"])
        self.assertEqual(late[0]["data"]["code"], "ready_timeout")
        self.assertEqual(late[1:], [audio(0).payload])

    def test_late_ready_fails(self) -> None:
        """Or the connection is closed with 4008 and tried again, as configured."""
        exchange = Exchange(on_ready_timeout="fail")
        exchange.connect()
        self.assertEqual(exchange.run(5.0), [Disconnect(4008, "no ready in time", True)])
        self.assertEqual(exchange.carry(), [])
        exchange.lose()
        exchange.connect()
        self.assertEqual(kinds(exchange.say("ready")), ["0r"])

    def test_resumes_where_the_consumer_wants(self) -> None:
        """A framed consumer that comes back names a frame, and gets all from it, flagged."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(5)
        exchange.lose()
        exchange.carry(2)
        resumed = exchange.connect()
        self.assertEqual(kinds(resumed), ["Tell", "resume"])
        self.assertEqual(
            {name: resumed[1]["data"][name] for name in ("attempt", "firstAvailableFrame")},
            {"attempt": 2, "firstAvailableFrame": 0},
        )
        self.assertEqual(resumed[1]["data"]["start"]["resumeToken"], "token")
        replayed = exchange.say("resumed", fromFrame=3) + exchange.run(2.0)
        self.assertEqual(kinds(replayed), ["3r", "4r", "5r", "6r"])
        self.assertEqual(kinds(exchange.carry()), ["7"])

    def test_replay_is_paced(self) -> None:
        """Four times real time: 100 ms of audio each 25 ms."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(4)
        exchange.lose()
        exchange.now = 1.0
        exchange.connect()
        self.assertEqual(kinds(exchange.say("resumed", fromFrame=0)), ["0r"])
        self.assertEqual(exchange.delivery.next_deadline(), 1.025)
        self.assertEqual(kinds(exchange.run(1.05)), ["1r", "2r"])

    def test_older_than_the_ring_is_a_gap(self) -> None:
        """What the consumer wants and is gone is named, and no longer counts as delivered."""
        exchange = Exchange(replay_ms=300)
        exchange.connect()
        exchange.say("ready")
        exchange.carry(6)
        exchange.lose()
        exchange.connect()
        replayed = exchange.say("resumed", fromFrame=1) + exchange.run(1.0)
        self.assertEqual(kinds(replayed), ["gap", "3r", "4r", "5r"])
        self.assertEqual(
            replayed[0]["data"],
            {
                "pos": 100,
                "samples": 200,
                "channels": [0, 1],
                "reason": "reconnect",
                "filled": "none",
            },
        )
        stop = exchange.stop()[-1]["data"]
        self.assertEqual(
            (stop["finalPos"], stop["bytes"], stop["gaps"]), (600, 1600, {"reconnect": 200})
        )

    def test_unsent_beyond_the_ring_is_a_gap(self) -> None:
        """What fell out of the ring before anyone was there is the first thing told."""
        exchange = Exchange(replay_ms=300)
        exchange.carry(5)
        exchange.connect()
        sent = exchange.say("ready") + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["gap", "0", "1", "2"])
        self.assertEqual((sent[0]["data"]["pos"], sent[0]["data"]["samples"]), (0, 200))
        self.assertEqual(sent[1], frame(0, 200))

    def test_starts_over_for_a_forgetful_consumer(self) -> None:
        """Ready instead of resumed: the whole ring again."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(3)
        exchange.lose()
        exchange.connect()
        self.assertEqual(kinds(exchange.say("ready") + exchange.run(1.0)), ["0r", "1r", "2r"])

    def test_older_than_the_ring_for_a_forgetful_consumer(self) -> None:
        """Of what was sent and not acknowledged, nothing goes without a word."""
        exchange = Exchange(replay_ms=300)
        exchange.connect()
        exchange.say("ready", ackEveryMs=200)
        exchange.carry(2)
        exchange.say("ack", frame=0)
        exchange.carry(3)
        exchange.lose()
        exchange.carry(2)
        exchange.connect()
        sent = exchange.say("ready", ackEveryMs=200) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["gap", "4r", "5r", "6r"])
        self.assertEqual((sent[0]["data"]["pos"], sent[0]["data"]["samples"]), (100, 300))
        stop = exchange.stop()[-1]["data"]
        self.assertEqual(
            (stop["finalPos"], stop["bytes"], stop["gaps"]), (700, 1600, {"reconnect": 300})
        )

    def test_lost_before_the_first_acknowledgement(self) -> None:
        """One that said that it would acknowledge has nothing until it does."""
        exchange = Exchange(replay_ms=300)
        exchange.connect()
        exchange.say("ready", ackEveryMs=1000)
        exchange.carry(4)
        exchange.lose()
        exchange.connect()
        sent = exchange.say("ready") + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["gap", "1r", "2r", "3r"])

    def test_one_that_never_acknowledges(self) -> None:
        """What was sent to it counts as delivered, though the ring has it no more."""
        exchange = Exchange(replay_ms=300)
        exchange.connect()
        exchange.say("ready")
        exchange.carry(4)
        exchange.lose()
        exchange.connect()
        sent = exchange.say("ready") + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["1r", "2r", "3r"])

    def test_the_window_outlives_the_connection(self) -> None:
        """A consumer that resumes says no ready again: what it said before holds."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready", windowMs=200)
        exchange.carry(4)
        exchange.lose()
        exchange.connect()
        sent = exchange.say("resumed", fromFrame=0) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["0r", "1r"])

    def test_a_frame_of_the_future_starts_over(self) -> None:
        """A consumer that names a frame that was never sent gets the ring, and nothing is lost."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(2)
        exchange.lose()
        exchange.connect()
        sent = exchange.say("resumed", fromFrame=3) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["Puzzled", "0r", "1r"])

    def test_nothing_is_lacking(self) -> None:
        """A consumer that has all goes on with the next frame."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(2)
        exchange.lose()
        exchange.connect()
        self.assertEqual(exchange.say("resumed", fromFrame=2), [])
        self.assertEqual(exchange.carry(), [frame(2, 200)])

    def test_a_replay_that_falls_out_of_the_ring(self) -> None:
        """What was sent once, is wanted again and is too old by then, is a gap after all."""
        exchange = Exchange(replay_ms=300)
        exchange.connect()
        exchange.say("ready")
        exchange.carry(3)
        exchange.lose()
        exchange.connect()
        self.assertEqual(kinds(exchange.say("resumed", fromFrame=0)), ["0r"])
        sent = exchange.carry(2) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["gap", "2r", "3r", "4r"])
        self.assertEqual((sent[0]["data"]["pos"], sent[0]["data"]["samples"]), (100, 100))
        exchange.stop()
        exchange.run(100.0)
        assert exchange.statistics is not None
        statistics = exchange.statistics
        self.assertEqual((statistics.delivered, statistics.missing), (400, 100))
        self.assertEqual(statistics.octets, 1600)

    def test_given_up_in_a_replay(self) -> None:
        """What an earlier connection was handed stays delivered: nobody can be told otherwise."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(3)
        exchange.lose()
        exchange.carry(1)
        exchange.connect()
        self.assertEqual(kinds(exchange.say("resumed", fromFrame=0)), ["0r"])
        exchange.lose(None)
        exchange.stop()
        assert exchange.statistics is not None
        self.assertEqual((exchange.statistics.delivered, exchange.statistics.missing), (300, 100))

    def test_live_skips_what_waits(self) -> None:
        """startAt live: a gap for what waited, then what comes."""
        exchange = Exchange()
        exchange.carry(3)
        exchange.connect()
        skipped = exchange.say("ready", startAt="live")
        self.assertEqual(kinds(skipped), ["gap"])
        self.assertEqual((skipped[0]["data"]["pos"], skipped[0]["data"]["samples"]), (0, 300))
        self.assertEqual(exchange.carry(), [frame(0, 300)])

    def test_acknowledged_is_not_kept(self) -> None:
        """What is acknowledged leaves the ring; the rest is still there."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(4)
        exchange.say("ack", frame=2)
        exchange.lose()
        resume = exchange.connect()[1]["data"]
        self.assertEqual((resume["firstAvailableFrame"], resume["lastAckedFrame"]), (3, 2))

    def test_plain_gets_the_ring_again(self) -> None:
        """A plain consumer that comes back gets start with attempt 2 and where its audio begins."""
        exchange = Exchange(replay_ms=200)
        exchange.connect(PLAIN)
        exchange.carry(3)
        exchange.lose()
        start = exchange.connect(PLAIN)[1]
        self.assertEqual((start["type"], start["pos"], start["data"]["attempt"]), ("start", 100, 2))
        self.assertEqual(exchange.sent[-1], audio(100).payload)
        self.assertEqual(exchange.run(1.0), [audio(200).payload])

    def test_changes_that_left_the_ring_are_in_the_next_start(self) -> None:
        """Metadata and channels that a new consumer can no longer be told of, start tells."""
        exchange = Exchange(replay_ms=100)
        exchange.connect(PLAIN)
        exchange.delivery.tell(Redescribed(Description("b1", "call@src", src="sip:new")), 0.0)
        one = (ChannelStart(ChannelPlan(0, (0,), label="7")),)
        exchange.delivery.tell(Rearranged(0, one), 0.0)
        exchange.carry(3)
        exchange.lose()
        start = exchange.connect(PLAIN)[1]["data"]
        self.assertEqual(start["siprec"]["src"], "sip:new")
        self.assertEqual(start["channels"], [{"index": 0, "label": "7"}])

    def test_reconnection_before_ready_is_no_resumption(self) -> None:
        """A consumer that never took the stream is started, not resumed."""
        exchange = Exchange()
        exchange.connect()
        exchange.lose()
        self.assertEqual(kinds(exchange.connect()), ["Tell", "start"])

    def test_down_is_reported(self) -> None:
        """Signalling hears of a lost connection and of when it is tried again."""
        exchange = Exchange()
        exchange.connect()
        self.assertEqual(exchange.lose(0.5), [Tell(LinkDown("b1", "analytics", "gone", 0.5))])

    def test_never_again(self) -> None:
        """When no connection will be tried again, the call goes on, and all of it is a gap."""
        exchange = Exchange()
        exchange.carry(2)
        exchange.lose(None)
        exchange.carry(2)
        exchange.stop()
        assert exchange.statistics is not None
        self.assertEqual(exchange.statistics.missing, 400)
        self.assertEqual(exchange.statistics.gaps_ms, (("reconnect", 400),))
        self.assertFalse(exchange.statistics.complete)


def frame(number: int, position: int, flags: int = 0) -> bytes:
    """A framed message with the audio that belongs at a position."""
    header = bytes([0x10, flags, 255, 0]) + number.to_bytes(4, "big") + position.to_bytes(8, "big")
    return header + audio(position).payload


class FlowTests(SynchronousTestCase):
    """A consumer that cannot keep up, or says how much it wants."""

    def ready(self, **changes: Any) -> Exchange:
        """A framed consumer that has said ready."""
        exchange = Exchange(**changes)
        exchange.connect()
        exchange.say("ready")
        return exchange

    def test_blocked_waits(self) -> None:
        """Nothing is sent into a full transport; what waited goes when it has room."""
        exchange = self.ready()
        exchange.delivery.blocked(0.0)
        self.assertEqual(exchange.carry(2), [])
        exchange.delivery.unblocked(0.0)
        self.assertEqual(exchange.drain(), [frame(0, 0), frame(1, 100)])

    def test_backlog_is_merged(self) -> None:
        """Past backlog_ms, chunks are joined up to max_chunk_ms; frames count messages."""
        exchange = self.ready(backlog_ms=500, max_chunk_ms=300)
        exchange.delivery.blocked(0.0)
        exchange.carry(8)
        exchange.delivery.unblocked(0.0)
        sent = exchange.drain()
        self.assertEqual([len(message) - 16 for message in sent], [1200] + [400] * 5)
        self.assertEqual(kinds(sent), ["0", "1", "2", "3", "4", "5"])
        self.assertEqual(sent[0][16:], audio(0, 300).payload)

    def test_too_slow_is_a_gap(self) -> None:
        """A connected consumer that reads too slowly for the ring loses the oldest, by name."""
        exchange = self.ready(replay_ms=300)
        exchange.delivery.blocked(0.0)
        exchange.carry(5)
        exchange.delivery.unblocked(0.0)
        sent = exchange.drain()
        self.assertEqual(kinds(sent), ["gap", "0", "1", "2"])
        self.assertEqual(sent[0]["data"]["reason"], "backpressure")

    def test_texts_survive_amid_lost_audio(self) -> None:
        """A key press amid audio that was lost is told, in its place."""
        exchange = self.ready(replay_ms=100)
        exchange.delivery.blocked(0.0)
        exchange.carry(1)
        exchange.delivery.tell(Digit("5", 80, 0, None, "rfc4733"), 0.0)
        exchange.carry(2)
        exchange.delivery.unblocked(0.0)
        sent = exchange.drain()
        self.assertEqual(kinds(sent), ["gap", "dtmf", "gap", "0"])
        self.assertEqual([text["pos"] for text in sent[:3]], [0, 100, 100])

    def test_burst(self) -> None:
        """A long backlog goes in parts, so that the transport can say stop between them."""
        exchange = Exchange(DeliverySettings(burst_octets=900))
        exchange.connect()
        exchange.say("ready")
        exchange.delivery.blocked(0.0)
        exchange.carry(5)
        exchange.delivery.unblocked(0.0)
        self.assertEqual(kinds(exchange.drain()), ["0", "1", "2"])
        self.assertEqual(exchange.delivery.next_deadline(), 0.0)
        exchange.delivery.expire(0.0)
        self.assertEqual(kinds(exchange.drain()), ["3", "4"])

    def test_window(self) -> None:
        """No more than the window is under way; an acknowledgement makes room."""
        exchange = self.ready()
        exchange.say("window", ms=250)
        self.assertEqual(kinds(exchange.carry(4)), ["0", "1"])
        self.assertEqual(kinds(exchange.say("ack", frame=0)), ["2"])

    def test_a_small_window_still_moves(self) -> None:
        """One message may always be under way."""
        exchange = self.ready()
        exchange.say("window", ms=1)
        self.assertEqual(kinds(exchange.carry(2)), ["0"])
        self.assertEqual(kinds(exchange.say("ack", frame=0)), ["1"])

    def test_window_of_a_new_connection(self) -> None:
        """What an earlier connection had under way does not count on this one."""
        exchange = self.ready()
        exchange.carry(5)
        exchange.lose()
        exchange.connect()
        exchange.say("resumed", fromFrame=5)
        exchange.say("window", ms=250)
        self.assertEqual(kinds(exchange.carry(3)), ["5", "6"])

    def test_consumer_pauses(self) -> None:
        """Between pause and resume of the consumer there is no audio, and a gap says so."""
        exchange = self.ready()
        exchange.carry()
        self.assertEqual(kinds(exchange.say("pause")), ["paused"])
        self.assertEqual(exchange.carry(2), [])
        resumed = exchange.say("resume")
        self.assertEqual(kinds(resumed), ["gap", "resumed"])
        self.assertEqual(resumed[0]["data"]["reason"], "paused")
        self.assertEqual(resumed[1]["data"], {"by": "consumer", "skippedSamples": 200})
        self.assertEqual(exchange.carry(), [frame(1, 300)])

    def test_a_pause_ends_with_its_connection(self) -> None:
        """The next connection has not asked for silence."""
        exchange = self.ready()
        exchange.say("pause")
        exchange.carry()
        exchange.lose()
        exchange.carry()
        exchange.connect()
        sent = exchange.say("resumed", fromFrame=0) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["paused", "gap", "resumed", "0r"])

    def test_mark(self) -> None:
        """A mark comes back with where we are."""
        exchange = self.ready()
        exchange.carry(2)
        echoed = exchange.say("mark", name="m1")
        self.assertEqual((echoed[0]["pos"], echoed[0]["data"]), (200, {"name": "m1"}))

    def test_event_is_passed_on(self) -> None:
        """What a consumer says for others is reported."""
        exchange = self.ready()
        said = exchange.say("event", name="transcript", payload={"text": "hello"})
        expected = ConsumerSaid("b1", "analytics", "transcript", '{"text":"hello"}')
        self.assertEqual(said, [Tell(expected)])

    def test_drain(self) -> None:
        """A consumer that drains is left, for where and when it says."""
        exchange = self.ready()
        left = exchange.say("drain", reconnectTo="ws://127.0.0.1:9001/", afterMs=500)
        self.assertEqual(left, [Disconnect(1000, "drain", True, 0.5, "ws://127.0.0.1:9001/")])
        exchange.carry()
        exchange.lose(0.5)
        exchange.connect()
        self.assertEqual(kinds(exchange.say("resumed", fromFrame=0)), ["0r"])

    def test_senseless_consumer_is_left(self) -> None:
        """Oddities are counted and told; too many of them end the connection with 4000."""
        exchange = Exchange(DeliverySettings(max_odd=2))
        exchange.connect(PLAIN)
        self.assertEqual(exchange.say("ack"), [Puzzled("ack from a plain consumer")])
        self.assertEqual(exchange.say("gibber"), [Puzzled("unknown type 'gibber'")])
        third = exchange.say("gibber")
        self.assertEqual(third[-1], Disconnect(4000, "too much that makes no sense", True))

    def test_ack_of_the_future(self) -> None:
        """An acknowledgement of a frame that was never sent does no harm."""
        exchange = self.ready()
        exchange.carry()
        puzzled = [Puzzled("ack of a frame that was not sent")]
        self.assertEqual(exchange.say("ack", frame=1), puzzled)


class InputTests(SynchronousTestCase):
    """What the media plane feeds, and how it is made contiguous."""

    def sent(self, *fed: Audio | Gap | Paused | Resumed) -> list[Any]:
        """What a framed consumer gets of it."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        for value in fed:
            if isinstance(value, Audio):
                exchange.delivery.carry(value, 0.0)
            else:
                exchange.delivery.tell(value, 0.0)
        return exchange.drain()

    def test_a_jump_is_a_gap(self) -> None:
        """A position that jumps without a word is a gap all the same."""
        sent = self.sent(audio(0), audio(300))
        self.assertEqual(kinds(sent), ["0", "gap", "1"])
        self.assertEqual((sent[1]["data"]["pos"], sent[1]["data"]["samples"]), (100, 200))
        self.assertEqual(sent[1]["data"]["reason"], "no_packets")

    def test_an_overlap_is_cut(self) -> None:
        """No sample goes out twice."""
        sent = self.sent(audio(0), audio(50), audio(20, 30))
        self.assertEqual(sent[1][8:16], (100).to_bytes(8, "big"))
        self.assertEqual(sent[1][16:], audio(100, 50).payload)
        self.assertEqual(len(sent), 2)

    def test_a_pause_of_the_src(self) -> None:
        """Paused, a jump, resumed: the jump is named as the pause."""
        sent = self.sent(audio(0), Paused(100, "src"), Resumed(400, "src", 300), audio(400))
        self.assertEqual(kinds(sent), ["0", "paused", "gap", "resumed", "1"])
        self.assertEqual(sent[2]["data"]["reason"], "paused")

    def test_a_named_gap(self) -> None:
        """A gap that is not filled moves the position; one that is does not."""
        sent = self.sent(
            audio(0),
            Gap(100, 50, (0, 1), "muted", "none"),
            Gap(150, 100, (1,), "rtp_loss", "concealed"),
            audio(150),
        )
        self.assertEqual(kinds(sent), ["0", "gap", "gap", "1"])
        self.assertEqual([text["data"]["filled"] for text in sent[1:3]], ["none", "concealed"])


class EndTests(SynchronousTestCase):
    """How a stream ends."""

    def test_stop_and_goodbye(self) -> None:
        """Stop with the account; the consumer says bye; closed with 1000; finished when closed."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(2)
        stop = exchange.stop()
        self.assertEqual(kinds(stop), ["stop"])
        self.assertEqual(
            {
                name: stop[0]["data"][name]
                for name in ("reason", "durationMs", "finalPos", "frames", "bytes")
            },
            {"reason": "call_ended", "durationMs": 200, "finalPos": 200, "frames": 2, "bytes": 800},
        )
        self.assertEqual(exchange.say("bye", reason="thanks"), [Disconnect(1000, "call_ended")])
        self.assertEqual(kinds(exchange.lose(None, clean=True)), ["Finished"])
        assert exchange.statistics is not None
        self.assertEqual(
            (exchange.statistics.final_position, exchange.statistics.delivered), (200, 200)
        )
        self.assertTrue(exchange.statistics.complete)
        self.assertIsNone(exchange.delivery.next_deadline())

    def test_a_consumer_that_does_not_close(self) -> None:
        """After 5 s we close."""
        exchange = Exchange()
        exchange.connect(PLAIN)
        exchange.stop()
        self.assertEqual(exchange.run(4.9), [])
        self.assertEqual(kinds(exchange.run(5.0)), ["Disconnect", "Finished"])

    def test_close_codes(self) -> None:
        """1001 when we shut down, 1011 when it is our fault."""
        for reason, code in ((EndReason.SHUTDOWN, 1001), (EndReason.ERROR, 1011)):
            exchange = Exchange()
            exchange.connect(PLAIN)
            exchange.stop(reason)
            self.assertEqual(exchange.run(5.0)[0], Disconnect(code, reason.value))

    def test_unreachable_to_the_end(self) -> None:
        """Tried for linger_s after the call; then what waits is a gap."""
        exchange = Exchange(linger_s=10.0)
        exchange.carry(3)
        exchange.stop()
        self.assertEqual(exchange.run(9.9), [])
        self.assertEqual(kinds(exchange.run(10.0)), ["Finished"])
        assert exchange.statistics is not None
        self.assertEqual((exchange.statistics.delivered, exchange.statistics.missing), (0, 300))
        self.assertFalse(exchange.statistics.complete)

    def test_reached_after_the_end(self) -> None:
        """A consumer that comes within linger_s gets all, and stop."""
        exchange = Exchange()
        exchange.carry(2)
        exchange.stop()
        exchange.now = 9.0
        exchange.connect()
        self.assertEqual(kinds(exchange.say("ready") + exchange.run(9.5)), ["0", "1", "stop"])

    def test_too_slow_for_the_end(self) -> None:
        """A consumer that takes nothing any more is closed with 4029, and the rest is named."""
        exchange = Exchange(linger_s=1.0, replay_ms=2000)
        exchange.connect()
        exchange.say("ready")
        exchange.delivery.blocked(0.0)
        exchange.carry(2)
        exchange.stop()
        self.assertEqual(exchange.run(1.4), [])
        self.assertEqual(exchange.run(1.5)[0], Disconnect(4029, "not delivered in time"))
        assert exchange.statistics is not None
        self.assertEqual(exchange.statistics.gaps_ms, (("backpressure", 200),))

    def test_goodbye_in_the_middle(self) -> None:
        """Bye: stop with what was sent by then; what comes after is not the consumer's."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(2)
        exchange.delivery.blocked(0.0)
        exchange.carry(1)
        parted = exchange.say("bye", reason="enough")
        self.assertEqual(kinds(parted), ["stop", "Disconnect"])
        self.assertEqual(parted[0]["data"]["reason"], "consumer_bye")
        self.assertEqual(parted[0]["data"]["finalPos"], 200)
        exchange.lose(None, clean=True)
        exchange.carry(2)
        exchange.stop()
        assert exchange.statistics is not None
        self.assertEqual(exchange.statistics.final_position, 200)
        self.assertEqual(exchange.statistics.delivered, 200)

    def test_goodbye_in_a_replay(self) -> None:
        """The stream ends where this connection was, and so does the account."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(3)
        exchange.lose()
        exchange.connect()
        exchange.say("resumed", fromFrame=0)
        stop = exchange.say("bye", reason="enough")[0]["data"]
        self.assertEqual((stop["finalPos"], stop["bytes"]), (100, 400))

    def test_rejected(self) -> None:
        """A reject without retryAfterMs is for good: 4003, and all is a gap."""
        exchange = Exchange()
        exchange.connect()
        exchange.carry()
        rejected = exchange.say("reject", code="busy", message="no room")
        self.assertEqual(rejected, [Disconnect(4003, "rejected: busy no room")])
        exchange.stop()
        assert exchange.statistics is not None
        self.assertEqual(exchange.statistics.missing, 100)

    def test_rejected_for_now(self) -> None:
        """With retryAfterMs it is tried again then."""
        exchange = Exchange()
        exchange.connect()
        rejected = exchange.say("reject", code="busy", message="", retryAfterMs=1500)
        self.assertEqual(rejected, [Disconnect(4003, "rejected: busy", True, 1.5)])

    def test_vanished_before_it_confirmed(self) -> None:
        """A consumer that acknowledges, and vanishes before the last frames, gets them again."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready")
        exchange.carry(3)
        exchange.say("ack", frame=0)
        exchange.stop()
        self.assertEqual(exchange.lose(0.1), [])
        exchange.connect()
        sent = exchange.say("resumed", fromFrame=1) + exchange.run(1.0)
        self.assertEqual(kinds(sent), ["1r", "2r", "stop"])

    def test_not_confirmed_in_time(self) -> None:
        """One that is there but does not read gets what it did not acknowledge on another."""
        exchange = Exchange()
        exchange.connect()
        exchange.say("ready", ackEveryMs=100)
        exchange.carry(3)
        exchange.say("ack", frame=0)
        exchange.stop()
        self.assertEqual(exchange.run(4.9), [])
        self.assertEqual(exchange.run(5.0), [Disconnect(4008, "not acknowledged in time", True)])
        exchange.lose(0.1)
        exchange.connect()
        sent = exchange.say("resumed", fromFrame=1) + exchange.run(6.0)
        self.assertEqual(kinds(sent), ["1r", "2r", "stop"])
        exchange.say("ack", frame=2)
        self.assertEqual(kinds(exchange.say("bye", reason="done")), ["Disconnect"])
        exchange.lose(None, clean=True)
        assert exchange.statistics is not None
        self.assertTrue(exchange.statistics.complete)

    def test_never_confirmed(self) -> None:
        """Not for ever: so many connections, then the stream was not completed."""
        exchange = Exchange(DeliverySettings(max_unconfirmed=2), linger_s=100.0)
        exchange.connect()
        exchange.say("ready", ackEveryMs=100)
        exchange.carry(1)
        exchange.stop()
        ends = []
        for _ in range(3):
            ends += kinds(exchange.run(exchange.now + 5.0))
            if exchange.statistics is None:
                exchange.lose(0.1)
                exchange.connect()
                exchange.say("resumed", fromFrame=0)
        self.assertEqual(ends, ["Disconnect", "Disconnect", "Disconnect", "Finished"])
        assert exchange.statistics is not None
        self.assertFalse(exchange.statistics.complete)

    def test_vanished_for_good(self) -> None:
        """If it does not come back for them, the stream was not completed."""
        exchange = Exchange(linger_s=2.0, replay_ms=2000)
        exchange.connect()
        exchange.say("ready")
        exchange.carry(2)
        exchange.say("ack", frame=0)
        exchange.stop()
        exchange.lose(0.1)
        self.assertEqual(kinds(exchange.run(2.5)), ["Finished"])
        assert exchange.statistics is not None
        self.assertFalse(exchange.statistics.complete)

    def test_after_the_end_nothing(self) -> None:
        """Audio, events and another stop after stop change nothing."""
        exchange = Exchange()
        exchange.connect(PLAIN)
        exchange.stop()
        self.assertEqual(exchange.carry(), [])
        exchange.delivery.tell(Paused(0, "src"), 0.0)
        self.assertEqual(exchange.stop(), [])


class AnythingTests(SynchronousTestCase):
    """A consumer can say what it likes."""

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.one_of(
                st.text(),
                st.binary(),
                st.sampled_from(
                    [
                        '{"type":"ready","data":{"accept":false}}',
                        '{"type":"ack","data":{"frame":-1}}',
                        '{"type":"ack","data":{"frame":1e3}}',
                        '{"type":"resumed","data":{"fromFrame":true}}',
                        '{"type":"window","data":{"ms":0}}',
                        '{"type":"event","data":{"name":"\\ud800","payload":[[[]]]}}',
                        '{"type":"drain","data":{"reconnectTo":7,"afterMs":null}}',
                        '{"type":5}',
                        "[]",
                        "{",
                        "NaN",
                    ]
                ),
            ),
            max_size=10,
        )
    )
    def test_nothing_it_says_raises(self, said: list[str | bytes]) -> None:
        """Neither before it is ready nor after, and the account still holds."""
        exchange = Exchange()
        exchange.connect()
        for message in said:
            exchange.delivery.received(message, 0.0)
        exchange.carry(2)
        exchange.stop()
        exchange.run(100.0)
        assert exchange.statistics is not None
        statistics = exchange.statistics
        self.assertEqual(statistics.final_position, statistics.delivered + statistics.missing)
