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
        self._destination: str | None = None

    def __call__(self, start: StreamStart, item: Audio | Event) -> None:
        """The next that the consumers get."""
        if self._destination is None:
            self._destination = start.destination.name
        if start.destination.name != self._destination:
            return
        if isinstance(item, Gap):
            self._show(_gap(start, item))
        elif isinstance(item, Audio):
            self._hear(start, item)

    def _hear(self, start: StreamStart, item: Audio) -> None:
        samples = decoded(start, item)
        first = start.track or 0
        self._show(
            {
                "type": "levels",
                "first": first,
                "at_ms": round(1000 * item.position / start.sample_rate),
                "peaks": peaks(samples, start.sample_rate),
            }
        )
        if self.play is not None and len(samples) <= _MAX_SAMPLES:
            head = HEADER.pack(
                samples.shape[1], first, start.sample_rate, item.position & 0xFFFFFFFF
            )
            self.play(head + samples.astype("<i2").tobytes())


def _gap(start: StreamStart, gap: Gap) -> bodies.Body:
    return {
        "type": "gap",
        "at_ms": round(1000 * gap.position / start.sample_rate),
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
