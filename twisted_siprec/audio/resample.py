"""
Samples at another rate, chunk by chunk.

A polyphase low-pass filter (a sinc under a Kaiser window): flat to 85 % of the
lower rate's band, 70 dB down from 103 % of it. Each block of the input is
multiplied by one band matrix, so that the work is one matrix product a chunk.
The output is later than the input by :attr:`Resampler.delay_ms`, and its length
is exactly the input's times the ratio, rounded up over the whole stream.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from .samples import Samples

_CROSSINGS = 24
"Zero crossings of the sinc on each side of its middle."
_CUTOFF = 0.94
_BETA = 7.0
_BLOCK_MS = 5

_Matrix = NDArray[np.float32]


@lru_cache(maxsize=64)
def _band(up: int, down: int, periods: int) -> tuple[int, _Matrix]:
    """
    The matrix that makes ``periods * up`` samples of ``periods * down`` samples
    and the history before them, and the length of that history.
    """
    slower = max(up, down)
    reach = _CROSSINGS * slower
    offsets = np.arange(-reach, reach + 1)
    prototype = np.sinc(offsets * _CUTOFF / slower) * np.kaiser(len(offsets), _BETA)
    prototype *= up / prototype.sum()
    history = -(-len(prototype) // up)
    matrix = np.zeros((history + periods * down, periods * up))
    for output in range(periods * up):
        newest, phase = divmod(output * down, up)
        taps = prototype[phase::up]
        rows = history + newest - np.arange(len(taps))
        # Each phase must pass a constant unchanged, or silence would hum.
        matrix[rows, output] = taps / taps.sum()
    return history, matrix.astype(np.float32)


class Resampler:
    """One channel on its way from one rate to another."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        periods = max(1, from_hz * _BLOCK_MS // 1000 // self._down)
        self._history, self._matrix = _band(self._up, self._down, periods)
        self._block = periods * self._down
        self._past = np.zeros(self._history, dtype=np.float32)
        "The history of the filter, and after it what is of a period that has begun."
        self._silent = True
        self.delay_ms = 1000.0 * _CROSSINGS / min(from_hz, to_hz)

    def resample(self, samples: Samples) -> Samples:
        """The next samples at the other rate."""
        if not len(samples):
            return samples
        begun = len(self._past) - self._history
        available = begun + len(samples)
        blocks = -(-available // self._block)
        padded = np.zeros(self._history + blocks * self._block, dtype=np.float32)
        padded[: len(self._past)] = self._past
        padded[len(self._past) : self._history + available] = samples
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(self._matrix))
        filtered = (windows[:: self._block] @ self._matrix).ravel()
        self._keep(padded, available)
        fresh = filtered[self._outputs(begun) : self._outputs(available)]
        rounded: Samples = np.clip(np.rint(fresh), -32768, 32767).astype(np.int16)
        return rounded

    def rest(self, samples: int) -> Samples | None:
        """The next samples are silence: None where that is all that comes out of it."""
        if self._silent:
            begun = (len(self._past) - self._history + samples) % self._down
            self._past = np.zeros(self._history + begun, dtype=np.float32)
            return None
        resampled = self.resample(np.zeros(samples, dtype=np.int16))
        self._silent = not self._past.any()
        return resampled

    def _outputs(self, inputs: int) -> int:
        """How many samples can be made of the first inputs of a period."""
        return ceil(inputs * self._up / self._down)

    def _keep(self, padded: _Matrix, available: int) -> None:
        """Remember what the next call needs: the history, from the start of a period on."""
        finished = available - available % self._down
        self._past = padded[finished : self._history + available].copy()
        self._silent = False
