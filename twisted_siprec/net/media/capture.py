"""
Who writes down the packets of a bridge, as the media plane sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...bridge.batch import PacketBuffer
from ...plan import BridgePlan
from .rtp_port import PortPair


class BridgeCapture(Protocol):
    """Writes down what comes for one bridge."""

    def watched(self, pair: PortPair) -> PortPair:
        """The same ports, whose packets are written down."""

    def rows(
        self,
        buffer: PacketBuffer,
        first: int,
        counts: Sequence[int],
        pairs: Sequence[PortPair],
    ) -> None:
        """
        So many packets for each of the pairs lie in the buffer from a row on: the
        kernel put them there, and the pairs know nothing of them.
        """

    def pause(self, paused: bool) -> None:
        """What comes while a call is paused is not written down."""

    def end(self) -> None:
        """No more comes."""


class Capture(Protocol):
    """Writes down what comes for bridges."""

    def begin(self, plan: BridgePlan) -> BridgeCapture | None:
        """A bridge is opened; None where nobody wants its packets."""
