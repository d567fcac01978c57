"""
What a socket gives.
"""

from __future__ import annotations

from typing import NamedTuple

from ..plan import Address


class Datagram(NamedTuple):
    """A datagram, who sent it, and when it came (monotonic seconds)."""

    octets: bytes
    source: Address
    arrived_at: float
    dropped: int = 0
    "How many the kernel had dropped of its socket by then, for want of room."
    opened: bool = False
    "What protected it is taken off already."
