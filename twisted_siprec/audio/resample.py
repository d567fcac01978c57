"""
Samples at another rate, chunk by chunk.

A polyphase low-pass filter (a sinc under a Kaiser window) between any two rates:
flat to 85 % of the lower rate's band, 74 dB down from 103 % of it, and the same
delay for all frequencies (docs/codecs.rst has the figures). Each block of the
input is multiplied by one band matrix, so that the work is one matrix product a
chunk. The output is later than the input by :attr:`Resampler.delay_ms`, and its
length is exactly the input's times the ratio, rounded up over the whole stream.

However the input is cut, the output is the same to the bit, on every machine:
the filter's coefficients are whole multiples of 2**-30, so that every product
with a 16-bit sample, and every sum of them in any order, is exact in the 53 bits
of a double. Nothing is rounded but the sample that comes out.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from .samples import NO_SAMPLES, Samples

_CROSSINGS = 28
"Zero crossings of the sinc on each side of its middle."
_CUTOFF = 0.937
_BETA = 7.5
_BLOCK_MS = 5
_ONE = 1 << 30
"What the coefficients are multiples of, the other way up."

_Matrix = NDArray[np.float64]


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
    phases = [_exact(prototype[phase::up]) for phase in range(up)]
    history = -(-len(prototype) // up)
    matrix = np.zeros((history + periods * down, periods * up))
    for output in range(periods * up):
        newest, phase = divmod(output * down, up)
        taps = phases[phase]
        matrix[history + newest - np.arange(len(taps)), output] = taps
    return history, matrix


def _exact(taps: _Matrix) -> _Matrix:
    """
    One phase in whole parts of 2**-30. Each must pass a constant unchanged, or
    silence would hum: what rounding leaves of 1 goes to the largest.
    """
    parts = np.rint(taps / taps.sum() * _ONE)
    parts[np.argmax(parts)] += _ONE - parts.sum()
    exact: _Matrix = parts / _ONE
    return exact


class Resampler:
    """One channel on its way from one rate to another."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        periods = max(1, from_hz * _BLOCK_MS // 1000 // self._down)
        self._history, self._matrix = _band(self._up, self._down, periods)
        self._block = periods * self._down
        self._past = np.zeros(self._history)
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
        padded = np.zeros(self._history + blocks * self._block)
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
            self._past = np.zeros(self._history + begun)
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


def resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A piece by itself at another rate, from its beginning to its end, without delay."""
    if not len(samples):
        return NO_SAMPLES
    one = Resampler(from_hz, to_hz)
    late = round(one.delay_ms * to_hz / 1000)
    length = ceil(len(samples) * to_hz / from_hz)
    after = np.zeros(ceil(late * from_hz / to_hz) + 1, dtype=np.int16)
    return one.resample(np.concatenate([samples, after]))[late : late + length]
