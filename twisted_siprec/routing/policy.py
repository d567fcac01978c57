"""
How many calls are taken, and how fast.

An SRC that is refused for want of capacity must be free to hunt for another
recorder, so a refusal is 503 with Retry-After and never 486
(:rfc:`3261#section-21.5.4`); but where a tenant has used up what it may have, the
operator may choose that no other recorder is to be tried either.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import RemoteError
from .tenants import Quota


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
        self._tenants: dict[str, Intake] = {}
        self._statuses: dict[str, int] = {}
        "By tenant, what one call too many is told."
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

    def limit_tenants(self, quotas: Mapping[str, Quota]) -> None:
        """From now on these limits hold for tenants, besides those for all and for sources."""
        before, self._tenants = self._tenants, {}
        self._statuses = {name: quota.status for name, quota in quotas.items()}
        for name, quota in quotas.items():
            intake = self._tenants[name] = before.get(name) or Intake(0)
            intake.change(quota.calls, quota.calls_per_second, self.retry_after_s)

    def admit(self, now: float, source: str = "", tenant: str = "") -> RemoteError | None:
        """
        Take one more call, to be followed by :meth:`leave`; or the refusal.

        :param source: the name of the source that it comes from.
        :param tenant: whose call it is; empty for nobody's.
        """
        shares = self._shares(source, tenant)
        refusal = self._refusal(now, source, tenant)
        if refusal is not None:
            self.refused += 1
            return refusal
        for share in shares:
            share.calls += 1
        return None

    def leave(self, source: str = "", tenant: str = "") -> None:
        """A call that was admitted is over."""
        for share in self._shares(source, tenant):
            share.calls = max(0, share.calls - 1)

    def _shares(self, source: str, tenant: str) -> list[Intake]:
        """Whoever counts the calls of a source and a tenant."""
        owns = (self._tenants.get(tenant), self._sources.get(source))
        return [self, *(own for own in owns if own is not None)]

    def _refusal(self, now: float, source: str, tenant: str) -> RemoteError | None:
        """
        Why no call can be taken. The narrower limit is asked first: a tenant over its
        quota takes none of what the others may have in this second.
        """
        retry_after = (("Retry-After", str(self.retry_after_s)),)
        if self.draining:
            return RemoteError(503, "Draining", retry_after)
        narrow = (
            (self._tenants.get(tenant), self._statuses.get(tenant, 503), " Of This Tenant"),
            (self._sources.get(source), 503, " From Here"),
            (self, 503, ""),
        )
        for intake, status, whose in narrow:
            reason = intake._objection(now) if intake is not None else None
            if reason is not None:
                return RemoteError(status, f"{reason}{whose}", retry_after)
        return None

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
