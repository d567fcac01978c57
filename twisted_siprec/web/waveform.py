"""
The waveform of calls from their beginnings: for each channel the greatest
deflection of each half second, kept while the call goes on and as long as its
record is.

A call never has more than :data:`MOST_VALUES` of them: when they are full, each two
become one, and from then on one stands for twice the time.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from ..dialects.base import Audio, Event, StreamStart
from ..net.media.outlet import Tap
from . import bodies
from .monitor import Following, decoded

EVERY_MS = 500
MOST_VALUES = 2_400
"Of one channel: twenty minutes of half seconds, then forty of whole ones, and so on."
MOST_CHANNELS = 16


class Waveform:
    """Of one call; a tap on its delivery."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self.every_ms = EVERY_MS
        self._most = most
        self._channels: dict[int, array[int]] = {}
        self._following = Following()

    def __call__(self, start: StreamStart, item: Audio | Event) -> None:
        """The next that the consumers get."""
        if not isinstance(item, Audio) or not self._following.sees(start):
            return
        samples = decoded(start, item)
        if not len(samples):
            return
        highest, lowest = samples.max(axis=0).tolist(), samples.min(axis=0).tolist()
        at_ms = self._following.at_ms(start, item.position)
        first = start.track or 0
        for offset, (high, low) in enumerate(zip(highest, lowest, strict=True)):
            if first + offset < MOST_CHANNELS:
                self._note(first + offset, at_ms, max(high, -low))

    def _note(self, channel: int, at_ms: int, peak: int) -> None:
        values = self._channels.setdefault(channel, array("H"))
        while at_ms // self.every_ms >= self._most:
            self._halve()
            values = self._channels[channel]
        number = at_ms // self.every_ms
        # What was in no audio, as in a pause, is silence here.
        values.extend([0] * (number + 1 - len(values)))
        values[number] = max(values[number], peak)

    def _halve(self) -> None:
        self.every_ms *= 2
        for channel, values in self._channels.items():
            values.extend([0] * (len(values) % 2))
            pairs = zip(values[::2], values[1::2], strict=True)
            self._channels[channel] = array("H", map(max, pairs))

    @property
    def body(self) -> bodies.Body:
        """As JSON: peaks of 0 to 32768 for each channel, by its index."""
        return {
            "every_ms": self.every_ms,
            "channels": [
                {"index": channel, "peaks": list(values)}
                for channel, values in sorted(self._channels.items())
            ],
        }


class Waveforms:
    """
    Watches calls from their beginnings, so many at once and no more: it takes a
    little of each.

    :param tap: shows what the consumers of a call get.
    """

    def __init__(self, calls: int, tap: Callable[[str, Tap], Callable[[], None]]) -> None:
        self._calls = calls
        self._tap = tap
        self._leave: dict[str, Callable[[], None]] = {}

    def begin(self, id: str) -> Waveform | None:
        """A call is answered. None where enough others are watched."""
        if len(self._leave) >= self._calls:
            return None
        waveform = Waveform()
        self._leave[id] = self._tap(id, waveform)
        return waveform

    def end(self, id: str) -> None:
        """A call is over."""
        leave = self._leave.pop(id, None)
        if leave is not None:
            leave()
