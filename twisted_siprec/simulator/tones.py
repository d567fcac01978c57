"""
Signals that are made rather than spoken: sine tones, and the key presses of
:rfc:`4733`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

import numpy as np

from .speech import Speech

KEYS = "0123456789*#ABCD"
"The events 0 to 15 of :rfc:`4733#section-3.2`, in order."

_EVENT = Struct(">BBH")
_END = 0x80
_END_PACKETS = 3
"The last packet of an event is sent three times (:rfc:`4733#section-2.5.1.4`)."


def tone(frequency_hz: float, seconds: float, rate: int = 16_000, level: float = 0.25) -> Speech:
    """A sine tone; ``level`` is its peak, 1 for full scale."""
    phase = np.arange(round(seconds * rate)) * (2 * np.pi * frequency_hz / rate)
    return Speech(np.rint(np.sin(phase) * (32767 * level)).astype(np.int16), rate)


@dataclass(frozen=True, slots=True)
class EventPacket:
    """One telephone-event packet, before it has a sequence number."""

    marker: bool
    started_slot: int
    "The packet interval in which the key went down: its time is the timestamp of all packets."
    payload: bytes


def key_presses(
    digits: str, first_slot: int, ticks: int, *, press_slots: int = 5, pause_slots: int = 5
) -> dict[int, tuple[EventPacket, ...]]:
    """
    The packets that say that these keys are pressed one after the other, by the
    packet interval in which they go out.

    :param ticks: RTP clock ticks of one packet interval.
    """
    slots: dict[int, tuple[EventPacket, ...]] = {}
    for number, digit in enumerate(digits.upper()):
        start = first_slot + number * (press_slots + pause_slots)
        event = KEYS.index(digit)
        for offset in range(press_slots):
            last = offset == press_slots - 1
            payload = _EVENT.pack(event, (_END if last else 0) | 10, (offset + 1) * ticks)
            packet = EventPacket(offset == 0, start, payload)
            slots[start + offset] = (packet,) * (_END_PACKETS if last else 1)
    return slots
