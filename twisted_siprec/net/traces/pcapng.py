"""
Blocks of a pcapng file (draft-ietf-opsawg-pcapng): what Wireshark opens.

Every file of ours is one section with two interfaces, so that packets of both can
be put together without being written again. Packets begin with their IP header,
and their times are in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

import numpy as np
from numpy.typing import NDArray

SIP, RTP = 0, 1
"The interfaces."
_NAMES = (b"sip", b"rtp")
_RAW = 101
"LINKTYPE_RAW: an IP packet of either version."
_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_HEAD = Struct("<II")
_PACKET_HEAD = Struct("<IIIIIII")
_TAIL = Struct("<I")
_PACKET_OCTETS = _PACKET_HEAD.size + _TAIL.size
_COMMENT, _IF_NAME, _IF_RESOLUTION, _DROPPED = 1, 2, 9, 5
_NANOSECONDS = b"\x09"


@dataclass(frozen=True, slots=True)
class Block:
    """A packet as it stands in a file."""

    at_ns: int
    octets: bytes


def beginning(comment: str) -> bytes:
    """The section and its interfaces."""
    section = Struct("<IHHq").pack(0x1A2B3C4D, 1, 0, -1)
    interfaces = (
        _block(
            _INTERFACE,
            Struct("<HHI").pack(_RAW, 0, 0)
            + _option(_IF_NAME, name)
            + _option(_IF_RESOLUTION, _NANOSECONDS)
            + _option(0, b""),
        )
        for name in _NAMES
    )
    told = _option(_COMMENT, comment.encode()[:60_000]) + _option(0, b"")
    return _block(_SECTION, section + told) + b"".join(interfaces)


def packet(interface: int, at_ns: int, octets: bytes, length: int | None = None) -> Block:
    """One packet; ``length`` is what it had where not all of it is kept."""
    padded = octets + bytes(-len(octets) % 4)
    total = _PACKET_OCTETS + len(padded)
    head = _PACKET_HEAD.pack(
        _PACKET,
        total,
        interface,
        at_ns >> 32,
        at_ns & 0xFFFFFFFF,
        len(octets),
        len(octets) if length is None else length,
    )
    return Block(at_ns, head + padded + _TAIL.pack(total))


def alike(head: bytes, payloads: NDArray[np.uint8], length: int, at_ns: NDArray[np.int64]) -> bytes:
    """
    Many packets of the same length from the same source, without a loop.

    :param head: the IP and UDP headers of each.
    :param payloads: a row for each, as much as is kept of it.
    :param length: of each payload, as it was.
    """
    count, kept = payloads.shape
    begins = _PACKET_HEAD.size
    total = _PACKET_OCTETS + len(head) + kept + -(len(head) + kept) % 4
    rows = np.zeros((count, total), dtype=np.uint8)
    fixed = _PACKET_HEAD.pack(_PACKET, total, RTP, 0, 0, len(head) + kept, len(head) + length)
    rows[:, : begins + len(head)] = np.frombuffer(fixed + head, dtype=np.uint8)
    times = np.stack((at_ns >> 32, at_ns & 0xFFFFFFFF), axis=1).astype("<u4")
    rows[:, 12:20] = times.view(np.uint8)
    rows[:, begins + len(head) : begins + len(head) + kept] = payloads
    rows[:, -4:] = np.frombuffer(_TAIL.pack(total), dtype=np.uint8)
    return rows.tobytes()


def dropped(interface: int, at_ns: int, packets: int) -> bytes:
    """The statistics of an interface: how many packets are not in the file."""
    body = Struct("<III").pack(interface, at_ns >> 32, at_ns & 0xFFFFFFFF)
    counted = _option(_DROPPED, packets.to_bytes(8, "little")) + _option(0, b"")
    return _block(_STATISTICS, body + counted)


def is_statistics(block: Block) -> bool:
    """Whether it is no packet, but what :func:`dropped` made."""
    return block.octets[:4] == _TAIL.pack(_STATISTICS)


def blocks(octets: bytes) -> Iterator[Block]:
    """
    The packets of a file of ours, and at its end what it says was dropped; it may
    have been cut off anywhere.
    """
    at = 0
    while at + _HEAD.size <= len(octets):
        kind, total = _HEAD.unpack_from(octets, at)
        if total < 12 or at + total > len(octets):
            return
        if kind in (_PACKET, _STATISTICS):
            _, _, _, high, low = Struct("<IIIII").unpack_from(octets, at)
            yield Block(high << 32 | low, octets[at : at + total])
        at += total


def _block(kind: int, body: bytes) -> bytes:
    total = _HEAD.size + len(body) + _TAIL.size
    return _HEAD.pack(kind, total) + body + _TAIL.pack(total)


def _option(code: int, octets: bytes) -> bytes:
    return Struct("<HH").pack(code, len(octets)) + octets + bytes(-len(octets) % 4)
