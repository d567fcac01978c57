"""
A stream that goes as it should: what is to be known of it to expect its next
packet, octet by octet, and what came of it meanwhile.

Between the plain path, which takes anything, and the table, in which nothing
happens but the expected: a stream is *adopted* by its :class:`Course`, and what
the table saw comes back as :class:`Progressed`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..plan import Address


class Run(NamedTuple):
    """What waits in a playout: packets of one shape, from what was played on, without a break."""

    law: str
    "PCMU or PCMA."
    rate: int
    packet_octets: int
    octets: bytes
    "Everything that waits, the rest of a packet that was begun first."
    sequence: int
    "Of the newest packet."
    end: int
    "The place after it."
    last_sample: int
    "That was played."
    before: bytes = b""
    "What was played of it meanwhile, as far as it may be wanted."


class Course(NamedTuple):
    """What the next packet of a stream is to look like, and where the stream is."""

    run: Run
    payload_type: int
    ssrc: int
    source: Address
    timestamp: int
    "Extended, of the next packet."
    tick: int
    opened_at: float
    arrived_at: float
    "The newest packet."
    jitter_s: float
    max_jitter_s: float
    least: int | None
    "The least delay of this window of the drift."
    until: int
    "The end of that window, in units since the bridge was opened."
    dropped: int


class Progressed(NamedTuple):
    """What came on course."""

    packets: int
    packet_octets: int
    arrived_at: float
    jitter_s: float
    max_jitter_s: float
    least: int | None
