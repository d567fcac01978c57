"""
The schema of what people look at when they search for a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..routing.patterns import AddressPattern, PatternError
from .document import Place
from .model import Configuration
from .names import NAME
from .readers import Choice, Flag, ListOf, Reader, Section, Text, Whole, choice_of
from .tracing import FlightRecorder, HomerConfiguration, Payloads
from .values import HostAndPort, SecretOf

_LONGEST_SIP_MB = 1
"A file has the SIP of its call besides its media."


@dataclass(frozen=True, slots=True)
class _Number:
    """A pattern of numbers or URIs, as routes have them."""

    def read(self, place: Place) -> AddressPattern:
        expected = "a number, a URI, or a pattern of them"
        try:
            return AddressPattern.parse(place.scalar(expected))
        except PatternError as error:
            raise place.fail(f"{expected}: {error}") from None


HOMER = Section(
    HomerConfiguration,
    {
        "collector": HostAndPort(),
        "transport": Choice({"udp": "udp", "tcp": "tcp"}),
        "capture_id": Whole(0, 4_294_967_295),
        "node": Text("a name", r"[\w.-]{1,64}"),
        "password": SecretOf(),
    },
)


def _check_recorder(recorder: FlightRecorder, place: Place) -> None:
    if recorder.max_mb < recorder.max_mb_per_call + _LONGEST_SIP_MB:
        place.document.note(
            f"{place.key}.max_mb",
            f'found "{recorder.max_mb}", expected more than max_mb_per_call '
            f"({recorder.max_mb_per_call})",
        )


FLIGHT_RECORDER = Section(
    FlightRecorder,
    {
        "directory": Text("the name of a directory", longest=4_096),
        "calls": Whole(1, 1_000_000),
        "max_mb": Whole(2, 10_000_000, "megabytes"),
        "max_mb_per_call": Whole(1, 1_000, "megabytes"),
        "failed_only": Flag(),
        "sources": ListOf(NAME, longest=64, lone=True, distinct=True),
        "numbers": ListOf(_Number(), longest=64, lone=True),
        "rtp": choice_of(Payloads),
    },
    check=_check_recorder,
)

TRACING: dict[str, Reader[Any]] = {"homer": HOMER, "flight_recorder": FLIGHT_RECORDER}
"The top-level keys that this module reads."


def check_recorded_sources(configuration: Configuration, root: Place) -> None:
    """Note calls of sources that are none."""
    known = {source.name for source in configuration.sources}
    for name in configuration.flight_recorder.sources:
        if name not in known:
            root.document.note(
                "flight_recorder.sources",
                f'found "{name}", expected the names of sources ({", ".join(sorted(known))})',
            )
