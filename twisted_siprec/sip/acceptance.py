"""
A 2xx of an INVITE that waits for its ACK (:rfc:`3261#section-13.3.1.4`).

It is sent again on every transport, reliable or not, because proxies on the way
may be neither: after T1, then at twice the distance each time, at most T2. After
64 T1 without an ACK the dialog ends with a BYE.
"""

from __future__ import annotations

from enum import Enum

from .events import Timers
from .server_transaction import ServerTransaction


class Due(Enum):
    """What the time has come for."""

    RESEND = "send the 2xx again"
    GIVE_UP = "no ACK came"


class Acceptance:
    """The 2xx, and when it is sent again."""

    __slots__ = ("_interval", "_resend_at", "_t2", "give_up_at", "sequence", "transaction")

    def __init__(self, transaction: ServerTransaction, timers: Timers, now: float) -> None:
        self.transaction = transaction
        cseq = transaction.request.cseq
        self.sequence = cseq.sequence if cseq is not None else 0
        "The CSeq number that the ACK has to bear."
        self.give_up_at = now + 64 * timers.t1
        self._t2 = timers.t2
        self._interval = timers.t1
        self._resend_at = now + timers.t1

    def next_deadline(self) -> float:
        """When something is to be done."""
        return min(self._resend_at, self.give_up_at)

    def expire(self, now: float) -> Due | None:
        """What is to be done by now."""
        if now >= self.give_up_at:
            return Due.GIVE_UP
        if now < self._resend_at:
            return None
        self._interval = min(2 * self._interval, self._t2)
        self._resend_at = now + self._interval
        return Due.RESEND
