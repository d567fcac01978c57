"""
What a call costs: ``twistd siprec`` beside the per-packet server that one writes
first, in one run, on one machine, under the same load.

    python bench/calls.py [--calls 200] [--seconds 10] [--compiled]

All receive the same RTP (bench/load.c: G.711, 20 ms packets, two streams a
call) and send stereo chunks of 100 ms to the same sink; with ``--compiled``, so do
two programs in C that do no more than the per-packet server does (bench/compiled.c:
packet by packet, and once a chunk). Measured is the CPU time (user and system) of
the server and its workers, from /proc, over the steady part, and their resident
memory. Prints JSON and a line that says what it means. Needs a C compiler.

The other options are of ``twistd siprec`` alone: ``--wss``, ``--chunk-ms``,
``--layout``, ``--workers``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twisted_siprec.simulator.certificates import make_certificate

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")

CONFIGURATION = """
sip:
  listeners: [{{transport: tcp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1, ports: [30000, 49999]}}
limits: {{calls: 5000, calls_per_second: 0}}
stopping: {{drain_s: 0}}
workers: {workers}
destinations:
  sink:
    url: "{scheme}://127.0.0.1:{sink}/"
    framing: plain
    chunk_ms: {chunk_ms}
    layout: {layout}
{tls}default_destinations: [sink]
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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


class Sink:
    """bench/sink.py as a process; with TLS where it has a certificate and a key."""

    def __init__(self, *certificate: Path) -> None:
        self.certificate = certificate

    def __enter__(self) -> Sink:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "sink.py", *self.certificate],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.counts()

    def counts(self) -> dict:
        self.process.send_signal(signal.SIGTERM)
        return json.loads(self.process.communicate()[0])


def compiled(directory: Path, name: str) -> Path:
    program = directory / name
    subprocess.run(["cc", "-O2", "-o", program, HERE / f"{name}.c"], check=True)
    return program


def measure(pid: int, load: Path, ports: list[int], seconds: float) -> tuple[float, dict, float]:
    """CPU µs per call and second, what the load sent, and the memory at the end."""
    sender = subprocess.Popen(
        [load, str(seconds + 3)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    sender.stdin.write("\n".join(map(str, ports)))
    sender.stdin.close()
    time.sleep(2)
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    used, elapsed = cpu_s(pid) - before, time.monotonic() - began
    memory = resident_mb(pid)
    sent = json.loads(sender.stdout.read())
    sender.wait()
    calls = len(ports) // 2
    return used / elapsed / calls * 1e6, sent, memory


def peer(command: list, calls: int, seconds: float, load: Path) -> dict:
    """A server that is told the number of calls, the first port, and the sink's port."""
    first = 20_000
    with Sink() as sink:
        told = [*command, str(calls), str(first), str(sink.port)]
        server = subprocess.Popen(told, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        ports = [first + 2 * index for index in range(2 * calls)]
        cost, sent, memory = measure(server.pid, load, ports, seconds)
        server.kill()
        counts = sink.counts()
    return {
        "cpu_us_per_call_second": round(cost),
        "memory_mb": round(memory, 1),
        "messages": counts["binary_messages"],
        "load": sent,
    }


def siprec(load: Path, directory: Path, chosen: argparse.Namespace) -> dict:
    sip, calls, seconds = free_port(), chosen.calls, chosen.seconds
    certificate = make_certificate(directory)
    with Sink(*(certificate if chosen.wss else ())) as sink:
        configuration = CONFIGURATION.format(
            sip=sip,
            sink=sink.port,
            scheme="wss" if chosen.wss else "ws",
            tls=f"    tls: {{authorities: {certificate[0]}}}\n" if chosen.wss else "",
            workers=chosen.workers,
            chunk_ms=chosen.chunk_ms,
            layout=chosen.layout,
        )
        (directory / "siprec.yaml").write_text(configuration)
        log = (directory / "server.log").open("wb")
        server = subprocess.Popen(
            [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", "siprec.yaml"],
            cwd=directory,
            stdout=log,
            stderr=log,
        )
        while "serving" not in (directory / "server.log").read_text():
            if server.poll() is not None:
                sys.exit((directory / "server.log").read_text())
            time.sleep(0.1)
        empty = resident_mb(server.pid)
        with socket.create_connection(("127.0.0.1", sip)) as src:
            src.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = Signalling(src, sip)
            opened = [answers.invite(index) for index in range(calls)]
            ports = [port for _, pair in opened for port in pair]
            cost, sent, memory = measure(server.pid, load, ports, seconds)
            answers.hang_up_all()
            time.sleep(3)
        server.terminate()
        server.wait()
        counts = sink.counts()
    stops = counts["stops"]
    return {
        "cpu_us_per_call_second": round(cost),
        "memory_mb": round(memory, 1),
        "memory_kb_per_call": round((memory - empty) * 1024 / calls),
        "messages": counts["binary_messages"],
        "calls_accounted": len(stops),
        "packets": sum(each["packets"] for stop in stops for each in stop["channels"]),
        "lost": sum(each["lost"] for stop in stops for each in stop["channels"]),
        "late": sum(each["late"] for stop in stops for each in stop["channels"]),
        "invite_to_200_ms": answers.percentiles(),
        "load": sent,
    }


class Signalling:
    """The SIP of an SRC, as little as there is to it: one connection, one call after another."""

    def __init__(self, connection: socket.socket, port: int) -> None:
        self.connection = connection
        self.port = port
        self.buffer = b""
        self.took: list[float] = []
        self.dialogs: list[tuple[int, str]] = []

    def request(self, method: str, index: int, to: str, cseq: int, body: str = "") -> None:
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.connection.sendall(
            (
                f"{method} sip:srs@127.0.0.1:{self.port};transport=tcp SIP/2.0\r\n"
                f"Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{method}{index}\r\n"
                f"From: <sip:sbc@127.0.0.1>;tag=f{index}\r\nTo: {to}\r\n"
                f"Call-ID: bench-{index}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
                "Contact: <sip:sbc@127.0.0.1;transport=tcp>;+sip.src\r\nRequire: siprec\r\n"
                f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    def answer(self) -> str:
        """The next final response, with its body."""
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                length = int(re.search(rb"Content-Length: *(\d+)", head, re.I)[1])
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    if not head.startswith(b"SIP/2.0 1"):
                        return (head + b"\r\n\r\n" + rest[:length]).decode()
                    continue
            self.buffer += self.connection.recv(65_536)

    def invite(self, index: int) -> tuple[str, tuple[int, int]]:
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
        for label in (1, 2):
            lines += ["m=audio 9 RTP/AVP 0", f"a=label:{label}", "a=sendonly"]
        began = time.monotonic()
        self.request("INVITE", index, "<sip:srs@127.0.0.1>", 1, "\r\n".join(lines) + "\r\n")
        told = self.answer()
        self.took.append(time.monotonic() - began)
        assert told.startswith("SIP/2.0 200"), told
        to = re.search(r"(?im)^To: *(.*?)\r$", told)[1]
        self.request("ACK", index, to, 1)
        self.dialogs.append((index, to))
        first, second = re.findall(r"m=audio (\d+)", told)
        return to, (int(first), int(second))

    def hang_up_all(self) -> None:
        for index, to in self.dialogs:
            self.request("BYE", index, to, 2)
            self.answer()

    def percentiles(self) -> dict[str, float]:
        ordered = sorted(self.took)
        return {
            name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--compiled", action="store_true", help="two programs in C as well")
    options.add_argument("--alone", action="store_true", help="twistd siprec and nothing else")
    options.add_argument("--wss", action="store_true")
    options.add_argument("--chunk-ms", type=int, default=100)
    options.add_argument(
        "--layout", choices=["interleaved", "mono", "separate"], default="interleaved"
    )
    options.add_argument("--workers", default="0")
    chosen = options.parse_args()
    calls, seconds = chosen.calls, chosen.seconds
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        load = compiled(directory, "load")
        results = {"siprec": siprec(load, directory, chosen)}
        if not chosen.alone:
            python = [sys.executable, HERE / "per_packet.py"]
            results["per_packet"] = peer(python, calls, seconds, load)
        for way in ("packet", "tick") if chosen.compiled else ():
            command = [compiled(directory, "compiled"), way]
            results[f"compiled_{way}"] = peer(command, calls, seconds, load)
    machine = f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "calls": calls, **results}, indent=1))
    ours = results.pop("siprec")
    for other, result in results.items():
        ratio = ours["cpu_us_per_call_second"] / result["cpu_us_per_call_second"]
        print(f"twistd siprec takes {ratio:.2f} of the CPU of {other} at {calls} calls")
    print(f"{ours['lost'] + ours['late']} packets lost or late")


if __name__ == "__main__":
    main()
