"""
How often somebody may ask: addresses that present wrong tokens are locked out for a
while, and each token has so many requests a second.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

BURST_S = 2.0
"So many seconds' requests may come at once."


@dataclass(slots=True)
class _Wrong:
    """What came from one address."""

    since: float
    count: int = 0
    locked_until: float = 0.0


class Lockout:
    """
    Counts wrong tokens by address, or by network where one host has a whole network of
    addresses (IPv6, /64).

    :param wrong: so many within ``lock_s`` lock an address out; 0 for never.
    :param lock_s: for so long.
    :param remembered: so many addresses; beyond them that of the oldest is forgotten.
    """

    def __init__(self, wrong: int, lock_s: float, remembered: int = 4_096) -> None:
        self._most = wrong
        self._lock_s = lock_s
        self._remembered = remembered
        self._seen: OrderedDict[str, _Wrong] = OrderedDict()

    def wait_s(self, address: str, now: float) -> int:
        """How long an address is locked out yet; 0 where it is not."""
        seen = self._seen.get(network_of(address))
        return max(0, math.ceil(seen.locked_until - now)) if seen is not None else 0

    def wrong(self, address: str, now: float) -> bool:
        """A wrong token came. The result is whether the address is locked out for it."""
        key = network_of(address)
        seen = self._seen.get(key)
        if seen is None or now - seen.since >= self._lock_s:
            self._seen.pop(key, None)
            seen = self._seen[key] = _Wrong(now)
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        seen.count += 1
        if seen.count != self._most:
            return False
        seen.since, seen.locked_until = now, now + self._lock_s
        self._seen.move_to_end(key)
        return True


def network_of(address: str) -> str:
    """An address as it is counted."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Pace:
    """
    Requests by token, in a bucket for each.

    :param per_second: 0 for no limit.
    :param remembered: so many tokens, which are those of the configuration.
    """

    def __init__(self, per_second: float, remembered: int = 4_096) -> None:
        self._per_second = per_second
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now: float) -> bool:
        """Whether one more is within the limit."""
        if not self._per_second:
            return True
        most = max(1.0, BURST_S * self._per_second)
        left, at = self._buckets.pop(name, (most, now))
        left = min(most, left + (now - at) * self._per_second)
        allowed = left >= 1.0
        self._buckets[name] = (left - 1.0 if allowed else left, now)
        while len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return allowed
