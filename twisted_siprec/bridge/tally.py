"""
What was counted of a consumer stream: its frames and octets beside the account of
its samples, and what is told of them at the end.
"""

from __future__ import annotations

from ..dialects.base import Stop, StreamStart
from ..plan import EndReason
from ..report import DeliveryStatistics, StreamStatistics
from .gaps import Account, Span
from .journal import Standing


class Tally:
    """
    Counters over all connections of a stream.

    :param begin: where it stood when it was put by, of a stream that goes on.
    :ivar connections: so many were made.
    :ivar texts: so many were said on them.
    :ivar revision: of the metadata that was told last.
    """

    def __init__(self, start: StreamStart, max_spans: int, begin: Standing) -> None:
        self.account = Account(start.sample_rate, max_spans, begin.position, begin.missing)
        for reason, samples in begin.gaps:
            self.account.fill(samples, reason)
        self.next_frame = begin.frames
        self.octets = self.account.delivered * start.sample_octets
        self.replayed = begin.replayed
        self.connections = begin.connections
        self.texts = begin.texts
        self.revision = start.description.revision
        self.acknowledged: int | None = None
        self._start = start

    @property
    def reconnects(self) -> int:
        """Connections after the first."""
        return max(0, self.connections - 1)

    def lose(self, lost: list[tuple[Span, bool]]) -> None:
        """Spans that will be in no audio message; each with whether it was sent once."""
        for span, handed in lost:
            before = self.account.delivered
            self.account.lose(span, handed)
            self.octets -= (before - self.account.delivered) * self._start.sample_octets

    def stop(
        self, reason: EndReason, duration_ms: int, channels: tuple[StreamStatistics, ...]
    ) -> Stop:
        """What the consumer is told at the end."""
        return Stop(
            reason=reason,
            duration_ms=duration_ms,
            final_position=self.account.position,
            frames=self.next_frame,
            octets=self.octets,
            channels=channels,
            gaps_ms=self.account.gaps_ms,
            reconnects=self.reconnects,
            replayed_frames=self.replayed,
            metadata_revision=self.revision,
        )

    def statistics(self, complete: bool, put_by: Standing | None = None) -> DeliveryStatistics:
        """
        What signalling is told at the end.

        :param put_by: where the stream stands, where the rest is delivered later.
        """
        delivered, spooled = self.account.delivered, 0
        if put_by is not None:
            delivered = put_by.position - put_by.missing
            spooled = self.account.position - self.account.missing - delivered
        return DeliveryStatistics(
            destination=self._start.destination.name,
            stream_id=self._start.stream_id,
            channel=self._start.track,
            final_position=self.account.position,
            delivered=delivered,
            missing=self.account.missing,
            frames=self.next_frame,
            octets=self.octets if put_by is None else delivered * self._start.sample_octets,
            gaps_ms=self.account.gaps_ms,
            reconnects=self.reconnects,
            replayed_frames=self.replayed,
            acknowledged_frame=self.acknowledged,
            complete=complete,
            spooled=spooled,
        )
