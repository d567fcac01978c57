"""
What goes wrong in a run of the fault suite, and when: all of it follows from the seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

KINDS: Mapping[str, tuple[str, ...]] = {
    "killed": ("kill", "restart", "freeze"),
    "relayed": ("reset", "stall", "slow", "freeze"),
    "trusted": ("distrust", "kill", "freeze"),
    "cut": ("cut", "flutter", "kill"),
}
"""
What happens to which consumer:

kill      SIGKILL; back after a while
restart   SIGTERM; back after a while
freeze    SIGSTOP, then SIGCONT
reset     RST on all its connections
stall     nothing is read from its connections
slow      little is read from them
distrust  it comes back with a certificate that nobody vouches for, then with its own
cut       all packets are dropped
flutter   all packets are dropped, by turns of a tenth of a second
"""
AT_ONCE = frozenset({"reset"})
LONG_SHARE = 0.1
"Of the faults, how many take so long that pings go unanswered and rings overflow."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    at_s: float
    "From the begin of the faults."
    consumer: str
    kind: str
    for_s: float


def plan(
    seed: int, seconds: float, consumers: tuple[str, ...], long_s: float = 45.0
) -> list[Fault]:
    """
    A plan in order of time; of each consumer, one fault after the other, and none
    that ends after so many seconds.
    """
    faults: list[Fault] = []
    for name in consumers:
        random = Random(f"{seed} {name}")
        at_s = random.uniform(0.5, 3.0)
        while True:
            kind = random.choice(KINDS[name])
            longest_s = long_s if random.random() < LONG_SHARE else 6.0
            for_s = 0.0 if kind in AT_ONCE else random.uniform(0.3, longest_s)
            if at_s + for_s > seconds:
                break
            faults.append(Fault(round(at_s, 3), name, kind, round(for_s, 3)))
            at_s += for_s + random.uniform(0.3, 4.0)
    return sorted(faults, key=lambda fault: (fault.at_s, fault.consumer))
