"""
The channels of a bridge at one rate, for all destinations that want that rate.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..audio.mixer import summed
from ..audio.resample import Resampler
from ..audio.samples import Samples
from ..plan import ChannelPlan
from .composition import Played
from .timeline import units_per_sample


class Mixdown:
    """
    Streams to channels at a rate. A stream that is at that rate already passes
    bit by bit; another one goes through a filter, and is 3 ms later for it.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.unit = units_per_sample(rate)
        self._resamplers: dict[int, tuple[int, Resampler]] = {}

    def channels(
        self, played: Mapping[int, Played], channels: tuple[ChannelPlan, ...], samples: int
    ) -> list[Samples | None]:
        """Each channel as the sum of its streams, all of the same length; None is silence."""
        streams = {index: self._stream(index, part, samples) for index, part in played.items()}
        return [summed([streams.get(index) for index in plan.streams]) for plan in channels]

    def _stream(self, index: int, played: Played, samples: int) -> Samples | None:
        """One stream at this rate."""
        if played.rate == self.rate:
            return played.samples
        rate, resampler = self._resamplers.get(index, (0, None))
        if resampler is None or rate != played.rate:
            resampler = Resampler(played.rate, self.rate)
            self._resamplers[index] = (played.rate, resampler)
        if played.samples is not None:
            return _fitted(resampler.resample(played.samples), samples)
        silent = resampler.rest(samples * played.rate // self.rate)
        return None if silent is None else _fitted(silent, samples)


def _fitted(samples: Samples, length: int) -> Samples:
    """Between rates that are no multiples of each other a chunk may be a sample off."""
    wanting = length - len(samples)
    if wanting <= 0:
        return samples[:length]
    return np.pad(samples, (0, wanting), mode="edge" if len(samples) else "constant")
