"""Chunks sent past the delivery: the same messages and the same account as one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.bridge.test_delivery import CHUNK, FRAMED, PLAIN, Exchange, audio
from twisted_siprec.bridge.delivery_states import DeliverySettings
from twisted_siprec.bridge.stride import MAX_CHUNKS
from twisted_siprec.dialects.base import Digit, Gap
from twisted_siprec.plan import EndReason

OPERATIONS = st.one_of(
    st.tuples(st.just("chunks"), st.integers(1, 2 * MAX_CHUNKS + 3)),
    st.tuples(st.just("short"), st.integers(1, CHUNK - 1)),
    st.tuples(st.just("jump"), st.integers(1, CHUNK)),
    st.tuples(st.just("ack"), st.integers(0, 60)),
    st.tuples(st.just("resumed"), st.integers(0, 60)),
    st.tuples(
        st.sampled_from(
            [
                "digit",
                "ready",
                "mark",
                "pause",
                "go on",
                "block",
                "unblock",
                "lose",
                "connect",
                "window",
            ]
        ),
        st.integers(0, 300),
    ),
    st.tuples(st.just("time"), st.integers(1, 3000)),
)


class Straight(Exchange):
    """Chunks go past the delivery wherever they may."""

    straight = 0

    def put(self, position: int, samples: int) -> None:
        chunk = audio(position, samples)
        message = self.delivery.straight(position, samples, chunk.payload)
        if message is None:
            self.delivery.carry(chunk, self.now)
        else:
            self.straight += 1
            self.sent.append(message)
        self.drain()


class OneByOne(Exchange):
    """Each chunk is carried."""

    def put(self, position: int, samples: int) -> None:
        self.delivery.carry(audio(position, samples), self.now)
        self.drain()


def do(one: Any, word: str, number: int) -> None:
    """One operation on an exchange."""
    match word:
        case "chunks":
            for _ in range(number):
                one.put(one.position, CHUNK)
                one.position += CHUNK
        case "short":
            one.put(one.position, number)
            one.position += number
        case "jump":
            gap = Gap(one.position, number, (0, 1), "no_packets", "none")
            one.delivery.tell(gap, one.now)
            one.position += number
        case "mark":
            one.say("mark", name="here")
        case "digit":
            one.delivery.tell(Digit("5", 80, 0, None, "rfc4733"), one.now)
        case "ready":
            one.say("ready")
        case "ack":
            one.say("ack", frame=number)
        case "resumed":
            one.say("resumed", fromFrame=number)
        case "pause":
            one.say("pause")
        case "go on":
            one.say("resume")
        case "window":
            one.say("window", ms=number)
        case "block":
            one.delivery.blocked(one.now)
        case "unblock":
            one.delivery.unblocked(one.now)
        case "lose":
            one.lose()
        case "connect":
            one.connect(one.subprotocol)
        case "time":
            one.run(one.now + number / 1000)
    one.drain()


class StrideTests(SynchronousTestCase):
    """In stride or not, a consumer cannot tell."""

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from([PLAIN, FRAMED]), st.lists(OPERATIONS, max_size=25))
    def test_equal(self, subprotocol: str, operations: list[tuple[str, int]]) -> None:
        """Whatever happens between, the messages are the same, and so is the account."""
        pair: list[Any] = [OneByOne(replay_ms=1500), Straight(replay_ms=1500)]
        for one in pair:
            one.subprotocol = subprotocol
            one.connect(subprotocol)
            if subprotocol == FRAMED:
                one.say("ready")
        for word, number in operations:
            for one in pair:
                do(one, word, number)
        for one in pair:
            one.stop(EndReason.CALL_ENDED)
            one.run(one.now + 100)
        plain, straight = pair
        self.assertEqual(straight.sent, plain.sent)
        self.assertEqual(straight.others, plain.others)
        self.assertEqual(straight.statistics, plain.statistics)

    def test_most_go_straight(self) -> None:
        """A call in which nothing happens takes this way, a text in between and all."""
        one = Straight()
        one.connect(PLAIN)
        do(one, "chunks", 40)
        do(one, "digit", 0)
        do(one, "chunks", 40)
        self.assertEqual(one.straight, 80)

    def test_bound(self) -> None:
        """What the ring does not know of yet is a few chunks."""
        one = Straight(DeliverySettings())
        one.connect(PLAIN)
        for number in range(3 * MAX_CHUNKS):
            do(one, "chunks", 1)
            known = one.delivery._backlog.account.position
            self.assertGreaterEqual(known, (number - MAX_CHUNKS) * CHUNK)
        self.assertGreater(one.delivery._backlog.account.position, 0)

    def test_nobody_there(self) -> None:
        """Without a connection, with a full one, or while the consumer is asked, it is no way."""
        one = Straight()
        do(one, "chunks", 1)
        one.connect(FRAMED)
        do(one, "chunks", 1)
        one.say("ready")
        one.delivery.blocked(0.0)
        do(one, "chunks", 1)
        self.assertEqual(one.straight, 0)
