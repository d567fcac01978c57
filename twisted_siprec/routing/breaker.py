"""
A circuit breaker: whoever fails again and again is left alone for a while.

Closed (asked), open (not asked), half open (asked once, to see).
"""

from __future__ import annotations


class Breaker:
    """
    Counts failures in a row.

    :param failures_to_open: after so many it opens.
    :param open_s: for so long; then one may try.
    """

    def __init__(self, failures_to_open: int = 5, open_s: float = 10.0) -> None:
        self._failures_to_open = failures_to_open
        self._open_s = open_s
        self._failures = 0
        self._try_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Nobody is asked, or one at most."""
        return self._try_at is not None

    def allows(self, now: float) -> bool:
        """
        Whether to ask. Where it has been open for long enough, the one who asks
        decides: nobody else may until that one failed, or took as long again.
        """
        if self._try_at is None:
            return True
        if now < self._try_at:
            return False
        self._try_at = now + self._open_s
        return True

    def succeeded(self) -> bool:
        """It answers. True where it did not before."""
        was_open = self.is_open
        self._failures, self._try_at = 0, None
        return was_open

    def failed(self, now: float) -> bool:
        """It does not. True where it is left alone from now on, and was not before."""
        self._failures += 1
        if self._failures < self._failures_to_open:
            return False
        opened = not self.is_open
        self._try_at = now + self._open_s
        return opened
