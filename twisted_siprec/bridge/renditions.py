"""
The audio of a bridge as one destination wants it: layout, encoding, and the
length of a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..audio.mixer import interleaved, summed, written
from ..audio.samples import Samples
from ..dialects.base import Audio, Event, Gap
from ..plan import ChannelPlan, Destination, Encoding, Layout
from .timeline import UNITS_PER_MS, units_per_sample

Item = Audio | Event


@dataclass(frozen=True, slots=True)
class Absence:
    """A span in which channels have no audio of their own, in places of the timeline."""

    start: int
    end: int
    channels: tuple[int, ...]
    reason: str
    concealed: bool = False
    "There is something in its place that is not silence."


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of all channels at the rate of a destination."""

    start: int
    end: int
    channels: Sequence[Samples | None]
    absences: Sequence[Absence] = ()
    held: tuple[int, ...] = ()
    "The channels that are silent because the SRC holds them."


class Track:
    """
    One consumer stream: what is to be handed to its outlet, in order. Audio is
    gathered until a message of it is full; a gap comes before the audio that
    it lies in.
    """

    def __init__(self, outlet: int, whole: int) -> None:
        self.outlet = outlet
        self._whole = whole
        self._items: list[Item] = []
        self._parts: list[Audio] = []
        self._gaps: list[Gap] = []

    def carry(self, audio: Audio, gaps: Sequence[Gap]) -> None:
        """The next audio, and the gaps in it."""
        for gap in gaps:
            self._add_gap(gap)
        self._parts.append(audio)
        if sum(part.samples for part in self._parts) >= self._whole:
            self.flush()

    def _add_gap(self, gap: Gap) -> None:
        """Gaps that follow each other and say the same are one."""
        for number, known in enumerate(self._gaps):
            alike = replace(gap, position=known.position, samples=known.samples) == known
            if alike and known.position + known.samples == gap.position:
                self._gaps[number] = replace(known, samples=known.samples + gap.samples)
                return
        self._gaps.append(gap)

    def tell(self, event: Event) -> None:
        """What happened; it does not wait for the audio that is being gathered."""
        self._items.append(event)

    def flush(self) -> None:
        """What is gathered is a message as it is."""
        parts, self._parts = self._parts, []
        gaps, self._gaps = self._gaps, []
        self._items += gaps
        if len(parts) == 1:
            self._items += parts
        elif parts:
            self._items.append(
                Audio(
                    position=parts[0].position,
                    samples=sum(part.samples for part in parts),
                    payload=b"".join(part.payload for part in parts),
                    silence=all(part.silence for part in parts),
                    concealed=any(part.concealed for part in parts),
                    held=any(part.held for part in parts),
                )
            )

    def drain(self) -> tuple[Item, ...]:
        """What is to be handed over now."""
        items = tuple(self._items)
        self._items.clear()
        return items


class Rendition:
    """The consumer streams of one destination: one of all channels, or one for each."""

    def __init__(self, destination: Destination, rate: int, begin: int) -> None:
        self.destination = destination
        self.rate = rate
        self.tracks: dict[int | None, Track] = {}
        "By the index of the channel where the layout is separate; else under None."
        self.started_at: float | None = None
        "POSIX seconds of position 0, once it has one."
        self._unit = units_per_sample(rate)
        self.begin = begin
        "The place of its position 0."

    @property
    def separate(self) -> bool:
        """Whether each channel has a consumer stream of its own."""
        return self.destination.layout is Layout.SEPARATE

    @property
    def plain(self) -> bool:
        """Whether it is all channels side by side, linear."""
        wanted = self.destination
        return wanted.layout is Layout.INTERLEAVED and wanted.encoding is Encoding.L16

    @property
    def message_samples(self) -> int:
        """Samples of a channel in a message."""
        return self.destination.chunk_ms * UNITS_PER_MS // self._unit

    def add_track(self, index: int | None, outlet: int) -> Track:
        """A consumer stream more."""
        track = Track(outlet, self.message_samples)
        self.tracks[index] = track
        return track

    def position(self, place: int) -> int:
        """A place on the timeline in samples since position 0."""
        return (place - self.begin) // self._unit

    def tell(self, event: Event, channel: int | None = None) -> None:
        """Tell all, or those that get a channel."""
        for index, track in self.tracks.items():
            if index is None or channel is None or index == channel:
                track.tell(event)

    def carry(self, chunk: Chunk, channels: tuple[ChannelPlan, ...]) -> None:
        """The next audio."""
        gaps = [self._gap(absence) for absence in chunk.absences]
        if not self.separate:
            layout_is_mono = self.destination.layout is Layout.MONO
            parts = [summed(chunk.channels)] if layout_is_mono else chunk.channels
            self.tracks[None].carry(self._audio(chunk, parts, gaps, bool(chunk.held)), gaps)
            return
        for plan, samples in zip(channels, chunk.channels, strict=True):
            own = [
                replace(gap, channels=(plan.index,)) for gap in gaps if plan.index in gap.channels
            ]
            audio = self._audio(chunk, [samples], own, plan.index in chunk.held)
            self.tracks[plan.index].carry(audio, own)

    def _audio(
        self, chunk: Chunk, parts: Sequence[Samples | None], gaps: Sequence[Gap], held: bool
    ) -> Audio:
        position = self.position(chunk.start)
        samples = self.position(chunk.end) - position
        together = interleaved(parts, samples)
        return Audio(
            position=position,
            samples=samples,
            payload=written(together, self.destination.encoding),
            silence=all(part is None for part in parts),
            concealed=any(gap.filled == "concealed" for gap in gaps),
            held=held,
        )

    def _gap(self, absence: Absence) -> Gap:
        position = self.position(absence.start)
        return Gap(
            position=position,
            samples=self.position(absence.end) - position,
            channels=absence.channels,
            reason=absence.reason,
            filled="concealed" if absence.concealed else "silence",
        )

    def flush(self) -> None:
        """What is gathered is handed over, though no message of it is full."""
        for track in self.tracks.values():
            track.flush()
