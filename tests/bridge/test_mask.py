"""Where audio is silenced because of a key press, by the packets of real presses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.mask import DigitMask


def event(digit: int, over: bool = False) -> bytes:
    """A telephone-event payload; its duration is told by the places."""
    return bytes([digit, over << 7 | 10, 0, 0])


class DigitMaskTests(SynchronousTestCase):
    """Places in ms, a margin of 40 ms and a patience of 150 ms."""

    def setUp(self) -> None:
        self.mask = DigitMask(margin=40, patience=150)

    def test_nothing(self) -> None:
        """Without a press nothing is silenced."""
        self.assertTrue(self.mask.idle)
        self.assertEqual(self.mask.play(0, 100), [])

    def test_press(self) -> None:
        """A press of 160 ms, told every 20 ms, its end three times: with its margins, no more."""
        for told in range(20, 180, 20):
            self.mask.press(event(5), 1000, 1000, 1000 + told)
        for _ in range(3):
            self.mask.press(event(5, over=True), 1000, 1000, 1160)
        self.assertEqual(self.mask.play(800, 900), [])
        self.assertEqual(self.mask.play(900, 1000), [(960, 1000)])
        self.assertEqual(self.mask.play(1000, 1100), [(1000, 1100)])
        self.assertFalse(self.mask.idle)
        self.assertEqual(self.mask.play(1100, 1200), [(1100, 1200)])
        self.assertTrue(self.mask.idle)
        self.assertEqual(self.mask.play(1200, 1300), [])

    def test_going_on(self) -> None:
        """A press that is not over is silenced ahead of what is told of it."""
        self.mask.press(event(5), 1000, 1000, 1020)
        self.assertEqual(self.mask.play(1000, 1100), [(1000, 1100)])
        self.mask.press(event(5), 1000, 1000, 1120)
        self.assertEqual(self.mask.play(1100, 1200), [(1100, 1200)])
        self.mask.press(event(5, over=True), 1000, 1000, 1180)
        self.assertEqual(self.mask.play(1200, 1300), [(1200, 1220)])

    def test_end_lost(self) -> None:
        """Of which all last packets were lost, a press is over after the patience."""
        self.mask.press(event(5), 1000, 1000, 1040)
        self.assertEqual(self.mask.play(1100, 1300), [(1100, 1190)])
        self.assertTrue(self.mask.idle)

    def test_start_lost(self) -> None:
        """One last packet alone tells all of a press that is not played yet."""
        self.mask.press(event(5, over=True), 1000, 1000, 1100)
        self.assertEqual(self.mask.play(900, 1200), [(960, 1140)])

    def test_disorder(self) -> None:
        """An early packet that comes after the last one changes nothing."""
        self.mask.press(event(5, over=True), 1000, 1000, 1100)
        self.mask.press(event(5), 1000, 1000, 1060)
        self.assertEqual(self.mask.play(900, 1300), [(960, 1140)])

    def test_moved(self) -> None:
        """Packets of one press that lie a little apart, by drift or jitter, are of one press."""
        self.mask.press(event(5), 7, 1003, 1060)
        self.mask.press(event(5), 7, 1000, 1080)
        self.mask.press(event(5, over=True), 7, 1001, 1101)
        self.assertEqual(self.mask.play(900, 1300), [(960, 1141)])

    def test_segments(self) -> None:
        """A press longer than a segment can say (section 2.5.1.3) is silenced without a break."""
        self.mask.press(event(5), 1000, 1000, 9192)
        self.mask.press(event(5, over=True), 9192, 9192, 9500)
        self.assertEqual(self.mask.play(9000, 10000), [(9000, 9540)])

    def test_two(self) -> None:
        """Two presses of a keypad are two spans, or one where their margins meet."""
        self.mask.press(event(1, over=True), 1000, 1000, 1100)
        self.mask.press(event(2, over=True), 1200, 1200, 1300)
        self.mask.press(event(3, over=True), 1360, 1360, 1400)
        self.assertEqual(self.mask.play(900, 1500), [(960, 1140), (1160, 1440)])

    def test_no_key(self) -> None:
        """A hook flash, a fax tone, and what has no duration or is no event at all."""
        self.mask.press(event(16), 1000, 1000, 1100)
        self.mask.press(event(5), 1000, 1000, 1000)
        self.mask.press(b"\5\0\0", 1000, 1000, 1100)
        self.assertTrue(self.mask.idle)

    def test_no_margin(self) -> None:
        """Without a margin a press is silenced to the sample."""
        mask = DigitMask(margin=0, patience=0)
        mask.press(event(5, over=True), 1000, 1000, 1100)
        self.assertEqual(mask.play(0, 2000), [(1000, 1100)])

    def test_bounded(self) -> None:
        """Of more presses than anybody makes, the newest are kept."""
        for number in range(70):
            self.mask.press(event(5, over=True), 1000 * number, 1000 * number, 1000 * number + 100)
        spans = self.mask.play(0, 100_000)
        self.assertEqual((len(spans), spans[0]), (64, (5960, 6140)))
        self.assertTrue(self.mask.idle)
