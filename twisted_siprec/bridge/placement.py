"""
Where the packets of a source belong on the timeline.

A source is **anchored**: its first packet lies where it arrived, every later one
where its timestamp says, to the sample. It is anchored again, at the arrival of
a packet, when its timestamps have left the arrivals for good: too early by
``reanchor_s``, late by that for three packets in a row, or late for the playout
for ``late_s``. Slow drift is corrected long before (:mod:`.drift`).

The first packet is often later than the rest. As long as nothing of a source was
played, its anchor is moved to where the packet with the least delay puts it, which
no audio suffers from; but not to before what was played of others.
"""

from __future__ import annotations

from ..audio.codec import Decoder
from ..rtp.clock import SenderClock
from .drift import Drift
from .formats import Format
from .playout import Kind, Placed, Playout
from .settings import MediaSettings
from .timeline import UNITS_PER_MS, UNITS_PER_SECOND, on_grid

_HOPELESS = 3
"So many packets in a row, far too late, show that the timestamps leapt back."
_EARLY = 4 * UNITS_PER_MS
"An anchor that is wrong by less is right."


class Placement:
    """Places packets on the timeline of a bridge."""

    def __init__(self, playout: Playout, opened_at: float, settings: MediaSettings) -> None:
        self.late = 0
        "Packets that came after their place was played."
        self.anchored = 0
        self.slipped = 0
        "Ticks by which the timeline was moved, either way."
        self.drift: Drift | None = None
        self._clock: SenderClock | None = None
        self._playout = playout
        self._opened_at = opened_at
        self._settings = settings
        self._far = int(settings.reanchor_s * UNITS_PER_SECOND)
        self._jitter = settings.jitter_ms * UNITS_PER_MS
        self._offset = 0
        "The place of the extended timestamp 0."
        self._tick = 0
        "Units of a tick of the clock that is anchored; 0 before any is."
        self._anchor = 0
        "Where the packet lies that was anchored."
        self._lateness = 0
        self._late_since: float | None = None
        self._late_count = 0
        self._late_transit = 0
        self._event_end = 0

    def anchor(self, timestamp: int, arrived_at: float, tick: int) -> None:
        """From now on an extended timestamp lies where it arrived, and all others around it."""
        place = on_grid(arrived_at - self._opened_at)
        newest = self._playout.newest
        if 0 < newest - place <= self._jitter:
            # A source that takes over a little early must not cut off the one before.
            place = newest
        self._offset = place - timestamp * tick
        self._anchor = place
        self._tick = tick
        self.anchored += 1
        self._late_since = None
        window = int(self._settings.drift_window_s * UNITS_PER_SECOND)
        tolerance = self._settings.drift_tolerance_ms * UNITS_PER_MS
        self.drift = Drift(tick, window, tolerance)
        self._clock = SenderClock(UNITS_PER_SECOND // tick)

    def release(self) -> None:
        """Another source is heard; the next packet anchors it."""
        self._tick = 0

    def audio(
        self, known: Format, payload: bytes, sequence: int, timestamp: int, arrived_at: float
    ) -> Placed:
        """The place of an audio or comfort noise packet, all numbers extended."""
        tick = known.tick
        if tick != self._tick:
            self.anchor(timestamp, arrived_at, tick)
        place = self._offset + timestamp * tick
        arrival = int((arrived_at - self._opened_at) * UNITS_PER_SECOND)
        transit = arrival - place
        if transit < -self._far or (
            place < self._playout.played and self._is_hopeless(transit, arrived_at)
        ):
            self.anchor(timestamp, arrived_at, tick)
            place = self._offset + timestamp * tick
        elif place >= self._playout.played:
            self._late_since = None
        if arrival - place < -_EARLY:
            place += self._settle(arrival - place)
        if self.drift is not None:
            self.drift.observe(arrival - place, arrival)
        decoder: Decoder | None = known.decoder
        lasts = decoder.ticks(payload) * tick if decoder is not None else 0
        if decoder is not None and lasts == 0:
            return self.nothing(sequence)
        kind = known.kind
        if known.rests is not None and known.rests(payload):
            kind = Kind.NOISE
        return Placed(place, self.anchored, sequence, place + lasts, kind, decoder, payload)

    def event(self, known: Format, payload: bytes, sequence: int, timestamp: int) -> Placed:
        """
        The place of a telephone-event packet: what it adds to the span of its
        event, whose timestamp stays the same while the duration grows.
        """
        if known.tick != self._tick:
            return self.nothing(sequence)
        start = self._offset + timestamp * known.tick
        end = start + int.from_bytes(payload[2:4], "big") * known.tick
        place = min(max(start, self._event_end), end)
        self._event_end = max(end, self._event_end)
        return Placed(place, self.anchored, sequence, end, Kind.EVENT, None, b"")

    def event_span(
        self, known: Format, payload: bytes, timestamp: int, arrived_at: float
    ) -> tuple[int, int]:
        """
        Where an event lies as far as a packet of it tells, the whole of it. By
        the arrival of the packet, where its clock is not that of the audio.
        """
        lasts = int.from_bytes(payload[2:4], "big") * known.tick
        if known.tick == self._tick:
            start = self._offset + timestamp * known.tick
            return start, start + lasts
        end = on_grid(arrived_at - self._opened_at)
        return end - lasts, end

    def nothing(self, sequence: int) -> Placed:
        """A packet that has no span, yet has a sequence number, so that it isn't missed."""
        place = max(self._playout.newest, self._playout.played)
        return Placed(place, self.anchored, sequence, place, Kind.EVENT, None, b"")

    def slip(self, limit: int) -> int:
        """Move the timeline of the source as its drift asks for, by a limit at most; gives it."""
        if self.drift is None or self.drift.slips == 0:
            return 0
        moved = self.drift.take(limit)
        self._offset += moved
        self._anchor += moved
        self._event_end += moved
        self.slipped += abs(moved) // self._tick if self._tick else 0
        return moved

    def take_lateness(self) -> int:
        """How late the latest packet was that came too late since the last time."""
        lateness, self._lateness = self._lateness, 0
        return lateness

    def steady(self, tick: int) -> bool:
        """A source is anchored by a clock of these ticks, none of its packets is late lately."""
        return tick == self._tick and self._late_since is None

    def place_of(self, timestamp: int) -> int:
        """The place of an extended timestamp of the source that is anchored."""
        return self._offset + timestamp * self._tick

    def reported(self, ntp: int, timestamp: int, received_at: float) -> None:
        """A report of the source that is anchored came, which told its clocks."""
        if self._clock is None:
            return
        self._clock.receive(ntp, timestamp, received_at)
        received = (received_at - self._opened_at) * UNITS_PER_SECOND
        if abs(received - self.place_of(timestamp)) > self._far:
            self._clock.doubt()

    def clock_origin(self) -> int | None:
        """The place at which the wall clock of the source stood at 0; None where it is unknown."""
        if self._clock is None or self._clock.believed is None:
            return None
        wallclock, timestamp = self._clock.believed
        return self.place_of(timestamp) - int(wallclock * UNITS_PER_SECOND)

    def timestamp_at(self, place: int) -> int | None:
        """The RTP timestamp of a place; None where no source is anchored."""
        return (place - self._offset) // self._tick & 0xFFFFFFFF if self._tick else None

    def _is_hopeless(self, transit: int, arrived_at: float) -> bool:
        """Count a packet that is late for the playout; is it the last straw?"""
        self.late += 1
        self._lateness = max(self._lateness, transit)
        if self._late_since is None:
            self._late_since, self._late_count, self._late_transit = arrived_at, 0, transit
        self._late_count += 1
        if arrived_at - self._late_since >= self._settings.late_s:
            return True
        # What was held up and comes all at once is less late from packet to packet.
        as_late = transit >= self._late_transit - _EARLY
        return as_late and self._late_count >= _HOPELESS and transit > self._far + self._jitter

    def _settle(self, transit: int) -> int:
        """A packet came with less delay than the first one; gives by how much all is moved."""
        played = self._playout.played
        if not 0 < played < self._anchor or self.drift is None or self.drift.until is None:
            return 0
        grid = on_grid(1 / 8000)
        moved = max(transit // grid * grid, played - self._anchor)
        self._offset += moved
        self._anchor += moved
        self._event_end += moved
        self._playout.pull(self.anchored, moved)
        self.drift.anchored_anew(moved)
        return moved
