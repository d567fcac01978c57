"""
What we report of a source that we hear, and when (:rfc:`3550#section-6`).

A receiver learns nothing of the time to the sender and back from plain RTCP: that
is for the sender, from our reports. It takes extended reports (:rfc:`3611`), in
which the sender answers a reference time of ours. We give one to those alone that
send extended reports themselves.
"""

from __future__ import annotations

from collections.abc import Callable

from . import rtcp
from .source import Source

_COMPENSATION = 1.21828
"e - 3/2, as :rfc:`3550#section-6.3.1` asks for."
_LONGEST_S = 10.0
"A longer way than this to the source and back is a mistake of somebody's."


def interval_s(mean_s: float, chance: Callable[[], float]) -> float:
    """The time to the next report, drawn so that the reports of many don't fall in step."""
    return mean_s * (0.5 + chance()) / _COMPENSATION


class Reception:
    """The receiver reports on one stream."""

    def __init__(self, ssrc: int, cname: str) -> None:
        self.ssrc = ssrc
        self.sender_reports = 0
        self.round_trip_s: float | None = None
        "To the source and back, when it was measured last."
        self._cname = cname
        self._source: Source | None = None
        self._expected = 0
        self._received = 0
        self._last: tuple[rtcp.SenderReport, float] | None = None
        self._extended = False
        "The source knows extended reports."
        self._reference: int | None = None
        "The middle 32 bits of the last reference time."

    def receive(self, report: rtcp.SenderReport, now: float) -> None:
        """The source told its clocks."""
        self.sender_reports += 1
        self._last = (report, now)

    def receive_extended(self, report: rtcp.ExtendedReport, now: float) -> None:
        """The source sent an extended report, perhaps with an answer to ours."""
        self._extended = True
        for delay in report.delays:
            if delay.ssrc == self.ssrc and delay.last == self._reference:
                ticks = (_ntp(now) >> 16) - delay.last - delay.delay & 0xFFFFFFFF
                if ticks < _LONGEST_S * 65536:
                    self.round_trip_s = ticks / 65536

    def compound(
        self, source: Source | None, clock_rate: int, now: float, leaving: bool = False
    ) -> bytes:
        """RR and SDES, a reference time where it may be answered, and BYE where we leave."""
        blocks = () if source is None else (self._block(source, clock_rate, now),)
        octets = rtcp.receiver_report(self.ssrc, blocks) + rtcp.description(self.ssrc, self._cname)
        if self._extended:
            ntp = _ntp(now)
            self._reference = ntp >> 16 & 0xFFFFFFFF
            octets += rtcp.reference_time(self.ssrc, ntp)
        return octets + rtcp.goodbye(self.ssrc) if leaving else octets

    def _block(self, source: Source, clock_rate: int, now: float) -> rtcp.ReportBlock:
        """Loss since the last report, by :rfc:`3550#appendix-A.3`."""
        if source is not self._source:
            self._source, self._expected, self._received = source, 0, 0
        sequence = source.sequence
        expected = sequence.highest - sequence.first + 1
        since = expected - self._expected
        lost = since - (sequence.received - self._received)
        self._expected, self._received = expected, sequence.received
        last_sr = delay = 0
        if self._last is not None and self._last[0].ssrc == source.ssrc:
            report, at = self._last
            last_sr = report.ntp >> 16 & 0xFFFFFFFF
            delay = round((now - at) * 65536)
        return rtcp.ReportBlock(
            ssrc=source.ssrc,
            fraction_lost=min((lost << 8) // since, 255) if lost > 0 else 0,
            lost=sequence.lost,
            highest=sequence.highest,
            jitter=round(source.jitter_s * clock_rate),
            last_sr=last_sr,
            delay=delay,
        )


def _ntp(now: float) -> int:
    """Our clock as 64 bits; only we ourselves read it again, so any clock will do."""
    return int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
