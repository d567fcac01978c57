"""
The nonces of our challenges (:rfc:`7616#section-3.3`).

A nonce carries the time at which it was made, and a code that only we can make,
so that nothing is kept of those that nobody uses. What is kept is which counts
(nc) came with those that were used, for a request that is sent again by somebody
who heard it has a count that came before. Counts may overtake each other on the
way, so a window of the last ones is kept, as receivers of SRTP do.

The table is bounded. Where a nonce has to be forgotten, all that were made no
later are stale from then on: nothing can be replayed that way, and a client that
is told ``stale`` simply answers again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from enum import Enum

WINDOW = 64
"How far behind the highest count another one may come."
_TIME_DIGITS = 12
_SALT_DIGITS = 8
_CODE_DIGITS = 32


class Verdict(Enum):
    """What a nonce is worth."""

    GOOD = "ours, young enough, and not used with this count"
    STALE = "another one is needed"


class Nonces:
    """
    Makes nonces and knows them again.

    :param key: the secret of this process.
    :param lifetime_s: how long one may be used.
    :param remembered: of how many the counts are kept.
    """

    def __init__(self, key: str, lifetime_s: float = 300.0, remembered: int = 10_000) -> None:
        self._key = key.encode()
        self._lifetime_s = lifetime_s
        self._remembered = remembered
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()
        "The highest count of each, and those before it as bits, in the order of their making."
        self._forgotten_until = -1
        "The time, in milliseconds, of the youngest nonce whose counts were forgotten."

    def make(self, scope: str, salt: str, now: float) -> str:
        """
        A nonce that is good within a scope only.

        :param salt: random hexadecimal digits, so that no two nonces are equal.
        """
        stem = f"{max(0, int(now * 1000)):0{_TIME_DIGITS}x}{salt[:_SALT_DIGITS]:0>{_SALT_DIGITS}}"
        return stem + self._code(scope, stem)

    def use(self, scope: str, nonce: str, count: int, now: float) -> Verdict:
        """
        A request that is known to be genuine came with a nonce.

        :param count: its nc; 0 of a client that does not count, to which each
            nonce is good for once.
        """
        made_ms = self._made_ms(scope, nonce)
        if made_ms is None or not 0 <= now - made_ms / 1000 <= self._lifetime_s:
            return Verdict.STALE
        used = self._used.get(nonce)
        if used is None:
            if made_ms <= self._forgotten_until:
                return Verdict.STALE
            self._keep(nonce, count, 1)
            return Verdict.GOOD
        highest, seen = used
        ahead = count - highest
        if count == 0 or highest == 0 or ahead <= -WINDOW or (ahead <= 0 and seen >> -ahead & 1):
            return Verdict.STALE
        if ahead > 0:
            # Beyond the window no bit stays, however far the count jumped.
            seen = (seen << min(ahead, WINDOW) | 1) & ((1 << WINDOW) - 1)
            self._used[nonce] = (count, seen)
        else:
            self._used[nonce] = (highest, seen | 1 << -ahead)
        return Verdict.GOOD

    def __len__(self) -> int:
        return len(self._used)

    def _keep(self, nonce: str, count: int, seen: int) -> None:
        self._used[nonce] = (count, seen)
        if len(self._used) > self._remembered:
            oldest, _ = self._used.popitem(last=False)
            made_ms = int(oldest[:_TIME_DIGITS], 16)
            self._forgotten_until = max(self._forgotten_until, made_ms)

    def _made_ms(self, scope: str, nonce: str) -> int | None:
        """When it was made; None where we did not make it for this scope."""
        length = _TIME_DIGITS + _SALT_DIGITS
        stem, code = nonce[:length], nonce[length:]
        if len(stem) != length or not nonce.isascii():
            return None
        if not hmac.compare_digest(code, self._code(scope, stem)):
            return None
        return int(stem[:_TIME_DIGITS], 16)

    def _code(self, scope: str, stem: str) -> str:
        made = hmac.new(self._key, f"{scope}\n{stem}".encode(), hashlib.sha256)
        return made.hexdigest()[:_CODE_DIGITS]
