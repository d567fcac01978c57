"""
The two sides of a call, for dialects that know two and no more: the customer and
the agent, inbound and outbound, external and internal.
"""

from __future__ import annotations

from ..plan import Layout
from .base import Audio, ChannelStart, StreamStart
from .octets import apart, silence, summed, together

_ROLES = frozenset({"caller", "callee"})

Sides = tuple[tuple[int, ...], tuple[int, ...]]
"Which of the channels of a message, by their place in it, are of the first side and the second."


def sides(channels: tuple[ChannelStart, ...], first: str) -> Sides:
    """
    Who is on which side.

    :param first: what makes a channel one of the first side: its role, the
        label of its stream, or its participant. Where nothing is known of any
        channel, the first channel is the first side.
    """
    everyone = range(len(channels))
    own = tuple(index for index in everyone if _known(channels[index], first))
    if not own and first in _ROLES:
        # One whose role is known to be the other is not taken for want of a better.
        own = tuple(index for index in everyone if channels[index].plan.role not in _ROLES)[:1]
    elif not own:
        own = tuple(everyone)[:1]
    return own, tuple(index for index in everyone if index not in own)


class Folding:
    """
    Any number of interleaved channels as two sides, one of which may be empty.

    :param start: whose channels and layout they are.
    """

    def __init__(self, start: StreamStart, first: str) -> None:
        self._channels = start.channels
        self._width = start.width
        self._encoding = start.encoding
        if start.destination.layout is Layout.MONO:
            self._sides: Sides = (0,), ()
        elif len(start.channels) == 1:
            self._sides = _lone(start.channels[0], first)
        else:
            self._sides = sides(start.channels, first)

    @property
    def present(self) -> tuple[bool, bool]:
        """Which sides there are."""
        return bool(self._sides[0]), bool(self._sides[1])

    @property
    def parties(self) -> tuple[ChannelStart | None, ChannelStart | None]:
        """Whose the sides are, where each is of one channel."""
        own, other = self._sides
        if self._width == 1 and len(self._channels) > 1:
            return None, None
        return self._party(own), self._party(other)

    def _party(self, side: tuple[int, ...]) -> ChannelStart | None:
        return self._channels[side[0]] if len(side) == 1 else None

    def split(self, audio: Audio) -> tuple[bytes | None, bytes | None]:
        """The two sides, each by itself; None for one that there is not."""
        parts = apart(audio.payload, self._width, self._encoding)
        first, second = (
            summed([parts[index] for index in side], self._encoding) if side else None
            for side in self._sides
        )
        return first, second

    def folded(self, audio: Audio) -> bytes:
        """The two sides, interleaved; silence where there is none."""
        if self._sides == ((0,), (1,)):
            return audio.payload
        quiet = silence(self._encoding, audio.samples)
        both = [quiet if side is None else side for side in self.split(audio)]
        return together(both, self._encoding)


def _lone(channel: ChannelStart, first: str) -> Sides:
    """A channel by itself. One of which nothing is known is of the first side if it came first."""
    if sides((channel,), first)[0] and (_known(channel, first) or channel.plan.index == 0):
        return (0,), ()
    return (), (0,)


def _known(channel: ChannelStart, first: str) -> bool:
    plan = channel.plan
    return first in (plan.role, plan.label, plan.participant_id)
