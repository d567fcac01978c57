"""
The one timeline of a bridge, on which all its streams lie.

A place on it is a number of **units** since the bridge was opened. A unit is so
small that a sample of every rate, and a millisecond, is a whole number of them:
places are integers, nothing is rounded, and nothing drifts by arithmetic. What
consumers call position 0 is the place of the first packet, a whole number of
samples of 8000 Hz, as is everything that is placed by its arrival.
"""

from __future__ import annotations

UNITS_PER_SECOND = 14_112_000
"The least common multiple of 1000 and the audio rates from 8 to 48 kHz, 44.1 kHz among them."
UNITS_PER_MS = UNITS_PER_SECOND // 1000
_GRID_HZ = 8000
_GRID = UNITS_PER_SECOND // _GRID_HZ


def units_per_sample(rate: int) -> int:
    """Units from one sample, or RTP clock tick, to the next."""
    units, rest = divmod(UNITS_PER_SECOND, rate)
    if rest:
        raise LookupError(f"no whole number of units at {rate} Hz")
    return units


def seconds(units: int) -> float:
    """Units as seconds."""
    return units / UNITS_PER_SECOND


def on_grid(span_s: float) -> int:
    """A time since the bridge was opened as the nearest place on the grid of 8000 Hz."""
    return round(span_s * _GRID_HZ) * _GRID
