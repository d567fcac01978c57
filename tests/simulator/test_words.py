from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.words import word_errors, words

SOME = st.lists(st.sampled_from(["a", "b", "c"]), max_size=6)


class WordsTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Case and punctuation are none of the words; an apostrophe within one is."""
        self.assertEqual(
            words("Of course,, that's “Bob’s” – isn't it?"),
            ["of", "course", "that's", "bob's", "isn't", "it"],
        )

    def test_digits(self) -> None:
        """A number is its digits by name, however the recogniser wrote it."""
        for text in ("four seven one one", "4711", "4,7 11", "Four-7-one-1"):
            self.assertEqual(words(text), ["four", "seven", "one", "one"])
        self.assertEqual(words("room 2b"), ["room", "two", "b"])
        self.assertEqual(words("٣"), ["three"])

    def test_nothing(self) -> None:
        """Punctuation alone is no word."""
        self.assertEqual(words(" … _ "), [])


class WordErrorsTests(SynchronousTestCase):
    def errors(self, said: str, heard: str) -> int:
        """Of texts."""
        return word_errors(said.split(), heard.split())

    def test_kinds(self) -> None:
        """A word that was replaced, left out or put in is one error each."""
        said = "the cat sat on the mat"
        for heard, expected in (
            (said, 0),
            ("the cat sat on a mat", 1),
            ("the cat sat the mat", 1),
            ("the fat cat sat on the mat", 1),
            ("cat sat on the the mat", 2),
            ("", 6),
        ):
            self.assertEqual(self.errors(said, heard), expected, heard)
        self.assertEqual(self.errors("", "put in"), 2)

    @given(SOME, SOME)
    def test_distance(self, said: list[str], heard: list[str]) -> None:
        """None exactly where they are equal, as many either way, and no more than the longer."""
        errors = word_errors(said, heard)
        self.assertEqual(errors == 0, said == heard)
        self.assertEqual(errors, word_errors(heard, said))
        self.assertLessEqual(abs(len(said) - len(heard)), errors)
        self.assertLessEqual(errors, max(len(said), len(heard)))
