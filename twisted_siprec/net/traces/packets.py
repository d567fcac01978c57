"""
IP packets around what was sent or received: nobody kept the headers that the
network had, so they are made of what is known, with right checksums.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct

from ...plan import Address

_IP4 = Struct(">BBHHHBBH4s4s")
_IP6 = Struct(">IHBB16s16s")
_UDP = Struct(">HHHH")
_TCP = Struct(">HHIIBBHHH")
_UDP_PROTOCOL, _TCP_PROTOCOL = 17, 6
_DO_NOT_FRAGMENT = 0x4000
_HOPS = 64
_PUSHED = 0x18
"PSH and ACK."
_WINDOW = 65_535
MAX_SEGMENT = 60_000
"Octets of a TCP segment, and of a datagram: they have to fit in an IP packet."

_Host = IPv4Address | IPv6Address


def udp(source: Address, destination: Address, payload: bytes) -> bytes:
    """A datagram."""
    payload = payload[: 65_535 - 48]
    head = _UDP.pack(source[1], destination[1], 8 + len(payload), 0)
    sender, receiver = _hosts(source[0], destination[0])
    checksum = _checksum(_pseudo(sender, receiver, _UDP_PROTOCOL, len(head) + len(payload)))
    checksum = _checksum(head + payload, checksum) or 0xFFFF
    head = _UDP.pack(source[1], destination[1], 8 + len(payload), checksum)
    return _ip(sender, receiver, _UDP_PROTOCOL, head + payload)


def udp_head(source: Address, destination: Address, octets: int) -> bytes | None:
    """
    The headers of any IPv4 datagram with so many octets in it, which are all the
    same as none has a checksum; None for IPv6, which demands one (:rfc:`8200#section-8.1`).
    """
    sender, receiver = _hosts(source[0], destination[0])
    if sender.version != 4:
        return None
    head = _UDP.pack(source[1], destination[1], 8 + octets, 0)
    return _ip4_head(sender, receiver, _UDP_PROTOCOL, 8 + octets) + head


class Conversations:
    """TCP connections: the segments of a message follow those of the one before."""

    def __init__(self) -> None:
        self._sent: dict[tuple[Address, Address], int] = {}

    def segments(self, source: Address, destination: Address, payload: bytes) -> list[bytes]:
        """A message on a connection."""
        made = []
        sender, receiver = _hosts(source[0], destination[0])
        there, back = (source, destination), (destination, source)
        for at in range(0, len(payload), MAX_SEGMENT):
            piece = payload[at : at + MAX_SEGMENT]
            sequence = self._sent.get(there, 1)
            self._sent[there] = (sequence + len(piece)) & 0xFFFFFFFF
            head = self._head(source, destination, sequence, self._sent.get(back, 1), 0)
            checksum = _checksum(_pseudo(sender, receiver, _TCP_PROTOCOL, len(head) + len(piece)))
            checksum = _checksum(head + piece, checksum)
            head = self._head(source, destination, sequence, self._sent.get(back, 1), checksum)
            made.append(_ip(sender, receiver, _TCP_PROTOCOL, head + piece))
        return made

    def _head(
        self, source: Address, destination: Address, sequence: int, heard: int, checksum: int
    ) -> bytes:
        ports = source[1], destination[1]
        return _TCP.pack(*ports, sequence, heard, 5 << 4, _PUSHED, _WINDOW, checksum, 0)


def _ip(sender: _Host, receiver: _Host, protocol: int, payload: bytes) -> bytes:
    if sender.version == 4:
        return _ip4_head(sender, receiver, protocol, len(payload)) + payload
    head = _IP6.pack(6 << 28, len(payload), protocol, _HOPS, sender.packed, receiver.packed)
    return head + payload


def _ip4_head(sender: _Host, receiver: _Host, protocol: int, octets: int) -> bytes:
    def head(checksum: int) -> bytes:
        return _IP4.pack(
            *(0x45, 0, 20 + octets, 0, _DO_NOT_FRAGMENT, _HOPS, protocol, checksum),
            *(sender.packed, receiver.packed),
        )

    return head(_checksum(head(0)))


def _hosts(source: str, destination: str) -> tuple[_Host, _Host]:
    """Both of one family: where one is not known, or of another, it is made fit."""
    sender, receiver = _host(source), _host(destination)
    if sender is None or receiver is None:
        family = (sender or receiver or IPv4Address(0)).version
        nowhere: _Host = IPv4Address(0) if family == 4 else IPv6Address(0)
        return sender or nowhere, receiver or nowhere
    if sender.version == receiver.version:
        return sender, receiver
    return _as_version_6(sender), _as_version_6(receiver)


def _host(text: str) -> _Host | None:
    try:
        host = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(host, IPv6Address) and host.ipv4_mapped is not None:
        return host.ipv4_mapped
    return host


def _as_version_6(host: _Host) -> _Host:
    return IPv6Address(f"::ffff:{host}") if isinstance(host, IPv4Address) else host


def _pseudo(sender: _Host, receiver: _Host, protocol: int, octets: int) -> bytes:
    """What a checksum is over besides (:rfc:`9293#section-3.1`); both versions give the same."""
    return sender.packed + receiver.packed + Struct(">II").pack(octets, protocol)


def _checksum(octets: bytes, before: int = 0xFFFF) -> int:
    """The Internet checksum (:rfc:`1071`), going on from that of what came before."""
    padded = octets + bytes(len(octets) % 2)
    # 2**16 is 1 modulo 65535: the sum of all words is the whole as one number.
    total = (int.from_bytes(padded, "big") + (before ^ 0xFFFF)) % 0xFFFF
    return total ^ 0xFFFF
