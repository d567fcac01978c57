"""
What a bridge does every few seconds for its streams to lie in time: how long their
packets are waited for, and where they lie beside each other.
"""

from __future__ import annotations

from collections.abc import Collection

from .alignment import NEAR, targets
from .patience import Patience
from .stream import Stream


def keep_time(streams: Collection[Stream], patience: Patience) -> None:
    """Look at what was seen of the clocks and of the network."""
    drifts = [stream.drift for stream in streams]
    patience.review(drift.lateness() for drift in drifts if drift is not None)
    _align(streams)


def _align(streams: Collection[Stream]) -> None:
    """
    Ask for the moves that sender reports show to be right. Where they are not
    believed any more, of this stream or of the others, it goes back.
    """
    known = {number: stream.source_clock for number, stream in enumerate(streams)}
    right = targets({number: clock for number, clock in known.items() if clock is not None})
    for number, stream in enumerate(streams):
        drift, target = stream.drift, right.get(number, 0)
        if drift is not None and not drift.moving and abs(target - drift.aligned) > NEAR:
            drift.ask(target - drift.aligned)
