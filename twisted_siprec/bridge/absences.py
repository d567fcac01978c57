"""
From what streams miss to what channels miss.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..plan import ChannelPlan
from .composition import Played
from .renditions import Absence


def absences(
    channels: tuple[ChannelPlan, ...], played: Mapping[int, Played]
) -> tuple[Absence, ...]:
    """
    The spans without audio of their own, each once for all channels that it is
    in. Of a channel with several streams every loss counts, but that one of them
    sends nothing is no gap while another one does.
    """
    spans: dict[tuple[int, int, str, bool], list[int]] = {}
    for plan in channels:
        parts = [played[index] for index in plan.streams if index in played]
        heard = any(part.samples is not None for part in parts)
        for part in parts:
            for missing in part.missing:
                if missing.reason == "no_packets" and heard and part.samples is None:
                    continue
                named = (missing.start, missing.end, missing.reason, missing.concealed)
                among = spans.setdefault(named, [])
                if plan.index not in among:
                    among.append(plan.index)
    return tuple(
        Absence(start, end, tuple(among), reason, concealed)
        for (start, end, reason, concealed), among in sorted(spans.items())
    )
