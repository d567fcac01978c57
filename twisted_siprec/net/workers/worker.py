"""
A worker: the media plane in a process of its own, told what to do on standard
input. It ends when its input does.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

from ...bridge.settings import MediaSettings
from ...config.model import LogConfiguration
from ...log import observer
from ...memory import set_program_apart
from ...report import Report, StreamStatistics
from ..delivery.outlets import OutletFactory, OutletSettings
from ..media.dtls_identity import DTLSIdentity
from ..media.plane import LocalMedia
from ..traces.media_capture import CaptureSettings, media_capture
from .commands import Ask, Tell

FIGURES_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker is made of. It logs JSON, which the pool makes events of again."""

    media: MediaSettings
    outlets: OutletSettings
    log: LogConfiguration
    identity: DTLSIdentity | None = None
    "Who it is in DTLS handshakes: the same as all other workers."
    capture: CaptureSettings | None = None
    "None where no packets are written down."


@dataclass(frozen=True, slots=True)
class Closing:
    """A bridge to close, and why."""

    bridge: str
    reason: Any


@dataclass(frozen=True, slots=True)
class Figures:
    """What signalling may be asked about the bridges of a worker."""

    streams: tuple[tuple[str, tuple[StreamStatistics, ...]], ...]
    waiting: tuple[tuple[str, float], ...]
    ways: tuple[tuple[str, str, int], ...] = ()
    "Of each destination its circuit and its connections."


class Worker(AMP):
    """The worker's end of the pipe."""

    noisy = False

    def __init__(self, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted
        self._reactor = reactor
        self._media: LocalMedia | None = None
        self._outlets: OutletFactory | None = None
        self._open: set[str] = set()
        self._told = False
        "Figures of calls, the last time."

    @Ask.responder
    def ask(self, verb: str, value: Any) -> Deferred[dict[str, Any]]:
        """Do what signalling wants."""
        if verb == "configure":
            return succeed({"value": self._configure(value)})
        media = self._media
        assert media is not None  # noqa: S101 - configure comes first
        if verb == "open":
            self._open.add(value.bridge)
            answer: Deferred[Any] = media.open(value)
        elif verb == "update":
            answer = media.update(value)
        elif verb == "redirect":
            answer = media.redirect(value)
        elif verb == "limit":
            media.limit(value)
            answer = succeed(None)
        else:
            self._open.discard(value.bridge)
            answer = media.close(value.bridge, value.reason)
        return answer.addCallback(lambda result: {"value": result})

    def _configure(self, plan: WorkerPlan) -> int:
        """Become the media plane; the answer is the process id."""
        entropy = random.SystemRandom().random
        outlets = OutletFactory(
            self._reactor, entropy, secrets.token_urlsafe, settings=plan.outlets
        )
        self._outlets = outlets
        self._media = LocalMedia(
            self._reactor,
            plan.media,
            outlets.open,
            together=outlets.together,
            identity=plan.identity,
            capture=media_capture(self._reactor, plan.capture),
        )
        self._media.listen(self._report)
        figures = LoopingCall(self._tell_figures)
        figures.clock = self._reactor
        figures.start(FIGURES_EVERY_S, now=False)
        written = observer(replace(plan.log, json=True), {"nodaemon": True}, self._reactor)
        observers = [] if written is None else [written]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)
        return os.getpid()

    def _report(self, report: Report) -> None:
        self.callRemote(Tell, value=report)  # type: ignore[no-untyped-call]  # Twisted

    def _tell_figures(self) -> None:
        media = self._media
        if media is None or self._outlets is None or not (self._open or self._told):
            return
        # Once more when the last call is over, to say that nothing waits.
        self._told = bool(self._open)
        streams = tuple((bridge, media.statistics(bridge)) for bridge in sorted(self._open))
        ways = tuple((name, *way) for name, way in self._outlets.doors.ways().items())
        figures = Figures(streams, tuple(media.waiting().items()), ways)
        self.callRemote(Tell, value=figures)  # type: ignore[no-untyped-call]  # Twisted

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Signalling is gone, or wants us to go."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if self._reactor.running:
            self._reactor.stop()


def main() -> None:
    """What the pool runs in a process of its own."""
    from twisted.internet import reactor

    # Ctrl-C and systemd tell the whole group; the pool decides when we end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Nothing but AMP may be written where AMP is written: the log goes to standard error.
    sys.stdout = sys.stderr
    StandardIO(Worker(reactor))
    reactor.callWhenRunning(set_program_apart)
    reactor.run(installSignalHandlers=False)  # type: ignore[call-arg]  # of the module
