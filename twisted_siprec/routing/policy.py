"""
How many calls are taken, and how fast.

An SRC that is refused for want of capacity must be free to hunt for another
recorder, so a refusal is always 503 with Retry-After, never 486
(:rfc:`3261#section-21.5.4`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import RemoteError


class Intake:
    """
    Counts the calls in progress and meters the new ones.

    :param calls: the most calls at once; 0 for no such limit.
    :param calls_per_second: the rate of new calls; 0 for no such limit. A burst of
        one second's calls is let through.
    :param retry_after_s: what a refused SRC is told to wait.
    """

    def __init__(self, calls: int, calls_per_second: float = 0.0, retry_after_s: int = 5) -> None:
        self.calls = 0
        self.refused = 0
        self.draining = False
        self._sources: dict[str, Intake] = {}
        self._refilled_at: float | None = None
        self.change(calls, calls_per_second, retry_after_s)

    def change(self, calls: int, calls_per_second: float = 0.0, retry_after_s: int = 5) -> None:
        """From now on these limits hold; calls in progress go on, be they too many."""
        self.limit = calls
        self.rate = calls_per_second
        self.retry_after_s = retry_after_s
        self._burst = max(1.0, calls_per_second)
        self._tokens = self._burst

    def limit_sources(self, limits: Mapping[str, tuple[int, float]]) -> None:
        """
        From now on these limits hold for single sources, besides those for all.

        :param limits: the most calls and the rate of each source; 0 for no limit.
        """
        before, self._sources = self._sources, {}
        for name, (calls, calls_per_second) in limits.items():
            intake = self._sources[name] = before.get(name) or Intake(0)
            intake.change(calls, calls_per_second, self.retry_after_s)

    def admit(self, now: float, source: str = "") -> RemoteError | None:
        """
        Take one more call, to be followed by :meth:`leave`; or the refusal.

        :param source: the name of the source that it comes from.
        """
        own = self._sources.get(source)
        reason = own._objection(now) if own is not None else None
        reason = f"{reason} From Here" if reason is not None else self._objection(now)
        if reason is not None:
            self.refused += 1
            retry_after = ("Retry-After", str(self.retry_after_s))
            return RemoteError(503, reason, (retry_after,))
        self.calls += 1
        if own is not None:
            own.calls += 1
        return None

    def leave(self, source: str = "") -> None:
        """A call that was admitted is over."""
        self.calls = max(0, self.calls - 1)
        own = self._sources.get(source)
        if own is not None:
            own.calls = max(0, own.calls - 1)

    def drain(self) -> None:
        """From now on take no new call; those in progress go on."""
        self.draining = True

    def _objection(self, now: float) -> str | None:
        """Why no call can be taken now; None where one can."""
        if self.draining:
            return "Draining"
        if self.limit and self.calls >= self.limit:
            return "Too Many Calls"
        if self.rate > 0 and not self._take_token(now):
            return "Too Many New Calls"
        return None

    def _take_token(self, now: float) -> bool:
        if self._refilled_at is not None:
            elapsed = max(0.0, now - self._refilled_at)
            self._tokens = min(self._burst, self._tokens + elapsed * self.rate)
        self._refilled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
