"""
What is due next, among many things that each have one deadline.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Agenda(Generic[Key]):
    """
    Deadlines by key. Setting one again moves it; the heap keeps the stale entry
    until it comes up, and is built anew once most of it is stale, so that its
    size stays within twice the number of keys.
    """

    def __init__(self) -> None:
        self._deadlines: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._entries = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, key: Key, at: float | None) -> None:
        """From now on ``key`` is due at ``at``; None for never."""
        if at is None:
            self._deadlines.pop(key, None)
        elif self._deadlines.get(key) != at:
            self._deadlines[key] = at
            self._push(key, at)
        if len(self._heap) > 64 + 2 * len(self._deadlines):
            self._heap = []
            for live, when in self._deadlines.items():
                self._entries += 1
                self._heap.append((when, self._entries, live))
            heapify(self._heap)

    def next_deadline(self) -> float | None:
        """When the next key is due."""
        while self._heap and self._deadlines.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> list[Key]:
        """The keys whose time has come, earliest first; they are taken off."""
        keys: list[Key] = []
        while (at := self.next_deadline()) is not None and at <= now:
            _, _, key = heappop(self._heap)
            del self._deadlines[key]
            keys.append(key)
        return keys

    def _push(self, key: Key, at: float) -> None:
        self._entries += 1
        heappush(self._heap, (at, self._entries, key))
