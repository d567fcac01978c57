"""
Key presses in RTP: telephone-event (:rfc:`4733`).

::

     0                   1                   2                   3
    |     event     |E|R| volume    |          duration             |

A press is several packets of one timestamp with a growing duration, the last
of them three times with the E bit. Any of them may be lost. A press that lasts
longer than the duration can say goes on in a segment with a later timestamp
(:rfc:`4733#section-2.5.1.3`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_DIGITS = "0123456789*#ABCD"
_LONGEST = 0xFFFF
SILENT_S = 0.15
"A press of which nothing came for this long is over: all its last packets were lost."


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A key was pressed and released."""

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class _Press:
    """A press that may go on."""

    event: int
    timestamp: int
    "Of its current segment."
    clock_rate: int
    before: int
    "Ticks of its earlier segments."
    duration: int
    heard_at: float

    def pressed(self) -> DigitPressed | None:
        """The press as it is told; None where it has no duration (section 2.3.5) or is no digit."""
        ticks = self.before + self.duration
        if ticks == 0 or self.event >= len(_DIGITS):
            return None
        return DigitPressed(_DIGITS[self.event], round(ticks * 1000 / self.clock_rate))


class EventReceiver:
    """The key presses of one source, each told once."""

    def __init__(self) -> None:
        self._press: _Press | None = None
        self._told: int | None = None
        "The timestamp of the newest segment that is over."

    def receive(
        self, payload: bytes, timestamp: int, clock_rate: int, now: float
    ) -> list[DigitPressed]:
        """Take a payload; its timestamp is extended. Gives the presses that are over by it."""
        if len(payload) < 4 or (self._told is not None and timestamp <= self._told):
            return []
        event, ended = payload[0], bool(payload[1] & 0x80)
        duration = int.from_bytes(payload[2:4], "big")
        over: list[DigitPressed] = []
        press = self._press
        if press is not None and timestamp < press.timestamp:
            return []
        if press is not None and timestamp == press.timestamp and event == press.event:
            press = replace(press, duration=max(press.duration, duration), heard_at=now)
        elif press is not None and self._continues(press, event, timestamp):
            press = replace(
                press,
                timestamp=timestamp,
                before=press.before + timestamp - press.timestamp,
                duration=duration,
                heard_at=now,
            )
        else:
            over += self._finish()
            press = _Press(event, timestamp, clock_rate, 0, duration, now)
        self._press = press
        if ended:
            over += self._finish()
        return over

    @property
    def pressing(self) -> bool:
        """A key is held down, as far as we know."""
        return self._press is not None

    def expire(self, now: float) -> list[DigitPressed]:
        """The press that is over because nothing more came of it."""
        if self._press is None or now - self._press.heard_at < SILENT_S:
            return []
        return self._finish()

    @staticmethod
    def _continues(press: _Press, event: int, timestamp: int) -> bool:
        return event == press.event and timestamp - press.timestamp == _LONGEST

    def _finish(self) -> list[DigitPressed]:
        press, self._press = self._press, None
        if press is None:
            return []
        self._told = press.timestamp
        pressed = press.pressed()
        return [] if pressed is None else [pressed]
