"""
What consumers are told every so often while a bridge plays: where the clocks are,
and, of those that want them, the counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ..dialects.base import Event, Progress, Synchronisation
from ..plan import ChannelPlan, Destination
from ..report import StreamStatistics
from .channels import clocks
from .consumers import Consumers
from .renditions import Rendition
from .stream import Stream
from .timeline import UNITS_PER_SECOND


class Announcements:
    """
    Of one bridge.

    :param every_s: how often the clocks are told.
    :param wallclock: POSIX seconds of a place.
    :param statistics: what came so far.
    """

    def __init__(
        self,
        every_s: float,
        wallclock: Callable[[int], float],
        statistics: Callable[[], tuple[StreamStatistics, ...]],
    ) -> None:
        self._every = every_s * UNITS_PER_SECOND
        self._wallclock = wallclock
        self._statistics = statistics
        self._synchronised = 0
        self._begin = 0
        self._progressed: dict[str, int] = {}
        self.tells_progress = False
        "Some destination wants counters."

    def begin(self, place: int) -> None:
        """Position 0 is there."""
        self._begin = self._synchronised = place

    def go_to(self, destinations: Iterable[Destination]) -> None:
        """The bridge goes to these from now on."""
        self.tells_progress = any(wanted.stats_every_s > 0 for wanted in destinations)

    def joined(self, destination: Destination, place: int) -> None:
        """One that came later has counters of its own time."""
        self._progressed[destination.name] = place

    def due(self, place: int) -> bool:
        """Whether it is time to tell the clocks; asking once is enough."""
        if place - self._synchronised < self._every:
            return False
        self._synchronised = place
        return True

    def tell_clocks(
        self,
        place: int,
        consumers: Consumers,
        channels: tuple[ChannelPlan, ...],
        streams: Mapping[int, Stream],
    ) -> None:
        """Tell where the wall clock and the clocks of the sources are."""
        wallclock = self._wallclock(place)
        told = tuple(clocks(channels, streams, place))
        consumers.tell_at(lambda at: Synchronisation(at(place), wallclock, told))

    def tell_progress(self, place: int, consumers: Consumers) -> None:
        """Counters, where a destination wants them."""

        def progress(rendition: Rendition) -> Event | None:
            wanted = rendition.destination
            last = self._progressed.setdefault(wanted.name, self._begin)
            every = wanted.stats_every_s * UNITS_PER_SECOND
            if every <= 0 or place - last < every:
                return None
            self._progressed[wanted.name] = place
            return Progress(rendition.position(place), self._statistics())

        consumers.tell_some(progress)
