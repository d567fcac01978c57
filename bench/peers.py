"""
The servers that ``twistd siprec`` is measured beside. Each is told how many calls there
will be, and the ports.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from processes import HERE, Load, Sink, allow_files, compiled, free_block
from steady import LONG_S, Span, measure

BESIDE = ("per-packet", "compiled-packet", "compiled-tick", "gstreamer")
PIPELINE = (
    "udpsrc address=127.0.0.1 port={port} "
    "caps=application/x-rtp,media=audio,clock-rate=8000,encoding-name=PCMU,payload=0 "
    "! rtpjitterbuffer latency=60 ! rtppcmudepay ! mulawdec ! fakesink sync=false"
)
"Of one stream; what is waited for packets is what our server waits."


def run_beside(
    what: str,
    directory: Path,
    program: Path,
    span: Span,
) -> dict:
    """One of them, under the load of so many calls."""
    first = free_block(4 * span.calls)
    ports = [first + 2 * index for index in range(2 * span.calls)]
    with Sink() as sink:
        allow_files()
        if what == "gstreamer":
            server = gstreamer(ports)
        else:
            command = (
                [sys.executable, HERE / "per_packet.py"]
                if what == "per-packet"
                else [compiled(directory, "compiled"), what.removeprefix("compiled-")]
            )
            told = [*command, str(span.calls), str(first), str(sink.port)]
            server = subprocess.Popen(told, stdout=subprocess.PIPE, text=True)
            assert server.stdout.readline() == "ready\n"
        steady = measure(server.pid, [Load(program, ports, LONG_S)], span)
        server.kill()
        server.communicate()
        counts = sink.counts()
    return {
        "cpu_us_per_call_second": round(steady.cpu_us_per_call_second),
        "memory_mb": round(steady.memory_mb, 1),
        "messages": counts["binary_messages"],
        "load": steady.load,
    }


def gstreamer(ports: list[int]) -> subprocess.Popen[str]:
    """One process, a pipeline for each port; it plays."""
    pipelines = " ".join(PIPELINE.format(port=port) for port in ports)
    server = subprocess.Popen(
        ["gst-launch-1.0", *pipelines.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    while not any("PLAYING" in line for line in said[-1:]):
        said.append(server.stdout.readline())
        if not said[-1]:
            sys.exit("".join(said))
    return server
