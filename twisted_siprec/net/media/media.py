"""
The media plane as signalling sees it: four requests and their reports.

:class:`Media` is implemented by the plane of this process
(:mod:`twisted_siprec.net.media.plane`) and by the pool of worker processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from ...plan import BridgePlan, BridgeUpdate, EndReason, Redirection
from ...report import BridgeClosed, BridgeOpened, Report, StreamStatistics
from .outlet import Tap


class NoPorts(Exception):
    """All RTP ports of the configured range are in use; widen ``media.ports`` or wait."""


class Media(Protocol):
    """Where recorded streams are received and delivered."""

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """
        Bind ports and begin to receive. Fails with :exc:`NoPorts`.
        Destinations are connected meanwhile; nothing here waits for them.
        """

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """The bridge is this from now on; answers with the ports of all its streams."""

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """The bridge goes to these destinations from now on."""

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """Deliver what is buffered, say stop, and give the account. Never fails."""

    def statistics(self, bridge: str) -> tuple[StreamStatistics, ...]:
        """What came so far on the streams of a bridge; nothing where it is not open."""

    def waiting(self) -> Mapping[str, float]:
        """By destination, the seconds of audio that are not handed over yet, of all bridges."""

    def tap(self, bridge: str, tap: Tap) -> Callable[[], None]:
        """
        Show ``tap`` what the consumers of a bridge get, from now on. Call the
        result to show no more; it may be called after the bridge's end.
        """

    def listen(self, listener: Callable[[Report], None]) -> None:
        """Every report from now on goes to ``listener`` too."""
