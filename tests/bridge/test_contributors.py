"""Who was mixed into a stream, as its packets say."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stream import MAX_CONTRIBUTORS, Stream
from twisted_siprec.dialects import bodies
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.report import StreamStatistics
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

HERE = ("192.0.2.1", 4000)


def datagram(number: int, contributors: tuple[int, ...] = ()) -> Datagram:
    """A packet of 20 ms."""
    packet = RTPPacket(0, False, number, 160 * number, 7, b"\x80" * 160, contributors)
    return Datagram(bytes(packet), HERE, 50.0 + 0.02 * number)


class ContributorTests(SynchronousTestCase):
    """CSRC lists (RFC 7866 section 8.1.4)."""

    def setUp(self) -> None:
        """A stream of a mixer."""
        plan = StreamPlan(0, (Codec(0, "PCMU", 8000),), source=HERE)
        self.stream = Stream(plan, MediaSettings(), 50.0)

    def test_named(self) -> None:
        """Each contributor once, in the order in which they spoke; the audio is taken."""
        self.stream.receive(
            [
                datagram(1),
                datagram(2, (11, 12)),
                datagram(3, (12,)),
                datagram(4, (13, 11)),
                datagram(5),
            ]
        )
        counts = self.stream.statistics()
        self.assertEqual((counts.packets, counts.contributors), (5, (11, 12, 13)))

    def test_none(self) -> None:
        """Most streams are of nobody but their source."""
        self.stream.receive([datagram(1), datagram(2)])
        self.assertEqual(self.stream.statistics().contributors, ())

    def test_bounded(self) -> None:
        """However many names a source makes up, only so many are kept."""
        self.stream.receive([datagram(n, tuple(range(15 * n, 15 * n + 15))) for n in range(1, 20)])
        self.assertLess(len(self.stream.statistics().contributors), MAX_CONTRIBUTORS + 15)

    def test_told(self) -> None:
        """Consumers have them among what is told of the channel, where there are any."""
        self.assertEqual(
            bodies.statistics(StreamStatistics(0, contributors=(11, 12)))["contributors"], [11, 12]
        )
        self.assertNotIn("contributors", bodies.statistics(StreamStatistics(0)))
