"""
Many packets with one call of the kernel: ``recvmmsg``, into memory that is
prepared once.

The kernel writes payloads, addresses and times of arrival where the
:class:`.bridge.batch.PacketBuffer` wants them; nothing is made for a packet.
Where there is no ``recvmmsg``, datagrams are read one by one and laid there by
hand: the same in every respect but cost.
"""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Protocol

import cffi
import numpy as np

from ...bridge.batch import NAME_OCTETS, PacketBuffer
from ...plan import Address
from .rtp_port import Monotonic, PortPair

MAX_RUN = 224
"Datagrams of one socket in one round: as many as a line of the table has room for."
_ATTEMPTS = 4
_MAX_ADDRESSES = 1024
"That are remembered as text."
_INTERNET = Struct("=H2s4s")
_INTERNET_6 = Struct("=H2sI16sI")
_CONTROL_OCTETS = 64
_TIMESPEC_AT, _DROPPED_AT = 16, 48
"Where the kernel puts the time, and after it how many it had to drop."
_STAMPED = 32
"Octets of control messages with the time alone."

# With MSG_TRUNC the length is that of the datagram, though there was less room for it.
_FLAGS = socket.MSG_DONTWAIT | socket.MSG_TRUNC

_DECLARATIONS = """
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen;
    struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen;
    int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
"""


def source_name(address: Address) -> bytes | None:
    """An address as the kernel names it; None where that is not known beforehand."""
    host, port = address
    octets = port.to_bytes(2, "big")
    try:
        if ":" in host:
            # One with a scope is named by the number of an interface.
            name = _INTERNET_6.pack(socket.AF_INET6, octets, 0, _packed(host), 0)
        else:
            name = _INTERNET.pack(socket.AF_INET, octets, socket.inet_pton(socket.AF_INET, host))
    except OSError:
        return None
    return name.ljust(NAME_OCTETS, b"\0")


def _packed(host: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, host)


@lru_cache(maxsize=_MAX_ADDRESSES)
def source_address(name: bytes) -> Address:
    """The address that the kernel named."""
    family, octets, packed = _INTERNET.unpack_from(name)
    port = int.from_bytes(octets, "big")
    if family != socket.AF_INET6:
        return socket.inet_ntop(socket.AF_INET, packed), port
    _, _, _, packed, scope = _INTERNET_6.unpack_from(name)
    host = socket.inet_ntop(socket.AF_INET6, packed)
    return (f"{host}%{socket.if_indextoname(scope)}" if scope else host), port


def available() -> bool:
    """Whether the kernel has it, and lays out memory as we know it."""
    return sys.platform == "linux" and sys.maxsize > 1 << 32


class Reading(Protocol):
    """One round after the other of reading many sockets into one buffer."""

    def begin(self) -> None:
        """A round begins: the buffer is empty."""

    def read(self, pair: PortPair) -> int:
        """What came on a pair, how many; where that is :data:`MAX_RUN` there may be more."""

    def read_all(self, pairs: Sequence[PortPair]) -> list[int]:
        """The same of several pairs, one after the other."""

    def end(self) -> None:
        """The round is over: all that is known of the packets is in the buffer."""


class HandReading:
    """Lays down datagrams one by one; whatever has a ``drain`` can be read."""

    def __init__(self, buffer: PacketBuffer) -> None:
        self._buffer = buffer

    def begin(self) -> None:
        """See :meth:`Reading.begin`."""
        self._buffer.clear()

    def read(self, pair: PortPair) -> int:
        """See :meth:`Reading.read`."""
        datagrams = pair.drain(MAX_RUN)
        for datagram in datagrams:
            self._buffer.append(datagram, source_name(datagram.source) or bytes(NAME_OCTETS))
        return len(datagrams)

    def read_all(self, pairs: Sequence[PortPair]) -> list[int]:
        """See :meth:`Reading.read_all`."""
        return [self.read(pair) for pair in pairs]

    def end(self) -> None:
        """See :meth:`Reading.end`."""


class KernelReading:
    """Lets the kernel write into the buffer."""

    def __init__(self, buffer: PacketBuffer, monotonic: Monotonic) -> None:
        self._buffer = buffer
        self._monotonic = monotonic
        self._offset = 0.0
        self._ffi = ffi = cffi.FFI()
        ffi.cdef(_DECLARATIONS)
        self._receive = ffi.dlopen(None).recvmmsg
        # The kernel writes there; both are held for as long as it may.
        self._messages = ffi.new("struct mmsghdr[]", buffer.packets)
        self._vectors = ffi.new("struct iovec[]", buffer.packets)
        self._places = [self._messages + number for number in range(buffer.packets)]
        self._no_timeout = ffi.NULL
        self._control = np.zeros((buffer.packets, _CONTROL_OCTETS), dtype=np.uint8)
        self._heads = np.frombuffer(ffi.buffer(self._messages), dtype=self._layout())
        self._prepare()
        self._seconds = self._control[:, _TIMESPEC_AT : _TIMESPEC_AT + 16].view(np.int64)
        self._dropped = self._control[:, _DROPPED_AT : _DROPPED_AT + 4].view(np.uint32)

    def _layout(self) -> np.dtype[np.void]:
        """What we read and set of a ``struct mmsghdr``."""
        ffi = self._ffi
        message = ffi.typeof("struct mmsghdr")
        head = ffi.typeof("struct msghdr")
        return np.dtype(
            {
                "names": ["named", "controlled", "length"],
                "formats": [np.uint32, np.uintp, np.uint32],
                "offsets": [
                    ffi.offsetof(head, "msg_namelen"),
                    ffi.offsetof(head, "msg_controllen"),
                    ffi.offsetof(message, "msg_len"),
                ],
                "itemsize": ffi.sizeof(message),
            }
        )

    def _prepare(self) -> None:
        """Tell each message where its parts go."""
        ffi, buffer = self._ffi, self._buffer
        for number in range(buffer.packets):
            vector, head = self._vectors[number], self._messages[number].msg_hdr
            vector.iov_base = ffi.cast("void *", buffer.octets[number].ctypes.data)
            vector.iov_len = buffer.max_octets
            head.msg_name = ffi.cast("void *", buffer.names[number].ctypes.data)
            head.msg_iov, head.msg_iovlen = self._vectors + number, 1
            head.msg_control = ffi.cast("void *", self._control[number].ctypes.data)
        self._make_ready(buffer.packets)

    def _make_ready(self, packets: int) -> None:
        """The kernel overwrites the room that there is with the room that it took."""
        self._heads["named"][:packets] = NAME_OCTETS
        self._heads["controlled"][:packets] = _CONTROL_OCTETS
        self._buffer.names[:packets] = 0

    def begin(self) -> None:
        """See :meth:`Reading.begin`. The kernel's clock is compared with ours."""
        self._make_ready(self._buffer.used)
        self._buffer.clear()
        self._offset = self._monotonic() - time.time()

    def read(self, pair: PortPair) -> int:
        """See :meth:`Reading.read`."""
        return self.read_all((pair,))[0]

    def read_all(self, pairs: Sequence[PortPair]) -> list[int]:
        """See :meth:`Reading.read_all`."""
        buffer, receive, places, no_timeout = (
            self._buffer,
            self._receive,
            self._places,
            self._no_timeout,
        )
        packets, counts = buffer.packets, []
        for pair in pairs:
            descriptor, at = pair.fileno(), buffer.used
            room = packets - at
            took = 0
            if descriptor >= 0 and room > 0:
                most = MAX_RUN if room > MAX_RUN else room
                took = receive(descriptor, places[at], most, _FLAGS, no_timeout)
                if took < 0:
                    took = self._read_again(descriptor, at, most)
                buffer.used = at + took
            counts.append(took)
        return counts

    def _read_again(self, descriptor: int, at: int, most: int) -> int:
        """There was nothing, or the ICMP error of a report that we sent: then there may be."""
        for _ in range(_ATTEMPTS):
            if self._ffi.errno == errno.EAGAIN:
                break
            took: int = self._receive(descriptor, self._places[at], most, _FLAGS, self._no_timeout)
            if took >= 0:
                return took
        return 0

    def end(self) -> None:
        """See :meth:`Reading.end`."""
        buffer, used = self._buffer, self._buffer.used
        buffer.lengths[:used] = self._heads["length"][:used]
        controlled = self._heads["controlled"][:used]
        arrived_at = self._seconds[:used, 0] + self._seconds[:used, 1] * 1e-9 + self._offset
        buffer.arrived_at[:used] = arrived_at
        buffer.dropped[:used] = 0
        if (controlled == _STAMPED).all():
            return
        # Without a time of its own a datagram came when it was read.
        buffer.arrived_at[:used][controlled < _STAMPED] = self._monotonic()
        more = controlled > _STAMPED
        buffer.dropped[:used][more] = self._dropped[:used, 0][more]
