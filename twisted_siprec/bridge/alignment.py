"""
The streams of a bridge laid side by side as their sources say that they belong.

By arrival alone, a stream lies too late by what the network held back its first
packets. Sender reports tell better, where several sources go by one clock: a time
of that clock must be at the same place for all of them. The stream that was held
back least is right then, and the others are moved to it, earlier, slowly, so that
nobody hears it.

One clock is what sources of one CNAME have (:rfc:`3550#section-6.5.1`); those of
one host most often have it too, under names of their own, and are believed within
narrower bounds. Beyond the bounds arrival knows better than any report.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .timeline import UNITS_PER_MS

NEAR = 4 * UNITS_PER_MS
"What lies within this lies right."
_BOUND_OF_NAME = 200 * UNITS_PER_MS
_BOUND_OF_HOST = 60 * UNITS_PER_MS


@dataclass(frozen=True, slots=True)
class SourceClock:
    """Where the clock of a source lies on the timeline, as arrival has it."""

    origin: int
    "The place at which it stood at 0."
    cname: str | None
    host: str
    "Where it sends from."


def targets(clocks: Mapping[int, SourceClock]) -> dict[int, int]:
    """How much later each stream belongs than arrival has it: not at all, or earlier."""
    return {index: _target(own, clocks.values()) for index, own in clocks.items()}


def _target(own: SourceClock, clocks: Collection[SourceClock]) -> int:
    target = 0
    for other in clocks:
        if other.cname == own.cname and own.cname is not None:
            bound = _BOUND_OF_NAME
        elif other.host == own.host:
            bound = _BOUND_OF_HOST
        else:
            continue
        away = other.origin - own.origin
        if -bound <= away < -NEAR:
            target = min(target, away)
    return target
