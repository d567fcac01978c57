"""
Words beside words: what was said and what a recogniser heard of it, by the word
errors of speech recognition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_WORD = re.compile(r"\d|[^\W\d_]+(?:['’][^\W\d_]+)*")


def words(text: str) -> list[str]:
    """
    The words of a text without case and punctuation. A number is the names of its
    digits, as whoever reads out an order number says them: recognisers write both.
    """
    found = (word.replace("’", "'") for word in _WORD.findall(text.lower()))
    return [_DIGITS[int(word)] if word.isdecimal() else word for word in found]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """How many words were replaced, left out or put in, at the least."""
    row = list(range(len(heard) + 1))
    for number, one in enumerate(said, 1):
        before, row = row, [number]
        for column, other in enumerate(heard):
            replaced = before[column] + (one != other)
            row.append(min(replaced, before[column + 1] + 1, row[column] + 1))
    return row[-1]
