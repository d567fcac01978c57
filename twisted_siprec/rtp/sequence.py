"""
Sequence numbers of one source: extended past 16 bits, with duplicates, leaps
and restarts told apart (:rfc:`3550#appendix-A.1`).
"""

from __future__ import annotations

from enum import Enum

MAX_DROPOUT = 3000
"A leap forward of fewer packets is loss, a longer one perhaps a restart."
MAX_MISORDER = 100
"A packet older than this is no late packet but perhaps a restart."
_SEEN = (1 << 128) - 1


class Order(Enum):
    """What a sequence number says of its packet."""

    NEXT = "newer than all before"
    REORDERED = "older than the newest, and missed until now"
    DUPLICATE = "was here before"
    LEAPT = "too far off, so held until the next one confirms it"


class Sequence:
    """The numbers of one source, from its first packet on."""

    __slots__ = ("_seen", "first", "highest", "received")

    def __init__(self, first: int) -> None:
        self.first = first
        "Extended number of the first packet."
        self.highest = first
        "Extended highest number so far."
        self.received = 1
        "Packets without duplicates."
        self._seen = 1

    def receive(self, sequence: int) -> tuple[Order, int]:
        """
        Take the number of a packet; it comes back extended, but for a leap,
        which changes nothing: whoever sees two in sequence begins anew.
        """
        delta = (sequence - self.highest) & 0xFFFF
        if 0 < delta < MAX_DROPOUT:
            self.highest += delta
            self.received += 1
            self._seen = (self._seen << min(delta, 128) | 1) & _SEEN
            return Order.NEXT, self.highest
        back = -delta & 0xFFFF
        if back > MAX_MISORDER:
            return Order.LEAPT, sequence
        if self._seen >> back & 1:
            return Order.DUPLICATE, self.highest - back
        self._seen |= 1 << back
        self.received += 1
        extended = self.highest - back
        self.first = min(self.first, extended)
        return Order.REORDERED, extended

    def advance(self, packets: int) -> None:
        """So many more came, one after the other."""
        self.highest += packets
        self.received += packets
        shift = min(packets, 128)
        self._seen = (self._seen << shift | (1 << shift) - 1) & _SEEN

    @property
    def lost(self) -> int:
        """Packets expected less packets received (:rfc:`3550#appendix-A.3`)."""
        return self.highest - self.first + 1 - self.received
