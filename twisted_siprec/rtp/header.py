"""
The RTP packet (:rfc:`3550#section-5.1`).

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                           timestamp                           |
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |                             SSRC                              |
    +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
    |                         CSRC (0 to 15)                        |
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

_FIXED = Struct(">BBHII")
_HEADER_OCTETS = 12
_PLAIN = 0x80
"The first octet of nearly every packet: version 2, no padding, extension or CSRC."


class RTPPacket(NamedTuple):
    """
    A packet with all but its payload taken apart. A tuple and not a dataclass,
    for one is made per packet.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    contributors: tuple[int, ...] = ()
    "CSRCs: who was mixed into it (:rfc:`7866#section-8.1.4`)."

    def __bytes__(self) -> bytes:
        return (
            _FIXED.pack(
                _PLAIN | len(self.contributors),
                self.marker << 7 | self.payload_type,
                self.sequence,
                self.timestamp,
                self.ssrc,
            )
            + b"".join(ssrc.to_bytes(4, "big") for ssrc in self.contributors)
            + self.payload
        )


def parse(datagram: bytes) -> RTPPacket | None:
    """
    A datagram as an RTP packet, without padding and header extension; None
    where it is none, by the checks of :rfc:`3550#appendix-A.1`.
    """
    if len(datagram) < _HEADER_OCTETS:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(datagram)
    if first == _PLAIN:
        return RTPPacket(
            second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[_HEADER_OCTETS:]
        )
    if first >> 6 != 2:
        return None
    span = _payload_span(datagram, first)
    if span is None:
        return None
    count = first & 0x0F
    contributors = tuple(
        int.from_bytes(datagram[at : at + 4], "big")
        for at in range(_HEADER_OCTETS, _HEADER_OCTETS + 4 * count, 4)
    )
    start, end = span
    return RTPPacket(
        second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, datagram[start:end], contributors
    )


def _payload_span(datagram: bytes, first: int) -> tuple[int, int] | None:
    """Where the payload of a packet with CSRCs, extension or padding starts and ends."""
    start = _HEADER_OCTETS + 4 * (first & 0x0F)
    end = len(datagram)
    if first & 0x10:
        if start + 4 > end:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4], "big")
    if first & 0x20 and start < end:
        padding = datagram[-1]
        if padding == 0:
            return None
        end -= padding
    return (start, end) if start <= end else None


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram on a shared port is RTCP (:rfc:`5761#section-4`)."""
    return len(datagram) >= 2 and 192 <= datagram[1] <= 223
