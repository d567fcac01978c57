"""
Consumers that are killed, frozen, restarted, reset, made slow, distrusted and cut off,
by a seeded plan, while calls are recorded; at the end every sum has to be exact.

    python bench/faults.py --calls 100 --seconds 600 --seed 1
    python bench/faults.py --no-spool --workers 2

Each call goes to two consumers to which things happen (``faults_plan.py`` says what)
and to one that is left alone, at which the lateness of each chunk is measured. Most
calls last as long as the run; a tenth are short ones, again and again, so that calls
begin and end in the midst of every fault. The destinations have short rings and short
outages of the breaker, so that all of it is put to use, and a spool, unless they are
told to have none (with worker processes there cannot be one).

``cut`` needs network namespaces: Linux, root, and the ip command. Where they cannot be
made, the run goes without that consumer and says so.

Each consumer writes down what comes (``faults_consumer.py``); the judge
(``faults_judge.py``) compares that with the accounts in the server's log, stream by
stream. Exits with 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from faults_judge import judge, read_accounts, total
from faults_network import CutNetwork, NoNetwork
from faults_plan import Fault, plan
from faults_processes import (
    STARTED_S,
    ConsumerProcess,
    free_port,
    memory_mib,
    start_calls,
    start_server,
)
from faults_relay import Relay
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater, react

from twisted_siprec.simulator.certificates import make_certificate

SHORT_SHARE = 0.1
STUCK_S = 60.0
"Of what was spooled, one stream at least is delivered in this time, after the last call."

CONFIGURATION = """
workers: {workers}
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media:
  {{address: 127.0.0.1, advertise: 127.0.0.1, ports: [{first}, {last}], cooldown_s: 1}}
limits: {{calls: 5000, calls_per_second: 0, lateness_ms: 0}}
{spool}
log: {{json: true}}
destinations:
{destinations}
routes:
{routes}
"""
TERMS = (
    "replay_ms: 4000, backlog_ms: 500, breaker_open_s: 0.5, breaker_open_max_s: 2, "
    "connect_timeout_s: 2, backoff_max_s: 2"
)
ROW = "{:10} {:>6} {:>8} {:>6} {:>14} {:>12} {:>12}"
GROUPS = {"a": ("killed", "trusted"), "b": ("relayed", "cut")}
"Which consumers a call goes to, besides the healthy one, by the user that is called."


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for on the command line."""

    calls: int = 100
    seconds: float = 600.0
    seed: int = 1
    spool: bool = True
    workers: int = 0
    long_s: float = 45.0
    calm: bool = False


@dataclass
class Outcome:
    """What came of it."""

    terms: Terms
    faults: Counter[str] = field(default_factory=Counter)
    skipped: str | None = None
    "Why nothing was cut."
    calls: int = 0
    table: list[tuple[str, int, int, int, int, int, int]] = field(default_factory=list)
    "Of each consumer: its lives, and streams, of these late; samples heard, named, again."
    wrong: list[str] = field(default_factory=list)
    lateness_ms: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def percentile(self, share: float) -> float:
        """Of the lateness at the healthy consumer."""
        values = sorted(self.lateness_ms) or [0.0]
        return values[min(len(values) - 1, int(share * len(values)))]

    def __str__(self) -> str:
        terms = self.terms
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        lines = [
            f"{terms.calls} calls at a time for {terms.seconds:g} s, {self.calls} in all",
            f"seed {terms.seed}, {'a' if terms.spool else 'no'} spool, {terms.workers} workers",
            f"{self.faults.total()} faults: {kinds or 'none'}",
            *([f"nothing was cut off: {self.skipped}"] if self.skipped else []),
            ROW.format("consumer", "lives", "streams", "late", "heard", "named", "again"),
            *(ROW.format(row[0], *(f"{cell:,}" for cell in row[1:])) for row in self.table),
            "lateness at the healthy consumer: "
            + ", ".join(
                f"{name} {self.percentile(share):.1f} ms"
                for name, share in (("median", 0.5), ("99 %", 0.99), ("most", 1.0))
            ),
            f"the server took at most {self.peak_mib:.0f} MiB",
        ]
        return "\n".join(lines)


class Trial:
    """One run."""

    def __init__(self, reactor: Any, terms: Terms, directory: Path) -> None:
        self._reactor = reactor
        self._terms = terms
        self._directory = directory
        self._outcome = Outcome(terms)
        self._random = Random(terms.seed)
        self._sip = free_port()
        self._log = directory / "server.log"
        self._consumers: dict[str, ConsumerProcess] = {}
        self._urls: dict[str, str] = {}
        self._relay: Relay | None = None
        self._network: CutNetwork | None = None
        self._calling: list[subprocess.Popen[bytes]] = []
        self._server: subprocess.Popen[bytes] | None = None
        # Whatever ends us, a signal too, nothing of it stays behind.
        reactor.addSystemEventTrigger("before", "shutdown", self._end_all)

    async def run(self) -> Outcome:
        """Calls, faults, and the reckoning."""
        relaying = self._make_consumers()
        try:
            server = self._server = self._start_server()
            await self._until(lambda: "serving" in self._log.read_text(), STARTED_S)
            await self._call_amid_faults()
            if self._terms.spool:
                await self._settle()
            self._outcome.peak_mib = memory_mib(server.pid, "VmHWM")
            server.send_signal(signal.SIGTERM)
            await self._until(lambda: server.poll() is not None, 60)
            for consumer in self._consumers.values():
                consumer.end(signal.SIGTERM)
        finally:
            await relaying.stopListening()
            self._end_all()
        self._reckon()
        return self._outcome

    def _end_all(self) -> None:
        for process in (*self._calling, *([] if self._server is None else [self._server])):
            process.kill()
        for consumer in self._consumers.values():
            consumer.end()
        if self._network is not None:
            self._network.remove()

    # --- what takes part ---

    def _make_consumers(self) -> Any:
        """All of them, each up; returns the relay's port."""
        directory, port = self._directory, {name: free_port() for name in "krth"}
        certificates = {
            trusted: make_certificate(directory, "trusted" if trusted else "stranger")
            for trusted in (True, False)
        }
        self._relay = Relay(self._reactor, "127.0.0.1", port["r"])
        relaying = self._reactor.listenTCP(0, self._relay, interface="127.0.0.1")
        for consumer in (
            ConsumerProcess("killed", directory, f"ws://127.0.0.1:{port['k']}"),
            ConsumerProcess("relayed", directory, f"ws://127.0.0.1:{port['r']}"),
            ConsumerProcess("trusted", directory, f"wss://127.0.0.1:{port['t']}", (), certificates),
            ConsumerProcess("healthy", directory, f"ws://127.0.0.1:{port['h']}"),
        ):
            self._consumers[consumer.name] = consumer
            self._urls[consumer.name] = consumer.url
        self._urls["relayed"] = f"ws://127.0.0.1:{relaying.getHost().port}"
        try:
            self._network = CutNetwork(self._sip % 256)
        except NoNetwork as error:
            self._outcome.skipped = str(error)
        else:
            self._urls["cut"] = f"ws://{self._network.address}:9000"
            self._consumers["cut"] = ConsumerProcess(
                "cut", directory, self._urls["cut"], self._network.prefix
            )
        for consumer in self._consumers.values():
            consumer.start()
        return relaying

    def _start_server(self) -> subprocess.Popen[bytes]:
        terms, directory = self._terms, self._directory
        spool = "linger_s: 3, spool: true" if terms.spool else "linger_s: 20"
        authority = directory / "trusted-certificate.pem"
        destinations = {
            name: f'url: "{url}/", {TERMS}, {spool}' for name, url in self._urls.items()
        }
        destinations["trusted"] += f", tls: {{authorities: {authority}}}"
        destinations["healthy"] = f'url: "{self._urls["healthy"]}/"'
        routes = [
            f'  - {{name: {user}, match: {{request_uri: "{user}@*"}}, destinations: ['
            + ", ".join([*(name for name in names if name in self._urls), "healthy"])
            + "]}"
            for user, names in GROUPS.items()
        ]
        first = 20_000 + 2 * self._random.randrange(4_000)
        configuration = CONFIGURATION.format(
            workers=terms.workers,
            sip=self._sip,
            first=first,
            last=first + 8 * terms.calls + 399,
            spool=f"spool: {{directory: {directory}/spool}}" if terms.spool else "",
            destinations="\n".join(f"  {key}: {{{it}}}" for key, it in destinations.items()),
            routes="\n".join(routes),
        )
        return start_server(directory, configuration)[0]

    # --- calls and faults ---

    async def _call_amid_faults(self) -> None:
        terms = self._terms
        short = max(1, round(terms.calls * SHORT_SHARE / 2))
        long = terms.calls // 2 - short
        running = [self._call(user, long, terms.seconds) for user in GROUPS]
        running += [self._call_again(user, short) for user in GROUPS]
        if not terms.calm:
            names = tuple(name for name in self._consumers if name != "healthy")
            faults = plan(terms.seed, terms.seconds, names, terms.long_s)
            running += [self._suffer([one for one in faults if one.consumer == n]) for n in names]
        done: Any = await DeferredList(
            [Deferred.fromCoroutine(each) for each in running], consumeErrors=True
        )
        for success, result in done:
            self._expect(success, f"{result}")

    async def _call(self, user: str, calls: int, seconds: float) -> None:
        """So many at once, of that length."""
        self._outcome.calls += calls
        target = f"{user}@127.0.0.1:{self._sip}"
        process = start_calls(self._directory / "calls.log", target, calls, seconds)
        self._calling.append(process)
        await self._until(lambda: process.poll() is not None, seconds + calls / 20 + 60)
        self._expect(process.poll() == 0, f"siprec-call ended with {process.poll()}")
        process.kill()
        self._calling.remove(process)

    async def _call_again(self, user: str, calls: int) -> None:
        """Short ones, one lot after another, until the time is over."""
        random = Random(f"{self._terms.seed} {user}")
        end = time.monotonic() + self._terms.seconds
        while (rest_s := end - time.monotonic()) > 2:
            await self._call(user, calls, random.uniform(1, min(15, rest_s)))

    async def _suffer(self, faults: list[Fault]) -> None:
        """One consumer's, each at its time or as soon as the one before is over."""
        began = time.monotonic()
        for fault in faults:
            await self._pause(max(0.0, began + fault.at_s - time.monotonic()))
            self._outcome.faults[fault.kind] += 1
            await self._inflict(fault.kind, self._consumers[fault.consumer], fault.for_s)

    async def _inflict(self, kind: str, consumer: ConsumerProcess, for_s: float) -> None:
        assert self._relay is not None
        match kind:
            case "kill" | "restart":
                consumer.end(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
                await self._pause(for_s)
                consumer.start()
            case "distrust":
                consumer.end()
                consumer.start(trusted=False)
                await self._pause(for_s)
                consumer.end()
                consumer.start()
            case "freeze":
                consumer.signal(signal.SIGSTOP)
                await self._pause(for_s)
                consumer.signal(signal.SIGCONT)
            case "reset":
                self._relay.reset()
            case "stall":
                self._relay.stall()
                await self._pause(for_s)
                self._relay.let_go()
            case "slow":
                self._relay.sip()
                await self._pause(for_s)
                self._relay.let_go()
            case "cut" | "flutter":
                await self._cut(for_s, kind == "flutter")

    async def _cut(self, for_s: float, flutter: bool) -> None:
        assert self._network is not None
        end = time.monotonic() + for_s
        try:
            while (rest_s := end - time.monotonic()) > 0:
                self._network.cut()
                await self._pause(0.1 if flutter else rest_s)
                if flutter:
                    self._network.mend()
                    await self._pause(0.1)
        finally:
            self._network.mend()

    async def _pause(self, seconds: float) -> None:
        await deferLater(self._reactor, seconds)

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not holds() and time.monotonic() < end:
            await self._pause(0.2)

    async def _settle(self) -> None:
        """What was spooled is delivered late, a few streams at a time."""
        left = self._spooled()
        while left:
            before = left
            await self._until(lambda known=before: self._spooled() < known, STUCK_S)
            left = self._spooled()
            if left >= before:
                self._expect(False, f"{left} streams stay in the spool")
                return

    def _spooled(self) -> int:
        """So many streams are in the spool."""
        path = self._directory / "spool" / "spool.sqlite"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
            return int(database.execute("SELECT count(*) FROM streams").fetchone()[0])

    # --- the reckoning ---

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._outcome.wrong.append(otherwise)

    def _reckon(self) -> None:
        outcome = self._outcome
        accounts, outcome.wrong[len(outcome.wrong) :] = read_accounts(
            self._log.read_text().splitlines()
        )
        due = sum(
            sum(destination == name for _, destination in accounts) for name in self._consumers
        )
        each = sum(
            len([n for n in (*names, "healthy") if n in self._urls]) for names in GROUPS.values()
        )
        self._expect(2 * due == each * outcome.calls, f"{due} accounts of {outcome.calls} calls")
        for name, consumer in self._consumers.items():
            journal = consumer.read()
            streams = journal.streams.values()
            outcome.wrong += consumer.errors()
            outcome.wrong += judge(name, journal, accounts)
            heard = sum(total(stream.heard) for stream in streams)
            ever = sum(total(life.heard) for stream in streams for life in stream.lives)
            outcome.table.append(
                (
                    name,
                    journal.lives,
                    len(streams),
                    sum(one.spooled > 0 for (_, to), one in accounts.items() if to == name),
                    heard,
                    sum(total(stream.named) for stream in streams),
                    ever - heard,
                )
            )
            if name == "healthy":
                for stream in streams:
                    offsets = [came - end / stream.rate for end, came in stream.arrivals]
                    first = min(offsets, default=0.0)
                    outcome.lateness_ms += [(offset - first) * 1000 for offset in offsets]


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    terms = Terms(
        options.calls,
        options.seconds,
        options.seed,
        options.spool and not options.workers,
        options.workers,
        options.long,
        options.calm,
    )
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(options.directory or temporary).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        outcome = await Trial(reactor, terms, directory).run()
    print(outcome)
    for wrong in outcome.wrong[:20]:
        print(f"WRONG {wrong}")
    if outcome.wrong:
        raise SystemExit(1)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().split("\n\n")[0])
    parser.add_argument("--calls", type=int, default=100, help="at a time; ten or more")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1, help="of the plan of faults")
    parser.add_argument("--no-spool", dest="spool", action="store_false")
    parser.add_argument("--workers", type=int, default=0, help="processes; without a spool")
    parser.add_argument("--long", type=float, default=45.0, help="seconds of the longest fault")
    parser.add_argument("--calm", action="store_true", help="no faults, to compare the lateness")
    parser.add_argument("--directory", help="keep logs and journals here")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


if __name__ == "__main__":
    main()
