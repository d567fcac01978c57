"""
How a stream sounds, estimated from what arrived: the E-model of ITU-T G.107,
reduced to what a recorder knows, which is the codec and what is missing. What was
late is lost to a listener too; jitter that was waited out, and the delay of a
recording, disturb nobody.

The scale is that of narrowband telephony: a wideband codec is judged as if it were
G.711, and no better.
"""

from __future__ import annotations

from ..report import StreamStatistics

_BEST_R = 93.2
"The rating of a narrowband connection with all defaults."
_CODECS = {
    "PCMU": (0.0, 25.1),
    "PCMA": (0.0, 25.1),
    "G729": (11.0, 19.0),
    "AMR": (5.0, 10.0),
    "GSM": (20.0, 25.1),
    "G726-40": (2.0, 25.1),
    "G726-32": (7.0, 25.1),
    "G726-24": (25.0, 25.1),
    "G726-16": (50.0, 25.1),
}
"""
Ie, what the codec itself costs, and Bpl, how well it bears random loss (ITU-T
G.113, tables I.1 to I.4; AMR at its best rate, which is GSM-EFR; Bpl of G.711 with
concealment where the tables have none).
"""


def loss(stream: StreamStatistics) -> float:
    """The fraction of packets that could not be played, 0 to 1."""
    expected = stream.packets + stream.lost
    if expected <= 0:
        return 0.0
    return min((stream.lost + stream.late) / expected, 1.0)


def mos(stream: StreamStatistics) -> float | None:
    """The mean opinion score, 1 to 4.4; None while nothing has come."""
    if stream.packets == 0:
        return None
    percent = 100.0 * loss(stream)
    name = (stream.codec or "").removeprefix("AAL2-")
    impairment, robustness = _CODECS.get(name, (0.0, 25.1))
    rating = _BEST_R - impairment - (95.0 - impairment) * percent / (percent + robustness)
    # G.107 annex B, equation B-4; below 6.5 the polynomial falls under the least score.
    score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6
    return round(max(score, 1.0), 2)
