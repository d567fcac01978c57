"""
The RTP ports that may be used, and when each may be used again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .media import NoPorts


class PortRange:
    """
    Even ports of a range, each with the odd one after it for RTCP
    (:rfc:`3550#section-11`). The port that was free for longest is taken first,
    and one that was in use rests a while: packets of the call before would be
    taken for the next call's.

    :param chance: a number from 0 to 1. Where it varies, ports are taken in an order
        that nobody can foretell, and another process with the same range is not in
        the way of whole runs of them.
    """

    def __init__(
        self,
        first: int,
        last: int,
        cooldown_s: float,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._free = deque(sorted(range(first + first % 2, last, 2), key=lambda _: chance()))
        self._cooldown_s = cooldown_s
        self._resting: deque[tuple[float, int]] = deque()
        self._used: set[int] = set()
        self.pairs = len(self._free)
        "How many streams there is room for."

    @property
    def used(self) -> int:
        """How many streams have ports now."""
        return len(self._used)

    def take(self, now: float) -> int:
        """An RTP port; :exc:`.media.NoPorts` where none is free."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            raise NoPorts(
                f"all {self.pairs} pairs of RTP ports are in use or were until just now:"
                " widen media.ports"
            )
        port = self._free.popleft()
        self._used.add(port)
        return port

    def release(self, port: int, now: float) -> None:
        """The port is not used any more, or somebody else has it."""
        if port in self._used:
            self._used.remove(port)
            self._resting.append((now + self._cooldown_s, port))
