"""
When each bridge of the plane is due: a wheel of short slots.

The number of a slot comes from the clock and never from counting, so that a
stall is made up for, and no bridge waits for another. Each bridge is seen once
a chunk; those that begin together are spread over some slots, so that the load
is even.
"""

from __future__ import annotations

from math import ceil


class Slots:
    """Which keys are due in which slot."""

    def __init__(self, slot_ms: int, spread: int) -> None:
        self._slot_s = slot_ms / 1000.0
        self._spread = max(spread, 1)
        self._due: dict[int, list[str]] = {}
        self._slot_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._slot_of)

    def schedule(self, key: str, deadline: float, spread: bool = False) -> float:
        """
        See to a key in the first slot after its deadline, or, to spread those
        that begin together, in the emptiest of the first few. Gives the seconds
        by which that is later than the first slot.
        """
        self.cancel(key)
        # A deadline on the edge of a slot is not to slip into the next by rounding.
        slot = ceil(deadline / self._slot_s - 1e-6)
        first = slot
        if spread:
            choice = range(slot, slot + self._spread)
            slot = min(choice, key=lambda number: len(self._due.get(number, ())))
        self._due.setdefault(slot, []).append(key)
        self._slot_of[key] = slot
        return (slot - first) * self._slot_s

    def cancel(self, key: str) -> None:
        """Forget a key."""
        slot = self._slot_of.pop(key, None)
        if slot is None:
            return
        keys = self._due[slot]
        keys.remove(key)
        if not keys:
            del self._due[slot]

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
