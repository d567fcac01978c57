"""
Audio in the place of lost packets, after ITU-T G.711 Appendix I.

What was heard last is repeated, pitch period by pitch period::

    heard ──────────────┤ lost ───────────────────────┤ heard again ──────
            └ 3 periods ┘ 1 period, from 10 ms on 2,    the repetition goes
                          from 20 ms on 3; fading from  on under it for a
                          10 ms on, silent at 60 ms     few ms and fades out

The period is where the last 20 ms are most like what was before them
(normalised cross-correlation, 66 to 200 Hz). All joins are overlapped by a
quarter of a period, and by 4 ms more for each 10 ms that were lost, at most
10 ms, where good samples come again.

The Appendix delays all audio by 3.75 ms, so that the end of what is heard can be
blended into the repetition. Here nothing is delayed: the repetition begins at
the value that was heard last, and the difference fades over the same quarter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .samples import NO_SAMPLES, Samples

_Signal = NDArray[np.float64]

_SEARCH_HZ = 8000
"The period is sought at this rate first, whatever the rate is."
_QUIET = 250.0
"An energy below which it does not matter what is like what."
_CYCLES = 3


class Concealment:
    """The audio of one stream, in order, and what there is where it has holes."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._frame = rate // 100
        self._shortest = rate // 200
        self._longest = rate * 3 // 200
        self._compared = rate // 50
        self._remembered = _CYCLES * self._longest + self._longest // 4
        self._past: Samples = NO_SAMPLES
        self._repeated: _Signal | None = None
        "What replaces the audio from where it was lost on, until silence; None while nothing is."
        self._quarter = 0
        "Of the period that is repeated."
        self._lost = 0
        "Samples that were lost by now."

    def good(self, samples: Samples) -> Samples:
        """The next samples, which came: as they are, but for the first after a loss."""
        if not len(samples):
            return samples
        if self._repeated is not None:
            samples = self._merged(samples, self._repeated)
            self._repeated = None
        self._remember(samples)
        return samples

    def lost(self, count: int) -> Samples:
        """
        What takes the place of the next samples: as many as were lost, or fewer
        where there is nothing (more) to repeat; the rest is silence.
        """
        if self._repeated is None:
            self._repeated = self._repetition(self._past.astype(np.float64))
            self._lost = 0
        replaced = _rounded(self._repeated[self._lost : self._lost + count])
        self._lost += count
        self._remember(replaced)
        if len(replaced) < count:
            silence = min(count - len(replaced), self._remembered)
            self._remember(np.zeros(silence, dtype=np.int16))
        return replaced

    def silent(self) -> None:
        """The source was silent; what was heard before is not repeated any more."""
        self._past = NO_SAMPLES
        self._repeated = None

    def _remember(self, samples: Samples) -> None:
        wanted = self._remembered
        if len(samples) < wanted:
            samples = np.concatenate([self._past[-wanted:], samples])
        self._past = samples[-wanted:].copy()

    def _merged(self, samples: Samples, repeated: _Signal) -> Samples:
        """Good samples after a loss, the repetition fading out under the first of them."""
        more = max(-(-self._lost // self._frame) - 1, 0) * (self._frame * 2 // 5)
        overlap = min(self._quarter + more, self._frame, len(samples))
        fading = np.zeros(overlap)
        under = repeated[self._lost : self._lost + overlap]
        fading[: len(under)] = under
        merged = samples.copy()
        merged[:overlap] = _rounded(_blended(fading, samples[:overlap].astype(np.float64)))
        return merged

    def _repetition(self, past: _Signal) -> _Signal:
        """What was heard last, again and again, until it has faded."""
        if len(past) < 2 * self._shortest or not past[-self._compared :].any():
            self._quarter = 0
            return np.zeros(0)
        period = self._period(past)
        quarter = self._quarter = period // 4
        length = 6 * self._frame
        repeated = np.zeros(length)
        for number in range(_CYCLES):
            begin = number * self._frame
            cycles = min(number + 1, (len(past) - quarter) // period)
            cycle = past[len(past) - cycles * period :].copy()
            before = past[len(past) - cycles * period - quarter :][:quarter]
            cycle[len(cycle) - quarter :] = _blended(cycle[len(cycle) - quarter :], before)
            fresh = np.resize(np.roll(cycle, -(begin % period)), length - begin)
            joined = repeated[begin : begin + quarter]
            if number:
                fresh[:quarter] = _blended(joined, fresh[:quarter])
            else:
                step = past[-1] - past[-1 - period]
                fresh[:quarter] += _blended(np.full(quarter, step), np.zeros(quarter))
            repeated[begin:] = fresh
        repeated[self._frame :] *= np.linspace(1.0, 0.0, length - self._frame, endpoint=False)
        return repeated

    def _period(self, past: _Signal) -> int:
        """The distance at which the last samples are most like those before them."""
        step = max(self.rate // _SEARCH_HZ, 1)
        coarse = np.arange(self._shortest, self._longest + 1, step)
        best = self._likest(past, coarse, step)
        if step == 1:
            return best
        near = np.arange(max(best - step + 1, self._shortest), min(best + step, self._longest + 1))
        return self._likest(past, near, 1)

    def _likest(self, past: _Signal, periods: NDArray[np.int64], step: int) -> int:
        """The best of some periods, by every so many-th sample."""
        compared = max(min(self._compared, len(past) - self._longest), self._shortest)
        periods = periods[periods <= len(past) - compared]
        last = past[len(past) - compared :: step]
        windows = np.lib.stride_tricks.sliding_window_view(past, compared)
        earlier = windows[len(past) - compared - periods, ::step]
        energies = np.einsum("ij,ij->i", earlier, earlier)
        likeness = earlier @ last / np.sqrt(np.maximum(energies, _QUIET))
        return int(periods[np.argmax(likeness)])


def _blended(before: _Signal, after: _Signal) -> _Signal:
    """From one signal to another, linearly."""
    rising = np.arange(1, len(after) + 1) / (len(after) + 1)
    blended: _Signal = before * (1.0 - rising) + after * rising
    return blended


def _rounded(signal: _Signal) -> Samples:
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)
