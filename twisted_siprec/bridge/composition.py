"""
A stream's part of a chunk: decoded audio in its places, silence between, and what
is missing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..audio.resample import resampled
from ..audio.samples import Samples
from .restoration import Span
from .timeline import UNITS_PER_MS, units_per_sample

_SLIP = UNITS_PER_MS
"A hole this small between packets in sequence is our own drift correction."


@dataclass(frozen=True, slots=True)
class Missing:
    """A span of the timeline for which there is no audio, and why."""

    start: int
    end: int
    reason: str
    concealed: bool = False
    "There is something in its place that is not silence."


@dataclass(frozen=True, slots=True)
class Played:
    """A stream's part of a chunk."""

    rate: int
    samples: Samples | None
    "None for silence."
    missing: tuple[Missing, ...] = ()
    heard: int = 0
    "Units of it that came in packets."
    concealed: int = 0
    "Units of it that are concealed."


class Piece(NamedTuple):
    """Decoded samples in their place."""

    position: int
    rate: int
    samples: Samples
    came: bool = True
    "In a packet."


class Composed(NamedTuple):
    """The pieces of a chunk as one."""

    samples: Samples
    heard: int
    "Units of it that came in packets."
    tail: list[Piece]
    "What lies beyond the chunk."
    last_sample: int
    "Where nothing follows at once: 0."


def composed(
    pieces: Sequence[Piece], rate: int, start: int, end: int, last_sample: int
) -> Composed:
    """
    The pieces in their places, silence between them; what lies beyond waits.

    :param last_sample: of the chunk before.
    """
    unit = units_per_sample(rate)
    length = end // unit - start // unit
    origin = start // unit
    samples = np.zeros(length, dtype=np.int16)
    tail: list[Piece] = []
    filled = heard = 0
    for piece in pieces:
        audio = piece.samples
        if piece.rate != rate:
            audio = resampled(audio, piece.rate, rate)
        at = piece.position // unit - origin
        if at < 0:
            audio, at = audio[-at:], 0
        if at + len(audio) > length:
            keep = max(length - at, 0)
            tail.append(Piece((origin + at + keep) * unit, rate, audio[keep:], piece.came))
            audio = audio[:keep]
        if 0 < at - filled <= _SLIP // unit:
            samples[filled:at] = samples[filled - 1] if filled else last_sample
            heard += at - filled
        samples[at : at + len(audio)] = audio
        if piece.came:
            heard += max(at + len(audio) - max(at, filled), 0)
        filled = max(filled, at + len(audio))
    last = int(samples[-1]) if length and filled == length else 0
    return Composed(samples, heard * unit, tail, last)


def mute(samples: Samples, rate: int, start: int, muted: Sequence[Span]) -> None:
    """Silence some spans of the samples of a chunk that begins at a place."""
    unit = units_per_sample(rate)
    for first, last in muted:
        samples[(first - start) // unit : -(-(last - start) // unit)] = 0


def named(missing: list[Missing], concealed: list[Span]) -> Iterator[Missing]:
    """What is missing, the concealed parts of it by themselves."""
    for span in missing:
        at = span.start
        if span.reason == "rtp_loss":
            for first, last in concealed:
                first, last = max(first, at), min(last, span.end)
                if first < last:
                    if at < first:
                        yield replace(span, start=at, end=first)
                    yield replace(span, start=first, end=last, concealed=True)
                    at = last
        if at < span.end:
            yield replace(span, start=at)
