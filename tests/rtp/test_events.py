"""telephone-event."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.events import DigitPressed, EventReceiver


def payload(event: int, duration: int, end: bool = False) -> bytes:
    return bytes((event, 0x80 * end | 10)) + duration.to_bytes(2, "big")


class EventReceiverTests(SynchronousTestCase):
    """A key press is told once, whatever of it is lost."""

    def setUp(self) -> None:
        self.events = EventReceiver()

    def receive(self, octets: bytes, timestamp: int = 1000, now: float = 0.0) -> list[DigitPressed]:
        return self.events.receive(octets, timestamp, 8000, now)

    def test_press(self) -> None:
        """The first packet with the end bit tells it; the two repetitions don't."""
        self.assertEqual(self.receive(payload(5, 160)), [])
        self.assertEqual(self.receive(payload(5, 320)), [])
        self.assertEqual(self.receive(payload(5, 800, end=True)), [DigitPressed("5", 100)])
        self.assertEqual(self.receive(payload(5, 800, end=True)), [])
        self.assertEqual(self.receive(payload(5, 640)), [])
        self.assertEqual(self.events.expire(9.0), [])

    def test_digits(self) -> None:
        """All sixteen, and nothing for a flash or what else is defined."""
        pressed = "".join(
            one.digit
            for event in range(18)
            for one in self.receive(payload(event, 400, end=True), 1000 * (event + 1))
        )
        self.assertEqual(pressed, "0123456789*#ABCD")

    def test_ends_lost(self) -> None:
        """With all its last packets lost, the next press ends it, or time does."""
        self.receive(payload(1, 400), 1000)
        self.assertEqual(self.receive(payload(1, 160), 5000, now=0.1), [DigitPressed("1", 50)])
        self.assertEqual(self.events.expire(0.2), [])
        self.assertEqual(self.events.expire(0.25), [DigitPressed("1", 20)])
        self.assertEqual(self.receive(payload(1, 800, end=True), 5000, now=0.3), [])

    def test_only_the_end(self) -> None:
        """One packet is enough."""
        self.assertEqual(self.receive(payload(11, 1600, end=True)), [DigitPressed("#", 200)])

    def test_long(self) -> None:
        """Segments of a long press are one press (section 2.5.1.3)."""
        self.receive(payload(0, 0xFFFF), 1000)
        self.assertEqual(self.receive(payload(0, 800), 1000 + 0xFFFF), [])
        self.assertEqual(self.receive(payload(0, 0xFFFF), 1000), [])
        pressed = self.receive(payload(0, 14465, end=True), 1000 + 0xFFFF)
        self.assertEqual(pressed, [DigitPressed("0", 10000)])

    def test_no_duration(self) -> None:
        """A duration of zero is no press (section 2.3.5), and short payloads are nothing."""
        self.assertEqual(self.receive(payload(3, 0, end=True)), [])
        self.assertEqual(self.receive(b"\x03\x80\x01", 2000), [])

    def test_late(self) -> None:
        """A packet of the press before, in the midst of this one, changes nothing."""
        self.receive(payload(1, 400), 1000)
        self.receive(payload(2, 160), 3000)
        self.assertEqual(self.receive(payload(1, 480), 2000), [])
        self.assertEqual(self.receive(payload(2, 400, end=True), 3000), [DigitPressed("2", 50)])

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.booleans(), min_size=8, max_size=8), st.booleans())
    def test_loss(self, kept: list[bool], shuffled: bool) -> None:
        """Whichever packets get through, the key is told once, or not at all if none did."""
        packets = [payload(7, 160 * n, end=n > 5) for n in range(1, 9)]
        packets[6] = packets[7] = payload(7, 960, end=True)
        through = [packet for packet, keep in zip(packets, kept, strict=True) if keep]
        if shuffled:
            through.reverse()
        pressed = [one for packet in through for one in self.events.receive(packet, 1, 8000, 0.0)]
        pressed += self.events.expire(1.0)
        self.assertEqual([one.digit for one in pressed], ["7"] if through else [])
        self.events = EventReceiver()
