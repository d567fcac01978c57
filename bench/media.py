"""
The media plane alone: from the sockets to the audio that a consumer would get,
without WebSocket and SIP, once stream by stream and once in batches.

    python bench/media.py [--calls 200] [--seconds 8] [--rate 8000]
                          [--codec PCMU] [--suite AES_CM_128_HMAC_SHA1_80]
                          [--loss 0.01] [--keys] [--silent]

Each side is a process of its own under the same load (bench/load.c: 20 ms
packets, two streams a call), one after the other; what is measured is its CPU
time over the steady part, and how many of the streams were in batches meanwhile.
Prints JSON and a line that says what it means. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from packets import CODECS, EVENT, KEY_OCTETS, Scene
from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.task import LoopingCall

from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, ChannelPlan, Destination, StreamPlan
from twisted_siprec.report import DeliveryStatistics

HERE = Path(__file__).parent
CHANNELS = (ChannelPlan(0, (0,)), ChannelPlan(1, (1,)))
WARM_UP_S = 2.0
_LIMIT = 1 << 16


class Count:
    """A consumer that counts."""

    octets = chunks = gaps = 0

    def __init__(self, start: object, report: object) -> None:
        pass

    def carry(self, audio: object) -> None:
        Count.chunks += 1
        Count.octets += len(audio.payload)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        Count.chunks += 1
        Count.octets += len(payload)

    def tell(self, event: object) -> None:
        Count.gaps += type(event).__name__ == "Gap"

    def waiting_s(self) -> float:
        return 0.0

    def stop(self, *_: object) -> object:
        return succeed(DeliveryStatistics("none", "none"))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def serve(calls: int, seconds: float, batch: int, rate: int | None, scene: Scene) -> None:
    """One side: open the calls, tell their ports, wait for the load, measure."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _LIMIT), hard))
    settings = MediaSettings(first_port=30_000, last_port=49_999, max_batch_packets=batch)
    media = LocalMedia(reactor, settings, Count)
    where = Destination("none", "ws://none.example.com/", sample_rate=rate)
    ports: list[int] = []
    formats = (CODECS[scene.codec].codec, EVENT)
    streams = tuple(StreamPlan(index, formats, crypto=scene.crypto) for index in (0, 1))
    together: list[int] = []

    def opened(answer: object) -> None:
        ports.extend(pair.rtp for pair in answer.ports)

    for number in range(calls):
        name = f"b{number}"
        media.open(
            BridgePlan(
                name,
                name,
                "127.0.0.1",
                streams,
                CHANNELS,
                (where,),
                Description(name, name),
                time.time(),
            )
        ).addCallback(opened)
    print(json.dumps(ports), flush=True)
    before: list[float] = []

    def measure() -> None:
        before.append(cpu_s())
        began = Count.chunks
        LoopingCall(lambda: together.append(media.streams_together)).start(0.037)
        reactor.callLater(seconds, tell, began)

    def tell(began: int) -> None:
        used = cpu_s() - before[0]
        totals = [one for number in range(calls) for one in media.statistics(f"b{number}")]
        told = {
            "cpu_us_per_call_second": round(used / seconds / calls * 1e6),
            "chunks": Count.chunks - began,
            "chunks_due": round(calls * seconds * 10),
            "gaps": Count.gaps,
            "share_together": round(sum(together) / len(together) / 2 / calls, 3),
            "slipped": sum(one.slipped for one in totals),
            "lost": sum(one.lost for one in totals),
            "late": sum(one.late for one in totals),
            "dropped": sum(one.dropped for one in totals),
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
        print(json.dumps(told), flush=True)
        reactor.stop()

    reactor.callLater(WARM_UP_S, measure)
    reactor.run()


def side(load: Path, packets: Path, chosen: argparse.Namespace, batch: int) -> dict:
    """Run one side as a process, with the load."""
    rate = [] if chosen.rate is None else ["--rate", str(chosen.rate)]
    server = subprocess.Popen(
        [
            *(sys.executable, __file__, "--serve", str(batch), "--calls", str(chosen.calls)),
            *("--seconds", str(chosen.seconds), "--codec", chosen.codec, *rate),
            *(["--suite", chosen.suite] if chosen.suite else []),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    ports = json.loads(server.stdout.readline())
    sender = subprocess.Popen(
        [load, str(chosen.seconds + WARM_UP_S + 1), f"@{packets}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    sender.communicate("\n".join(map(str, ports)))
    measured = json.loads(server.stdout.readline())
    server.wait()
    return measured


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--seconds", type=float, default=8)
    options.add_argument("--rate", type=int, help="Hz that the consumer asks for")
    options.add_argument("--codec", choices=CODECS, default="PCMU")
    options.add_argument("--suite", choices=KEY_OCTETS, help="of SRTP")
    options.add_argument("--loss", type=float, default=0.0, help="of all packets")
    options.add_argument("--keys", action="store_true", help="a key press every 5 s on each")
    options.add_argument("--silent", action="store_true", help="one party of each call")
    options.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    scene = Scene(chosen.codec, chosen.suite, chosen.loss, chosen.keys, chosen.silent)
    if chosen.serve is not None:
        serve(chosen.calls, chosen.seconds, chosen.serve, chosen.rate, scene)
        return
    with tempfile.TemporaryDirectory() as name:
        load, packets = Path(name) / "load", Path(name) / "packets"
        subprocess.run(["cc", "-O2", "-o", load, HERE / "load.c"], check=True)
        scene.write(packets, 2 * chosen.calls, chosen.seconds + WARM_UP_S + 1)
        plain = side(load, packets, chosen, 0)
        batch = side(load, packets, chosen, MediaSettings().max_batch_packets)
    print(json.dumps({"calls": chosen.calls, "plain": plain, "batch": batch}, indent=1))
    ratio = batch["cpu_us_per_call_second"] / plain["cpu_us_per_call_second"]
    print(f"in batches {ratio:.2f} of the CPU of stream by stream, at {chosen.calls} calls")


if __name__ == "__main__":
    main()
