from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.test_outgoing import speech
from twisted_siprec.simulator.outgoing import OutgoingStream, PacedStream, Packet
from twisted_siprec.simulator.pacing import Pacer

TICK_S, PACKET_S = 1 / 256, 1 / 64
"Powers of two, so that times add up exactly."


class PacerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.pacer = Pacer(self.clock, self.clock.seconds, tick_s=TICK_S)
        self.sent: list[tuple[str, float]] = []

    def add(self, name: str, epoch: float, slots: int = 3) -> PacedStream:
        """A stream whose sendings are kept with their times."""

        def send(packet: Packet) -> None:
            self.sent.append((name, (self.clock.seconds() - 1000.0) * 1024))

        paced = PacedStream(
            OutgoingStream(speech(packet_s=PACKET_S), Random(1), slots=slots), send, epoch
        )
        self.pacer.add(paced)
        return paced

    def pump(self, times: int) -> None:
        """Time passes, 1/1024 s at a time."""
        self.clock.pump([1 / 1024] * times)

    def test_pace(self) -> None:
        """Packets of streams of any phase go out at most a tick late, and then it is quiet."""
        self.add("a", 1000.0)
        self.add("b", 1000.0 + 7 / 1024)
        self.pump(100)
        self.assertEqual(
            self.sent, [("a", 4), ("b", 8), ("a", 20), ("b", 24), ("a", 36), ("b", 40)]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stall(self) -> None:
        """What was due while the machine stood still goes out at once, and it is known."""
        self.add("a", 1000.0, slots=6)
        self.pump(10)
        self.clock.advance(60 / 1024)
        self.assertEqual(self.sent, [("a", 4)] + [("a", 70)] * 4)
        self.pump(30)
        self.assertEqual(self.sent[5:], [("a", 84)])
        self.assertEqual(self.pacer.worst_delay_s, 58 / 1024)

    def test_stalled_beginning(self) -> None:
        """A stall before the first packet moves the beginning, and bunches nothing."""
        self.add("a", 1000.0)
        self.clock.advance(60 / 1024)
        self.pump(60)
        self.assertEqual(self.sent, [("a", 60), ("a", 76), ("a", 92)])

    def test_again(self) -> None:
        """A pacer that was idle for long starts again without a stall."""
        self.add("a", 1000.0, slots=1)
        self.pump(50)
        self.clock.advance(3600.0)
        self.add("b", self.clock.seconds(), slots=1)
        self.pump(10)
        self.assertEqual([name for name, _ in self.sent], ["a", "b"])
        self.assertEqual(self.pacer.worst_delay_s, 0.0)

    def test_faulty_stream(self) -> None:
        """A stream that fails is logged and left out; the others go on."""

        def fail(packet: Packet) -> None:
            raise RuntimeError("a fault")

        faulty = PacedStream(
            OutgoingStream(speech(packet_s=PACKET_S), Random(1), slots=3), fail, 1000.0
        )
        self.pacer.add(faulty)
        self.add("a", 1000.0)
        self.pump(100)
        self.assertEqual(len(self.sent), 3)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stop(self) -> None:
        """Once stopped, it sends nothing and leaves no timer behind; stopping twice is allowed."""
        self.add("a", 1000.0)
        self.pacer.stop()
        self.pacer.stop()
        self.pump(100)
        self.assertEqual((self.sent, self.clock.getDelayedCalls()), ([], []))
