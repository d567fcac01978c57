"""
RTCP of one stream: what the SRC reports to us, and what we report to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from twisted.internet.abstract import isIPAddress, isIPv6Address

from ...bridge.stream import Stream
from ...plan import Address
from ...rtp.reception import Reception, interval_s
from ...rtp.rtcp import CanonicalName, ExtendedReport, Goodbye, SenderReport, parse
from .rtp_port import PortPair

_NOWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Reporting:
    """How a bridge reports; the same for all its streams."""

    cname: str
    "The same for all streams of a recording session (:rfc:`7022#section-4.2`)."
    interval_s: float
    "0 for no reports."
    new_ssrc: Callable[[], int]
    chance: Callable[[], float]
    monotonic: Callable[[], float]


class RTCPExchange:
    """Reports on a stream every few seconds, from the port that takes the SRC's."""

    def __init__(self, stream: Stream, pair: PortPair, reporting: Reporting, now: float) -> None:
        self.goodbyes = 0
        self._stream = stream
        self._pair = pair
        self._reporting = reporting
        self._reception = Reception(reporting.new_ssrc(), reporting.cname)
        self._heard_from: Address | None = None
        self._reported = False
        self.next_at = now + self._interval()
        pair.take_rtcp(self.receive)

    @property
    def sender_reports(self) -> int:
        """How many came."""
        return self._reception.sender_reports

    def receive(self, octets: bytes, source: Address) -> None:
        """RTCP came; it counts when it is from the host whose RTP is heard."""
        heard = self._stream.source
        if heard is None or heard.address[0] != source[0]:
            return
        if self._stream.srtcp is not None:
            octets = self._stream.srtcp.unprotect_rtcp(octets) or b""
        now, reports = self._reporting.monotonic(), parse(octets)
        names = {one.ssrc: one.cname for one in reports if isinstance(one, CanonicalName)}
        for report in reports:
            if isinstance(report, SenderReport):
                self._heard_from = source
                self._reception.receive(report, now)
                self._stream.reported(report, names.get(report.ssrc), now)
            elif isinstance(report, ExtendedReport):
                self._reception.receive_extended(report, now)
                self._stream.round_trip_s = self._reception.round_trip_s
            elif isinstance(report, Goodbye):
                # The source ends, not the session (RFC 3550 section 6.6).
                self.goodbyes += 1

    def look(self, now: float) -> None:
        """Report, if it is time to."""
        if now < self.next_at:
            return
        self.next_at = now + self._interval()
        source = self._stream.source
        if source is not None and source.ssrc == self._reception.ssrc:
            # A collision (RFC 3550 section 8.2): only we can change.
            self._reception.ssrc = self._reporting.new_ssrc()
        self._send(now, leaving=False)

    def leave(self, now: float) -> None:
        """Say BYE, if we said anything before (:rfc:`3550#section-6.3.7`)."""
        if self._reported:
            self._send(now, leaving=True)

    def _send(self, now: float, leaving: bool) -> None:
        destination = self._destination()
        if destination is None:
            return
        stream = self._stream
        clock_rate = stream.codec.clock_rate if stream.codec is not None else 8000
        octets: bytes | None = self._reception.compound(stream.source, clock_rate, now, leaving)
        if stream.srtcp is not None and octets is not None:
            octets = stream.srtcp.protect_rtcp(octets)
        if octets is None:
            return
        self._pair.send_rtcp(octets, destination, stream.plan.rtcp_mux)
        self._reported = True

    def _destination(self) -> Address | None:
        """Where the SRC takes RTCP; None where it says nothing usable, or nothing at all."""
        plan, source = self._stream.plan, self._stream.source
        if self._heard_from is not None:
            chosen = self._heard_from
        elif plan.rtcp is not None:
            chosen = plan.rtcp
        elif source is not None:
            host, port = source.address
            chosen = (host, port if plan.rtcp_mux else port + 1)
        else:
            return None
        host, port = chosen
        usable = (isIPAddress(host) or isIPv6Address(host)) and host not in _NOWHERE
        return chosen if usable and 0 < port < 65536 else None

    def _interval(self) -> float:
        mean_s = self._reporting.interval_s
        return interval_s(mean_s, self._reporting.chance) if mean_s > 0 else inf
