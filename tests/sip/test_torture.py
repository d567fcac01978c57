"""
Messages with the peculiarities of :rfc:`4475` and :rfc:`5118`, and what we make of each.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sip.conversation import flow, user_agent
from twisted_siprec.errors import RemoteError
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


def sections(rfc: int) -> set[str]:
    """The sections of an RFC that the files name; where they name no RFC it is 4475."""
    found = set()
    for file in FILES:
        first = file.read_text("latin-1").partition("\n")[0]
        match = re.search(r"(?:RFC (\d+) )?((?:\d+\.)+\d+):", first)
        assert match is not None, file
        if int(match[1] or 4475) == rfc:
            found.add(match[2])
    return found


def test_all_are_there() -> None:
    """Every test message of either RFC has one of ours like it."""
    assert sections(4475) == {
        *(f"3.1.1.{number}" for number in range(1, 14)),
        *(f"3.1.2.{number}" for number in range(1, 20)),
        "3.2.1",
        *(f"3.3.{number}" for number in range(1, 16)),
        "3.4.1",
    }
    assert sections(5118) == {f"4.{number}" for number in range(1, 11)}


MESSAGES = [file.read_bytes().split(b"\n", 2)[2].replace(b"\n", b"\r\n") for file in FILES]
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b'"',
        b"\\",
        b"@",
        b"[",
        b"%",
        b"\xff",
        b"\0",
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """One of them, with something of it replaced."""
    message = draw(st.sampled_from(MESSAGES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        end = draw(st.integers(start, min(len(message), start + 20)))
        message = message[:start] + draw(PIECES | st.binary(max_size=8)) + message[end:]
    return message


@given(broken())
@example(b"")
@settings(max_examples=300, deadline=None)
def test_whatever_comes(message: bytes) -> None:
    """Nothing that is nearly a message raises, and what is parsed prints as what parses alike."""
    agent = user_agent()
    agent.receive(message, flow(host="192.0.2.5"), 1.0)
    agent.outputs()
    try:
        once = parse(message)
    except RemoteError:
        return
    for _ in (once.from_, once.to, once.contact, once.top_via, once.cseq, once.content_type):
        """None of them raises."""
    assert parse(bytes(once)) == parse(bytes(parse(bytes(once))))
