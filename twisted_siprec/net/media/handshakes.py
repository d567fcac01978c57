"""
The DTLS handshakes of a process: what all have in common, how many there may be at
a time, and the clock of those that are under way.

An RTP port wakes nobody, and its bridge reads it once a chunk. While a handshake is
under way its ports are read every slot.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ...bridge.settings import MediaSettings
from .association import DTLSContext, context_of
from .dtls_identity import DTLSIdentity
from .rtp_port import Monotonic


class ShakingPorts(Protocol):
    """The ports of one stream."""

    rtp: int

    @property
    def shaking(self) -> bool:
        """A handshake is under way on one of them."""

    @property
    def pending(self) -> bool:
        """A handshake is under way, or may be in a moment."""

    def look(self) -> None:
        """Read the ports, and send again what is due."""


class Handshakes:
    """
    The handshakes of all streams of a process: what they have in common, and the
    clock of those that are under way.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        settings: MediaSettings,
        monotonic: Monotonic,
        identity: DTLSIdentity | None,
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.monotonic = monotonic
        self._identity = identity
        self._context: DTLSContext | None = None
        self._under_way: dict[ShakingPorts, None] = {}
        self._timer: IDelayedCall | None = None

    @property
    def context(self) -> DTLSContext:
        """Made when the first stream asks for it."""
        if self._context is None:
            self._context = context_of(self._identity)
        return self._context

    def has_room(self, pair: ShakingPorts) -> bool:
        """Whether a stream may begin to."""
        shaking = sum(each.shaking for each in self._under_way if each is not pair)
        return shaking < self.settings.max_handshakes

    def follow(self, pair: ShakingPorts) -> None:
        """Read its ports every slot for as long as it shakes hands."""
        self._under_way[pair] = None
        self._arm()

    def leave(self, pair: ShakingPorts) -> None:
        """It is closed."""
        self._under_way.pop(pair, None)
        if not self._under_way and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is None and self._under_way:
            self._timer = self.clock.callLater(self.settings.slot_ms / 1000, self._look)

    def _look(self) -> None:
        self._timer = None
        for pair in tuple(self._under_way):
            try:
                pair.look()
            except Exception:  # noqa: BLE001 - a mistake in one must not stop the others
                self._log.failure("the handshake of port {port} failed", port=pair.rtp)
                self._under_way.pop(pair, None)
            else:
                if not pair.pending:
                    self._under_way.pop(pair, None)
        self._arm()
