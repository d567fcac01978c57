"""
Requests of the SRC that have no answer yet, and what is waited for after a 200.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..sip.message import Request
from .proposal import Proposal


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for a route or for ports, and what it proposes."""

    transaction: str
    proposal: Proposal
    request: Request
    wall: float


@dataclass(frozen=True, slots=True)
class Queued:
    """A request that came while another one waits."""

    transaction: str
    request: Request
    wall: float


class Awaited(Enum):
    """What is to come after a 200 of ours to an INVITE."""

    NOTHING = auto()
    ACK = auto()
    ANSWER = auto()
    "An ACK with the answer to our offer."
