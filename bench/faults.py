"""
Consumers that are killed, frozen, restarted, reset and made slow, by a seeded
plan, while calls are recorded; at the end every sum has to be exact.

    python bench/faults.py --calls 100 --seconds 600 --seed 1

Each call goes to three consumers: one process that is killed and frozen, one
behind a relay that resets and throttles its connections, and one that is left
alone, at which the lateness of each chunk is measured: the faults of others must
not delay it. The first two have a spool, with short rings and short outages of
the breaker, so that all of it is put to use.

Exits with 1 where an account does not add up, a consumer saw the protocol or the
promise broken, or something stays in the spool.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.protocols.portforward import ProxyFactory, ProxyServer

from twisted_siprec.simulator.consumer import Consumer, ConsumerOptions
from twisted_siprec.simulator.recstream import ConsumerSettings

BIN = Path(sys.executable).parent

CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1, advertise: 127.0.0.1, ports: [{first}, {last}]}}
limits: {{calls: 5000, calls_per_second: 0}}
spool: {{directory: {directory}/spool}}
log: {{json: true}}
destinations:
  killed: {{url: "ws://127.0.0.1:{killed}/", {terms}}}
  relayed: {{url: "ws://127.0.0.1:{relayed}/", {terms}}}
  healthy: {{url: "ws://127.0.0.1:{healthy}/"}}
"""
TERMS = (
    "spool: true, replay_ms: 4000, backlog_ms: 500, linger_s: 3, breaker_open_s: 0.5, "
    "breaker_open_max_s: 2, connect_timeout_s: 2"
)


def free_port() -> int:
    """A TCP and UDP port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Outcome:
    """What came of it."""

    faults: int = 0
    accounts: int = 0
    late: int = 0
    delivered: int = 0
    missing: int = 0
    wrong: list[str] = field(default_factory=list)
    lateness_ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Of the lateness at the healthy consumer."""
        values = sorted(self.lateness_ms) or [0.0]
        return values[min(len(values) - 1, int(share * len(values)))]


class KilledConsumer:
    """siprec-consumer as a process, which is killed, frozen and brought back."""

    def __init__(self, port: int, directory: Path) -> None:
        self._port = port
        self._directory = directory
        self.log = directory / "killed.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Bring it (back) up, on the same port."""
        if self.process is not None:
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "twisted_siprec.simulator.consumer"),
                    *("--listen", f"ws://127.0.0.1:{self._port}", "--ack-ms", "200"),
                    *("--directory", str(self._directory / "killed")),
                ],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL, whatever it is doing."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def signal(self, number: int) -> None:
        """Freeze it or let it go on."""
        if self.process is not None:
            self.process.send_signal(number)

    def violations(self) -> list[str]:
        """What it saw broken, in any of its lives."""
        text = self.log.read_text(errors="replace")
        return [line for line in text.splitlines() if "VIOLATION" in line or "Error" in line]


class HealthyConsumer:
    """
    A consumer that is left alone, in a process of its own: nothing that happens here
    may count as lateness of the server.
    """

    def __init__(self, port: int, directory: Path) -> None:
        self._report = directory / "healthy.json"
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--measure", str(port), "--directory", str(directory)]
        )

    def end(self) -> dict[str, Any]:
        """What it saw."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        report: dict[str, Any] = json.loads(self._report.read_text())
        return report


async def _measure(reactor: Any, port: int, directory: Path) -> None:
    """Be the healthy consumer, until SIGTERM."""
    offsets: dict[str, list[float]] = {}

    def heard(record: Any, audio: Any) -> None:
        """Audio: when it came, by the clock of its stream."""
        due = (audio.position + audio.samples) / record.sample_rate
        offsets.setdefault(record.stream_id, []).append(time.monotonic() - due)

    consumer = Consumer(reactor, ConsumerOptions(listen=f"ws://127.0.0.1:{port}"))
    consumer.heard = heard  # type: ignore[method-assign]  # it writes nothing here
    await consumer.listen()
    ended: Deferred[None] = Deferred()
    reactor.addSystemEventTrigger("before", "shutdown", ended.callback, None)
    await ended
    records = consumer.records.values()
    report = {
        "streams": len(records),
        "wrong": [violation for record in records for violation in record.violations],
        "unstopped": sum(record.stop is None for record in records),
        "lateness_ms": [
            (offset - min(series)) * 1000 for series in offsets.values() for offset in series
        ],
    }
    (directory / "healthy.json").write_text(json.dumps(report))


class _Relayed(ProxyServer):
    """One connection that goes through the relay."""

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.open.add(self)

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.discard(self)
        super().connectionLost(reason)


class Relay(ProxyFactory):
    """Passes on what comes, until it is told not to."""

    noisy = False
    protocol = _Relayed

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.open: set[_Relayed] = set()

    def reset(self) -> None:
        """RST on all connections, with what is under way in them."""
        for each in list(self.open):
            each.transport.abortConnection()

    def throttle(self) -> None:
        """Read nothing more from the server."""
        for each in list(self.open):
            each.transport.pauseProducing()

    def let_go(self) -> None:
        """Read again."""
        for each in list(self.open):
            each.transport.resumeProducing()


class Trial:
    """One run."""

    def __init__(
        self, calls: int, seconds: float, seed: int, directory: Path, calm: bool = False
    ) -> None:
        self._calm = calm
        self._calls = calls
        self._seconds = seconds
        self._random = random.Random(seed)
        self._directory = directory
        self._outcome = Outcome()
        self._ports = {name: free_port() for name in ("sip", "killed", "relayed", "healthy")}
        self._killed = KilledConsumer(self._ports["killed"], directory)
        self._log = directory / "server.log"

    async def run(self) -> Outcome:
        """Calls, faults, and the reckoning."""
        settings = ConsumerSettings(ack_every_ms=200)
        relayed = Consumer(installed, ConsumerOptions(settings=settings))
        healthy = HealthyConsumer(self._ports["healthy"], self._directory)
        await relayed.listen()
        relay = Relay(relayed.port)
        listening = installed.listenTCP(self._ports["relayed"], relay, interface="127.0.0.1")
        self._killed.start()
        server = self._start_server()
        try:
            await self._until(lambda: "serving" in self._log.read_text(), 30)
            calling = self._call()
            await self._faults(relay)
            await self._until(lambda: calling.poll() is not None, self._seconds + 60)
            self._expect(calling.returncode == 0, f"siprec-call ended with {calling.returncode}")
            await self._until(self._spool_is_empty, 120)
            self._expect(self._spool_is_empty(), "something stays in the spool")
        finally:
            server.send_signal(signal.SIGTERM)
            await self._until(lambda: server.poll() is not None, 60)
            server.kill()
            self._killed.kill()
            relay.reset()
            await listening.stopListening()
            await relayed.stop()
            report = healthy.end()
        self._reckon(relayed, report)
        return self._outcome

    # --- what takes part ---

    def _start_server(self) -> subprocess.Popen[bytes]:
        first = 20_000 + 2 * self._random.randrange(4_000)
        last = first + 8 * self._calls + 99
        configuration = self._directory / "siprec.yaml"
        configuration.write_text(
            CONFIGURATION.format(
                first=first,
                last=last,
                directory=self._directory,
                terms=TERMS,
                **self._ports,
            )
        )
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", configuration],
                stdout=log,
                stderr=log,
                cwd=self._directory,
            )

    def _call(self) -> subprocess.Popen[bytes]:
        with (self._directory / "calls.log").open("wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "twisted_siprec.simulator.call", "--tone"),
                    *("-n", str(self._calls), "-r", "20", "-d", str(self._seconds)),
                    f"127.0.0.1:{self._ports['sip']}",
                ],
                stdout=log,
                stderr=log,
            )

    # --- the plan ---

    async def _faults(self, relay: Relay) -> None:
        end = time.monotonic() + self._seconds
        await self._pause(2, 3)
        while not self._calm and time.monotonic() < end:
            self._outcome.faults += 1
            match self._random.choice(["kill", "freeze", "reset", "throttle"]):
                case "kill":
                    self._killed.kill()
                    await self._pause(0.2, 6)
                    self._killed.start()
                case "freeze":
                    self._killed.signal(signal.SIGSTOP)
                    await self._pause(0.5, 6)
                    self._killed.signal(signal.SIGCONT)
                case "reset":
                    relay.reset()
                case "throttle":
                    relay.throttle()
                    await self._pause(0.5, 6)
                    relay.let_go()
            await self._pause(0.2, 2)

    async def _pause(self, least_s: float, most_s: float) -> None:
        await deferLater(installed, self._random.uniform(least_s, most_s))  # type: ignore[arg-type]

    async def _until(self, holds: Any, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not holds() and time.monotonic() < end:
            await deferLater(installed, 0.2)  # type: ignore[arg-type]

    def _spool_is_empty(self) -> bool:
        path = self._directory / "spool" / "spool.sqlite"
        if not path.exists():
            return True
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
            return database.execute("SELECT count(*) FROM streams").fetchone() == (0,)

    # --- the reckoning ---

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._outcome.wrong.append(otherwise)

    def _reckon(self, relayed: Consumer, healthy: dict[str, Any]) -> None:
        outcome = self._outcome
        spooled = self._read_accounts()
        self._expect(not spooled, f"{len(spooled)} streams were spooled and never settled")
        self._expect(
            outcome.accounts == 3 * self._calls,
            f"{outcome.accounts} accounts of {3 * self._calls}",
        )
        outcome.wrong += self._killed.violations()
        records = relayed.records.values()
        for record in records:
            outcome.wrong += [f"relayed: {violation}" for violation in record.violations]
        unstopped = sum(record.stop is None for record in records)
        for name, streams, rest in (
            ("relayed", len(records), unstopped),
            ("healthy", healthy["streams"], healthy["unstopped"]),
        ):
            self._expect(streams == self._calls, f"{streams} streams at {name}")
            self._expect(rest == 0, f"{rest} streams at {name} have no stop")
        outcome.wrong += [f"healthy: {violation}" for violation in healthy["wrong"]]
        outcome.lateness_ms = healthy["lateness_ms"]

    def _read_accounts(self) -> dict[str, int]:
        """Check each account of the server's log; what was spooled and is not settled."""
        outcome, spooled = self._outcome, {}
        pending = 0
        for line in self._log.read_text().splitlines():
            event = _event(line)
            if "spooled" in event and "stream_id" in event:
                spooled[str(event["stream_id"])] = int(event["spooled"])
                pending -= int(event["spooled"])
                continue
            if not {"final", "delivered", "missing"} <= event.keys():
                if event.get("log_level") in ("error", "critical"):
                    outcome.wrong.append(f"the server's log: {line[:300]}")
                continue
            rest = int(event["final"]) - int(event["delivered"]) - int(event["missing"])
            if "stream_id" in event:
                outcome.late += 1
                self._expect(rest == 0, f"a late account does not add up: {line[:300]}")
                spooled.pop(str(event["stream_id"]), None)
                continue
            outcome.accounts += 1
            outcome.delivered += int(event["delivered"])
            outcome.missing += int(event["missing"])
            pending += rest
        self._expect(pending == 0, f"{pending} samples are neither delivered, missing nor spooled")
        return spooled


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    if options.measure:
        await _measure(reactor, options.measure, Path(options.directory))
        return
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(options.directory or temporary)
        directory.mkdir(parents=True, exist_ok=True)
        trial = Trial(options.calls, options.seconds, options.seed, directory, options.calm)
        outcome = await trial.run()
    print(
        f"{options.calls} calls, {options.seconds:g} s, seed {options.seed}: "
        f"{outcome.faults} faults\n"
        f"{outcome.accounts} accounts, {outcome.late} of them settled late: "
        f"{outcome.delivered} samples delivered at the call's end, {outcome.missing} missing\n"
        f"lateness at the healthy consumer: median {outcome.percentile(0.5):.1f} ms, "
        f"99 % {outcome.percentile(0.99):.1f} ms, most {outcome.percentile(1):.1f} ms"
    )
    for wrong in outcome.wrong[:20]:
        print(f"WRONG {wrong}")
    if outcome.wrong:
        raise SystemExit(1)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--calm", action="store_true", help="no faults, to compare the lateness")
    parser.add_argument("--directory", help="keep logs and recordings here")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


if __name__ == "__main__":
    main()
