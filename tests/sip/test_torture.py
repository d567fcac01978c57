"""
Messages with the peculiarities of :rfc:`4475`, and what we make of each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sip.conversation import flow, user_agent
from twisted_siprec.sip.events import Discarded, Invited, Output, Respond
from twisted_siprec.sip.message import parse

DIRECTORY = Path(__file__).parent.parent / "torture"
FILES = sorted(DIRECTORY.glob("*.sip"))


def outcome(outputs: list[Output]) -> list[str]:
    """What became of a message, in a word for each output that counts."""
    words = []
    for output in outputs:
        if isinstance(output, Respond):
            words.append(output.octets.split(b" ")[1].decode())
        elif isinstance(output, Invited):
            words.append("Invited")
        elif isinstance(output, Discarded):
            words.append("discarded")
    return words


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_torture(name: str) -> None:
    """The message is answered, taken or dropped as its file says."""
    _, expected, message = (DIRECTORY / f"{name}.sip").read_bytes().split(b"\n", 2)
    agent = user_agent()
    octets = message.replace(b"\n", b"\r\n")
    agent.receive(octets, flow(host="192.0.2.5"), 1.0)
    word = expected.decode().removeprefix("# expect: ").removesuffix(" once")
    assert outcome(agent.outputs()) == [word]


@pytest.mark.parametrize("name", [file.stem for file in FILES])
def test_round_trip(name: str) -> None:
    """What is a message stays the same through printing and parsing."""
    message = (DIRECTORY / f"{name}.sip").read_bytes().split(b"\n", 2)[2]
    if name == "response_code":
        return
    once = parse(bytes(parse(message)))
    assert parse(bytes(once)) == once


def test_there_are_messages() -> None:
    """The directory is where we look for it."""
    assert len(FILES) >= 25
