"""
How many connections a destination takes, and how fast: after an outage, a
thousand calls that come back at once would be the next one.
"""

from __future__ import annotations

FULL_WAIT_S = 1.0
"Where all places are taken, how long until it is worth asking again."


class Turnstile:
    """
    Lets attempts through, and counts the connections behind it.

    :param most: connections at once, those under way included; 0 for any number.
    :param per_second: attempts; 0 for any number. Those too many are spread, each
        to a place of its own in the seconds that follow.
    """

    def __init__(self, most: int = 0, per_second: float = 0.0) -> None:
        self._most = most
        self._interval = 1 / per_second if per_second > 0 else 0.0
        self._next_at = 0.0
        self.inside = 0

    def book(self, now: float) -> float:
        """The time at which an attempt may be made, for the one who asks alone."""
        if not self._interval:
            return now
        booked = max(now, self._next_at)
        self._next_at = booked + self._interval
        return booked

    def wait_s(self) -> float:
        """How long to wait before asking again; 0 where there is a place."""
        return FULL_WAIT_S if 0 < self._most <= self.inside else 0.0

    def enter(self) -> None:
        """An attempt begins; it ends, or its connection does, with :meth:`leave`."""
        self.inside += 1

    def leave(self) -> None:
        """A connection is gone, or was not to be had."""
        self.inside = max(0, self.inside - 1)
