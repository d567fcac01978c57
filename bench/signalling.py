"""
What it costs to take a call: INVITE, 200, ACK and BYE, again and again, by UDP.

    python bench/signalling.py [--rates 20 100 200] [--seconds 10] [--hold 1] [--plain]

Calls begin at an even rate, whatever has become of those before, and each ends after
``--hold`` seconds. An INVITE offers two streams and has the metadata of a call
(``--plain``: SDP alone); no audio comes; each call opens a WebSocket to a consumer and
is sent its silence. Measured are the time from INVITE to 200, which a caller may have
to wait for, and the CPU time of the server, all of it, for each call. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calls import Sink, cpu_s, free_port, resident_mb

from twisted_siprec.simulator.offer import multipart
from twisted_siprec.simulator.offer_metadata import Party, metadata

BIN = Path(sys.executable).parent
TIMEOUT_S = 5.0
"An answer that takes longer is missing."

CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1, ports: [12000, 31999]}}
limits: {{calls: 5000, calls_per_second: 0}}
stopping: {{drain_s: 0}}
destinations: {{sink: {{url: "ws://127.0.0.1:{sink}/"}}}}
default_destinations: [sink]
"""

HEAD = (
    "{method} sip:srs@127.0.0.1:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{branch}{index}\r\n"
    "From: <sip:sbc@127.0.0.1>;tag=f{index}\r\nTo: {to}\r\n"
    "Call-ID: signalling-{index}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
    "Contact: <sip:sbc@127.0.0.1:{own}>;+sip.src\r\nRequire: siprec\r\n"
)


def offer(plain: bool) -> tuple[bytes, str]:
    """The body of all INVITEs, and its type."""
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    for label in ("1", "2"):
        lines += ["m=audio 9 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000"]
        lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20"]
        lines += [f"a=label:{label}", "a=sendonly"]
    sdp = "".join(line + "\r\n" for line in lines).encode()
    parties = (Party("sip:+15550100@example.com", "Alice"), Party("sip:+15550101@example.com"))
    described = metadata(parties, ("1", "2"), lambda digits: os.urandom(digits)[:digits].hex(), 0)
    return multipart(sdp, None if plain else described, "b")


class Load:
    """The SIP of an SRC with many calls; all messages are made of one text each."""

    def __init__(self, port: int, body: tuple[bytes, str], hold_s: float) -> None:
        self.port, self.hold_s = port, hold_s
        self.body, self.content_type = body
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.own = self.socket.getsockname()[1]
        self.began: dict[int, float] = {}
        self.took: list[float] = []
        self.ended = self.refused = self.again = 0
        self.byes: deque[tuple[float, int, str]] = deque()

    def run(self, first: int, rate: float, seconds: float) -> int:
        """Begin calls for so long and let all of them end; how many there were."""
        selector = selectors.DefaultSelector()
        selector.register(self.socket, selectors.EVENT_READ)
        start, count = time.monotonic(), int(rate * seconds)
        index, last = first, start + seconds + self.hold_s + TIMEOUT_S
        while (now := time.monotonic()) < last and self.ended + self.refused < first + count:
            if index < first + count and now >= start + (index - first) / rate:
                self.began[index] = now
                self.send("INVITE", index, "<sip:srs@127.0.0.1>", 1, self.body)
                index += 1
                continue
            if self.byes and now >= self.byes[0][0]:
                _, number, to = self.byes.popleft()
                self.send("BYE", number, to, 2)
                continue
            due = [start + (index - first) / rate] if index < first + count else []
            due += [self.byes[0][0]] if self.byes else [now + 0.1]
            if selector.select(max(0.0, min(due) - now)):
                self.receive()
        return count

    def send(
        self, method: str, index: int, to: str, cseq: int, body: bytes = b"", branch: str = ""
    ) -> None:
        head = HEAD.format(
            method=method,
            branch=branch or method,
            port=self.port,
            own=self.own,
            index=index,
            to=to,
            cseq=cseq,
        )
        kind = f"Content-Type: {self.content_type}\r\n" if body else ""
        self.socket.send(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def receive(self) -> None:
        told = self.socket.recv(65_535).decode()
        now = time.monotonic()
        status = int(told[8:11])
        if status < 200:
            return
        index = int(re.search(r"signalling-(\d+)", told)[1])
        if "CSeq: 2 BYE" in told:
            self.ended += 1
            return
        to = re.search(r"(?m)^To: *(.*?)\r$", told)[1]
        began = self.began.pop(index, None)
        self.again += began is None
        self.send("ACK", index, to, 1, branch="ACK" if status == 200 else "INVITE")
        if began is None:
            return
        if status == 200:
            self.took.append(now - began)
            self.byes.append((now + self.hold_s, index, to))
        else:
            self.refused += 1

    def percentiles(self) -> dict[str, float]:
        ordered = sorted(self.took)
        return {
            name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        }


@contextmanager
def serving(directory: Path, sink: int) -> Iterator[tuple[int, int]]:
    """The server as a process: its id, and its port."""
    port = free_port()
    (directory / "siprec.yaml").write_text(CONFIGURATION.format(sip=port, sink=sink))
    path = directory / "server.log"
    with path.open("wb") as log:
        server = subprocess.Popen(
            [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", "siprec.yaml"],
            cwd=directory,
            stdout=log,
            stderr=log,
        )
    while "serving" not in path.read_text():
        if server.poll() is not None:
            sys.exit(path.read_text())
        time.sleep(0.1)
    yield server.pid, port
    server.terminate()
    server.wait()
    if "Traceback" in path.read_text():
        sys.exit(path.read_text())


def measure(chosen: argparse.Namespace, rate: float, pid: int, port: int, first: int) -> dict:
    """One rate, and what was seen of it."""
    load = Load(port, offer(chosen.plain), chosen.hold)
    load.ended = first
    before, began = cpu_s(pid), time.monotonic()
    count = load.run(first, rate, chosen.seconds)
    used, elapsed = cpu_s(pid) - before, time.monotonic() - began
    return {
        "calls_per_second": rate,
        "calls": count,
        "ended": load.ended - first,
        "refused": load.refused,
        "answered_again": load.again,
        "invite_to_200_ms": load.percentiles(),
        "cpu_ms_per_call": round(used / count * 1e3, 2),
        "cpu_share": round(used / elapsed, 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--rates", type=float, nargs="+", default=[20, 100, 200])
    options.add_argument("--seconds", type=float, default=10)
    options.add_argument("--hold", type=float, default=1, help="seconds from 200 to BYE")
    options.add_argument("--plain", action="store_true", help="SDP alone")
    chosen = options.parse_args()
    results, first = [], 0
    with (
        tempfile.TemporaryDirectory() as name,
        Sink() as sink,
        serving(Path(name), sink.port) as (pid, port),
    ):
        for rate in chosen.rates:
            results.append(measure(chosen, rate, pid, port, first))
            first += results[-1]["calls"]
            time.sleep(1)
        memory = resident_mb(pid)
    machine = f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "memory_mb": round(memory), "rates": results}, indent=1))


if __name__ == "__main__":
    main()
