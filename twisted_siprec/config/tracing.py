"""
What people look at when they search for a fault: SIP to Homer, and the last calls as
packets in files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..plan import Secret
from ..routing.patterns import AddressPattern


@dataclass(frozen=True, slots=True)
class HomerConfiguration:
    """Where every SIP message is sent to, as HEP."""

    collector: tuple[str, int] | None = None
    "None for nowhere."
    transport: str = "udp"
    "udp or tcp."
    capture_id: int = 2001
    "By which Homer knows us."
    node: str = ""
    "The same, as a name; empty for none."
    password: Secret | None = None
    "What Homer asks for, as the authentication key of HEP."


class Payloads(Enum):
    """How much of the RTP of a call is written."""

    ALL = "all"
    HEADERS = "headers"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FlightRecorder:
    """Which calls are written as packets, and what that may cost."""

    directory: str | None = None
    "None for no such files."
    calls: int = 100
    "The last so many."
    max_mb: int = 1_000
    max_mb_per_call: int = 20
    failed_only: bool = False
    "Only calls that were refused, or did not go to their consumers as they should."
    sources: tuple[str, ...] = ()
    "Only calls of these; of all where empty."
    numbers: tuple[AddressPattern, ...] = field(default=())
    "Only calls from or to these; to all where empty."
    rtp: Payloads = Payloads.ALL
