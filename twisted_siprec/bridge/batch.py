"""
Where the packets of many sockets lie after one round of reading: row by row,
as the network had them.

Whoever reads fills the rows in order, all packets of a socket one after the
other; nothing is made for a packet, and the rows are used again in the next
round.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..plan import Address
from ..rtp.datagram import Datagram
from ..rtp.libsrtp import PacketRows

HEADER_OCTETS = 12
NAME_OCTETS = 32
"Of the address that a datagram came from, as the system has it, zeros after it."
_ALIGNMENT = 64


class PacketBuffer:
    """Room for so many packets of so many octets."""

    def __init__(self, packets: int, octets: int) -> None:
        self.packets = packets
        self.max_octets = octets
        width = -(-octets // _ALIGNMENT) * _ALIGNMENT
        self.octets: NDArray[np.uint8] = np.zeros((packets, width), dtype=np.uint8)
        self.heads: NDArray[np.uint32] = self.octets[:, :HEADER_OCTETS].view(">u4")
        "The fixed header as three words."
        self.lengths: NDArray[np.uint32] = np.zeros(packets, dtype=np.uint32)
        "As they were sent: a longer one than there is room for is cut off."
        self.names: NDArray[np.uint64] = np.zeros((packets, NAME_OCTETS // 8), dtype=np.uint64)
        self.arrived_at: NDArray[np.float64] = np.zeros(packets, dtype=np.float64)
        self.dropped: NDArray[np.uint32] = np.zeros(packets, dtype=np.uint32)
        self.opened: NDArray[np.bool_] = np.zeros(packets, dtype=np.bool_)
        "What was protected by SRTP, and is not any more."
        self.protected = PacketRows(self.octets, self.lengths)
        "The same packets, for libsrtp."
        self.used = 0

    def clear(self) -> None:
        """A round begins."""
        self.opened[: self.used] = False
        self.used = 0

    def append(self, datagram: Datagram, name: bytes) -> None:
        """One more, by hand: where nobody reads into the rows themselves."""
        at, octets = self.used, datagram.octets[: self.max_octets]
        self.octets[at, : len(octets)] = np.frombuffer(octets, dtype=np.uint8)
        self.lengths[at] = len(datagram.octets)
        self.names[at] = np.frombuffer(name, dtype=np.uint64)
        self.arrived_at[at] = datagram.arrived_at
        self.dropped[at] = datagram.dropped
        self.used = at + 1

    def datagrams(
        self, first: int, count: int, source: Callable[[bytes], Address]
    ) -> list[Datagram]:
        """
        Some of them taken out, one by one.

        :param source: from an address as the system has it.
        """
        rows = slice(first, first + count)
        columns = (self.arrived_at[rows], self.dropped[rows], self.opened[rows])
        return [
            Datagram(self.payload(at), source(self.name(at)), arrived_at, dropped, opened)
            for at, arrived_at, dropped, opened in zip(
                range(first, first + count), *(column.tolist() for column in columns), strict=True
            )
        ]

    def payload(self, at: int) -> bytes:
        """The octets of one datagram; empty where it was too long."""
        length = int(self.lengths[at])
        return self.octets[at, :length].tobytes() if length <= self.max_octets else b""

    def name(self, at: int) -> bytes:
        """Where one came from."""
        name: bytes = self.names[at].tobytes()
        return name
