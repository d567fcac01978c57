"""
The pool of workers, with workers that are fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.workers.test_commands import PLAN
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.config.model import LogConfiguration
from twisted_siprec.net.delivery.outlets import OutletSettings
from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.net.workers.pool import WorkerPool, port_slices, worker_count
from twisted_siprec.net.workers.worker import Figures, Worker, WorkerPlan
from twisted_siprec.plan import BridgePlan, EndReason, Redirection
from twisted_siprec.report import (
    BridgeClosed,
    BridgeFailed,
    BridgeOpened,
    StreamPorts,
    StreamStatistics,
)


class FakeMedia:
    """The media plane of a fake worker."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.opened: list[str] = []
        self.closed: list[tuple[str, EndReason]] = []
        self.redirected: list[Redirection] = []
        self.refuse = False

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        answer: Deferred[BridgeOpened] = Deferred()
        if self.refuse:
            answer.errback(Failure(NoPorts("none")))
        else:
            self.opened.append(plan.bridge)
            ports = (StreamPorts(0, self.ports, self.ports + 1),)
            answer.callback(BridgeOpened(plan.bridge, ports))
        return answer

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        self.redirected.append(redirection)
        return succeed(BridgeOpened(redirection.bridge, ()))

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        self.closed.append((bridge, reason))
        answer: Deferred[BridgeClosed] = Deferred()
        answer.callback(BridgeClosed(bridge, reason, 20, (), ()))
        return answer


class FakeProcess:
    """A worker's process: the real worker's end of the pipe, in this one."""

    def __init__(self, reactor: FakeReactor, protocol: ProcessProtocol, pid: int) -> None:
        self.reactor = reactor
        self.pid = pid
        self.protocol = protocol
        self.plan: WorkerPlan | None = None
        self.media = FakeMedia(0)
        self.killed = False
        self.worker = Worker(self)
        self.worker._configure = self.configure  # type: ignore[method-assign]
        self.worker.makeConnection(self.far_end())
        self.running = False

    def far_end(self) -> Any:
        process = self

        class Far:
            def write(self, octets: bytes) -> None:
                process.reactor.pipe.append((process.protocol.outReceived, octets))

            def writeSequence(self, parts: list[bytes]) -> None:
                self.write(b"".join(parts))

            def loseConnection(self) -> None:
                """The pool decides."""

            getPeer = getHost = lambda self: "pool"

        return Far()

    def configure(self, plan: WorkerPlan) -> int:
        self.plan = plan
        self.media = FakeMedia(plan.media.first_port)
        self.worker._media = self.media  # type: ignore[assignment]
        return self.pid

    def write(self, octets: bytes) -> None:
        self.reactor.pipe.append((self.worker.dataReceived, octets))

    def closeStdin(self) -> None:
        self.end(Failure(ProcessDone(0)))

    def signalProcess(self, name: str) -> None:
        self.killed = True
        self.end(Failure(ProcessTerminated(signal=9)))

    def end(self, reason: Failure) -> None:
        self.pid = 0
        self.protocol.processEnded(reason)


class FakeReactor(Clock):
    """Time, and processes."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.pipe: list[tuple[Callable[[bytes], object], bytes]] = []

    def spawnProcess(self, protocol: ProcessProtocol, *rest: object, **named: object) -> None:
        process = FakeProcess(self, protocol, 1000 + len(self.processes))
        self.processes.append(process)
        protocol.makeConnection(process)

    def pump(self) -> None:
        """All that is written is read."""
        while self.pipe:
            take, octets = self.pipe.pop(0)
            take(octets)


class PoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        media = MediaSettings(first_port=20_000, last_port=20_099)
        plan = WorkerPlan(media, OutletSettings(), LogConfiguration())
        self.pool = WorkerPool(self.reactor, plan, 2)
        self.reports: list[object] = []
        self.pool.listen(self.reports.append)
        self.started = self.pool.start()
        self.reactor.pump()

    def opened(self, name: str) -> BridgeOpened:
        opening = self.pool.open(plan(name))
        self.reactor.pump()
        result: BridgeOpened = self.successResultOf(opening)
        return result

    def closed(self, name: str, reason: EndReason = EndReason.CALL_ENDED) -> BridgeClosed:
        closing = self.pool.close(name, reason)
        self.reactor.pump()
        result: BridgeClosed = self.successResultOf(closing)
        return result

    def test_ports_are_disjoint(self) -> None:
        """Each worker is given ports that no other one has."""
        self.successResultOf(self.started)
        plans = [process.plan for process in self.reactor.processes]
        ranges = [(each.media.first_port, each.media.last_port) for each in plans if each]
        self.assertEqual(ranges, [(20_000, 20_049), (20_050, 20_099)])

    def test_least_loaded(self) -> None:
        """A call goes where the fewest are, and its close goes there too."""
        ports = [self.opened(name).ports[0].rtp for name in "abc"]
        self.assertEqual(ports, [20_000, 20_050, 20_000])
        self.assertEqual(self.closed("a").duration_ms, 20)
        self.assertEqual(self.reactor.processes[0].media.closed, [("a", EndReason.CALL_ENDED)])
        self.assertEqual(self.opened("d").ports[0].rtp, 20_000)

    def test_no_ports(self) -> None:
        """A worker without ports refuses by the same exception as a plane in this process."""
        for process in self.reactor.processes:
            process.media.refuse = True
        opening = self.pool.open(plan("a"))
        self.reactor.pump()
        self.failureResultOf(opening, NoPorts)
        self.reactor.processes[0].media.refuse = False
        self.assertEqual(self.opened("b").ports[0].rtp, 20_000)

    def test_death(self) -> None:
        """
        A worker that dies is replaced; its calls are reported as failed and have
        an empty account; the calls of the others go on.
        """
        self.opened("a")
        self.opened("b")
        self.reactor.processes[0].end(Failure(ProcessTerminated(signal=9)))
        self.assertEqual(self.reports, [BridgeFailed("a", "its worker process died")])
        closed = self.closed("a", EndReason.ERROR)
        self.assertEqual(closed, BridgeClosed("a", EndReason.ERROR, 0, (), ()))
        self.reactor.advance(1.0)
        self.reactor.pump()
        self.assertEqual(len(self.reactor.processes), 3)
        self.assertEqual(self.opened("c").ports[0].rtp, 20_000)
        self.closed("b")
        self.assertEqual(self.reactor.processes[1].media.closed, [("b", EndReason.CALL_ENDED)])

    def test_death_again_and_again(self) -> None:
        """One that cannot live is tried less and less often."""
        for _ in range(12):
            self.reactor.processes[-1].end(Failure(ProcessTerminated(signal=11)))
            self.reactor.advance(0.4)
            self.reactor.advance(4.7)
        self.assertLessEqual(len(self.reactor.processes), 14)
        before = len(self.reactor.processes)
        self.reactor.processes[-1].end(Failure(ProcessTerminated(signal=11)))
        self.reactor.advance(4.0)
        self.assertEqual(len(self.reactor.processes), before)

    def test_nobody_ready(self) -> None:
        """While there is no worker, calls are refused."""
        for process in list(self.reactor.processes):
            process.end(Failure(ProcessTerminated(signal=9)))
        self.failureResultOf(self.pool.open(plan("a")), NoPorts)

    def test_figures(self) -> None:
        """Counters come from the workers by themselves."""
        self.opened("a")
        figures = Figures((("a", (StreamStatistics(0, packets=7),)),), (("asr", 0.5),))
        process = self.reactor.processes[0].protocol
        process._told(figures)  # type: ignore[attr-defined]
        self.assertEqual(self.pool.statistics("a")[0].packets, 7)
        self.assertEqual(self.pool.waiting(), {"asr": 0.5})
        self.assertEqual(self.pool.statistics("unknown"), ())

    def test_ways(self) -> None:
        """Of each destination the worst of its circuits counts, and all connections."""
        for process, way in zip(
            self.reactor.processes, (("asr", "closed", 3), ("asr", "open", 1)), strict=True
        ):
            process.protocol._told(Figures((), (), (way,)))  # type: ignore[attr-defined]
        self.assertEqual(self.pool.ways, {"asr": ("open", 4)})

    def test_calls(self) -> None:
        """How many calls each has; one that died has none, until there is another."""
        self.opened("a")
        self.assertEqual((self.pool.calls, self.pool.deaths), ({0: 1, 1: 0}, 0))
        self.reactor.processes[0].end(Failure(ProcessTerminated(signal=9)))
        self.assertEqual((self.pool.calls, self.pool.deaths), ({0: None, 1: 0}, 1))

    def test_redirect(self) -> None:
        """Where a call goes from now on is told to its worker; a call that is gone goes nowhere."""
        self.opened("a")
        redirection = Redirection("a", ())
        redirecting = self.pool.redirect(redirection)
        self.reactor.pump()
        self.assertEqual(self.successResultOf(redirecting).bridge, "a")
        self.assertEqual(self.reactor.processes[0].media.redirected, [redirection])
        self.failureResultOf(self.pool.redirect(Redirection("b", ())), NoPorts)

    def test_stop(self) -> None:
        """Workers end when the pool does, and are not replaced."""
        self.successResultOf(self.pool.stop())
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.processes), 2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stubborn(self) -> None:
        """One that does not end is killed."""
        self.reactor.processes[0].closeStdin = lambda: None  # type: ignore[method-assign]
        stopped = self.pool.stop()
        self.assertNoResult(stopped)
        self.reactor.advance(6)
        self.successResultOf(stopped)
        self.assertTrue(self.reactor.processes[0].killed)


class CountTests(SynchronousTestCase):
    def test_auto(self) -> None:
        """One for each core, less the one of the signalling where there are more than two."""
        counts = [worker_count("auto", cores) for cores in (1, 2, 3, 4, 16)]
        self.assertEqual(counts, [1, 2, 2, 3, 15])
        self.assertEqual(worker_count(5, 2), 5)

    def test_slices(self) -> None:
        """Slices begin at even ports, end at odd ones, and stay within the range."""
        settings = MediaSettings(first_port=16_384, last_port=32_767)
        slices = port_slices(settings, 3)
        for one, next_one in pairwise(slices):
            self.assertEqual(one.last_port + 1, next_one.first_port)
        for one in slices:
            self.assertEqual((one.first_port % 2, one.last_port % 2), (0, 1))
        self.assertLessEqual(slices[-1].last_port, 32_767)


def plan(name: str) -> BridgePlan:
    """A plan of this name."""
    return replace(PLAN, bridge=name)
