"""Sources, and how one is believed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.source import Arrival, Probation, Source

HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 4000)


def arrival(sequence: int, ssrc: int = 1, address: tuple[str, int] = HERE) -> Arrival:
    return Arrival(RTPPacket(0, False, sequence, 0, ssrc, b""), address, sequence / 50)


class SourceTests(SynchronousTestCase):
    """The clock of a source."""

    def test_extend(self) -> None:
        """A timestamp goes on past 32 bits, and back by the nearest way."""
        source = Source(1, HERE, 0, 0xFFFFFFF0)
        self.assertEqual(source.extend(0x00000010), 0x100000010)
        self.assertEqual(source.extend(0xFFFFFFF0), 0xFFFFFFF0)
        self.assertEqual(source.timestamp, 0x100000010)

    def test_jitter(self) -> None:
        """The estimate of RFC 3550 appendix A.8, by hand: a sixteenth of each change."""
        source = Source(1, HERE, 0, 0)
        source.measure(0, 10.0, 8000)
        self.assertEqual(source.jitter_s, 0.0)
        source.measure(160, 10.036, 8000)
        self.assertAlmostEqual(source.jitter_s, 0.001)
        source.measure(320, 10.040, 8000)
        self.assertAlmostEqual(source.jitter_s, 0.001 + (0.016 - 0.001) / 16)
        source.measure(480, 10.060, 8000)
        self.assertAlmostEqual(source.max_jitter_s, 0.001 + 0.015 / 16)
        self.assertLess(source.jitter_s, source.max_jitter_s)


class ProbationTests(SynchronousTestCase):
    """Two packets in sequence, and none is lost."""

    def test_two(self) -> None:
        """The second in sequence brings the first along, over the wrap too."""
        probation = Probation()
        first, second = arrival(65535), arrival(0)
        self.assertEqual(probation.receive(first), ())
        self.assertEqual(probation.waiting_since, first.arrived_at)
        self.assertEqual(probation.receive(second), (first, second))
        self.assertIsNone(probation.waiting_since)

    def test_wrong_order(self) -> None:
        """Packets in the wrong order prove nothing, but are kept for when they are proved."""
        probation = Probation()
        arrivals = [arrival(number) for number in (2, 1, 3, 4)]
        taken = [probation.receive(one) for one in arrivals]
        self.assertEqual(taken, [(), (), (), tuple(arrivals)])

    def test_bounded(self) -> None:
        """No more than four are held."""
        probation = Probation()
        arrivals = [arrival(10 * number) for number in range(6)]
        for one in arrivals:
            probation.receive(one)
        last = arrival(51)
        self.assertEqual(probation.receive(last), (*arrivals[-4:], last))

    def test_another(self) -> None:
        """A different SSRC, or the same from elsewhere, begins the trial anew."""
        for other in (arrival(2, ssrc=9), arrival(2, address=THERE)):
            probation = Probation()
            probation.receive(arrival(1))
            self.assertEqual(probation.receive(other), ())
            self.assertEqual(probation.waiting_since, other.arrived_at)

    def test_interrupted(self) -> None:
        """While the other source goes on, two in a row are not in a row."""
        probation = Probation()
        one, two, three = arrival(1), arrival(2), arrival(3)
        probation.receive(one)
        probation.interrupt()
        self.assertEqual(probation.receive(two), ())
        self.assertEqual(probation.receive(three), (one, two, three))
