"""
Consumers that read nothing for ever, read too slowly, or answer nothing for ever:
whether the others are delayed by them, and what the server's memory does.

    python bench/faults_backpressure.py --calls 20 --seconds 90

Two servers run side by side, with the same calls, the same configuration and one and
the same well-behaved consumer, which notes when each chunk comes. Half of the calls go
to that consumer alone, half to it and to three others. At first all read what comes.
Then, at one of the servers and for the rest of the run,

* one of the three reads nothing more,
* one reads a twentieth of what comes,
* one is stopped (SIGSTOP) and answers nothing any more, connections included;

at the other server nothing changes. The lateness of a chunk is taken against the median
of its own call before that moment, so that the phase of a call does not count and a
constant delay does. As both servers are measured at the same time, on the same machine
and at the same consumer, what differs between them is due to the three.

Memory is compared with what the rings may hold: ``replay_bytes`` for each stream to one
of the three. The kernel holds something as well, up to net.ipv4.tcp_wmem (4 MiB, often)
of each connection that is not read; ``--small-buffers`` runs all of it in a network
namespace of its own (Linux, root) where that is 64 KiB, so that it comes to rings, gaps
and spool sooner. Exits with 1 where it grows by more than that and ``SLACK_OCTETS`` for each
connection, or an account does not add up; the lateness is for a person to read, as it
can only be judged on a machine that is quiet.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

from faults_judge import Account, Testimony, read_accounts
from faults_processes import (
    STARTED_S,
    ConsumerProcess,
    free_port,
    memory_mib,
    start_calls,
    start_server,
)
from faults_relay import Relay
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

RECEIVE_OCTETS = 64 * 1024
"Of a socket of the relays: the kernel, too, holds what nobody reads."
THREE = ("stalled", "slow", "frozen")
SETTLED_S = 3.0
"After all calls are connected, until what is usual is measured."
SMALL = "ip link set lo up && sysctl -qw net.ipv4.tcp_wmem='4096 16384 65536' && exec \"$@\""
"What a shell does in a network namespace of its own."
SLACK_OCTETS = 256 * 1024
"Of one connection: what its transport holds, what is decoded, and the allocator's waste."

CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media:
  address: 127.0.0.1
  advertise: 127.0.0.1
  ports: [{first}, {last}]
  jitter_max_ms: 0
limits: {{lateness_ms: 0}}
{spool}
log: {{json: true}}
destinations:
  well: {{url: "{well}/"}}
{three}
routes:
  - {{name: alone, match: {{request_uri: "alone@*"}}, destinations: [well]}}
  - {{name: beside, match: {{request_uri: "beside@*"}}, destinations: [well, {names}]}}
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for on the command line."""

    calls: int = 20
    seconds: float = 90.0
    replay_bytes: int = 262_144
    spool: bool = False
    usual_s: float = 8.0
    "For so long all is well, and measured."


@dataclass
class Side:
    """One of the two servers."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    sip: int
    memory: list[float] = field(default_factory=list)
    "MiB, each second from when the three go bad."

    def accounts(self) -> dict[tuple[str, str], Account]:
        """By Call-ID and destination."""
        return read_accounts(self.log.read_text().splitlines())[0]


class Comparison:
    """One run of both."""

    def __init__(self, reactor: Any, terms: Terms, directory: Path) -> None:
        self._reactor = reactor
        self._terms = terms
        self._directory = directory
        self._consumers: dict[str, ConsumerProcess] = {}
        self._relays: dict[str, Relay] = {}
        self._ports: list[Any] = []
        self._turned_at = 0.0
        self.wrong: list[str] = []
        self.lines: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        # Whatever ends us, a signal too, nothing of it stays behind.
        reactor.addSystemEventTrigger("before", "shutdown", self._end_all)

    async def run(self) -> None:
        """Both, to their end, and what there is to say of them."""
        try:
            for name in ("well", "usual", *THREE):
                url = f"ws://127.0.0.1:{free_port()}"
                self._consumers[name] = ConsumerProcess(name, self._directory, url)
                self._consumers[name].start()
            sides = [self._side("beside bad ones"), self._side("beside good ones")]
            await self._until(
                lambda: all("serving" in it.log.read_text() for it in sides), STARTED_S
            )
            await self._call(sides)
            self._consumers["frozen"].signal(signal.SIGCONT)
            for relay in self._relays.values():
                relay.let_go()
            for side in sides:
                side.process.send_signal(signal.SIGTERM)
            await self._until(lambda: all(it.process.poll() is not None for it in sides), 60)
            for consumer in self._consumers.values():
                consumer.end(signal.SIGTERM)
        finally:
            for port in self._ports:
                await port.stopListening()
            self._end_all()
        self._conclude(*sides)

    def _end_all(self) -> None:
        for process in self._processes:
            process.kill()
        for consumer in self._consumers.values():
            consumer.end()

    # --- what takes part ---

    def _side(self, name: str) -> Side:
        """A server whose three others are reached through relays, on either side."""
        bad = name == "beside bad ones"
        terms, sip = self._terms, free_port()
        spool = terms.spool and bad
        urls = {each: self._consumers[each if bad else "usual"].url for each in THREE}
        for each in ("stalled", "slow"):
            port = int(urls[each].rpartition(":")[2])
            relay = Relay(self._reactor, "127.0.0.1", port)
            self._ports.append(self._reactor.listenTCP(0, relay, interface="127.0.0.1"))
            self._ports[-1].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
            urls[each] = f"ws://127.0.0.1:{self._ports[-1].getHost().port}"
            if bad:
                self._relays[each] = relay
        three = [
            f'  {each}: {{url: "{url}/", replay_ms: 3600000, replay_bytes: {terms.replay_bytes}, '
            f"sample_rate: '48000', backlog_ms: 500, "
            f"linger_s: 2, spool: {str(spool).lower()}}}"
            for each, url in urls.items()
        ]
        first = 20_000 + 2 * Random(sip).randrange(5_000)
        directory = self._directory / name.replace(" ", "-")
        process, log = start_server(
            directory,
            CONFIGURATION.format(
                sip=sip,
                first=first,
                last=first + 8 * terms.calls + 99,
                spool=f"spool: {{directory: {directory}/spool}}" if spool else "",
                well=self._consumers["well"].url,
                three="\n".join(three),
                names=", ".join(THREE),
            ),
        )
        self._processes.append(process)
        return Side(name, process, log, sip)

    async def _call(self, sides: list[Side]) -> None:
        terms = self._terms
        calling = [
            start_calls(
                self._directory / "calls.log",
                f"{user}@127.0.0.1:{side.sip}",
                max(1, terms.calls // 2),
                terms.seconds,
            )
            for side in sides
            for user in ("alone", "beside")
        ]
        self._processes += calling
        await self._until(lambda: all(self._connected(side) for side in sides), 60)
        await self._pause(SETTLED_S + terms.usual_s)
        self._turned_at = time.time()
        self._relays["stalled"].stall()
        self._relays["slow"].sip()
        self._consumers["frozen"].signal(signal.SIGSTOP)
        while True:
            for side in sides:
                side.memory.append(memory_mib(side.process.pid))
            await self._pause(1)
            if any(process.poll() is not None for process in calling):
                break
        ended = [process.poll for process in calling]
        await self._until(lambda: all(poll() is not None for poll in ended), 60)
        if any(process.poll() != 0 for process in calling):
            self.wrong.append("not all calls went well")
        # For the accounts of calls whose consumers are away.
        await self._pause(8)

    def _connected(self, side: Side) -> bool:
        """The calls of a server are connected to all their consumers."""
        half = max(1, self._terms.calls // 2)
        return side.log.read_text().count(" connected to ") >= (len(THREE) + 2) * half

    async def _pause(self, seconds: float) -> None:
        await deferLater(self._reactor, seconds)

    async def _until(self, holds: Any, timeout_s: float) -> None:
        end = time.monotonic() + timeout_s
        while not holds() and time.monotonic() < end:
            await self._pause(0.2)

    # --- the reckoning ---

    def _conclude(self, bad: Side, good: Side) -> None:
        terms = self._terms
        well = {one.call_id: one for one in self._consumers["well"].read().streams.values()}
        self.lines += [
            f"{terms.calls} calls of {terms.seconds:g} s at each server",
            "lateness at the well-behaved consumer, ms more than before:",
            f"{'':34}{'chunks':>8}{'p50':>8}{'p90':>8}{'p99':>8}{'mean':>8}",
        ]
        for group, beside in (("calls to it alone", False), ("calls to the three as well", True)):
            rows = [
                self._more_late([well[call_id] for call_id in _calls(side, beside)])
                for side in (bad, good)
            ]
            self.lines.append(f"{group}")
            for side, row in zip((bad, good), rows, strict=True):
                self.lines.append(_row(f"  server {side.name}", row))
            difference = [a - b for a, b in zip(_figures(rows[0]), _figures(rows[1]), strict=True)]
            self.lines.append(
                f"{'  difference':42}" + "".join(f"{value:8.2f}" for value in difference)
            )
        self._conclude_memory(bad, good)
        self._conclude_accounts(bad, good)

    def _more_late(self, streams: list[Testimony]) -> list[float]:
        """Of each chunk since it turned, against the median of its own call before."""
        more: list[float] = []
        for stream in streams:
            late = [
                (came, (came - stream.started_at - end / stream.rate) * 1000)
                for end, came in stream.arrivals
            ]
            before = [
                ms
                for came, ms in late
                if self._turned_at - self._terms.usual_s < came < self._turned_at
            ]
            if before:
                usual = median(before)
                more += [ms - usual for came, ms in late if came > self._turned_at + 1]
        return more

    def _conclude_memory(self, bad: Side, good: Side) -> None:
        streams = len(THREE) * max(1, self._terms.calls // 2)
        rings = streams * self._terms.replay_bytes / 2**20
        slack = streams * SLACK_OCTETS / 2**20
        for side in (bad, good):
            half = side.memory[len(side.memory) // 2 :]
            self.lines.append(
                f"memory of the server {side.name}: {side.memory[0]:.1f} MiB when it turned, at "
                f"most {max(side.memory):.1f}, at the end {side.memory[-1]:.1f}; in the second "
                f"half of the run it grew by {half[-1] - half[0]:.1f}"
            )
        grown = max(bad.memory) - bad.memory[0]
        self.lines.append(
            f"the rings of {streams} streams may hold {rings:.1f} MiB: it grew by {grown:.1f}"
        )
        if grown > rings + slack:
            self.wrong.append(f"memory grew by {grown:.1f} MiB, more than {rings + slack:.1f}")

    def _conclude_accounts(self, bad: Side, good: Side) -> None:
        accounts = bad.accounts()
        for (call_id, name), account in [*accounts.items(), *good.accounts().items()]:
            if account.delivered + account.missing + account.spooled != account.final:
                self.wrong.append(f"{call_id} {name}: it does not add up: {account}")
        for name in THREE:
            mine = [account for (_, to), account in accounts.items() if to == name]
            final = max(1, sum(account.final for account in mine))
            messages = [
                (end - begin) * 1000 / stream.rate
                for stream in self._consumers[name].read().streams.values()
                for life in stream.lives
                for begin, end in life.heard
            ]
            self.lines.append(
                f"{name}: {len(mine)} streams, delivered "
                f"{sum(one.delivered for one in mine) / final:.0%}, in gaps "
                f"{sum(one.missing for one in mine) / final:.0%}, in the spool "
                f"{sum(one.spooled for one in mine) / final:.0%}; a message had "
                f"{fmean(messages or [0]):.0f} ms of audio, at most {max(messages or [0]):.0f}"
            )
        if len(accounts) != (len(THREE) + 2) * max(1, self._terms.calls // 2):
            self.wrong.append(f"{len(accounts)} accounts")


def _calls(side: Side, beside: bool) -> list[str]:
    """Those that went to the three as well, or those that did not."""
    keys = side.accounts().keys()
    others = {call_id for call_id, destination in keys if destination in THREE}
    return sorted({call_id for call_id, _ in keys if (call_id in others) == beside})


def _figures(values: list[float]) -> tuple[float, ...]:
    """The median, 90 % and 99 %, and the mean."""
    ordered = sorted(values) or [0.0]
    last = len(ordered) - 1
    return (*(ordered[int(share * last)] for share in (0.5, 0.9, 0.99)), fmean(ordered))


def _row(name: str, values: list[float]) -> str:
    figures = "".join(f"{value:8.2f}" for value in _figures(values))
    return f"{name:34}{len(values):8}{figures}"


async def _main(reactor: Any, options: argparse.Namespace) -> None:
    terms = Terms(
        options.calls, options.seconds, options.replay_bytes, options.spool, options.usual
    )
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(options.directory or temporary).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        comparison = Comparison(reactor, terms, directory)
        await comparison.run()
    print("\n".join(comparison.lines))
    for wrong in comparison.wrong[:20]:
        print(f"WRONG {wrong}")
    if comparison.wrong:
        raise SystemExit(1)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="What bad consumers cost the good ones.")
    parser.add_argument("--calls", type=int, default=20, help="at each of the two servers")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--replay-bytes", type=int, default=262_144)
    parser.add_argument("--spool", action="store_true", help="past the rings, onto disk")
    parser.add_argument("--usual", type=float, default=8.0, help="seconds before they go bad")
    parser.add_argument("--directory", help="keep logs and journals here")
    parser.add_argument("--small-buffers", action="store_true", help="of the kernel")
    options = parser.parse_args()
    if options.small_buffers:
        rest = [word for word in sys.argv if word != "--small-buffers"]
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", SMALL, "sh", sys.executable, *rest])  # noqa: S606
    react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))


if __name__ == "__main__":
    main()
