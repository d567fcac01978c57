"""
How long something took, counted by how long: what Prometheus makes a histogram of.
"""

from __future__ import annotations

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Latency:
    """Counts since it was made."""

    def __init__(self, bounds_s: tuple[float, ...] = BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self.total_s = 0.0
        self._counts = [0] * (len(bounds_s) + 1)

    def observe(self, seconds: float) -> None:
        """It took so long."""
        self.total_s += seconds
        number = next(
            (index for index, bound in enumerate(self.bounds_s) if seconds <= bound),
            len(self.bounds_s),
        )
        self._counts[number] += 1

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """By bound, how many took no longer; the last has all."""
        count, buckets = 0, []
        for bound, within in zip((*map(str, self.bounds_s), "+Inf"), self._counts, strict=True):
            count += within
            buckets.append((bound, float(count)))
        return buckets
