"""
How far the clock of a source has moved from ours since it was anchored.

Delay is what tells: of each window the packet that came with the least of it,
which the network held back least. The least delays of many windows lie on a line
where the clocks differ, and its slope is the drift. It is believed for one when
it stands out from the network's noise (six times its standard error) and
explains the delays better than a step does. A step is the network's: a route
changed, and the audio stays where it is::

    least      certain drift   ╱·      a step          ┌·──·──
    delay                 ·╱·                          │
                      ╱·╱                     ·──·──·──┘
              windows ──►                     windows ──►

Only certain drift moves a timeline, and only when it has become ``tolerance``; a
stream whose clock is ours is never touched, sample for sample. What cannot be
told from noise for long is followed all the same once it is ``_FAR``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf, sqrt

from .timeline import UNITS_PER_MS, UNITS_PER_SECOND

_WINDOWS = 36
"Windows that are looked at: three minutes."
_FEWEST = 6
"Windows before anything is certain."
_LEAST_PPM = 2.0
"A slower drift than this is followed by its distance alone."
_CERTAINTY = 6.0
_STEP = 5 * UNITS_PER_MS
"From one window to the next no clock moves so far."
_FAR = 5 * UNITS_PER_MS
_FAR_WINDOWS = 12
_LATENESS_WINDOWS = 8

Level = tuple[float, float]
"When a window ended, in seconds, and its least delay without the steps, in units."


class Drift:
    """The clock of one source, by the delays of its packets; all in units."""

    __slots__ = (
        "_asked",
        "_begun",
        "_lateness",
        "_levels",
        "_reference",
        "_stepped",
        "_tick",
        "_tolerance",
        "_window",
        "aligned",
        "least",
        "most",
        "moved",
        "ppm",
        "slips",
        "until",
    )

    def __init__(self, tick: int, window: int, tolerance: int) -> None:
        self._tick = tick
        self._window = window
        self._tolerance = tolerance
        self._levels: deque[Level] = deque(maxlen=_WINDOWS)
        self._lateness: deque[int] = deque(maxlen=_LATENESS_WINDOWS)
        self._reference = 0.0
        "The least delay at which nothing is to be moved."
        self._stepped = 0.0
        self._asked = 0
        "Ticks that wait for the next window, …"
        self._begun = 0
        "… and those of a window before that are still to be moved."
        self.aligned = 0
        "By how much it was asked to be moved in all."
        self.least: int | None = None
        "The least delay of this window, as if the timeline had never been moved."
        self.most: int | None = None
        "The greatest, likewise."
        self.until: int | None = None
        "The end of this window; None before the first packet."
        self.slips = 0
        "Ticks by which the timeline is still to be moved: later, or earlier where negative."
        self.moved = 0
        "By how much the source's timeline was moved in all."
        self.ppm = 0.0
        "How much slower than ours the clock runs; 0 until that can be told."

    def observe(self, transit: int, arrival: int) -> None:
        """A packet came ``transit`` units after its own place."""
        delay = transit + self.moved
        if self.least is None or delay < self.least:
            self.least = delay
        if self.most is None or delay > self.most:
            self.most = delay
        if self.until is None:
            self.until = arrival + self._window
        elif arrival >= self.until:
            self._close(self.least, self.most, arrival)

    def anchored_anew(self, units: int) -> None:
        """All delays so far are measured from a place that lies later by so much."""
        self.least = None if self.least is None else self.least - units
        self.most = None if self.most is None else self.most - units

    def ask(self, units: int) -> None:
        """The timeline is to be moved for another reason; that begins with the next window."""
        ticks = round(units / self._tick)
        self._asked += ticks
        self.aligned += ticks * self._tick

    @property
    def aligned_yet(self) -> int:
        """How much of what was asked for is done."""
        return self.aligned - (self._begun + self._asked) * self._tick

    @property
    def moving(self) -> bool:
        """It is being moved, or is to be."""
        return self.slips != 0 or self._asked != 0

    def lateness(self) -> int | None:
        """
        How late packets are: the greatest delay of a window, of the last eight
        windows the second greatest, since a single burst is no habit. None where
        nothing is known yet.
        """
        most = sorted(self._lateness)[-2:]
        return most[0] - self.moved if most else None

    def take(self, limit: int) -> int:
        """
        By how many units the timeline is to be moved now, of what is left to do
        no more than a limit, but for a tick.
        """
        if self.slips == 0:
            return 0
        ticks = min(abs(self.slips), max(limit // self._tick, 1))
        ticks = ticks if self.slips > 0 else -ticks
        self.slips -= ticks
        self.moved += ticks * self._tick
        if self.slips == 0:
            self._begun = 0
        elif self._begun * ticks > 0:
            self._begun -= max(-abs(self._begun), min(ticks, abs(self._begun)))
        return ticks * self._tick

    # --- windows ---

    def _close(self, least: int, most: int, arrival: int) -> None:
        """A window is over: judge it, and begin the next."""
        self._lateness.append(most)
        at = arrival / UNITS_PER_SECOND
        if self._levels:
            self._absorb_step(least, at)
        else:
            self._reference = float(least)
        self._levels.append((at, least - self._stepped))
        away = self._away(at)
        self.slips = int(away / self._tick) if abs(away) >= self._tick else 0
        # What is asked for is not drift: it moves the measure too.
        self._reference -= self._asked * self._tick
        self._begun, self._asked = self._begun + self._asked, 0
        self.slips += self._begun
        if self.slips == 0:
            # Drift and what was asked for make up for each other.
            self._begun = 0
        self.least = self.most = None
        self.until = arrival + self._window

    def _absorb_step(self, least: int, at: float) -> None:
        """The network has become slower or faster at once."""
        before, level = self._levels[-1]
        expected = self.ppm * 1e-6 * (at - before) * UNITS_PER_SECOND
        step = least - self._stepped - level - expected
        if abs(step) > _STEP:
            self._stepped += step

    def _away(self, at: float) -> float:
        """How far the timeline is from where it belongs, as far as that is worth moving it."""
        levels = self._levels
        wanted = self._reference + self.moved + self._begun * self._tick
        line = _Line(levels)
        self.ppm = line.slope / UNITS_PER_SECOND * 1e6 if len(levels) >= _FEWEST else 0.0
        if line.certain and abs(self.ppm) >= _LEAST_PPM:
            away = line.at(at) - wanted
            return away if abs(away) >= self._tolerance else 0.0
        if len(levels) >= _FAR_WINDOWS:
            last = [level for _, level in levels][-_FAR_WINDOWS:]
            away = sum(last) / len(last) - wanted
            return away if abs(away) >= max(_FAR, self._tolerance) else 0.0
        return 0.0


class _Line:
    """The line of least squares through some levels."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._count = count = len(levels)
        self._at = sum(at for at, _ in levels) / count
        self._mean = sum(level for _, level in levels) / count
        times = [at - self._at for at, _ in levels]
        self._away = [level - self._mean for _, level in levels]
        self._spread = sum(time * time for time in times)
        together = sum(time * away for time, away in zip(times, self._away, strict=True))
        self.slope = together / self._spread if self._spread else 0.0
        "Units a second."
        self._explained = together * self.slope

    def at(self, at: float) -> float:
        """Where it is at a time."""
        return self._mean + self.slope * (at - self._at)

    @property
    def certain(self) -> bool:
        """Its slope is no accident, and no step."""
        if self._count < _FEWEST:
            return False
        rest = max(sum(away * away for away in self._away) - self._explained, 0.0)
        error = sqrt(rest / (self._count - 2) / self._spread)
        certainty = abs(self.slope) / error if error else inf
        return certainty >= _CERTAINTY and self._explained > self._explained_by_step()

    def _explained_by_step(self) -> float:
        """How much of the squares a single step explains, wherever it does best."""
        best = total = 0.0
        for before, away in enumerate(self._away[:-1], 1):
            total += away
            best = max(best, total * total * self._count / (before * (self._count - before)))
        return best
