"""
A long run at a moderate load: calls come and go, packets are lost, the consumer goes
away and comes back. What is looked for is memory that grows, and audio that nobody
accounts for.

    python bench/soak.py [--minutes 30] [--calls 100] [--loss 0.01]

So many calls at a time, in ``--waves``: every few seconds the oldest wave hangs up and
another one begins. The consumer (sink.py) ends without a word every ``--restart-s`` and
is back a second later, on the same port. Each stream's audio and gaps, of all the
consumer's lives together, must cover all that its ``stop`` says; packets that came and
those that are counted as lost must be those that were sent and left out. Memory is that
of the server and its workers; the slope is that of the second half. Prints what there is
once a minute, and a JSON at the end; exits with 1 where something is not accounted for.
Needs a C compiler.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from calls import unaccounted
from packets import Scene
from processes import Load, Sink, compiled, cpu_s, resident_mb
from recorder import Delivery, Recorder, Source

from twisted_siprec.simulator.certificates import make_certificate

PORTS = (52_000, 57_999)
"Not those of the other benches, which may run meanwhile."
AWAY_S = 1.0
TAIL_S = 2.0
"Of a wave's load, after which it hangs up."


@dataclass
class Wave:
    """Calls that begin and end together."""

    source: Source
    load: Load
    until: float


@dataclass
class Accounts:
    """What the consumer had in all its lives, stream by stream."""

    streams: dict[str, dict] = field(default_factory=dict)
    lives: int = 0
    messages: int = 0

    def life(self, counts: dict) -> None:
        """One life of the consumer is over."""
        self.lives += 1
        self.messages += counts["binary_messages"]
        for name, told in counts["streams"].items():
            known = self.streams.setdefault(name, {"spans": [], "jumps": [], "stop": None})
            known["spans"] += told["spans"]
            known["jumps"] += told["jumps"]
            known["stop"] = told["stop"] or known["stop"]

    def told(self) -> dict:
        """The sum of it."""
        stops = [each["stop"] for each in self.streams.values() if each["stop"]]
        channels = [channel for stop in stops for channel in stop["channels"]]
        gaps: dict[str, int] = {}
        for stop in stops:
            for reason, ms in stop["gaps"].items():
                gaps[reason] = gaps.get(reason, 0) + ms
        return {
            "streams": len(self.streams),
            "without_stop": len(self.streams) - len(stops),
            "unaccounted_samples": sum(map(unaccounted, self.streams.values())),
            "minutes_of_audio": round(sum(stop["durationMs"] for stop in stops) / 60_000, 1),
            "packets": sum(each["packets"] for each in channels),
            "lost": sum(each["lost"] for each in channels),
            "late": sum(each["late"] for each in channels),
            "gaps_ms": gaps,
            "reconnects": sum(stop["reconnects"] for stop in stops),
            "replayed_messages": sum(stop["replayedFrames"] for stop in stops),
            "consumer_lives": self.lives,
        }


@dataclass
class Memory:
    """The server's memory over time."""

    times_s: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)

    def add(self, at: float, megabytes: float) -> None:
        self.times_s.append(at)
        self.resident_mb.append(megabytes)

    def slope_kb_per_minute(self) -> float:
        """By least squares, of the second half: the first one fills pools and caches."""
        half = len(self.times_s) // 2
        if len(self.times_s) - half < 2:
            return math.nan
        minutes = np.array(self.times_s[half:]) / 60
        return float(np.polyfit(minutes, np.array(self.resident_mb[half:]) * 1024, 1)[0])


class Soak:
    """The run: what has begun, what is due, what was seen."""

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        self.chosen = chosen
        self.load = compiled(directory, "load")
        self.packets = directory / "packets"
        self.each = chosen.calls // chosen.waves
        Scene(loss=chosen.loss).write(self.packets, 2 * self.each, chosen.lasts_s)
        self.left_out_each = left_out(self.packets, 2 * self.each)
        self.waves: deque[Wave] = deque()
        self.begun = self.sent = self.left_out = self.ended_by_server = 0
        self.accounts = Accounts()
        self.memory = Memory()

    def run(self, server: Recorder, sink: Sink) -> dict:
        """Until the time is over and all calls have ended."""
        began = now = time.monotonic()
        before = cpu_s(server.pid)
        end = began + 60 * self.chosen.minutes
        wave = restart = seen = said = began
        restart += self.chosen.restart_s
        while now < end:
            while self.waves and now >= self.waves[0].until:
                self.end()
            if now >= wave and len(self.waves) < self.chosen.waves:
                self.begin(server.port)
                wave += (self.chosen.lasts_s + TAIL_S) / self.chosen.waves
            if now >= restart:
                self.restart(sink)
                restart += self.chosen.restart_s
            if now >= seen:
                self.memory.add(now - began, resident_mb(server.pid))
                seen += 5
            if now >= said + 60:
                said += 60
                print(f"{(now - began) / 60:.0f} min: {self.now()}", file=sys.stderr, flush=True)
            time.sleep(max(0.0, min(wave, restart, seen) - time.monotonic(), 0.05))
            now = time.monotonic()
        used = cpu_s(server.pid) - before
        lasted = now - began
        while self.waves:
            time.sleep(max(0.0, self.waves[0].until - time.monotonic()))
            self.end()
        time.sleep(self.chosen.settle_s)
        self.accounts.life(sink.counts())
        return self.told(used / lasted)

    def begin(self, port: int) -> None:
        """Another wave."""
        source = Source(port, name=f"soak-{self.begun}")
        ports = [port for index in range(self.each) for port in source.invite(index)]
        load = Load(self.load, ports, self.chosen.lasts_s, f"@{self.packets}")
        until = time.monotonic() + self.chosen.lasts_s + TAIL_S
        self.waves.append(Wave(source, load, until))
        self.begun += 1

    def end(self) -> None:
        """The oldest wave hangs up."""
        wave = self.waves.popleft()
        self.sent += wave.load.sent()["sent"]
        self.left_out += self.left_out_each
        with wave.source:
            wave.source.hang_up_all()
        self.ended_by_server += wave.source.ended_by_server

    def restart(self, sink: Sink) -> None:
        """The consumer is away for a moment."""
        self.accounts.life(sink.counts())
        time.sleep(AWAY_S)
        sink.__enter__()

    def now(self) -> str:
        slope = self.memory.slope_kb_per_minute()
        resident = self.memory.resident_mb[-1]
        return f"{self.begun * self.each} calls begun, {resident:.1f} MB, {slope:+.0f} KiB a minute"

    def told(self, cpu_share: float) -> dict:
        resident = self.memory.resident_mb
        return {
            "calls": self.begun * self.each,
            "ended_by_server": self.ended_by_server,
            "cpu_share": round(cpu_share, 3),
            "sent": self.sent,
            "left_out": self.left_out,
            **self.accounts.told(),
            "memory_mb": [round(resident[at * (len(resident) - 1) // 8], 1) for at in range(9)],
            "slope_kb_per_minute": round(self.memory.slope_kb_per_minute(), 1),
        }


def left_out(path: Path, streams: int) -> int:
    """How many packets of a file are not sent, but for those at the ends of a stream."""
    octets = path.read_bytes()
    (record,) = struct.unpack_from("=I", octets)
    lengths = np.frombuffer(octets, np.uint8, offset=4).reshape(-1, record)[:, :4]
    here = (lengths != 0).any(axis=1).reshape(-1, streams)
    count = 0
    for stream in here.T:
        (sent,) = stream.nonzero()
        count += int(sent[-1] - sent[0] + 1 - len(sent))
    return count


def accounted(told: dict) -> bool:
    """Whether each packet and each sample is."""
    return (
        told["unaccounted_samples"] == 0
        and told["without_stop"] == 0
        and told["packets"] == told["sent"]
        and told["lost"] == told["left_out"]
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--calls", type=int, default=100)
    options.add_argument("--waves", type=int, default=5)
    options.add_argument("--lasts-s", type=float, default=40, help="a call")
    options.add_argument("--loss", type=float, default=0.01)
    options.add_argument("--restart-s", type=float, default=45, help="between ends of the consumer")
    options.add_argument("--settle-s", type=float, default=20, help="after the last call")
    options.add_argument("--workers", default="0")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, Sink() as sink:
        directory = Path(name)
        authority, _ = make_certificate(directory)
        delivery = Delivery(workers=chosen.workers, linger_s=60)
        with Recorder(directory, delivery, sink.port, authority, PORTS) as server:
            told = Soak(chosen, directory).run(server, sink)
    print(json.dumps(told, indent=1))
    sys.exit(not accounted(told))


if __name__ == "__main__":
    main()
