"""
What a call costs: ``twistd siprec`` beside servers that do less, in one run, on one
machine, under the same load.

    python bench/calls.py [--calls 200] [--seconds 10] [--times 3]
                          [--beside per-packet compiled-packet compiled-tick gstreamer]
    python bench/calls.py --matrix [--calls 200]

All receive the same RTP (bench/load.c: 20 ms packets, two streams a call) and, but for
GStreamer, send stereo chunks to the same sink. Measured are, over the steady part, the
CPU time (user and system) of the server and its workers from /proc and their resident
memory; and at the sink how late the audio is (lateness.py) and whether all of it came.
Prints JSON and lines that say what it means. With ``--times`` all are measured so often,
in turns, and the ratios are those of the medians. Needs a C compiler.

======================= ==============================================================
per-packet              Twisted and Autobahn as one would use them first (per_packet.py)
compiled-packet         the same in C, packet by packet (compiled.c)
compiled-tick           in C, each socket read once a chunk: the design of ours
gstreamer               rtpjitterbuffer and decoder alone: nothing is delivered
======================= ==============================================================

``--codec``, ``--rate``, ``--chunk-ms``, ``--layout``, ``--wss`` and ``--workers`` are of
``twistd siprec`` alone; ``--matrix`` measures it with one of them changed at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from statistics import median

from lateness import late_and_delayed_s
from peers import BESIDE, run_beside
from processes import Load, Sink, compiled, cpu_s, free_port, resident_mb
from recorder import Delivery, Recorder, Source, percentiles
from steady import LONG_S, Span, measure

from twisted_siprec.simulator.certificates import make_certificate

__all__ = ["Sink", "cpu_s", "free_port", "resident_mb"]

GROUP = 25
"Calls that begin together, each group with a load of its own."
USABLE = 0.8
"Of a core: what is over is for what comes all at once."


def opened(source: Source, first: int, span: Span) -> list[int]:
    """A group of calls, from this one on; the ports to send to, which nobody keeps waiting."""
    last = min(first + GROUP, span.calls)
    return [port for index in range(first, last) for port in source.invite(index)]


def siprec(program: Path, directory: Path, delivery: Delivery, span: Span) -> dict:
    """``twistd siprec``, whole: SIP, RTP and WebSocket."""
    certificate = make_certificate(directory)
    payload_type = str(delivery.payload_type)
    with Sink(*(certificate if delivery.wss else ())) as sink:
        with (
            Recorder(directory, delivery, sink.port, certificate[0]) as server,
            Source(server.port, delivery.payload_type) as source,
        ):
            loads = [
                Load(program, opened(source, first, span), LONG_S, "160", payload_type)
                for first in range(0, span.calls, GROUP)
            ]
            steady = measure(server.pid, loads, span)
            source.hang_up_all()
            time.sleep(0.5 + span.calls / 400)
        counts = sink.counts()
    streams = list(counts["streams"].values())
    stops = [each["stop"] for each in streams if each["stop"]]
    channels = [channel for stop in stops for channel in stop["channels"]]
    starts = [each["start_ns"] for each in steady.loads]
    late, delayed = late_and_delayed_s(streams, starts, GROUP, steady.since, steady.until)
    return {
        "cpu_us_per_call_second": round(steady.cpu_us_per_call_second),
        "calls_per_core": round(USABLE * 1e6 / max(steady.cpu_us_per_call_second, 1)),
        "memory_kb_per_call": round((steady.memory_mb - server.empty_mb) * 1024 / span.calls),
        "memory_mb": round(steady.memory_mb, 1),
        "lateness_ms": percentiles(late),
        "delay_ms": percentiles(delayed),
        "lost_packets": steady.load["sent"] - sum(each["packets"] for each in channels),
        "late_packets": sum(each["late"] for each in channels),
        "unaccounted_samples": sum(unaccounted(each) for each in streams),
        "streams_without_stop": len(streams) - len(stops),
        "invite_to_200_ms": source.invite_to_200_ms(),
        "messages": counts["binary_messages"],
        "load": steady.load,
    }


def unaccounted(stream: dict) -> int:
    """What ``stop`` says of a stream and neither audio nor gap was there for, in samples."""
    if stream["stop"] is None:
        return 0
    said = sorted(map(tuple, stream["spans"] + stream["jumps"]))
    missing = position = 0
    for first, end in said:
        missing += max(0, first - position)
        position = max(position, end)
    return missing + abs(stream["stop"]["finalPos"] - position)


MATRIX = {
    "PCMU, 100 ms, interleaved, 8 kHz, ws": Delivery(),
    "20 ms": Delivery(chunk_ms=20),
    "200 ms": Delivery(chunk_ms=200),
    "wss": Delivery(wss=True),
    "wss, 20 ms": Delivery(wss=True, chunk_ms=20),
    "separate": Delivery(layout="separate"),
    "mono": Delivery(layout="mono"),
    "16 kHz": Delivery(rate=16_000),
    "G.722, 16 kHz": Delivery(codec="G722", rate=16_000),
    "G.722, 16 kHz, 20 ms, wss": Delivery(codec="G722", rate=16_000, chunk_ms=20, wss=True),
    "G.722, 8 kHz": Delivery(codec="G722"),
    "1 worker": Delivery(workers="1"),
    "2 workers": Delivery(workers="2"),
}
"What is changed, against the first."


def in_short(percentiles_ms: dict[str, float]) -> str:
    return " / ".join(f"{ms:.0f}" for ms in percentiles_ms.values())


COLUMNS = (
    ("CPU µs", lambda told: f"{told['cpu_us_per_call_second']:,}"),
    ("calls a core", lambda told: f"{told['calls_per_core']:,}"),
    ("lateness, ms", lambda told: in_short(told["lateness_ms"])),
    ("delay, ms", lambda told: in_short(told["delay_ms"])),
    ("KiB a call", lambda told: str(told["memory_kb_per_call"])),
    ("lost", lambda told: str(told["lost_packets"] + told["unaccounted_samples"])),
)


def table(rows: dict[str, dict]) -> str:
    """As it is in bench/README.rst."""
    lines = [["", *(head for head, _ in COLUMNS)]]
    lines += [[name, *(value(told) for _, value in COLUMNS)] for name, told in rows.items()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = " ".join("=" * width for width in widths)
    head, *body = [
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([rule, head, rule, *body, rule])


def middle(rounds: list[dict]) -> dict:
    """The round whose cost is the median, with the costs of all."""
    costs = [each["cpu_us_per_call_second"] for each in rounds]
    ordered = sorted(rounds, key=lambda each: each["cpu_us_per_call_second"])
    return {**ordered[(len(ordered) - 1) // 2], "rounds": costs}


def options() -> argparse.ArgumentParser:
    told = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    told.add_argument("--calls", type=int, default=200)
    told.add_argument("--seconds", type=float, default=10)
    told.add_argument("--warm-up-s", type=float, default=5)
    told.add_argument("--times", type=int, default=1)
    told.add_argument("--beside", nargs="*", choices=BESIDE, default=[], metavar="WHAT")
    told.add_argument("--matrix", action="store_true")
    told.add_argument("--codec", choices=["PCMU", "PCMA", "G722"], default="PCMU")
    told.add_argument("--rate", type=int, choices=[8000, 16_000], default=8000)
    told.add_argument("--chunk-ms", type=int, default=100)
    told.add_argument(
        "--layout", choices=["interleaved", "mono", "separate"], default="interleaved"
    )
    told.add_argument("--wss", action="store_true")
    told.add_argument("--workers", default="0")
    return told


def measured(chosen: argparse.Namespace, wanted: dict[str, Delivery]) -> dict[str, list[dict]]:
    """Everything that is wanted, in turns."""
    span = Span(chosen.calls, chosen.seconds, chosen.warm_up_s)
    rounds: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        program = compiled(directory, "load")
        for _ in range(chosen.times):
            for what, delivery in wanted.items():
                told = siprec(program, directory, delivery, span)
                rounds.setdefault(what, []).append(told)
            for what in chosen.beside:
                told = run_beside(what, directory, program, span)
                rounds.setdefault(what, []).append(told)
    return rounds


def main() -> None:
    chosen = options().parse_args()
    delivery = Delivery(
        chosen.codec, chosen.chunk_ms, chosen.layout, chosen.rate, chosen.wss, chosen.workers
    )
    wanted = MATRIX if chosen.matrix else {"siprec": delivery}
    results = {name: middle(rounds) for name, rounds in measured(chosen, wanted).items()}
    machine = f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "calls": chosen.calls, **results}, indent=1))
    ours = results[next(iter(wanted))]
    for other in chosen.beside:
        theirs = median(results[other]["rounds"])
        if theirs:
            ratio = median(ours["rounds"]) / theirs
            print(f"twistd siprec takes {ratio:.2f} of the CPU of {other} at {chosen.calls} calls")
    print(table({name: results[name] for name in wanted}))


if __name__ == "__main__":
    main()
