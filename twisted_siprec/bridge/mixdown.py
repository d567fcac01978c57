"""
The channels of a bridge at one rate, for all destinations that want that rate.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..audio.mixer import summed
from ..audio.resample import Resampler
from ..audio.samples import NO_SAMPLES, Samples
from ..plan import ChannelPlan
from .composition import Played
from .timeline import units_per_sample


class Mixdown:
    """
    Streams to channels at a rate. A stream that is at that rate already passes
    bit by bit; another one goes through a filter, and is later for it by 28
    samples of the lower of the two rates, 3.5 ms at most.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.unit = units_per_sample(rate)
        self._converted: dict[int, _Converted] = {}

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
        converted = self._converted.get(index)
        if converted is None or converted.rate != played.rate:
            converted = self._converted[index] = _Converted(played.rate, self.rate)
        return converted.next(played.samples, samples)


class _Converted:
    """
    A stream on its way from its own rate. Between rates that are no multiples of
    each other a chunk comes out a sample longer now and then: it begins the next one.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        self.rate = rate
        self._wanted = wanted
        self._resampler = Resampler(rate, wanted)
        self._over = NO_SAMPLES

    def next(self, samples: Samples | None, length: int) -> Samples | None:
        """A chunk at the wanted rate, of this length; None for silence."""
        if samples is None:
            fresh = self._resampler.rest(length * self.rate // self._wanted)
        else:
            fresh = self._resampler.resample(samples)
        if fresh is None:
            self._over = NO_SAMPLES
            return None
        if len(self._over):
            fresh = np.concatenate([self._over, fresh])
        self._over = fresh[length:]
        if len(fresh) < length:
            # Once, where a stream begins between two samples of its rate.
            return np.pad(
                fresh, (length - len(fresh), 0), mode="edge" if len(fresh) else "constant"
            )
        return fresh[:length]
