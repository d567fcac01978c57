"""
How long a chunk waits for its packets: the delay of the jitter buffer.

All streams of a bridge are played together, so they wait together, for the one
whose packets come latest. A packet that comes too late makes the wait longer at
once; so does lateness that was seen and did no harm yet (:meth:`.drift.Drift.lateness`).
When packets come sooner again, the wait becomes shorter little by little.

Positions have nothing to do with it. A chunk that waits longer is the same chunk,
handed over later: no audio is stretched or cut for the sake of the wait.
"""

from __future__ import annotations

from collections.abc import Iterable

from .timeline import UNITS_PER_MS, seconds

_MARGIN = 10 * UNITS_PER_MS
_SHORTEN = 4
"Of what the wait is too long, one part of so many goes at a time."


class Patience:
    """Between a least and a most."""

    def __init__(self, least_ms: int, most_ms: int) -> None:
        self._least = self._wait = least_ms * UNITS_PER_MS
        self._most = max(least_ms, most_ms) * UNITS_PER_MS
        self.wait_s = seconds(self._wait)

    def lengthen(self, lateness: Iterable[int]) -> None:
        """Packets came too late by their places, in units: wait for the next that are like them."""
        worst = max(lateness, default=0)
        if worst > 0:
            self._set(max(self._wait, self._enough(worst)))

    def review(self, lateness: Iterable[int | None]) -> None:
        """Packets have been so late lately, stream by stream; None where that is not known."""
        known = [late for late in lateness if late is not None]
        if not known:
            return
        enough = self._enough(max(known))
        if enough < self._wait:
            step = max((self._wait - enough) // _SHORTEN, UNITS_PER_MS)
            enough = max(self._wait - step, enough)
        self._set(enough)

    def _enough(self, lateness: int) -> int:
        return max(self._least, min(lateness + _MARGIN, self._most))

    def _set(self, wait: int) -> None:
        self._wait = wait
        self.wait_s = seconds(wait)
