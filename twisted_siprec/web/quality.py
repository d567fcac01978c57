"""
How a stream sounds, estimated from what arrived: the E-model of ITU-T G.107,
reduced to what a recorder knows, which is loss. (What was late is lost to a
listener too; the delay of a recording disturbs nobody.)
"""

from __future__ import annotations

from ..report import StreamStatistics

_BEST_R = 93.2
"The rating of a narrowband connection with all defaults."
_ROBUSTNESS = 25.1
"Bpl of G.711 with concealment (ITU-T G.113, table I.2), for random loss."


def loss(stream: StreamStatistics) -> float:
    """The fraction of packets that could not be played, 0 to 1."""
    expected = stream.packets + stream.lost
    if expected <= 0:
        return 0.0
    return min((stream.lost + stream.late) / expected, 1.0)


def mos(stream: StreamStatistics) -> float | None:
    """The mean opinion score, 1.2 to 4.4; None while nothing has come."""
    if stream.packets == 0:
        return None
    percent = 100.0 * loss(stream)
    rating = _BEST_R - 95.0 * percent / (percent + _ROBUSTNESS)
    # G.107 annex B, equation B-4; the rating is between 17 and 93 here.
    score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6
    return round(score, 2)
