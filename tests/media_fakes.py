"""Ports and outlets for the tests of the media plane."""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError

from twisted_siprec.dialects.base import Audio, Event, StreamStart
from twisted_siprec.net.media.rtp_port import TakeRTCP
from twisted_siprec.plan import Address, EndReason
from twisted_siprec.report import DeliveryStatistics, StreamStatistics
from twisted_siprec.rtp.datagram import Datagram


class FakePair:
    """A pair of ports whose queue the test fills."""

    def __init__(self, number: int) -> None:
        self.rtp, self.rtcp = number, number + 1
        self.queue: list[Datagram] = []
        self.sent: list[tuple[bytes, Address, bool]] = []
        self.taker: TakeRTCP | None = None
        self.fault: Exception | None = None
        self.close_fault: Exception | None = None
        self.closed = False

    def fileno(self) -> int:
        return -1

    def drain(self, limit: int) -> list[Datagram]:
        if self.fault is not None:
            raise self.fault
        taken, self.queue = self.queue[:limit], self.queue[limit:]
        return taken

    def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
        return datagrams

    def take_rtcp(self, taker: TakeRTCP) -> None:
        self.taker = taker

    def send_rtcp(self, octets: bytes, destination: Address, mux: bool) -> None:
        self.sent.append((octets, destination, mux))

    def close(self) -> Deferred[None]:
        if self.close_fault is not None:
            raise self.close_fault
        self.closed = True
        return succeed(None)


class FakePorts:
    """All pairs that were bound, and the ports that somebody else has."""

    def __init__(self) -> None:
        self.pairs: list[FakePair] = []
        self.foreign: set[int] = set()

    def open(self, address: str, number: int) -> FakePair:
        if number in self.foreign:
            raise CannotListenError(address, number, OSError("in use"))
        self.pairs.append(FakePair(number))
        return self.pairs[-1]


class FakeOutlet:
    """Keeps what it gets, and gives its account at once or when it is told to."""

    def __init__(self, start: StreamStart) -> None:
        self.start = start
        self.items: list[Audio | Event] = []
        self.stopped: list[tuple[EndReason, int, tuple[StreamStatistics, ...]]] = []
        self.result: Deferred[DeliveryStatistics] | None = None
        self.fault: Exception | None = None

    @property
    def account(self) -> DeliveryStatistics:
        return DeliveryStatistics(self.start.destination.name, self.start.stream_id)

    def carry(self, audio: Audio) -> None:
        if self.fault is not None:
            raise self.fault
        self.items.append(audio)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        self.carry(Audio(position, samples, payload))

    def tell(self, event: Event) -> None:
        self.items.append(event)

    def stop(
        self, reason: EndReason, duration_ms: int, channels: tuple[StreamStatistics, ...]
    ) -> Deferred[DeliveryStatistics]:
        self.stopped.append((reason, duration_ms, channels))
        return succeed(self.account) if self.result is None else self.result
