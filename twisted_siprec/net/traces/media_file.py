"""
The file with the packets of one call, as it grows.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...plan import Address
from ..media.recvmmsg import source_address
from ..sip.local_address import LocalAddresses
from . import pcapng
from .packets import udp, udp_head

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Rows:
    """Packets as the kernel laid them down; the arrays have a row for each."""

    ports: tuple[int, ...]
    "Those of ours that they came to."
    counts: tuple[int, ...]
    "How many came to each, one port's after the other's."
    lengths: NDArray[np.uint32]
    names: NDArray[np.uint64]
    arrived_at: NDArray[np.float64]
    "POSIX seconds."
    octets: NDArray[np.uint8]
    "As much as is kept of each."

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class One:
    """A packet by itself."""

    at: float
    peer: Address
    port: int
    "Ours."
    outgoing: bool
    octets: bytes
    length: int
    "What it had, of which the octets are what is kept."

    def __len__(self) -> int:
        return 1


class MediaFile:
    """
    Written by one thread at a time. A write that failed halfway is taken back, so
    that what follows can be read.
    """

    def __init__(self, directory: str, bridge: str, address: str, call_id: str) -> None:
        self.part = Path(directory, f"{bridge}.rtp.part")
        self.whole = Path(directory, f"{bridge}.rtp")
        self._address = address
        self._addresses = LocalAddresses(64)
        self._comment = f"RTP of the call {call_id}"
        self._size = 0
        self._unwritten = 0
        "Packets that the disk did not take."

    def write(self, packets: list[Rows | One]) -> None:
        """Add packets; OSError where the disk does not take them."""
        self._unwritten += sum(len(each) for each in packets)
        octets = b"" if self._size else pcapng.beginning(self._comment)
        octets += b"".join(self._one(each) for each in packets if isinstance(each, One))
        octets += self._all_rows([each for each in packets if isinstance(each, Rows)])
        self.part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self.part, flags, _MODE)
        try:
            left = memoryview(octets)
            at = self._size
            while left:
                done = os.pwrite(descriptor, left, at)
                left, at = left[done:], at + done
            self._size = at
            self._unwritten -= sum(len(each) for each in packets)
        except OSError:
            os.ftruncate(descriptor, self._size)
            raise
        finally:
            os.close(descriptor)

    def finish(self, dropped: int, at: float) -> bool:
        """No more comes: give the file its name, with what is not in it. False where it cannot."""
        try:
            self.write([])
            with self.part.open("ab") as file:
                missing = dropped + self._unwritten
                file.write(pcapng.dropped(pcapng.RTP, round(at * 1e9), missing))
            self.part.rename(self.whole)
        except OSError:
            return False
        return True

    def _one(self, one: One) -> bytes:
        ours = self._addresses.concrete((self._address, one.port), one.peer[0])
        ends = (ours, one.peer) if one.outgoing else (one.peer, ours)
        # Headers and checksum are those of the whole, of which the rest is cut off.
        missing = one.length - len(one.octets)
        made = udp(*ends, one.octets + bytes(missing))
        kept = made[: len(made) - missing] if missing else made
        return pcapng.packet(pcapng.RTP, round(one.at * 1e9), kept, len(made)).octets

    def _all_rows(self, rows: list[Rows]) -> bytes:
        """Those of the same width at once: most often that is all of a second."""
        widths: dict[int, list[Rows]] = {}
        for each in rows:
            widths.setdefault(each.octets.shape[1], []).append(each)
        return b"".join(self._rows(alike) for alike in widths.values())

    def _rows(self, rows: list[Rows]) -> bytes:
        """Runs of packets that are alike but for what they hold: most often one a stream."""
        ports = np.concatenate([np.repeat(each.ports, each.counts) for each in rows])
        order = np.argsort(ports, kind="stable")
        ports = ports[order]
        lengths = np.concatenate([each.lengths for each in rows])[order]
        names = np.concatenate([each.names for each in rows])[order]
        at_ns = (np.concatenate([each.arrived_at for each in rows])[order] * 1e9).astype(np.int64)
        octets = np.concatenate([each.octets for each in rows])[order]
        same = (
            (lengths[1:] == lengths[:-1])
            & (ports[1:] == ports[:-1])
            & (names[1:] == names[:-1]).all(axis=1)
        )
        cuts = [0, *(np.flatnonzero(~same) + 1).tolist(), len(order)]
        return b"".join(
            self._run(
                source_address(names[first].tobytes()),
                int(ports[first]),
                int(lengths[first]),
                octets[first:last],
                at_ns[first:last],
            )
            for first, last in pairwise(cuts)
        )

    def _run(
        self,
        peer: Address,
        port: int,
        length: int,
        octets: NDArray[np.uint8],
        at_ns: NDArray[np.int64],
    ) -> bytes:
        kept = octets[:, :length]
        ours = self._addresses.concrete((self._address, port), peer[0])
        head = udp_head(peer, ours, length)
        if head is not None:
            return pcapng.alike(head, kept, length, at_ns)
        ones = zip(kept, at_ns.tolist(), strict=True)
        return b"".join(
            self._one(One(at / 1e9, peer, port, False, payload.tobytes(), length))
            for payload, at in ones
        )
