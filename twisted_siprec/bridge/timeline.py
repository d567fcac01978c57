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


class Drift:
    """
    How far the clock of a source has moved from ours since it was anchored.

    The packet that came with the least delay of a window tells the clocks apart
    from the network. That of the first window is the measure of those after it,
    and not the anchor: the first packet of a source often comes later than the
    rest. Within the tolerance nothing happens; past it, the source's timeline is
    moved by one tick a chunk, which nobody hears, until it is half the tolerance
    from where it was. A receiver without this would take every packet for late
    after some minutes.
    """

    __slots__ = (
        "_first",
        "_since",
        "_tick",
        "_tolerance",
        "_window",
        "least",
        "moved",
        "ppm",
        "slips",
        "until",
    )

    def __init__(self, tick: int, window: int, tolerance: int) -> None:
        self._tick = tick
        self._window = window
        self._tolerance = tolerance
        self._since = 0
        self._first: int | None = None
        self.least: int | None = None
        "The least delay of this window, as if the timeline had never been moved."
        self.until: int | None = None
        "The end of this window; None before the first packet."
        self.slips = 0
        "Ticks by which the timeline is still to be moved: later, or earlier where negative."
        self.moved = 0
        "By how much the source's timeline was moved in all, in units."
        self.ppm = 0.0

    def observe(self, transit: int, arrival: int) -> None:
        """A packet came ``transit`` units after its own position."""
        delay = transit + self.moved
        if self.least is None or delay < self.least:
            self.least = delay
        if self.until is None:
            self.until = arrival + self._window
        elif arrival >= self.until:
            self._close(self.least, arrival)

    def _close(self, least: int, arrival: int) -> None:
        """A window is over: judge it, and begin the next."""
        if self._first is None:
            self._first, self._since = least, arrival
        else:
            elapsed = arrival - self._since
            self.ppm = 1e6 * (least - self._first) / elapsed
        away = least - self.moved - self._first
        excess = abs(away) - self._tolerance // 2
        if abs(away) > self._tolerance:
            self.slips = excess // self._tick * (1 if away > 0 else -1)
        else:
            self.slips = 0
        self.least, self.until = None, arrival + self._window

    def slip(self) -> int:
        """By how many units the timeline is to be moved now: a tick later, a tick earlier, or 0."""
        if self.slips == 0:
            return 0
        step = 1 if self.slips > 0 else -1
        self.slips -= step
        self.moved += step * self._tick
        return step * self._tick
