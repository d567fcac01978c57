"""
The steady part of a load: how long it is, and what a server takes in it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from processes import Load, cpu_s, resident_mb

LONG_S = 3600.0
"A load lasts until it is ended."


@dataclass(frozen=True)
class Span:
    """How many calls are measured, for how long, and after how long."""

    calls: int
    seconds: float
    warm_up_s: float


@dataclass(frozen=True)
class Steady:
    """The steady part of a load."""

    cpu_us_per_call_second: float
    memory_mb: float
    since: float
    until: float
    loads: list[dict]

    @property
    def load(self) -> dict:
        """All that was sent."""
        return {
            "streams": sum(each["streams"] for each in self.loads),
            "sent": sum(each["sent"] for each in self.loads),
            "worst_late_ms": max(each["worst_late_ms"] for each in self.loads),
        }


def measure(pid: int, loads: list[Load], span: Span) -> Steady:
    """What a server takes, from when all streams have begun; then the load ends."""
    time.sleep(span.warm_up_s)
    before, since = cpu_s(pid), time.monotonic()
    time.sleep(span.seconds)
    used, until = cpu_s(pid) - before, time.monotonic()
    memory = resident_mb(pid)
    cost = used / (until - since) / span.calls * 1e6
    return Steady(cost, memory, since, until, [each.end() for each in loads])
