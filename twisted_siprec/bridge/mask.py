"""
Where the audio of a stream is silenced because a key is pressed.

A press is known from its telephone-event packets (:rfc:`4733`): where it began,
how long it lasts so far, and by the E bit that it is over. It is silenced with a
margin on both sides: a gateway that makes events of a tone in the audio lets the
first of it through before it knows it for one. While a press is not known to be
over, it is taken to last ``patience`` more::

    margin │ the press as far as it is told │ patience          not over yet
    margin │ the press                      │ margin            over

What comes before a press can only be silenced as long as it is not played: the
first packet of the event must come within the jitter buffer's time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_DIGITS = 16
"The events below this are the keys (:rfc:`4733#section-3.2`)."
_MAX_PRESSES = 64
"Presses that are not played yet; of more, the newest count."


@dataclass(slots=True)
class _Press:
    """A press, or a segment of a long one."""

    timestamp: int
    begin: int
    end: int
    over: bool


class DigitMask:
    """
    The presses on one stream that are not played yet, in places of the timeline.

    :param margin: units that are silenced before and after a press.
    :param patience: units after which a press is over, of which nothing more came.
    """

    def __init__(self, margin: int, patience: int) -> None:
        self._margin = margin
        self._patience = max(margin, patience)
        self._presses: deque[_Press] = deque(maxlen=_MAX_PRESSES)

    @property
    def idle(self) -> bool:
        """Nothing is to be silenced, as far as we know."""
        return not self._presses

    def press(self, payload: bytes, timestamp: int, begin: int, end: int) -> None:
        """An event packet came, whose event lies at these places so far."""
        if len(payload) < 4 or payload[0] >= _DIGITS or end <= begin:
            return
        over = bool(payload[1] & 0x80)
        for known in self._presses:
            if known.timestamp == timestamp:
                # Packets come in any order: a press only grows, and stays over.
                known.begin = min(known.begin, begin)
                known.end = max(known.end, end)
                known.over = known.over or over
                return
        self._presses.append(_Press(timestamp, begin, end, over))

    def play(self, start: int, end: int) -> list[tuple[int, int]]:
        """What is silenced of a span that is played now, in order; then it is forgotten."""
        spans = sorted((press.begin - self._margin, self._end(press)) for press in self._presses)
        silenced: list[tuple[int, int]] = []
        for first, last in spans:
            first, last = max(first, start), min(last, end)
            if silenced and first <= silenced[-1][1]:
                silenced[-1] = silenced[-1][0], max(silenced[-1][1], last)
            elif first < last:
                silenced.append((first, last))
        if self._presses:
            waiting = (press for press in self._presses if self._end(press) > end)
            self._presses = deque(waiting, maxlen=_MAX_PRESSES)
        return silenced

    def shift(self, units: int) -> None:
        """The timeline lies later by so much from now on."""
        for press in self._presses:
            press.begin += units
            press.end += units

    def _end(self, press: _Press) -> int:
        return press.end + (self._margin if press.over else self._patience)
