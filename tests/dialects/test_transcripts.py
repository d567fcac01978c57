"""Transcripts on the call's own time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import BOB
from twisted_siprec.dialects.base import Said
from twisted_siprec.dialects.transcripts import MAX_ANCHORS, Heard, Transcript


class HeardTests(SynchronousTestCase):
    """A recogniser's seconds and ours."""

    def test_from_the_beginning(self) -> None:
        """Without a break they are the same."""
        heard = Heard(8000)
        heard.add(0, 8000)
        heard.add(8000, 8000)
        self.assertEqual([heard.ours_ms(s) for s in (0.0, 1.0, 1.5)], [0, 1000, 1500])
        self.assertEqual(heard.samples, 16000)

    def test_later_connection(self) -> None:
        """A connection that begins later counts from there."""
        heard = Heard(8000)
        heard.add(80_000, 8000)
        self.assertEqual(heard.ours_ms(0.25), 10_250)

    def test_breaks(self) -> None:
        """Each pause is time that only we count; an end lies before it, a beginning behind."""
        heard = Heard(8000)
        heard.add(0, 8000)
        heard.add(40_000, 8000)
        heard.add(80_000, 8000)
        self.assertEqual(heard.ours_ms(0.5), 500)
        self.assertEqual(heard.ours_ms(1.0), 5000)
        self.assertEqual(heard.ours_ms(1.0, end=True), 1000)
        self.assertEqual(heard.ours_ms(2.5), 10_500)

    def test_nothing(self) -> None:
        """No time is no time; before the first audio they are the same."""
        heard = Heard(8000)
        self.assertIsNone(heard.ours_ms(None))
        self.assertEqual(heard.ours_ms(1.0), 1000)

    def test_bounded(self) -> None:
        """However many breaks, so many anchors are kept, the newest."""
        heard = Heard(1000)
        for number in range(MAX_ANCHORS * 3):
            heard.add(number * 20, 10)
        self.assertEqual(len(heard._heard), MAX_ANCHORS)
        last = MAX_ANCHORS * 3 - 1
        self.assertEqual(heard.ours_ms(last * 0.01), last * 20)


class TranscriptTests(SynchronousTestCase):
    """The shape."""

    def test_all(self) -> None:
        """All that there is."""
        transcript = Transcript("hé", True, 1, 2, 0.123456, BOB, "u1", "0")
        expected = (
            '{"text":"h\\u00e9","final":true,"startMs":1,"endMs":2,"confidence":0.1235,'
            '"channel":1,"participantId":"p2","role":"callee","utterance":"u1","speaker":"0"}'
        )
        self.assertEqual(transcript.said(), Said("transcript", expected))

    def test_nothing(self) -> None:
        """What is not known is not there."""
        self.assertEqual(
            Transcript("", False).said(), Said("transcript", '{"text":"","final":false}')
        )
