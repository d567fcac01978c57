"""
What is heard in a call, for a page that looks at it: how loud each channel is,
what is missing, and, for whoever may listen, the audio itself.

It sees what the consumers of the call get, of one destination, in whatever
layout and encoding that is, and costs nothing while nobody looks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..audio.g711 import PCMA_DECODED, PCMU_DECODED
from ..dialects.base import Audio, Event, Gap, StreamStart
from ..plan import Encoding
from . import bodies

HEADER = struct.Struct("<BBHI")
"Of a binary message: channels side by side, index of the first, Hz, position in samples."
_BARS_PER_S = 20
_MAX_SAMPLES = 16_384
"Of one message: more at a time is a catching-up that nobody listens to."


_AWAY = 50
"So many items of others in a row, and the one that was followed is taken to have left."


class Following:
    """
    Which of a call's destinations one looks at: the first that is seen, and another
    once that one gets nothing more. A destination that came later counts from its own
    beginning, so that positions are brought to the first one's.
    """

    def __init__(self) -> None:
        self._destination: str | None = None
        self._began_at = 0.0
        self._others = 0

    def sees(self, start: StreamStart) -> bool:
        """Whether to look at what goes to it."""
        name = start.destination.name
        if self._destination is None:
            self._began_at = start.started_at
        elif name != self._destination:
            self._others += 1
            if self._others < _AWAY:
                return False
        self._destination, self._others = name, 0
        return True

    def at_ms(self, start: StreamStart, position: int) -> int:
        """A position of its stream, since the one that was seen first began."""
        later_ms = 1000 * (start.started_at - self._began_at)
        return max(0, round(later_ms + 1000 * position / start.sample_rate))


class Monitor:
    """
    A tap on a call's delivery.

    :param show: takes the levels.
    :param play: takes the audio; None for who may not listen.
    """

    def __init__(
        self, show: Callable[[bodies.Body], None], play: Callable[[bytes], None] | None = None
    ) -> None:
        self._show = show
        self.play = play
        self._following = Following()

    def __call__(self, start: StreamStart, item: Audio | Event) -> None:
        """The next that the consumers get."""
        if not self._following.sees(start):
            return
        if isinstance(item, Gap):
            self._show(_gap(start, item, self._following.at_ms(start, item.position)))
        elif isinstance(item, Audio):
            self._hear(start, item)

    def _hear(self, start: StreamStart, item: Audio) -> None:
        samples = decoded(start, item)
        first = start.track or 0
        self._show(
            {
                "type": "levels",
                "first": first,
                "at_ms": self._following.at_ms(start, item.position),
                "peaks": peaks(samples, start.sample_rate),
            }
        )
        if self.play is not None and len(samples) <= _MAX_SAMPLES:
            head = HEADER.pack(
                samples.shape[1], first, start.sample_rate, item.position & 0xFFFFFFFF
            )
            self.play(head + samples.astype("<i2").tobytes())


def _gap(start: StreamStart, gap: Gap, at_ms: int) -> bodies.Body:
    return {
        "type": "gap",
        "at_ms": at_ms,
        "ms": round(1000 * gap.samples / start.sample_rate),
        "channels": list(gap.channels),
        "reason": gap.reason,
        "filled": gap.filled,
    }


def decoded(start: StreamStart, audio: Audio) -> NDArray[np.int16]:
    """Audio as 16-bit samples, a row for each instant and a column for each channel."""
    if start.encoding is Encoding.L16:
        return np.frombuffer(audio.payload, "<i2").reshape(-1, start.width)
    table = PCMU_DECODED if start.encoding is Encoding.PCMU else PCMA_DECODED
    return table.take(np.frombuffer(audio.payload, np.uint8)).reshape(-1, start.width)


def peaks(samples: NDArray[np.int16], rate: int) -> list[list[int]]:
    """For each channel the greatest deflections, some twenty a second, of 0 to 32768."""
    bar = max(rate // _BARS_PER_S, 1)
    if not len(samples):
        return [[] for _ in range(samples.shape[1])]
    # abs(-32768) is no 16-bit number.
    loudness = np.abs(samples.astype(np.int32))
    highest = np.maximum.reduceat(loudness, np.arange(0, len(loudness), bar), axis=0)
    return [[int(value) for value in channel] for channel in highest.T]
