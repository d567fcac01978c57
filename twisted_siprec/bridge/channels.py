"""
What is known of channels, from the streams that they are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..dialects.base import ChannelStart, Digit
from ..plan import ChannelPlan
from .stream import Stream

Streams = Mapping[int, Stream]
Channels = tuple[ChannelPlan, ...]


def channel_starts(channels: Channels, streams: Streams) -> tuple[ChannelStart, ...]:
    """Each channel with the codec and SSRC of its first stream, as far as they are known."""
    return tuple(_channel_start(plan, streams) for plan in channels)


def _channel_start(plan: ChannelPlan, streams: Streams) -> ChannelStart:
    stream = _first_stream(plan, streams)
    if stream is None:
        return ChannelStart(plan)
    codec = stream.codec or next(iter(stream.plan.codecs), None)
    ssrc = stream.source.ssrc if stream.source is not None else None
    return ChannelStart(plan, codec.name if codec is not None else None, ssrc)


def _first_stream(plan: ChannelPlan, streams: Streams) -> Stream | None:
    return next((streams[index] for index in plan.streams if index in streams), None)


def held_channels(channels: Channels, streams: Streams) -> tuple[int, ...]:
    """The channels of which a stream is held by the SRC."""
    idle = {index for index, stream in streams.items() if not stream.plan.active}
    return tuple(plan.index for plan in channels if idle.intersection(plan.streams))


def pressed_keys(channels: Channels, streams: Streams, now: float) -> Iterator[Digit]:
    """The keys that were pressed since the last time, by whom."""
    for index, stream in streams.items():
        for pressed in stream.pressed(now):
            owner = next((plan for plan in channels if index in plan.streams), None)
            channel = owner.index if owner is not None else None
            participant = owner.participant_id if owner is not None else None
            yield Digit(pressed.digit, pressed.duration_ms, channel, participant, "rfc4733")


def clocks(
    channels: Channels, streams: Streams, place: int
) -> Iterator[tuple[int | None, int | None, float]]:
    """Per channel the SSRC, the RTP timestamp at a place, and the drift in ppm."""
    for plan in channels:
        stream = _first_stream(plan, streams)
        if stream is None or stream.source is None:
            yield None, None, 0.0
        else:
            yield stream.source.ssrc, stream.timestamp_at(place), round(stream.drift_ppm, 1)
