"""
What takes part in a measurement, as processes: who is measured, by what the kernel
counts of it, who sends, and who consumes.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
from array import array
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
MAX_FILES = 1 << 16


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def free_block(ports: int) -> int:
    """The first of so many UDP ports, even, of which all even ones were free a moment ago."""
    for _ in range(100):
        first = random.randrange(10_000, 32_000 - ports) & ~1
        bound: list[socket.socket] = []
        try:
            for port in range(first, first + ports, 2):
                bound.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                bound[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for each in bound:
                each.close()
        return first
    raise SystemExit(f"no {ports} UDP ports in a row are free")


def family(pid: int) -> list[int]:
    """A process and its children."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in told for one in family(int(child)))]


def cpu_s(pid: int) -> float:
    """User and system time so far, of a process and its children."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def resident_mb(pid: int) -> float:
    """Of a process and its children; what they share counts for each."""
    statuses = [Path(f"/proc/{one}/status").read_text() for one in family(pid)]
    return sum(int(re.search(r"VmRSS:\s+(\d+)", each)[1]) for each in statuses) / 1024


def allow_files() -> None:
    """As many open files as the machine lets us have; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_FILES), hard))


def before_others() -> None:
    """What sends and what consumes must not be what is late; it takes root."""
    with suppress(PermissionError):
        os.nice(-10)


def compiled(directory: Path, name: str) -> Path:
    """A program in C, ready to run."""
    program = directory / name
    subprocess.run(["cc", "-O2", "-o", program, HERE / f"{name}.c"], check=True)
    return program


class Sink:
    """bench/sink.py as a process; with TLS where it has a certificate and a key."""

    def __init__(self, *certificate: Path, port: int = 0) -> None:
        self.certificate = certificate
        self.port = port

    def __enter__(self) -> Sink:
        allow_files()
        self.process = subprocess.Popen(
            [sys.executable, HERE / "sink.py", "--port", str(self.port), *self.certificate],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=before_others,
        )
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.counts()

    def counts(self) -> dict:
        """End it, and what it had."""
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate()[0])


def seconds(octets: str) -> array:
    """Times as the sink tells them."""
    return array("d", base64.b64decode(octets))


class Load:
    """bench/load.c as a process, which sends to so many ports for so long."""

    def __init__(self, program: Path, ports: list[int], seconds: float, *what: str) -> None:
        self.process = subprocess.Popen(
            [program, str(seconds), *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=before_others,
        )
        self.process.stdin.write("\n".join(map(str, ports)))
        self.process.stdin.close()

    def end(self) -> dict:
        """No more of it; what it sent."""
        self.process.send_signal(signal.SIGTERM)
        return self.sent()

    def sent(self) -> dict:
        """What it sent, when it has."""
        told = json.loads(self.process.stdout.read())
        self.process.wait()
        return told
