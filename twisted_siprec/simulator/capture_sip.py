"""
The SIP messages of a capture, by UDP and TCP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import RemoteError
from ..sip.events import Address, Limits, Transport
from ..sip.framing import StreamFraming
from ..sip.message import Request, Response, parse
from .capture_packets import Packet

MAX_AHEAD = 256
"Segments that are kept while one before them is missing; then it is given up."
_LONGEST = 1 << 20
_START = re.compile(rb"(?:^|\n)(SIP/2\.0 \d{3} |[A-Z]{3,12} [a-z]{3,4}:[^\r\n ]+ SIP/2\.0\r?\n)")
_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """A message, and the way that it went."""

    at: float
    source: Address
    destination: Address
    transport: Transport
    message: Request | Response


@dataclass(slots=True)
class _Stream:
    """One direction of a connection."""

    framing: StreamFraming
    following: int | None = None
    "The sequence number that is to come next."
    ahead: dict[int, bytes] = field(default_factory=dict)
    settled: bool = False
    "Messages are cut where they begin."

    def take(self, packet: Packet) -> list[bytes]:
        """The messages that this segment makes whole."""
        sequence = packet.sequence or 0
        if packet.begins:
            self._begin_at((sequence + 1) & 0xFFFFFFFF, settled=True)
            return []
        if not packet.payload:
            return []
        if self.following is None:
            self._begin_at(sequence, settled=False)
        self.ahead.setdefault(sequence, packet.payload)
        messages = self._go_on()
        if len(self.ahead) > MAX_AHEAD:
            self._begin_at(min(self.ahead, key=self._distance), settled=False)
            messages += self._go_on()
        return messages

    def _begin_at(self, sequence: int, settled: bool) -> None:
        self.following, self.settled = sequence, settled
        self.framing = _framing()

    def _distance(self, sequence: int) -> int:
        """How far ahead of what comes next; negative for what came already."""
        return ((sequence - (self.following or 0) + _HALF) & 0xFFFFFFFF) - _HALF

    def _go_on(self) -> list[bytes]:
        messages: list[bytes] = []
        while True:
            found = next((each for each in self.ahead if self._distance(each) <= 0), None)
            if found is None:
                return messages
            new = self.ahead.pop(found)[-self._distance(found) :]
            self.following = ((self.following or 0) + len(new)) & 0xFFFFFFFF
            messages += self._cut(new)

    def _cut(self, octets: bytes) -> list[bytes]:
        if not self.settled or self.framing.broken:
            begins = _START.search(octets)
            if begins is None:
                return []
            self.framing, self.settled = _framing(), True
            octets = octets[begins.start(1) :]
        return self.framing.receive(octets)


def messages(packets: Iterable[Packet]) -> Iterator[CapturedMessage]:
    """All SIP messages, in the order of the capture."""
    streams: dict[tuple[Address, Address], _Stream] = {}
    for packet in packets:
        if packet.sequence is None:
            transport, whole = Transport.UDP, [packet.payload]
        else:
            way = (packet.source, packet.destination)
            stream = streams.setdefault(way, _Stream(_framing()))
            transport, whole = Transport.TCP, stream.take(packet)
        for octets in whole:
            message = _understood(octets)
            if message is not None:
                yield CapturedMessage(
                    packet.at, packet.source, packet.destination, transport, message
                )


def _framing() -> StreamFraming:
    return StreamFraming(Limits(body_octets=_LONGEST, message_octets=_LONGEST))


def _understood(octets: bytes) -> Request | Response | None:
    if b"SIP/2.0" not in octets.partition(b"\n")[0] and not octets.startswith(b"\r\n"):
        return None
    try:
        return parse(octets)
    except RemoteError:
        return None
