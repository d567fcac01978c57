"""
The streams of a bridge: those that there are, and what is known of those that were.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..audio.codec import wideband
from ..plan import ChannelPlan, StreamPlan
from ..report import StreamStatistics
from ..rtp.events import SILENT_S
from .mask import DigitMask
from .settings import MediaSettings
from .stream import Stream
from .timeline import UNITS_PER_MS, UNITS_PER_SECOND


class Lineup:
    """
    Who plays.

    :param opened_at: monotonic seconds of place 0.
    :param masks_digits: key presses are silenced in the audio.
    """

    def __init__(self, settings: MediaSettings, opened_at: float, masks_digits: bool) -> None:
        self.streams: dict[int, Stream] = {}
        "By their indexes, in the order of the m-lines."
        self._settings = settings
        self._opened_at = opened_at
        self._masks_digits = masks_digits
        self._gone: list[StreamStatistics] = []

    def arrange(self, plans: Iterable[StreamPlan], place: int, muted: bool) -> None:
        """The streams are these from a place on; those that go on keep what they have."""
        streams = self.streams
        wanted = {plan.index: plan for plan in tuple(plans)[: self._settings.max_streams]}
        for index in [index for index in streams if index not in wanted]:
            self._gone.append(streams.pop(index).statistics())
        for index, plan in wanted.items():
            if index in streams:
                streams[index].update(plan)
                continue
            stream = Stream(plan, self._settings, self._opened_at, self._digit_mask())
            stream.begin(place)
            stream.muted = muted
            streams[index] = stream

    def _digit_mask(self) -> DigitMask | None:
        """What silences the key presses of a stream; None where they may be heard."""
        if not self._masks_digits:
            return None
        margin = self._settings.mask_margin_ms * UNITS_PER_MS
        return DigitMask(margin, int(SILENT_S * UNITS_PER_SECOND))

    def order(self, channels: Iterable[ChannelPlan]) -> tuple[int, ...]:
        """The streams in the order of the channels; those that are in none come last."""
        named = [index for plan in channels for index in plan.streams]
        return tuple(dict.fromkeys(i for i in [*named, *self.streams] if i in self.streams))

    def statistics(self) -> tuple[StreamStatistics, ...]:
        """What came on each stream, those that are gone too, in the order of the m-lines."""
        now = [stream.statistics() for stream in self.streams.values()]
        return tuple(sorted([*self._gone, *now], key=lambda stream: stream.index))

    @property
    def rate(self) -> int:
        """Of all output rates the lowest that loses nothing of what is expected."""
        first = [s.plan.codecs[0] for s in self.streams.values() if s.plan.codecs]
        return 16000 if any(wideband(codec) for codec in first) else 8000

    @property
    def believed(self) -> bool:
        """Some source of some stream proved itself."""
        return any(stream.origin is not None for stream in self.streams.values())

    def first_arrival(self) -> float | None:
        """When the first packet came; None where no source is believed."""
        believed = [s.origin for s in self.streams.values() if s.origin is not None]
        if not believed:
            return None
        # A packet on probation may have come before; a stray one long before does not count.
        oldest = min(believed) - self._settings.jitter_ms / 1000.0
        arrivals = [stream.first_arrival for stream in self.streams.values()]
        return min(at for at in arrivals if at is not None and at >= oldest)

    @property
    def buffered(self) -> int:
        """The place up to which anything came."""
        return max((stream.buffered for stream in self.streams.values()), default=0)
