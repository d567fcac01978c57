"""The replay ring, and where frames ended."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.entries import Sound, Word
from twisted_siprec.bridge.gaps import Span
from twisted_siprec.bridge.replay import FrameIndex, ReplayRing
from twisted_siprec.dialects.base import Audio, Digit, Paused


def sound(position: int, samples: int = 100, **changes: bool) -> Sound:
    """Audio of two octets a sample."""
    return Sound(Audio(position, samples, bytes(2 * samples), **changes))


def ring(max_ms: int = 1000, max_octets: int = 10_000, max_words: int = 10) -> ReplayRing:
    """A ring at 1000 samples a second."""
    return ReplayRing(1000, max_ms, max_octets, max_words)


def send(filled: ReplayRing, frame: int) -> None:
    """Send the next audio as this frame."""
    filled.keep(Sound(filled.take_sound(0).audio, frame))


PRESS = Word(Digit("1", 80, 0, None, "rfc4733"), 100)


class ReplayRingTests(SynchronousTestCase):
    """What waits, and what may be asked for again."""

    def test_order(self) -> None:
        """Entries wait in their order, and are taken in it."""
        filled = ring()
        for entry in (sound(0), PRESS, sound(100)):
            filled.append(entry)
        self.assertEqual(filled.waiting_samples, 200)
        self.assertEqual([filled.take() for _ in range(3)], [sound(0), PRESS, sound(100)])
        self.assertFalse(filled)
        self.assertIsNone(filled.peek())
        self.assertIsNone(filled.head())

    def test_bounded_by_time(self) -> None:
        """What was sent goes first, then what waits becomes a span."""
        filled = ring(max_ms=250)
        filled.append(sound(0))
        send(filled, 0)
        filled.append(sound(100))
        filled.append(sound(200))
        gone, lost = filled.trim("backpressure")
        self.assertEqual((gone, lost), ([Sound(sound(0).audio, 0)], []))
        filled.append(sound(300))
        gone, lost = filled.trim("backpressure")
        self.assertEqual((gone, lost), ([], [(Span(100, 100, "backpressure"), False)]))
        self.assertEqual(filled.peek(), Span(100, 100, "backpressure"))
        self.assertEqual(filled.waiting_samples, 200)

    def test_bounded_by_octets(self) -> None:
        """The same by size."""
        filled = ring(max_octets=450)
        for position in (0, 100, 200):
            filled.append(sound(position))
        self.assertEqual(filled.trim("reconnect")[1], [(Span(0, 100, "reconnect"), False)])

    def test_lost_spans_join(self) -> None:
        """Neighbours that were lost for one reason are one span; a text between them stays."""
        filled = ring(max_ms=100)
        for entry in (sound(0), sound(100), PRESS, sound(200), sound(300)):
            filled.append(entry)
        filled.trim("reconnect")
        self.assertEqual(
            [filled.take() for _ in range(4)],
            [Span(0, 200, "reconnect"), PRESS, Span(200, 100, "reconnect"), sound(300)],
        )

    def test_texts_are_bounded(self) -> None:
        """Amid lost audio only so many texts are kept; the oldest give way, spans join."""
        filled = ring(max_ms=100, max_words=3)
        for number in range(6):
            filled.append(sound(100 * number))
            filled.append(Word(Paused(number, "src"), 100 * number))
        gone, _ = filled.trim("reconnect")
        self.assertEqual(gone, [Word(Paused(number, "src"), 100 * number) for number in range(4)])
        self.assertEqual(filled.take(), Span(0, 500, "reconnect"))
        self.assertEqual(filled.take(), Word(Paused(4, "src"), 400))
        self.assertEqual(filled.take(), sound(500))

    def test_words_are_dropped_in_bulk(self) -> None:
        """A consumer that is away for ever costs no walk through all texts for each new one."""
        filled = ring(max_ms=100, max_words=800)
        walks = 0
        for number in range(2000):
            before = filled._salvaged
            filled.append(sound(100 * number))
            filled.append(Word(Paused(100 * number, "src"), 100 * number))
            filled.trim("reconnect")
            walks += filled._salvaged is not before
            self.assertLessEqual(len(filled._salvaged), 800)
        self.assertLess(walks, 2000 // 20)

    def test_joins_what_was_never_sent(self) -> None:
        """Contiguous audio of one kind is joined up to the limit."""
        filled = ring()
        for entry in (sound(0), sound(100), sound(200, concealed=True), sound(300)):
            filled.append(entry)
        self.assertEqual(filled.take_sound(1000).audio.samples, 200)
        self.assertEqual(filled.take_sound(1000).audio, sound(200, concealed=True).audio)
        self.assertEqual(filled.waiting_samples, 100)

    def test_joined_to_the_limit(self) -> None:
        """Not beyond it, and silence only of silence."""
        filled = ring()
        for position in (0, 100, 200):
            filled.append(sound(position, silence=position == 0))
        joined = filled.take_sound(200).audio
        self.assertEqual((joined.samples, len(joined.payload), joined.silence), (200, 400, False))

    def test_frames_keep_their_extent(self) -> None:
        """What was sent is sent again as it was."""
        filled = ring()
        filled.append(sound(0))
        filled.append(sound(100))
        send(filled, 0)
        filled.rewind()
        self.assertEqual(filled.take_sound(1000), Sound(sound(0).audio, 0))

    def test_rewind_to_a_frame(self) -> None:
        """All after the frame before it waits again, with the texts between."""
        filled = ring()
        for entry in (sound(0), PRESS, sound(100), sound(200)):
            filled.append(entry)
        send(filled, 0)
        filled.keep(filled.take())
        send(filled, 1)
        filled.rewind(1)
        self.assertEqual(
            [filled.take() for _ in range(3)], [PRESS, Sound(sound(100).audio, 1), sound(200)]
        )

    def test_acknowledged(self) -> None:
        """Up to and with the frame, and the texts before it; what follows stays."""
        filled = ring()
        for entry in (PRESS, sound(0), PRESS, sound(100)):
            filled.append(entry)
        filled.keep(filled.take())
        send(filled, 0)
        filled.keep(filled.take())
        send(filled, 1)
        self.assertEqual(filled.acknowledge(0), [PRESS, Sound(sound(0).audio, 0)])
        self.assertEqual(filled.first_frame(), 1)
        filled.rewind()
        self.assertEqual(filled.take(), PRESS)

    def test_what_is_taken_frees_the_ring(self) -> None:
        """Sizes are of what is in it: taken and not kept is out of it."""
        filled = ring(max_ms=100)
        filled.append(sound(0))
        filled.take()
        filled.append(sound(100))
        self.assertEqual(filled.trim("reconnect"), ([], []))

    def test_texts_count_while_they_are_in_the_ring(self) -> None:
        """However texts are moved about, the ring's capacity stays what it is."""
        filled = ring(max_octets=700)
        for entry in (sound(0), PRESS, PRESS, sound(100)):
            filled.append(entry)
        self.assertEqual(len(filled.trim("reconnect")[1]), 1)
        filled.rewind()
        while filled:
            filled.take()
        for position in (200, 300, 400):
            filled.append(sound(position))
        self.assertEqual(filled.trim("reconnect"), ([], []))
        filled.append(sound(500))
        self.assertEqual(filled.trim("reconnect")[1], [(Span(200, 100, "reconnect"), False)])


class FrameIndexTests(SynchronousTestCase):
    """Where frames ended, long after they are gone."""

    def test_runs(self) -> None:
        """Regular frames are one run; a jump, a join or a frame sent again break nothing."""
        index = FrameIndex()
        for frame, (position, samples) in enumerate([(0, 100), (100, 100), (300, 100), (400, 500)]):
            index.add(frame, position, samples)
        index.add(1, 100, 100)
        self.assertEqual([index.end_of(frame) for frame in range(4)], [100, 200, 400, 900])

    def test_forgotten(self) -> None:
        """Of frames that are forgotten, the oldest position that is known; of none, zero."""
        index = FrameIndex(max_runs=1)
        self.assertEqual(index.end_of(0), 0)
        index.add(0, 0, 100)
        index.add(1, 200, 100)
        self.assertEqual(index.end_of(0), 200)
