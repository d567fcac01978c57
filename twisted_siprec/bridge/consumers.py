"""
All consumer streams of a bridge: every destination's rendition of the same
channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..dialects.base import ChannelStart, Event, Gap, Rearranged, StreamStart
from ..participants import Description
from ..plan import ChannelPlan, Destination
from .composition import Played
from .mixdown import Mixdown
from .renditions import Absence, Chunk, Item, Rendition, Track


@dataclass(frozen=True, slots=True)
class Block:
    """
    What consumers get next: first the streams that begin, then audio and events
    of each, then the streams that end. Outlets are numbered within the bridge.
    """

    opened: tuple[tuple[int, StreamStart], ...] = ()
    parts: tuple[tuple[int, tuple[Item, ...]], ...] = ()
    stopped: tuple[int, ...] = ()
    withdrawn: tuple[int, ...] = ()
    "Those that end because the operator wants nothing of them there any more."


class Alike(NamedTuple):
    """A chunk that all consumers of a bridge get as it is."""

    place: int
    unit: int
    "Places of a sample."
    samples: int
    outlets: tuple[tuple[int, int], ...]
    "Each outlet, and the place of its position 0."
    payload: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """What every consumer stream of a bridge is told alike when it starts."""

    bridge: str
    begin: int
    "The place of position 0."
    started_at: float
    description: Description
    channels: tuple[ChannelStart, ...]


class Consumers:
    """The renditions of a bridge."""

    def __init__(
        self,
        destinations: tuple[tuple[Destination, int], ...],
        begin: int,
        new_id: Callable[[], str],
    ) -> None:
        self._renditions = tuple(Rendition(wanted, rate, begin) for wanted, rate in destinations)
        self._mixdowns = {rate: Mixdown(rate) for _, rate in destinations}
        self._new_id = new_id
        self._outlets = 0
        self._opened: list[tuple[int, StreamStart]] = []
        self._stopped: list[int] = []
        self._withdrawn: list[int] = []
        self._leaving: list[Track] = []
        "What ends with the next block, and may have something to hand over yet."

    def open(self, opening: Opening) -> None:
        """Begin all consumer streams, at position 0."""
        for rendition in self._renditions:
            self._begin(rendition, opening)

    def _begin(self, rendition: Rendition, opening: Opening) -> None:
        if not rendition.separate:
            self._open(rendition, opening, None)
            return
        for channel in opening.channels:
            self._open(rendition, opening, channel.plan.index)

    def redirect(
        self, destinations: tuple[tuple[Destination, int], ...], opening: Opening
    ) -> tuple[Rendition, ...]:
        """
        The destinations are these from a place on; those that go on are known by
        their names. What a new one gets begins there, at a position 0 of its own.
        """
        known = {rendition.destination.name: rendition for rendition in self._renditions}
        for name in known.keys() - {wanted.name for wanted, _ in destinations}:
            leaving = known.pop(name)
            leaving.flush()
            self._leaving += leaving.tracks.values()
            self._withdrawn += (track.outlet for track in leaving.tracks.values())
        fresh: list[Rendition] = []
        renditions: list[Rendition] = []
        for wanted, rate in destinations:
            rendition = known.get(wanted.name)
            if rendition is None:
                rendition = Rendition(wanted, rate, opening.begin)
                self._mixdowns.setdefault(rate, Mixdown(rate))
                self._begin(rendition, opening)
                fresh.append(rendition)
            renditions.append(rendition)
        self._renditions = tuple(renditions)
        return tuple(fresh)

    def _open(self, rendition: Rendition, opening: Opening, track: int | None) -> None:
        alone = tuple(start for start in opening.channels if start.plan.index == track)
        if rendition.started_at is None:
            rendition.started_at = opening.started_at
        start = StreamStart(
            stream_id=self._new_id(),
            bridge=opening.bridge,
            started_at=rendition.started_at,
            encoding=rendition.destination.encoding,
            sample_rate=rendition.rate,
            channels=opening.channels if track is None else alone,
            destination=rendition.destination,
            description=opening.description,
            track=track,
        )
        rendition.add_track(track, self._outlets)
        self._opened.append((self._outlets, start))
        self._outlets += 1

    def rearrange(self, place: int, opening: Opening) -> None:
        """
        The channels are others from a place on. A channel that is new gets a
        consumer stream, whose positions before it are a gap; one that is gone
        loses its own.
        """
        indexes = [start.plan.index for start in opening.channels]
        for rendition in self._renditions:
            rendition.flush()
            position = rendition.position(place)
            if not rendition.separate:
                rendition.tell(Rearranged(position, opening.channels))
                continue
            for index in [known for known in rendition.tracks if known not in indexes]:
                self._stopped.append(rendition.tracks[index].outlet)
                self._leaving.append(rendition.tracks.pop(index))
            for start in opening.channels:
                index = start.plan.index
                if index in rendition.tracks:
                    rendition.tell(Rearranged(position, (start,)), index)
                    continue
                self._open(rendition, opening, index)
                if position:
                    before = Gap(0, position, (index,), "no_packets", "none")
                    rendition.tell(before, index)

    def carry(
        self,
        start: int,
        end: int,
        played: Mapping[int, Played],
        channels: tuple[ChannelPlan, ...],
        absences: tuple[Absence, ...],
        held: tuple[int, ...],
    ) -> None:
        """The next audio, for everyone."""
        chunks: dict[int, Chunk] = {}
        for rendition in self._renditions:
            rate = rendition.rate
            if rate not in chunks:
                samples = rendition.position(end) - rendition.position(start)
                mixed = self._mixdowns[rate].channels(played, channels, samples)
                chunks[rate] = Chunk(start, end, mixed, absences, held)
            rendition.carry(chunks[rate], channels)

    def alike(self, rate: int, samples: int) -> bool:
        """Whether everyone takes all channels side by side, linear, at a rate, in such messages."""
        return bool(self._renditions) and all(
            rendition.plain and rendition.rate == rate and rendition.message_samples == samples
            for rendition in self._renditions
        )

    @property
    def outlets(self) -> tuple[tuple[int, int], ...]:
        """Each outlet of those that take all channels, and the place of its position 0."""
        return tuple((each.tracks[None].outlet, each.begin) for each in self._renditions)

    def jump(self, start: int, end: int, channels: tuple[ChannelPlan, ...], reason: str) -> None:
        """The positions of this span are in no audio."""
        everyone = tuple(plan.index for plan in channels)
        for rendition in self._renditions:
            position = rendition.position(start)
            samples = rendition.position(end) - position
            if not samples:
                continue
            for index, track in rendition.tracks.items():
                own = everyone if index is None else (index,)
                track.tell(Gap(position, samples, own, reason, "none"))

    def tell(self, event: Event, channel: int | None = None) -> None:
        """An event without a position, for everyone or for those that get a channel."""
        for rendition in self._renditions:
            rendition.tell(event, channel)

    def tell_at(self, made: Callable[[Callable[[int], int]], Event]) -> None:
        """An event with positions: it is made from a function of places, for each rate."""
        for rendition in self._renditions:
            rendition.tell(made(rendition.position))

    def tell_some(self, made: Callable[[Rendition], Event | None]) -> None:
        """An event that depends on the destination; None for none."""
        for rendition in self._renditions:
            event = made(rendition)
            if event is not None:
                rendition.tell(event)

    def flush(self) -> None:
        """What is gathered is handed over."""
        for rendition in self._renditions:
            rendition.flush()

    def drain(self) -> Block | None:
        """What consumers get now; None for nothing."""
        parts: list[tuple[int, tuple[Item, ...]]] = []
        leaving, self._leaving = self._leaving, []
        for tracks in (leaving, *(known.tracks.values() for known in self._renditions)):
            for track in tracks:
                items = track.drain()
                if items:
                    parts.append((track.outlet, items))
        if not (self._opened or self._stopped or self._withdrawn):
            return Block(parts=tuple(parts)) if parts else None
        opened, self._opened = tuple(self._opened), []
        stopped, self._stopped = tuple(self._stopped), []
        withdrawn, self._withdrawn = tuple(self._withdrawn), []
        return Block(opened, tuple(parts), stopped, withdrawn)
