"""
A source of RTP: one SSRC at one address, and what is known of its clock.

A source is believed after two packets in sequence
(:rfc:`3550#appendix-A.1`); those held until then are not lost. Two sources
that send at once are never mixed up (:rfc:`3550#section-8`): the one that is
heard stays while it goes on, and takes turns with nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import Address
from .header import RTPPacket
from .sequence import Sequence

_HALF = 1 << 31
_WHOLE = 1 << 32
_MAX_HELD = 4


class Source:
    """The source that a stream hears."""

    __slots__ = (
        "_jitter_s",
        "_last_arrival",
        "_last_timestamp",
        "address",
        "max_jitter_s",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self, ssrc: int, address: Address, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.address = address
        self.sequence = Sequence(sequence)
        self.timestamp = timestamp
        "The newest timestamp, extended past 32 bits."
        self.max_jitter_s = 0.0
        self._jitter_s = 0.0
        self._last_arrival: float | None = None
        self._last_timestamp = 0

    def extend(self, timestamp: int) -> int:
        """A timestamp past 32 bits, by the nearest way from the newest one."""
        delta = (timestamp - self.timestamp) & 0xFFFFFFFF
        if delta >= _HALF:
            return self.timestamp + delta - _WHOLE
        self.timestamp += delta
        return self.timestamp

    def nearest(self, timestamp: int) -> int:
        """The same of a timestamp that no packet bore, which changes nothing."""
        delta = (timestamp - self.timestamp) & 0xFFFFFFFF
        return self.timestamp + delta - (_WHOLE if delta >= _HALF else 0)

    def measure(self, timestamp: int, arrived_at: float, clock_rate: int) -> None:
        """Interarrival jitter (:rfc:`3550#appendix-A.8`), in seconds; the timestamp is extended."""
        last = self._last_arrival
        self._last_arrival = arrived_at
        if last is not None:
            difference = arrived_at - last - (timestamp - self._last_timestamp) / clock_rate
            self._jitter_s += (abs(difference) - self._jitter_s) / 16.0
            self.max_jitter_s = max(self.max_jitter_s, self._jitter_s)
        self._last_timestamp = timestamp

    @property
    def clock(self) -> tuple[float, float] | None:
        """
        When the newest packet came, and the jitter then; None where the newest
        timestamp is not that of the packet that was measured last.
        """
        if self._last_arrival is None or self._last_timestamp != self.timestamp:
            return None
        return self._last_arrival, self._jitter_s

    def advance(
        self, packets: int, ticks: int, arrived_at: float, jitter_s: float, max_jitter_s: float
    ) -> None:
        """
        So many packets came in a row, of so many ticks in all, and were measured
        by somebody else: the arrival of the last one, and the jitter.
        """
        self.sequence.advance(packets)
        self.timestamp += ticks
        self._last_timestamp = self.timestamp
        self._last_arrival = arrived_at
        self._jitter_s, self.max_jitter_s = jitter_s, max_jitter_s

    @property
    def jitter_s(self) -> float:
        """The mean deviation of the packet spacing now."""
        return self._jitter_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """A packet that waits for its source to be believed."""

    packet: RTPPacket
    address: Address
    arrived_at: float


class Probation:
    """The source that may become the one that is heard."""

    def __init__(self) -> None:
        self._held: list[Arrival] = []
        self._interrupted = False

    def receive(self, arrival: Arrival) -> tuple[Arrival, ...]:
        """
        Hold a packet of a source that is not believed yet. Gives all that is
        held, in the order of arrival, when the source has proved itself.
        """
        held = self._held
        if held and (
            held[-1].packet.ssrc != arrival.packet.ssrc or held[-1].address != arrival.address
        ):
            held.clear()
        confirmed = (
            bool(held)
            and not self._interrupted
            and arrival.packet.sequence == (held[-1].packet.sequence + 1) & 0xFFFF
        )
        self._interrupted = False
        held.append(arrival)
        if not confirmed:
            del held[:-_MAX_HELD]
            return ()
        self._held = []
        return tuple(held)

    def interrupt(self) -> None:
        """The source that is heard goes on, so the other one must prove itself again."""
        self._interrupted = True

    @property
    def waiting_since(self) -> float | None:
        """When the oldest held packet came."""
        return self._held[0].arrived_at if self._held else None
