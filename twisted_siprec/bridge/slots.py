"""
When each bridge of the plane is due: a wheel of short slots.

The number of a slot comes from the clock and never from counting, so that a
stall is made up for, and no bridge waits for another. Each bridge is seen once
a chunk, in slots of one **phase**: where the wheel is, counted by that chunk. A
bridge that begins takes one of the few phases that it may have: the fullest, while
there is room in it, for those that come together cost less; then the one with the
fewest others, so that the load is even as calls come and go.
"""

from __future__ import annotations

from collections import Counter
from math import ceil
from operator import itemgetter
from typing import NamedTuple


class _Round(NamedTuple):
    """Every so many slots, beginning with one of the first of them."""

    slots: int
    phase: int


class Slots:
    """Which keys are due in which slot."""

    def __init__(self, slot_ms: int, spread: int, together: int = 1) -> None:
        """:param together: up to so many are gathered in a phase before they are spread."""
        self._together = together
        self._slot_s = slot_ms / 1000.0
        self._spread = max(spread, 1)
        self._due: dict[int, list[str]] = {}
        self._slot_of: dict[str, int] = {}
        self._rounds: dict[str, _Round] = {}
        "Of those that come again and again."
        self._load: Counter[_Round] = Counter()

    def __len__(self) -> int:
        return len(self._slot_of)

    def schedule(self, key: str, deadline: float) -> None:
        """See to a key in the first slot after its deadline."""
        slot = self._first(deadline)
        known = self._rounds.get(key)
        if known is not None and slot % known.slots != known.phase:
            self._turn(key, known.slots, slot)
        self._put(key, slot)

    def begin(self, key: str, deadline: float, every_s: float) -> float:
        """
        See to a key from now on every so often: in the first slot after its deadline
        or one of the few after that, by how many others come there in the long run.
        Gives the seconds by which that is later than the first slot.
        """
        first = self._first(deadline)
        self._forget_round(key)
        loads = [(slot, self._load_of(slot)) for slot in range(first, first + self._spread)]
        roomy = [each for each in loads if each[1] < self._together]
        if roomy:
            slot, _ = max(roomy, key=itemgetter(1))
        else:
            slot, _ = min(loads, key=itemgetter(1))
        self._turn(key, max(round(every_s / self._slot_s), 1), slot)
        self._put(key, slot)
        return (slot - first) * self._slot_s

    def _first(self, deadline: float) -> int:
        # A deadline on the edge of a slot is not to slip into the next by rounding.
        return ceil(deadline / self._slot_s - 1e-6)

    def _load_of(self, slot: int) -> int:
        """How many come in a slot, now and at all times."""
        return sum(n for known, n in self._load.items() if slot % known.slots == known.phase)

    def _turn(self, key: str, slots: int, slot: int) -> None:
        """A key comes every so many slots, in this one among others."""
        self._forget_round(key)
        self._rounds[key] = known = _Round(slots, slot % slots)
        self._load[known] += 1

    def _forget_round(self, key: str) -> None:
        known = self._rounds.pop(key, None)
        if known is not None:
            self._load[known] -= 1
            if not self._load[known]:
                del self._load[known]

    def _put(self, key: str, slot: int) -> None:
        self._take_out(key)
        self._due.setdefault(slot, []).append(key)
        self._slot_of[key] = slot

    def _take_out(self, key: str) -> None:
        slot = self._slot_of.pop(key, None)
        if slot is None:
            return
        keys = self._due[slot]
        keys.remove(key)
        if not keys:
            del self._due[slot]

    def cancel(self, key: str) -> None:
        """Forget a key."""
        self._take_out(key)
        self._forget_round(key)

    def next_deadline(self) -> float | None:
        """When the next slot begins in which anything is due."""
        return min(self._due) * self._slot_s if self._due else None

    def due(self, now: float) -> list[str]:
        """The keys of all slots that have begun, in the order of the slots; they are forgotten."""
        current = int(now / self._slot_s + 1e-6)
        keys: list[str] = []
        for slot in sorted(slot for slot in self._due if slot <= current):
            keys += self._due.pop(slot)
        for key in keys:
            del self._slot_of[key]
        return keys
