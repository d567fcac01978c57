"""
What a dialect asks of its destination: the layouts, encodings and rates that it
can carry, and the options that it takes. The configuration is held to them, and
takes the first of each where the operator chose none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..plan import Encoding, Layout

ANY_LAYOUT = (Layout.INTERLEAVED, Layout.SEPARATE, Layout.MONO)
ALONE = (Layout.SEPARATE, Layout.MONO)
"One channel on a connection: its own, or the mix."


@dataclass(frozen=True, slots=True)
class Option:
    """One option: what its value may be."""

    expected: str
    "For the operator."
    pattern: str
    "Of the whole value."

    def takes(self, value: str) -> bool:
        """Whether the value is one."""
        return re.fullmatch(self.pattern, value) is not None


def text(expected: str, longest: int = 256) -> Option:
    """Any text on one line."""
    return Option(expected, rf"[^\r\n\x00]{{1,{longest}}}")


def one_of(*words: str) -> Option:
    """One of a few words."""
    return Option(f"one of {', '.join(words)}", "|".join(map(re.escape, words)))


SWITCH = one_of("true", "false")
LANGUAGE = Option("a language such as en or en-US", r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
SIDE = text("caller, callee, or a stream's label", 128)
"Who is on the first of two sides."
NUMBER = Option("a whole number", r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What can be agreed with a dialect; the first of each is what it likes best."""

    layouts: tuple[Layout, ...] = ANY_LAYOUT
    encodings: tuple[Encoding, ...] = (Encoding.L16,)
    rates: tuple[int | None, ...] = (8000,)
    "Hz; with None among them, the configuration may leave it to the call."
    chunk_ms: int = 100
    "What is gathered into one message, or into a batch of them."
    least_chunk_ms: int = 20
    most_chunk_ms: int = 1_000
    options: Mapping[str, Option] = field(default_factory=dict)
    signs: bool = False
    "It has a use for the key ``hmac``."
    any_rate_of_g711: bool = False
    "G.711 at other rates than its own, which only our own protocol knows."

    def rates_of(self, encoding: Encoding) -> tuple[int | None, ...]:
        """The rates that an encoding can have."""
        return self.rates if encoding is Encoding.L16 or self.any_rate_of_g711 else (8000,)


NATIVE = Terms(
    layouts=ANY_LAYOUT,
    encodings=(Encoding.L16, Encoding.PCMU, Encoding.PCMA),
    rates=(None, 8000, 16000, 24000, 48000),
    signs=True,
    any_rate_of_g711=True,
)
