"""
One call in the media plane: its streams on one timeline, and what its consumers
get of them.

The clock drives, not the packets. Position 0 is the first packet of any stream,
or the end of a time-out. From then on each chunk is played at its deadline, the
end of the chunk and ``jitter_ms``, for all channels, whatever came. In a pause
nothing is played and nothing kept; the positions go on.

::

    WAITING ──start──► RUNNING ──pause──► PAUSED
                          ▲ └──finish──┐    │ │
                          └──resume────┼────┘ │
                                       ▼      │
                                     ENDED ◄──┘ finish
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from math import gcd
from typing import Protocol

from ..dialects.base import (
    Digit,
    Event,
    Paused,
    Redescribed,
    Resumed,
)
from ..plan import BridgePlan, BridgeUpdate, ChannelPlan, Destination
from ..report import Report, StreamStatistics
from ..rtp.datagram import Datagram
from .absences import absences
from .announcements import Announcements
from .channels import channel_starts, held_channels, pressed_keys
from .composition import Played
from .consumers import Alike, Block, Consumers, Opening
from .course import Course
from .lineup import Lineup
from .patience import Patience
from .settings import MediaSettings
from .silence import SilenceWatch
from .timekeeping import keep_time
from .timeline import UNITS_PER_MS, UNITS_PER_SECOND, on_grid, seconds, units_per_sample

_MAX_EARLY_EVENTS = 64
_NOTHING: Mapping[int, Played] = {}


class Phase(Enum):
    """Where a bridge is in its life."""

    WAITING = "for the first packet"
    RUNNING = "playing"
    PAUSED = "by the SRC or a policy"
    ENDED = "for good"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a bridge needs besides its plan."""

    settings: MediaSettings
    wallclock: Callable[[float], float]
    "From monotonic seconds to POSIX seconds."
    new_id: Callable[[], str]
    "A name for a consumer stream that no other one has."


class Steady(Protocol):
    """The place of a bridge in the table (:mod:`.steady`)."""

    def settle(self) -> None:
        """Tell the streams what came."""

    def release(self) -> None:
        """Give the streams all that is theirs."""


class Bridge:
    """A bridge from its opening to its end: datagrams and updates in, blocks and reports out."""

    def __init__(self, plan: BridgePlan, surroundings: Surroundings, now: float) -> None:
        self.bridge = plan.bridge
        self.phase = Phase.WAITING
        self._settings = surroundings.settings
        self._wallclock = surroundings.wallclock
        self._opened_at = now
        self._lineup = Lineup(self._settings, now, plan.mask_dtmf)
        self.streams = self._lineup.streams
        self._patience = Patience(self._settings.jitter_ms, self._settings.jitter_max_ms)
        self._seen_at = now
        self._channels = plan.channels
        self._description = plan.description
        self._pause_asked = plan.paused
        self._paused_by = "src"
        self._silence = SilenceWatch(plan.bridge, self._settings.silent_after_s)
        self._destinations = plan.destinations
        self._chunk = _chunk_ms(plan.destinations, self._settings.chunk_ms) * UNITS_PER_MS
        self._begin = 0
        "The place of position 0."
        self._end = 0
        "The place up to which all was played."
        self._announcements = Announcements(
            self._settings.sync_every_s, self._wallclock_at, self.statistics
        )
        self._announcements.go_to(plan.destinations)
        self._early: list[Event] = []
        "What happened before position 0."
        self._new_id = surroundings.new_id
        self._consumers = Consumers((), 0, self._new_id)
        self._blocks: list[Block | Alike] = []
        self._steady: Steady | None = None
        "Where its streams are, while all goes as it should."
        self._lineup.arrange(plan.streams, self._end, self._pause_asked)

    # --- in ---

    def receive(self, index: int, datagrams: Sequence[Datagram]) -> None:
        """What came on a stream since the last time."""
        self.leave_steady()
        stream = self.streams.get(index)
        if stream is not None and self.phase is not Phase.ENDED:
            stream.receive(datagrams)

    def update(self, update: BridgeUpdate, now: float) -> None:
        """
        The bridge is this from now on. Receive what is in the sockets first:
        it belongs to the time before.
        """
        if self.phase is Phase.ENDED:
            return
        self.expire(now)
        if update.paused and not self._pause_asked:
            self._pause_asked, self._paused_by = True, update.paused_by
            self._pause(now)
        elif self._pause_asked and not update.paused:
            self._pause_asked = False
            self._resume(update.paused_by, now)
        self._lineup.arrange(update.streams, self._end, self._pause_asked)
        self._rearrange(update.channels)
        self._description = update.description
        events: list[Event] = [*update.events]
        if update.described:
            events.append(Redescribed(update.description))
        events += [
            Digit(press.digit, press.duration_ms, None, None, press.source)
            for press in update.key_presses
        ]
        for event in events:
            self._tell(event)
        self._hand_over()

    def redirect(self, destinations: tuple[Destination, ...], now: float) -> None:
        """
        From now on it goes to these. Those that it went to before go on as they
        are; a new one is told the call as it is now. Receive what is in the sockets
        first.
        """
        if self.phase is Phase.ENDED:
            return
        self.expire(now)
        self._destinations = destinations
        # Never longer again: what is being gathered was cut for the shorter one.
        self._chunk = gcd(
            self._chunk, _chunk_ms(destinations, self._settings.chunk_ms) * UNITS_PER_MS
        )
        self._announcements.go_to(destinations)
        if self.phase is Phase.WAITING:
            return
        rates = tuple((wanted, self._rate(wanted)) for wanted in destinations)
        fresh = self._consumers.redirect(rates, self._opening(self._end))
        for rendition in fresh:
            self._announcements.joined(rendition.destination, self._end)
            if self.phase is Phase.PAUSED:
                rendition.tell(Paused(rendition.position(self._end), self._paused_by))
        self._hand_over()

    def expire(self, now: float) -> None:
        """Play what is due. Receive what is in the sockets first."""
        self.leave_steady()
        self._seen_at = now
        if self.phase is Phase.WAITING:
            self._try_start(now)
        self._patience.lengthen(stream.take_lateness() for stream in self.streams.values())
        for _ in range(self._settings.max_catch_up):
            if self.phase is not Phase.RUNNING or self.deadline > now:
                break
            self._play(self._end + self._chunk, now)
            self._hand_over()
        if self.phase is not Phase.ENDED:
            self._silence.look(self.streams.values(), now, self._pause_asked)

    def finish(self, now: float) -> None:
        """The call is over: play all that is buffered, at once; without a packet, nothing."""
        self.leave_steady()
        something = self.phase is not Phase.WAITING or self._lineup.believed
        if self.phase is Phase.WAITING:
            self._start(self._first_place(now))
        if self.phase is Phase.RUNNING and something:
            self._play_all(now)
        self.phase = Phase.ENDED
        self._consumers.flush()
        self._hand_over()

    # --- out ---

    def outputs(self) -> list[Block | Alike]:
        """The blocks since the last time."""
        blocks, self._blocks = self._blocks, []
        return blocks

    def reports(self) -> list[Report]:
        """What signalling is to know since the last time."""
        return self._silence.reports()

    def next_deadline(self) -> float | None:
        """When the sockets are to be read and :meth:`expire` is to be called again."""
        if self.phase is Phase.RUNNING:
            return self.deadline
        if self.phase is Phase.WAITING:
            # The longer it has waited already, the less it matters; arrivals are stamped.
            waited_s = self._seen_at - self._opened_at
            poll_s = self._settings.poll_ms / 1000.0
            wait_s = max(poll_s, min(waited_s / 4, seconds(self._chunk)))
            remaining_s = self._settings.start_timeout_s - waited_s
            return self._seen_at + (min(wait_s, remaining_s) if remaining_s > 0 else poll_s)
        if self.phase is Phase.PAUSED:
            return self._seen_at + seconds(self._chunk)
        return None

    @property
    def duration_ms(self) -> int:
        """The final position, in time."""
        return (self._end - self._begin) // UNITS_PER_MS

    @property
    def heard(self) -> bool:
        """Whether any source was believed on any stream."""
        return any(stream.packets for stream in self.statistics())

    def statistics(self) -> tuple[StreamStatistics, ...]:
        """What came on each stream, those that are gone too, in the order of the m-lines."""
        self.settle()
        return self._lineup.statistics()

    # --- the clock ---

    def _wallclock_at(self, place: int) -> float:
        """POSIX seconds of a place."""
        return self._wallclock(self._opened_at + seconds(place))

    @property
    def deadline(self) -> float:
        """When the next chunk is to be played."""
        return self._opened_at + seconds(self._end + self._chunk) + self._patience.wait_s

    def _place(self, now: float) -> int:
        """The place of a time, a whole number of milliseconds from position 0, rounded up."""
        since = int((now - self._opened_at) * UNITS_PER_SECOND) - self._begin
        return self._begin - (-since // UNITS_PER_MS) * UNITS_PER_MS

    def _first_place(self, now: float) -> int:
        """The place of the first packet, or of now where there is none."""
        first = self._lineup.first_arrival()
        return on_grid((now if first is None else first) - self._opened_at)

    def _try_start(self, now: float) -> None:
        """Begin, if a packet came, or it is time to."""
        waited = now - self._opened_at >= self._settings.start_timeout_s
        if self._lineup.believed or waited or self._pause_asked:
            self._start(self._first_place(now))

    def _start(self, place: int) -> None:
        """This place is position 0."""
        self.phase = Phase.RUNNING
        self._begin = self._end = place
        self._announcements.begin(place)
        for stream in self.streams.values():
            stream.begin(place)
        rates = tuple((wanted, self._rate(wanted)) for wanted in self._destinations)
        self._consumers = Consumers(rates, place, self._new_id)
        self._consumers.open(self._opening(place))
        early, self._early = self._early, []
        for event in early:
            self._consumers.tell(event)
        if self._pause_asked:
            self._rest()
        self._hand_over()

    def _rate(self, destination: Destination) -> int:
        """The rate for a destination, which may ask for none."""
        return destination.sample_rate or self._lineup.rate

    def _opening(self, place: int) -> Opening:
        """What a consumer stream is told that starts at a place."""
        return Opening(
            bridge=self.bridge,
            begin=place,
            started_at=self._wallclock_at(place),
            description=self._description,
            channels=channel_starts(self._channels, self.streams),
        )

    # --- playing ---

    def _play(self, end: int, now: float, known: Mapping[int, Played] = _NOTHING) -> None:
        """The next span of all channels, up to a place; that of some streams is known."""
        start, self._end = self._end, end
        played = {
            index: known[index] if index in known else stream.play(end)
            for index, stream in self.streams.items()
        }
        for digit in pressed_keys(self._channels, self.streams, now):
            self._consumers.tell(digit, digit.channel)
        self._consumers.carry(
            start,
            end,
            played,
            self._channels,
            absences(self._channels, played),
            held_channels(self._channels, self.streams),
        )
        self._tell_clocks(end)

    def _tell_clocks(self, end: int) -> bool:
        """What consumers are told every so often; False where nothing was told."""
        telling = self._announcements
        due = telling.due(end)
        if due:
            telling.tell_clocks(end, self._consumers, self._channels, self.streams)
            keep_time(self.streams.values(), self._patience)
        if telling.tells_progress:
            telling.tell_progress(end, self._consumers)
        return due or telling.tells_progress

    def _play_all(self, now: float) -> None:
        """Everything that came up to now, in chunks, the last of them shorter."""
        soon = now + self._settings.jitter_ms / 1000.0
        buffered = self._up_to_ms(self._lineup.buffered)
        target = max(self._place(now), min(buffered, self._place(soon)))
        while self._end < target:
            self._play(min(self._end + self._chunk, target), now)
        self._consumers.flush()

    def _up_to_ms(self, place: int) -> int:
        return self._begin - ((self._begin - place) // UNITS_PER_MS) * UNITS_PER_MS

    # --- on course ---

    @property
    def played(self) -> int:
        """The place up to which all was played."""
        return self._end

    @property
    def chunk(self) -> int:
        """Units that are played at a time."""
        return self._chunk

    @property
    def chunk_s(self) -> float:
        """The same in seconds."""
        return seconds(self._chunk)

    def chunk_samples(self, rate: int) -> int:
        """Samples that are played at a time."""
        return self._chunk // units_per_sample(rate)

    def order(self) -> tuple[int, ...]:
        """The streams in the order of the channels; those that are in none come last."""
        return self._lineup.order(self._channels)

    @property
    def may_be_steady(self) -> bool:
        """Whether it plays, so that its streams may be on course."""
        watched = self._settings.silent_after_s >= 1.0
        return self.phase is Phase.RUNNING and not self._pause_asked and watched

    def course(self, index: int) -> Course | None:
        """What to expect of a stream, where all goes as it should and signalling knows of it."""
        return self.streams[index].course() if self._silence.all_heard((index,)) else None

    def takes_interleaved(self, indexes: tuple[int, ...], rate: int) -> bool:
        """Whether all consumers take these streams, at a rate, side by side and no more."""
        channels = tuple(plan.streams for plan in self._channels)
        return channels == tuple((index,) for index in indexes) and self._consumers.alike(
            rate, self.chunk_samples(rate)
        )

    def enter_steady(self, steady: Steady) -> None:
        """The streams are in the table from now on."""
        self._steady = steady

    def settle(self) -> None:
        """The streams know all that came."""
        if self._steady is not None:
            self._steady.settle()

    def leave_steady(self) -> None:
        """The streams are to take anything again."""
        if self._steady is not None:
            self._steady.release()

    def left_steady(self) -> None:
        """They do."""
        self._steady = None

    @property
    def outlets(self) -> tuple[tuple[int, int], ...]:
        """Each outlet of those that take all channels, and the place of its position 0."""
        return self._consumers.outlets

    def play_interleaved(
        self, payload: bytes, samples: int, outlets: tuple[tuple[int, int], ...]
    ) -> None:
        """The next chunk, as every consumer takes it; nothing is missing in it."""
        start, chunk = self._end, self._chunk
        self._end = end = start + chunk
        self._blocks.append(Alike(start, chunk // samples, samples, outlets, payload))
        if self._tell_clocks(end):
            self._hand_over()

    def receive_beside(self, came: Mapping[int, Sequence[Datagram]]) -> None:
        """What came on streams that are not on course, while others are."""
        for index, datagrams in came.items():
            self.streams[index].receive(datagrams)
        self._patience.lengthen(stream.take_lateness() for stream in self.streams.values())

    def play_beside(self, known: Mapping[int, Played], now: float) -> None:
        """The next chunk, of which that of some streams is known."""
        self._play(self._end + self._chunk, now, known)
        self._hand_over()

    def look_beside(self, indexes: Sequence[int], now: float) -> None:
        """Whether these streams are heard."""
        self._silence.look((self.streams[index] for index in indexes), now, self._pause_asked)

    # --- changes ---

    def _rearrange(self, channels: tuple[ChannelPlan, ...]) -> None:
        """The channels are these from now on."""
        if channels == self._channels:
            return
        self._channels = channels
        if self.phase is not Phase.WAITING:
            self._consumers.rearrange(self._end, self._opening(self._begin))

    def _pause(self, now: float) -> None:
        """Play what is buffered, and nothing more."""
        if self.phase is Phase.RUNNING:
            self._play_all(now)
            self._rest()
        for stream in self.streams.values():
            stream.muted = True

    def _rest(self) -> None:
        """Nothing is played from here on."""
        self.phase = Phase.PAUSED
        place, by = self._end, self._paused_by
        self._consumers.tell_at(lambda at: Paused(at(place), by))

    def _resume(self, by: str, now: float) -> None:
        """Go on from here; the time of the pause is in the positions, and named."""
        for stream in self.streams.values():
            stream.muted = False
        start, end = self._end, max(self._end, self._place(now))
        for stream in self.streams.values():
            stream.skip(end)
        self._end = end
        self.phase = Phase.RUNNING
        self._consumers.jump(start, end, self._channels, "paused")
        self._consumers.tell_at(lambda at: Resumed(at(end), by, at(end) - at(start)))

    def _tell(self, event: Event) -> None:
        """Tell everyone, now or when there is someone to tell."""
        if self.phase is not Phase.WAITING:
            self._consumers.tell(event)
        elif len(self._early) < _MAX_EARLY_EVENTS and not isinstance(event, Redescribed):
            self._early.append(event)

    def _hand_over(self) -> None:
        block = self._consumers.drain()
        if block is not None:
            self._blocks.append(block)


def _chunk_ms(destinations: tuple[Destination, ...], default: int) -> int:
    """The chunk of a bridge: every destination's is a multiple of it."""
    lengths = [destination.chunk_ms for destination in destinations]
    return reduce(gcd, lengths) if lengths else default
