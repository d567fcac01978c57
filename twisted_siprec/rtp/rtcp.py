"""
RTCP packets: what a receiver reads and writes (:rfc:`3550#section-6.4`).

Of extended reports (:rfc:`3611`) there is what measures the time to the sender and
back. Anything else in a compound packet (feedback, APP) is stepped over, and so is
what cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct

_COMMON = Struct(">BBH")
_SENDER = Struct(">IQIII")
_BLOCK = Struct(">IIIIII")
_XR_BLOCK = Struct(">BxH")
_DELAY = Struct(">III")
_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _BYE, _EXTENDED = 200, 201, 202, 203, 207
_REFERENCE_TIME, _DELAYS = 4, 5
_CNAME = 1
_MAX_PACKETS = 32


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender says of its clocks (:rfc:`3550#section-6.4.1`)."""

    ssrc: int
    ntp: int
    "64 bits: seconds since 1900 and a fraction."
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Sources that end (:rfc:`3550#section-6.6`)."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CanonicalName:
    """The CNAME of a source (:rfc:`3550#section-6.5.1`)."""

    ssrc: int
    cname: str


@dataclass(frozen=True, slots=True)
class SinceReference:
    """What a sender did of a reference time of ours (:rfc:`3611#section-4.5`)."""

    ssrc: int
    "Ours."
    last: int
    "The middle 32 bits of that time."
    delay: int
    "From when it had it to when it answered, in 1/65536 s."


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """An XR packet: its sender knows them, and may answer ours."""

    ssrc: int
    delays: tuple[SinceReference, ...]


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What we say of a source that we hear."""

    ssrc: int
    fraction_lost: int
    "Of 256, since the last report."
    lost: int
    highest: int
    "Extended highest sequence number."
    jitter: int
    "In timestamp units."
    last_sr: int
    "The middle 32 bits of the last sender report's NTP time."
    delay: int
    "Since that report, in 1/65536 s."

    def __bytes__(self) -> bytes:
        lost = max(-0x800000, min(self.lost, 0x7FFFFF)) & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest & 0xFFFFFFFF,
            min(self.jitter, 0xFFFFFFFF),
            self.last_sr,
            min(self.delay, 0xFFFFFFFF),
        )


Received = SenderReport | Goodbye | CanonicalName | ExtendedReport


def parse(datagram: bytes) -> list[Received]:
    """What matters to a receiver in a compound packet; empty where nothing does."""
    received: list[Received] = []
    at = 0
    for _ in range(_MAX_PACKETS):
        if at + 4 > len(datagram):
            break
        first, kind, words = _COMMON.unpack_from(datagram, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(datagram):
            break
        body = datagram[at + 4 : end]
        if kind == _SENDER_REPORT and len(body) >= _SENDER.size:
            received.append(SenderReport(*_SENDER.unpack_from(body)))
        elif kind == _BYE:
            received.append(Goodbye(_ssrcs(body, first & 0x1F)))
        elif kind == _DESCRIPTION:
            received += _canonical_names(body, first & 0x1F)
        elif kind == _EXTENDED and len(body) >= 4:
            delays = tuple(_delays(body))
            received.append(ExtendedReport(int.from_bytes(body[:4], "big"), delays))
        at = end
    return received


def _ssrcs(body: bytes, count: int) -> tuple[int, ...]:
    whole = min(count, len(body) // 4)
    return tuple(int.from_bytes(body[4 * n : 4 * n + 4], "big") for n in range(whole))


def _canonical_names(body: bytes, count: int) -> Iterable[CanonicalName]:
    """The CNAMEs of an SDES packet, chunk by chunk."""
    at = 0
    for _ in range(count):
        if at + 4 > len(body):
            return
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        while at < len(body) and body[at] != 0:
            if at + 2 > len(body):
                return
            item, length = body[at], body[at + 1]
            if item == _CNAME:
                text = body[at + 2 : at + 2 + length].decode("utf-8", "replace")
                yield CanonicalName(ssrc, text)
            at += 2 + length
        # At least one null octet ends the items, and pads the chunk to 32 bits.
        at = (at // 4 + 1) * 4


def _delays(body: bytes) -> Iterable[SinceReference]:
    """What is in the DLRR blocks of an XR packet."""
    at = 4
    while at + 4 <= len(body):
        kind, words = _XR_BLOCK.unpack_from(body, at)
        at += 4
        end = at + 4 * words
        if kind == _DELAYS and end <= len(body):
            for begin in range(at, end - _DELAY.size + 1, _DELAY.size):
                yield SinceReference(*_DELAY.unpack_from(body, begin))
        at = end


def reference_time(ssrc: int, ntp: int) -> bytes:
    """An XR packet with a receiver reference time (:rfc:`3611#section-4.4`)."""
    head = _COMMON.pack(0x80, _EXTENDED, 4) + ssrc.to_bytes(4, "big")
    return head + _XR_BLOCK.pack(_REFERENCE_TIME, 2) + ntp.to_bytes(8, "big")


def receiver_report(ssrc: int, blocks: Iterable[ReportBlock]) -> bytes:
    """An RR; it may be empty."""
    octets = b"".join(bytes(block) for block in blocks)
    count = len(octets) // _BLOCK.size
    head = _COMMON.pack(0x80 | count, _RECEIVER_REPORT, 1 + len(octets) // 4)
    return head + ssrc.to_bytes(4, "big") + octets


def description(ssrc: int, cname: str) -> bytes:
    """An SDES packet with the CNAME, which every compound packet has."""
    name = cname.encode()[:255]
    chunk = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name
    chunk += bytes(4 - len(chunk) % 4)
    return _COMMON.pack(0x81, _DESCRIPTION, len(chunk) // 4) + chunk


def goodbye(ssrc: int) -> bytes:
    """A BYE, always the last of a compound packet."""
    return _COMMON.pack(0x81, _BYE, 1) + ssrc.to_bytes(4, "big")
