"""
How late audio is at the consumer, by the consumer's clock and the sender's.

A packet holds the 20 ms that begin when it is sent, so that the audio of a stream has
a time that does not depend on who receives it. A chunk can be played once its end is
as long ago as the server waits for packets (``jitter_ms``). It is played in the slot
of 10 ms that its stream has been given, which is up to 30 ms after that
(``spread_slots``): that is its **deadline**, and what it comes later is its
**lateness**: the server's timers, what the server does for other calls first, the way,
and the consumer's own turn. The slots are those of the monotonic clock, and which one
is a stream's is seen by the earliest of its messages.

The **delay** is the whole of it, from the end of the chunk: the wait, the slot and
the lateness.
"""

from __future__ import annotations

from math import floor

from processes import seconds

SLOT_S = 0.010
SPACING_S = 0.000_25
SPACES = 80
"bench/load.c spreads the streams over the 20 ms between packets."


def sent_first_s(index: int, start_ns: int) -> float:
    """When the load sent the first packet of its stream of this number."""
    return start_ns / 1e9 + (index % SPACES) * SPACING_S


def began_at(stream: dict) -> int:
    """The position of the first packet: what came before it is in gaps, from 0 on."""
    channel, position = int(stream["labels"][0]) - 1, 0
    for gap in stream["gaps"]:
        if channel in gap["channels"] and gap["pos"] == position:
            position += gap["samples"]
    return position


def late_and_delayed_s(
    streams: list[dict], starts_ns: list[int], group: int, since: float, until: float
) -> tuple[list[float], list[float]]:
    """
    The lateness and the delay of each audio message that came between two times.

    :param starts_ns: when the load of each group of so many calls began.
    """
    late: list[float] = []
    delayed: list[float] = []
    for stream in streams:
        call, label = int(stream["call"].rpartition("-")[2]), int(stream["labels"][0])
        which, inside = divmod(call, group)
        first_s = sent_first_s(2 * inside + label - 1, starts_ns[which])
        origin = first_s - began_at(stream) / stream["rate"]
        times = zip(seconds(stream["came"]), seconds(stream["ends"]), strict=True)
        after = [at - end for at, end in times if since <= at <= until]
        if after:
            deadline = floor(min(after) / SLOT_S) * SLOT_S
            late += [each - deadline for each in after]
            delayed += [each - origin for each in after]
    return late, delayed
