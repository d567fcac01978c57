"""
What is said on the wire, transcript by transcript.
"""

from __future__ import annotations

import pytest

from tests.sip.conversation import DIRECTORY, Conversation

FILES = sorted(DIRECTORY.glob("*.txt"))


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_conversation(name: str) -> None:
    """The conversation goes as the file has it."""
    Conversation((DIRECTORY / f"{name}.txt").read_text()).run()


def test_there_are_conversations() -> None:
    """The directory is where we look for it."""
    assert len(FILES) >= 20
