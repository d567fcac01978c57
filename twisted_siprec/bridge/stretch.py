"""
A chunk made a little longer or shorter, to follow a clock that is not ours.

The clock of a source gains or loses a sample now and then. Where that is made up
for by cutting a sample or doubling one, there is a click. Here the difference is
spread over the chunk instead: between its edges each sample is taken a fraction
of a sample off, by band-limited interpolation (a sinc under a Kaiser window),
and that fraction grows from none to the whole difference. At the edges the chunk
is what it was, sample for sample, so that it joins its neighbours, which need
not be known::

    source   ├─┼─┼─┼─┼─┼─┼─┼─┼─┼─┤        N + 1 samples
    played   ├─┼─┼──┼──┼──┼──┼─┼─┤        N samples
             edge │  glides  │ edge
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..audio.samples import Samples
from .composition import Played
from .timeline import units_per_sample

SLOWNESS = 200
"What is heard becomes longer or shorter by one part of so many: a tenth of a semitone."
_REACH = 16
"Samples on each side of a place from which the one there is made; the edges are as long."
_BETA = 8.0
"Flat up to 0.42 of the rate: 3.3 kHz at 8 kHz."
_SHORTEST = 4 * _REACH
_MOST = 8
"A chunk glides by one part of so many at most."


@lru_cache(maxsize=16)
def _glide(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """
    How ``after`` samples are made of ``before``, edges left out: of each the first
    sample that it is made of, and the weights.
    """
    length = after - 2 * _REACH
    part = np.arange(length) / length
    # Off gently and on again gently: a bend in the pace would be heard more than the pace.
    glide = part - np.sin(2 * np.pi * part) / (2 * np.pi)
    steps = np.arange(length) + (before - after) * glide
    whole = np.floor(steps).astype(np.intp)
    offsets = np.arange(1 - _REACH, _REACH + 1) - (steps - whole)[:, None]
    weights = np.sinc(offsets) * np.i0(_BETA * np.sqrt(np.maximum(1 - (offsets / _REACH) ** 2, 0)))
    # A constant must pass unchanged, or silence would hum.
    weights /= weights.sum(axis=1, keepdims=True)
    return whole + 1, weights


def fitted(played: Played, start: int, until: int, end: int) -> Played:
    """What was played up to a place, in the span up to another one."""
    unit = units_per_sample(played.rate)
    samples = played.samples
    if samples is not None:
        samples = stretched(samples, end // unit - start // unit)

    def at(place: int) -> int:
        return end if place >= until else min(place, end)

    missing = tuple(
        replace(span, start=min(span.start, end), end=at(span.end)) for span in played.missing
    )
    span = until - start
    return Played(
        played.rate,
        samples,
        tuple(part for part in missing if part.start < part.end),
        played.heard * (end - start) // span if span else 0,
        played.concealed * (end - start) // span if span else 0,
    )


def stretched(samples: Samples, length: int) -> Samples:
    """The same sound in so many samples."""
    before = len(samples)
    if before == length:
        return samples
    if not before:
        return np.zeros(length, dtype=np.int16)
    if max(_SHORTEST, _MOST * abs(before - length)) > min(before, length):
        # The tail of a call, or where there was silence: too little for a filter.
        places = np.linspace(0, before - 1, length)
        return np.rint(np.interp(places, np.arange(before), samples)).astype(np.int16)
    first, weights = _glide(before, length)
    windows = np.lib.stride_tricks.sliding_window_view(samples, 2 * _REACH)[first]
    glided = np.einsum("ij,ij->i", windows, weights)
    made = np.empty(length, dtype=np.int16)
    made[:_REACH], made[-_REACH:] = samples[:_REACH], samples[-_REACH:]
    made[_REACH:-_REACH] = np.clip(np.rint(glided), -32768, 32767)
    return made
