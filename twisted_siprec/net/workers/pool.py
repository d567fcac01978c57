"""
The media plane in several processes, as signalling sees it: one
:class:`.media.Media` that gives each call to the worker with the fewest.

A worker has RTP ports of its own, and the WebSockets of its calls. One that dies
is replaced; its calls are reported as failed, and nobody else notices.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import InvalidLogLevelError, Logger, LogLevel
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

from ...bridge.settings import MediaSettings
from ...plan import BridgePlan, BridgeUpdate, EndReason, Redirection
from ...report import BridgeClosed, BridgeFailed, BridgeOpened, Report, StreamStatistics
from ..media.media import NoPorts
from ..media.outlet import Tap
from .commands import Ask, Tell
from .worker import Closing, Figures, WorkerPlan
from .worker import __name__ as WORKER  # noqa: N812

RUN_WORKER = f"from {WORKER} import main; main()"
RESTART_S = 0.5
"Until a worker that died twice is replaced; one that died once is at once."
RESTART_MAX_S = 5.0
"The same, for one that dies again and again."
SETTLED_S = 10.0
"A worker that lived so long is not one that dies again and again."
STOP_TIMEOUT_S = 5.0


def worker_count(wanted: int | str, cores: int) -> int:
    """
    How many workers: ``auto`` is one for each core, less the one that signalling
    runs on where there are more than two.
    """
    if isinstance(wanted, int):
        return wanted
    return max(1, cores - 1 if cores > 2 else cores)


def port_slices(settings: MediaSettings, workers: int) -> list[MediaSettings]:
    """The same settings for each worker, with ports that no other one has."""
    pairs = (settings.last_port + 1 - settings.first_port) // 2
    share = pairs // workers
    return [
        replace(
            settings,
            first_port=settings.first_port + 2 * share * number,
            last_port=settings.first_port + 2 * share * (number + 1) - 1,
        )
        for number in range(workers)
    ]


class _Pipe:
    """A worker's standard input as a transport of AMP."""

    def __init__(self, process: Any) -> None:
        self._process = process

    def write(self, octets: bytes) -> None:
        """To the worker."""
        self._process.write(octets)

    def writeSequence(self, parts: list[bytes]) -> None:
        """To the worker."""
        self._process.write(b"".join(parts))

    def loseConnection(self) -> None:
        """The worker ends when its input does."""
        self._process.closeStdin()

    def getPeer(self) -> str:
        """For the log of AMP."""
        return "worker"

    getHost = getPeer


class _Conversation(AMP):
    """Our end of the pipe to a worker."""

    noisy = False

    def __init__(self, told: Callable[[Any], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted
        self._told = told

    @Tell.responder  # type: ignore[untyped-decorator,unused-ignore]  # Twisted
    def told(self, value: Any) -> dict[str, object]:
        """The worker tells something."""
        self._told(value)
        return {}


class WorkerProcess(ProcessProtocol):
    """One worker process after another, for one share of the ports."""

    _log = Logger()

    def __init__(self, pool: WorkerPool, number: int, plan: WorkerPlan) -> None:
        self.number = number
        self.ready = False
        self.bridges: set[str] = set()
        self.figures: Figures = Figures((), ())
        self.ended: Deferred[None] = Deferred()
        self._pool = pool
        self._plan = plan
        self._amp = _Conversation(self._told)
        self._words = b""

    def ask(self, verb: str, value: object) -> Deferred[Any]:
        """
        A request, and its answer. AMP ends a conversation in which an error is left
        to itself; an error of ours is its asker's, so it gets a Deferred of its own.
        """
        answer: Deferred[Any] = Deferred()
        asked = self._amp.callRemote(Ask, verb=verb, value=value)  # type: ignore[no-untyped-call]  # Twisted
        asked.addCallbacks(lambda box: answer.callback(box["value"]), answer.errback)
        return answer

    def _told(self, value: Any) -> None:
        if isinstance(value, Figures):
            self.figures = value
        else:
            self._pool.reported(value)

    # --- the process -----------------------------------------------------------------

    def connectionMade(self) -> None:
        """It runs; tell it what to be."""
        self._amp.makeConnection(_Pipe(self.transport))  # type: ignore[no-untyped-call]  # Twisted
        self.ask("configure", self._plan).addCallbacks(self._configured, self._not_configured)

    def _configured(self, pid: int) -> None:
        self.ready = True
        self._log.info("worker {number} runs as process {pid}", number=self.number, pid=pid)
        self._pool.worker_ready()

    def _not_configured(self, failure: Failure) -> None:
        if not failure.check(ConnectionDone):
            self._log.failure("worker {number}", failure, number=self.number)

    def outReceived(self, data: bytes) -> None:
        """AMP."""
        self._amp.dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted

    def errReceived(self, data: bytes) -> None:
        """The worker's log, which becomes one with ours."""
        *lines, self._words = (self._words + data).split(b"\n")
        self._words = self._words[-8192:]
        for line in lines:
            self._log_line(line)

    def _log_line(self, line: bytes) -> None:
        """A worker logs JSON; what is none is of the interpreter itself."""
        text, level, subject = line.decode("utf-8", "replace"), LogLevel.error, ""
        log = self._log
        try:
            event = json.loads(line)
            text, level = event["message"], LogLevel.levelWithName(event["level"])
            log = Logger(namespace=event["namespace"])
            subject = event.get("call_id") or event.get("bridge") or ""
            text += "\n" + event["failure"] if "failure" in event else ""
        except (ValueError, TypeError, KeyError, InvalidLogLevelError):
            """It is shown as it is."""
        log.emit(level, "{text} [worker {number}]", text=text, number=self.number, bridge=subject)

    def processEnded(self, reason: Failure) -> None:
        """It is gone, as we wanted or not."""
        self.ready = False
        self._amp.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]  # Twisted
        self._pool.worker_ended(self, reason)
        self.ended.callback(None)

    def stop(self) -> Deferred[None]:
        """Let it end."""
        if self.transport is not None and self.transport.pid:
            self.transport.closeStdin()
        return self.ended


class WorkerPool:
    """
    A :class:`.media.Media` of several processes.

    :param plan: of all workers together; each gets its share of the ports.
    :param program: what is run as a worker.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        plan: WorkerPlan,
        workers: int,
        program: tuple[str, ...] = (sys.executable, "-c", RUN_WORKER),
    ) -> None:
        self._reactor = reactor
        self._plans = [replace(plan, media=media) for media in port_slices(plan.media, workers)]
        self._program = program
        self._workers: dict[int, WorkerProcess] = {}
        self._bridges: dict[str, WorkerProcess] = {}
        self._lost: dict[str, None] = {}
        "Bridges whose worker died, until signalling closes them."
        self._listeners: list[Callable[[Report], None]] = []
        self._born: dict[int, float] = {}
        self._deaths: Counter[int] = Counter()
        self.deaths = 0
        "Of processes that were not to end."
        self._stopping = False
        self._all_ready: Deferred[None] = Deferred()

    # --- processes -----------------------------------------------------------------

    def start(self) -> Deferred[None]:
        """Start all workers; fires when each of them is ready."""
        for number in range(len(self._plans)):
            self._spawn(number)
        return self._all_ready

    @property
    def processes(self) -> dict[int, int]:
        """The process ids of the workers, by number."""
        return {
            number: worker.transport.pid
            for number, worker in sorted(self._workers.items())
            if worker.transport is not None and worker.transport.pid
        }

    @property
    def calls(self) -> dict[int, int | None]:
        """How many calls each worker has, by its number; None for one that takes none."""
        known = {number: self._workers.get(number) for number in range(len(self._plans))}
        return {
            number: len(worker.bridges) if worker is not None and worker.ready else None
            for number, worker in known.items()
        }

    @property
    def ways(self) -> dict[str, tuple[str, int]]:
        """By destination, the worst state of its circuits, and the connections of all workers."""
        ways: dict[str, tuple[str, int]] = {}
        for worker in self._workers.values():
            for name, state, connections in worker.figures.ways:
                before, count = ways.get(name, (state, 0))
                worse = max(before, state, key=("closed", "half-open", "open").index)
                ways[name] = (worse, count + connections)
        return ways

    def stop(self) -> Deferred[None]:
        """End all workers; calls are to be closed before."""
        self._stopping = True
        ending = [worker.stop() for worker in list(self._workers.values())]
        for worker in list(self._workers.values()):
            timer = self._reactor.callLater(STOP_TIMEOUT_S, _kill, worker)
            worker.ended.addCallback(_cancel, timer)
        return DeferredList(ending).addCallback(lambda _: None)

    def _spawn(self, number: int) -> None:
        if self._stopping:
            return
        worker = WorkerProcess(self, number, self._plans[number])
        self._workers[number] = worker
        self._born[number] = self._reactor.seconds()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._reactor.spawnProcess(
            worker, self._program[0], self._program, env=environment, path=os.getcwd()
        )

    def worker_ready(self) -> None:
        """One more can take calls."""
        everyone = len(self._workers) == len(self._plans)
        if everyone and all(worker.ready for worker in self._workers.values()):
            waiting, self._all_ready = self._all_ready, Deferred()
            if not waiting.called:
                waiting.callback(None)

    def worker_ended(self, worker: WorkerProcess, reason: Failure) -> None:
        """Name its calls as failed, and replace it."""
        self._workers.pop(worker.number, None)
        bridges = sorted(worker.bridges)
        for bridge in bridges:
            self._bridges.pop(bridge, None)
            self._lost[bridge] = None
        if self._stopping:
            return
        self.deaths += 1
        lived_s = self._reactor.seconds() - self._born[worker.number]
        self._deaths[worker.number] = 0 if lived_s > SETTLED_S else self._deaths[worker.number] + 1
        again_s = min(RESTART_S * (2 ** self._deaths[worker.number] - 1), RESTART_MAX_S)
        self._log.error(
            "worker {number} ended ({reason}) with {calls} calls; another one in {again_s:.1f} s",
            number=worker.number,
            reason=reason.getErrorMessage(),
            calls=len(bridges),
            again_s=again_s,
        )
        self._reactor.callLater(again_s, self._spawn, worker.number)
        for bridge in bridges:
            self.reported(BridgeFailed(bridge, "its worker process died"))

    # --- requests -----------------------------------------------------------------

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.open`; by the worker with the fewest calls."""
        ready = [worker for worker in self._workers.values() if worker.ready]
        if not ready:
            return fail(NoPorts("no worker is ready"))
        worker = min(ready, key=lambda each: (len(each.bridges), each.number))
        worker.bridges.add(plan.bridge)
        self._bridges[plan.bridge] = worker
        opening: Deferred[BridgeOpened] = worker.ask("open", plan)
        return opening.addErrback(self._not_opened, worker, plan.bridge)

    def _not_opened(self, failure: Failure, worker: WorkerProcess, bridge: str) -> Failure:
        worker.bridges.discard(bridge)
        self._bridges.pop(bridge, None)
        return failure

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.update`."""
        worker = self._bridges.get(update.bridge)
        if worker is None:
            return fail(NoPorts("the worker of this call is gone"))
        return worker.ask("update", update)

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.redirect`."""
        worker = self._bridges.get(redirection.bridge)
        if worker is None:
            return fail(NoPorts("the worker of this call is gone"))
        return worker.ask("redirect", redirection)

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """See :meth:`.media.Media.close`. What a worker took with it has no account."""
        worker = self._bridges.pop(bridge, None)
        if worker is None:
            self._lost.pop(bridge, None)
            return succeed(_nothing(bridge))
        closing: Deferred[BridgeClosed] = worker.ask("close", Closing(bridge, reason))
        closing.addErrback(lambda _: _nothing(bridge))

        def forget(closed: BridgeClosed) -> BridgeClosed:
            worker.bridges.discard(bridge)
            self._lost.pop(bridge, None)
            return closed

        return closing.addCallback(forget)

    # --- what is known -----------------------------------------------------------------

    def statistics(self, bridge: str) -> tuple[StreamStatistics, ...]:
        """See :meth:`.media.Media.statistics`; a second old at most."""
        worker = self._bridges.get(bridge)
        return dict(worker.figures.streams).get(bridge, ()) if worker is not None else ()

    def waiting(self) -> Mapping[str, float]:
        """See :meth:`.media.Media.waiting`."""
        total: Counter[str] = Counter()
        for worker in self._workers.values():
            for destination, seconds in worker.figures.waiting:
                total[destination] += seconds  # type: ignore[assignment]  # floats count too
        return total

    def tap(self, bridge: str, tap: Tap) -> Callable[[], None]:
        """Audio does not leave a worker but to consumers: nothing is shown."""
        return lambda: None

    def limit(self, bridges: int) -> None:
        """So many bridges in all from now on; each worker gets its share."""
        share = -(-bridges // len(self._plans))
        self._plans = [
            replace(plan, media=replace(plan.media, max_bridges=share)) for plan in self._plans
        ]
        for worker in self._workers.values():
            if worker.ready:
                worker.ask("limit", share).addErrback(_ended_meanwhile)

    def listen(self, listener: Callable[[Report], None]) -> None:
        """See :meth:`.media.Media.listen`."""
        self._listeners.append(listener)

    def reported(self, report: Report) -> None:
        """A worker tells something."""
        for listener in self._listeners:
            listener(report)


def _nothing(bridge: str) -> BridgeClosed:
    return BridgeClosed(bridge, EndReason.ERROR, 0, (), ())


def _ended_meanwhile(failure: Failure) -> None:
    """A worker that ends is replaced by one with the new limit."""
    failure.trap(ConnectionDone)


def _kill(worker: WorkerProcess) -> None:
    if worker.transport is not None and worker.transport.pid:
        worker.transport.signalProcess("KILL")


def _cancel(result: None, timer: Any) -> None:
    if timer.active():
        timer.cancel()
