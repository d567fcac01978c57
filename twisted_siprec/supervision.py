"""
What the service manager is told (sd_notify(3)): that calls are taken, that the
configuration is read again, that we stop and how long that may take, and, as its
watchdog, that the event loop is in time.

It is told by datagrams to the socket that ``NOTIFY_SOCKET`` names. Without it, as on
a terminal and in most containers, nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping
from enum import Enum
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

BEAT_S = 10.0
"Between two beats, unless the watchdog wants them sooner."
BEATS_OF_A_WATCHDOG = 4
"So many beats are due in the time after which the watchdog gives us up."
SECOND_LOOK_S = 1.0
"A loop that was late is looked at again after so long."
EXTENSION_S = 3 * BEAT_S
"While we stop, each beat asks for so much more time."


class Phase(Enum):
    """How far the server is, as the service manager sees it."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class NotifySocket:
    """Sends what is told to the service manager; never waits for it."""

    _log = Logger()

    def __init__(self, path: str) -> None:
        # @ stands for the abstract namespace of Linux.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._failing = False

    def __call__(self, *assignments: str) -> None:
        """Tell these assignments, as one datagram."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.setblocking(False)
                datagrams.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            if not self._failing:
                self._log.warn("the service manager cannot be told: {error}", error=error)
            self._failing = True
        else:
            self._failing = False


Tell = Callable[..., None]


class Supervision(Service):
    """
    Tells the service manager how it is with us.

    Beats feed the watchdog only where they come in time: a loop that stands still, or
    is late again and again by a quarter of ``WatchdogSec``, is restarted; one that was
    held up once, for less than the whole of it, is not. While the server stops, each
    beat extends ``TimeoutStopSec``, so that ``stopping.drain_s`` alone says how long
    calls may go on.

    :param environment: where the service manager left its words; they are taken out,
        as they are not for the processes that we start.
    :param serving: fires once calls are taken.
    :param calls: how many there are.
    :param connect: makes what tells, from the path of the socket.
    :param monotonic_ns: of the clock that the service manager has too.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        serving: Deferred[None],
        calls: Callable[[], int],
        environment: MutableMapping[str, str] = os.environ,
        connect: Callable[[str], Tell] = NotifySocket,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._reactor = reactor
        self._serving = serving
        self._calls = calls
        self._environment = environment
        self._connect = connect
        self._monotonic_ns = monotonic_ns
        self._tell: Tell = _nothing
        self._phase = Phase.STARTING
        self._timer: IDelayedCall | None = None
        self._due = 0.0
        self.watchdog_s = 0.0
        "After so long without a beat we are restarted; 0 for never."

    @property
    def beat_s(self) -> float:
        """Between two beats."""
        return min(BEAT_S, self.watchdog_s / BEATS_OF_A_WATCHDOG or BEAT_S)

    def startService(self) -> None:
        """Find out who wants to be told."""
        super().startService()  # type: ignore[no-untyped-call]
        path = self._environment.pop("NOTIFY_SOCKET", "")
        self.watchdog_s = _watchdog_s(
            self._environment.pop("WATCHDOG_USEC", ""), self._environment.pop("WATCHDOG_PID", "")
        )
        if path[:1] not in ("/", "@"):
            return
        self._tell = self._connect(path)
        self._reactor.addSystemEventTrigger("after", "shutdown", self._rest)
        # By then all that listens is bound, or the start has failed.
        self._reactor.callWhenRunning(self._serving.addCallback, self._begin)

    def stopService(self) -> Any:
        """Tell that we stop, and go on beating until the reactor ends."""
        self._rest()
        self._phase = Phase.STOPPING
        if self._tell is not _nothing:
            self._tell("STOPPING=1", self._status())
            self._beat()
        return super().stopService()  # type: ignore[no-untyped-call]

    def reloading(self, begun: bool) -> None:
        """The configuration is being read again, or (False) that is done, whatever came of it."""
        if self._phase is not Phase.SERVING:
            return
        if begun:
            self._tell("RELOADING=1", f"MONOTONIC_USEC={self._monotonic_ns() // 1000}")
        else:
            self._tell("READY=1", self._status())

    # --- beats ---------------------------------------------------------------------

    def _begin(self, served: None) -> None:
        if self._phase is Phase.STARTING:
            self._phase = Phase.SERVING
            self._tell("READY=1", self._status())
            self._arm(self.beat_s)

    def _arm(self, seconds: float) -> None:
        self._due = self._reactor.seconds() + seconds
        self._timer = self._reactor.callLater(seconds, self._beat)

    def _beat(self) -> None:
        if self._phase is Phase.STOPPING:
            self._tell(f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1e6:.0f}", self._status())
            self._arm(BEAT_S)
            return
        late_s = self._reactor.seconds() - self._due
        if self.watchdog_s and late_s > self.beat_s:
            self._log.warn("the event loop stood still for {late_s:.1f} s", late_s=late_s)
            self._arm(min(SECOND_LOOK_S, self.beat_s))
            return
        self._tell(*(["WATCHDOG=1"] if self.watchdog_s else []), self._status())
        self._arm(self.beat_s)

    def _rest(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _status(self) -> str:
        return f"STATUS={self._phase.value}; calls in progress: {self._calls()}"


def _nothing(*assignments: str) -> None:
    """Nobody wants to be told."""


def _watchdog_s(usec: str, pid: str) -> float:
    """How long the watchdog waits; 0 where there is none, or it is another process's."""
    if not usec.isdecimal() or pid not in ("", str(os.getpid())):
        return 0.0
    return int(usec) / 1e6
