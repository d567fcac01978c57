"""
Which streams are heard and which are not, as signalling is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..report import Report, StreamHeard, StreamSilent
from .stream import Stream


class SilenceWatch:
    """Reports the first packet of each stream, its silence, and its coming back."""

    def __init__(self, bridge: str, silent_after_s: float) -> None:
        self._bridge = bridge
        self._silent_after_s = silent_after_s
        self._expected_since: dict[int, float] = {}
        "From when on a packet could have come."
        self._heard: set[int] = set()
        self._silent: dict[int, float | None] = {}
        "The streams reported silent, with the time of their newest packet then."
        self._reports: list[Report] = []

    def look(self, streams: Iterable[Stream], now: float, paused: bool) -> None:
        """Judge all streams."""
        for stream in streams:
            index, heard_at = stream.plan.index, stream.heard_at
            if heard_at is not None and index not in self._heard:
                self._note_heard(index, stream, heard_at)
            if paused or not stream.plan.active:
                self._expected_since[index] = now
                continue
            expected = self._expected_since.setdefault(index, now)
            silent_s = now - max(heard_at or expected, expected)
            if silent_s >= self._silent_after_s and index not in self._silent:
                self._silent[index] = heard_at
                self._heard.discard(index)
                self._reports.append(StreamSilent(self._bridge, index, round(silent_s * 1000)))

    def all_heard(self, streams: Iterable[int]) -> bool:
        """Whether each of these streams is heard now, and signalling knows it."""
        return self._heard.issuperset(streams)

    def _note_heard(self, index: int, stream: Stream, heard_at: float) -> None:
        """A packet came of a stream that was silent until now."""
        if stream.source is None or self._silent.get(index) == heard_at:
            return
        self._silent.pop(index, None)
        self._heard.add(index)
        self._reports.append(StreamHeard(self._bridge, index, stream.source.address))

    def reports(self) -> list[Report]:
        """What was found since the last time."""
        reports, self._reports = self._reports, []
        return reports
