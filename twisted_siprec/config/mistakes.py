"""
What is wrong in a configuration: all of it at once, each with its file and line.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing to mend, as ``FILE:LINE: key: found X, expected Y``."""

    file: str
    line: int
    key: str
    "The path of the key, such as ``destinations.speech.url``; empty for the file as a whole."
    problem: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{where}{self.key}: {self.problem}" if self.key else f"{where}{self.problem}"


class ConfigurationError(Exception):
    """The configuration cannot be used; each line of the text is one mistake."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


class Unreadable(Exception):
    """A value cannot be read, which has been noted already. It never leaves this package."""
