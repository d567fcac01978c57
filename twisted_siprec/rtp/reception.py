"""
What we report of a source that we hear, and when (:rfc:`3550#section-6`).
"""

from __future__ import annotations

from collections.abc import Callable

from . import rtcp
from .source import Source

_COMPENSATION = 1.21828
"e - 3/2, as :rfc:`3550#section-6.3.1` asks for."


def interval_s(mean_s: float, chance: Callable[[], float]) -> float:
    """The time to the next report, drawn so that the reports of many don't fall in step."""
    return mean_s * (0.5 + chance()) / _COMPENSATION


class Reception:
    """The receiver reports on one stream."""

    def __init__(self, ssrc: int, cname: str) -> None:
        self.ssrc = ssrc
        self.sender_reports = 0
        self._cname = cname
        self._source: Source | None = None
        self._expected = 0
        self._received = 0
        self._last: tuple[rtcp.SenderReport, float] | None = None

    def receive(self, report: rtcp.SenderReport, now: float) -> None:
        """The source told its clocks."""
        self.sender_reports += 1
        self._last = (report, now)

    def compound(
        self, source: Source | None, clock_rate: int, now: float, leaving: bool = False
    ) -> bytes:
        """RR and SDES, and BYE where we leave."""
        blocks = () if source is None else (self._block(source, clock_rate, now),)
        octets = rtcp.receiver_report(self.ssrc, blocks) + rtcp.description(self.ssrc, self._cname)
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
