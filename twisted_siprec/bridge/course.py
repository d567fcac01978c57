"""
A stream that goes as it should: what is to be known of it to expect its next
packet, octet by octet, and what came of it meanwhile.

Between the plain path, which takes anything, and the table, in which nothing
happens but the expected: a stream is *adopted* by its :class:`Course`, and what
the table saw comes back as :class:`Progressed`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..audio.codec import Decoder
from ..audio.samples import NO_SAMPLES, Samples
from ..plan import Address
from ..rtp.srtp import Unprotection


class Run(NamedTuple):
    """What waits in a playout: packets of one shape, from what was played on, without a break."""

    form: int
    "Of its octets (:mod:`.forms`)."
    decoder: Decoder
    packet_octets: int
    ticks: int
    "Of the RTP clock, that a packet lasts."
    lasts: int
    "The same in units."
    octets: bytes
    "Everything that waits, the rest of a packet that was begun first."
    sequence: int
    "Of the newest packet."
    end: int
    "The place after it."
    last_sample: int
    "That was played."
    ahead: Samples = NO_SAMPLES
    "The first samples that wait, where they cannot be made of the octets any more."
    before: Samples = NO_SAMPLES
    "What was played of it meanwhile, as far as it may be wanted."


class Course(NamedTuple):
    """What the next packet of a stream is to look like, and where the stream is."""

    run: Run
    payload_type: int
    ssrc: int
    source: Address
    timestamp: int
    "Extended, of the next packet."
    clock_rate: int
    opened_at: float
    arrived_at: float
    "The newest packet."
    jitter_s: float
    max_jitter_s: float
    least: int | None
    "The least delay of this window of the drift."
    most: int | None
    "The greatest."
    until: int
    "The end of that window, in units since the bridge was opened."
    dropped: int
    protection: Unprotection | None
    "What unprotects its packets; None where nothing protects them."


class Progressed(NamedTuple):
    """What came on course."""

    packets: int
    octets: int
    ticks: int
    "Of all these packets."
    arrived_at: float
    jitter_s: float
    max_jitter_s: float
    least: int | None
    most: int | None
