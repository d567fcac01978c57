"""
What the service manager is told.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.supervision import NotifySocket, Supervision

READY = ("READY=1", "STATUS=serving; calls in progress: 3")
BEAT = ("WATCHDOG=1", "STATUS=serving; calls in progress: 3")
STOPPING = ("STOPPING=1", "STATUS=stopping; calls in progress: 3")
EXTENDED = ("EXTEND_TIMEOUT_USEC=30000000", "STATUS=stopping; calls in progress: 3")


class NotifySocketTests(SynchronousTestCase):
    """The socket of sd_notify(3)."""

    def told(self, path: str, bound: str) -> bytes:
        """What comes at a socket that is bound so, told to one that is named so."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(bound)
            manager.setblocking(False)
            NotifySocket(path)("READY=1", "STATUS=well")
            return manager.recv(4096)

    def test_file(self) -> None:
        """A path is that of a socket; the assignments are the lines of one datagram."""
        path = os.path.join(self.mktemp())
        self.assertEqual(self.told(path, path), b"READY=1\nSTATUS=well")

    def test_abstract(self) -> None:
        """One that begins with @ is in the abstract namespace."""
        name = f"siprec-test-{os.getpid()}"
        self.assertEqual(self.told("@" + name, "\0" + name), b"READY=1\nSTATUS=well")

    def test_nobody(self) -> None:
        """Where nobody listens the log says so, once until it works again."""
        logged: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        path = self.mktemp()
        notify = NotifySocket(path)
        notify("WATCHDOG=1")
        notify("WATCHDOG=1")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            notify("WATCHDOG=1")
        notify("WATCHDOG=1")
        texts = [each for each in logged if "cannot be told" in each.get("log_format", "")]
        self.assertEqual(len(texts), 2)


class SupervisionTests(SynchronousTestCase):
    """When it is told what."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.serving: Deferred[None] = Deferred()
        self.told: list[tuple[str, ...]] = []
        self.paths: list[str] = []

    def supervision(self, **environment: str) -> Supervision:
        """Started, with these variables; the reactor does not run yet."""
        self.environment = dict(environment)
        supervision = Supervision(
            self.reactor,
            self.serving,
            lambda: 3,
            self.environment,
            self.connect,
            lambda: 5_000_123_456,
        )
        supervision.startService()
        return supervision

    def connect(self, path: str) -> Any:
        """In place of the socket."""
        self.paths.append(path)
        return lambda *assignments: self.told.append(assignments)

    def run_reactor(self) -> None:
        """The reactor runs from now on."""
        hooks, self.reactor.whenRunningHooks = self.reactor.whenRunningHooks, []
        self.reactor.hasRunning = True
        for call, arguments, keywords in hooks:
            call(*arguments, **keywords)

    def serve(self, watchdog_usec: str = "") -> Supervision:
        """It is serving, and READY has been told."""
        watchdog = {"WATCHDOG_USEC": watchdog_usec} if watchdog_usec else {}
        supervision = self.supervision(NOTIFY_SOCKET="/run/notify", **watchdog)
        self.run_reactor()
        self.serving.callback(None)
        self.assertEqual(self.told, [READY])
        self.told.clear()
        return supervision

    def taken(self) -> list[tuple[str, ...]]:
        """What was told since the last time."""
        told, self.told = self.told, []
        return told

    def test_nobody(self) -> None:
        """Without NOTIFY_SOCKET, or with one that is no path, nothing is told or timed."""
        for socket_name in ({}, {"NOTIFY_SOCKET": "vsock:2:1"}):
            supervision = self.supervision(**socket_name)
            self.run_reactor()
            supervision.reloading(True)
            supervision.stopService()
            self.assertEqual((self.paths, self.told), ([], []))
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_words_are_taken_out(self) -> None:
        """The processes that we start do not find what was for us."""
        self.supervision(
            NOTIFY_SOCKET="@x", WATCHDOG_USEC="1", WATCHDOG_PID=str(os.getpid()), HOME="/"
        )
        self.assertEqual(self.environment, {"HOME": "/"})
        self.assertEqual(self.paths, ["@x"])

    def test_ready(self) -> None:
        """READY is told once calls are taken and the reactor runs, not sooner."""
        self.supervision(NOTIFY_SOCKET="/run/notify")
        self.run_reactor()
        self.assertEqual(self.told, [])
        self.serving.callback(None)
        self.assertEqual(self.told, [READY])

    def test_ready_before_the_reactor(self) -> None:
        """Calls may be taken first; listeners of others may still fail to be bound."""
        self.supervision(NOTIFY_SOCKET="/run/notify")
        self.serving.callback(None)
        self.assertEqual(self.told, [])
        self.run_reactor()
        self.assertEqual(self.told, [READY])

    def test_status(self) -> None:
        """Without a watchdog the number of calls is told every 10 s all the same."""
        self.serve()
        self.reactor.advance(9.9)
        self.assertEqual(self.taken(), [])
        self.reactor.advance(0.1)
        self.assertEqual(self.taken(), [BEAT[1:]])

    def test_watchdog(self) -> None:
        """A loop in time feeds it four times while it waits."""
        self.serve("4000000")
        self.reactor.pump([1.0] * 4)
        self.assertEqual(self.taken(), [BEAT] * 4)

    def test_watchdog_of_another(self) -> None:
        """A watchdog of another process, or one that is no number, is none."""
        for usec, pid in (("4000000", "1"), ("soon", str(os.getpid())), ("", "")):
            supervision = self.supervision(WATCHDOG_USEC=usec, WATCHDOG_PID=pid)
            self.assertEqual((supervision.watchdog_s, supervision.beat_s), (0.0, 10.0))
        mine = self.supervision(WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid()))
        self.assertEqual((mine.watchdog_s, mine.beat_s), (4.0, 1.0))

    def test_held_up_once(self) -> None:
        """A loop that stood still once is looked at again soon, and feeds it then."""
        self.serve("40000000")
        self.reactor.advance(10 + 25)
        self.assertEqual(self.taken(), [])
        self.reactor.advance(1)
        self.assertEqual(self.taken(), [BEAT])
        self.reactor.advance(10)
        self.assertEqual(self.taken(), [BEAT])

    def test_late_again_and_again(self) -> None:
        """A loop that is always late feeds it never."""
        self.serve("40000000")
        self.reactor.advance(25)
        for _ in range(5):
            self.reactor.advance(1 + 10.1)
        self.assertEqual(self.taken(), [])

    def test_a_little_late(self) -> None:
        """Late by less than a beat is in time."""
        self.serve("40000000")
        self.reactor.advance(19.9)
        self.assertEqual(self.taken(), [BEAT])

    def test_reload(self) -> None:
        """A reload begins with the clock's time, and is over with READY."""
        supervision = self.serve()
        supervision.reloading(True)
        self.assertEqual(self.taken(), [("RELOADING=1", "MONOTONIC_USEC=5000123")])
        supervision.reloading(False)
        self.assertEqual(self.taken(), [READY])

    def test_reload_at_other_times(self) -> None:
        """One that comes before calls are taken, or ends while we stop, is not told."""
        supervision = self.supervision(NOTIFY_SOCKET="/run/notify")
        supervision.reloading(False)
        supervision.stopService()
        self.taken()
        supervision.reloading(False)
        self.assertEqual(self.taken(), [])

    def test_stopping(self) -> None:
        """While we stop, more time is asked for every 10 s; when the reactor ends, no more."""
        supervision = self.serve("4000000")
        supervision.stopService()
        self.assertEqual(self.taken(), [STOPPING, EXTENDED])
        self.reactor.pump([1.0] * 20)
        self.assertEqual(self.taken(), [EXTENDED] * 2)
        [(call, arguments, keywords)] = self.reactor.triggers["after"]["shutdown"]
        call(*arguments, **keywords)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopped_before_serving(self) -> None:
        """READY is not told once we stop."""
        supervision = self.supervision(NOTIFY_SOCKET="/run/notify")
        self.run_reactor()
        supervision.stopService()
        self.serving.callback(None)
        self.assertEqual(self.taken(), [STOPPING, EXTENDED])
