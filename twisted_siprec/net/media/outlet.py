"""
What the media plane gives a consumer stream to, whatever lies behind it: a
WebSocket delivery or the embedded destination.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from ...dialects.base import Audio, Event, StreamStart
from ...plan import EndReason
from ...report import DeliveryStatistics, Report, StreamStatistics


class Outlet(Protocol):
    """
    One consumer stream, from its start to its account. None of its methods
    blocks, raises, or waits for the consumer.
    """

    @property
    def waiting_s(self) -> float:
        """How much audio was carried and is not handed over yet."""

    def carry(self, audio: Audio) -> None:
        """The next audio. Positions are contiguous but for gaps with ``filled: none``."""

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        """The next audio, of which there is nothing to be told, as one chunk after another is."""

    def tell(self, event: Event) -> None:
        """What happened, in order with the audio."""

    def stop(
        self, reason: EndReason, duration_ms: int, channels: tuple[StreamStatistics, ...]
    ) -> Deferred[DeliveryStatistics]:
        """
        No more comes. Fires when everything was delivered or given up; never
        fails. Calling it twice gives the same result.
        """


Tap = Callable[[StreamStart, Audio | Event], None]
"Takes what the outlets of a bridge get, besides them."

OpenOutlet = Callable[[StreamStart, Callable[[Report], None]], Outlet]
"Makes the outlet of a stream; the second argument takes its reports."
