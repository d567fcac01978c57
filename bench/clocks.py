"""
Figures of time: clocks that run away for an hour, and networks that jitter.

All on simulated clocks, through a whole bridge::

    python bench/clocks.py drift
    python bench/clocks.py jitter
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from random import Random

import numpy as np
from numpy.typing import NDArray

from twisted_siprec.bridge.bridge import Bridge, Surroundings
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, ChannelPlan, Codec, Destination, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

L16 = Codec(96, "L16", 8000)
OPENED = 1000.0
HERTZ = 1000
Network = Callable[[Random], Iterator[float]]
"The delay of packet after packet, in ms."


def quiet(random: Random) -> Iterator[float]:
    """A wired network."""
    while True:
        yield 1 + random.expovariate(10)


def gaussian(random: Random) -> Iterator[float]:
    """Delays that are spread evenly about their mean: 60 ms and 20 of deviation."""
    while True:
        yield max(random.gauss(60, 20), 1)


def bursts(random: Random) -> Iterator[float]:
    """Quiet but for a queue that fills to 150 ms and empties, once in 10 s or so."""
    queued = 0.0
    while True:
        if random.random() < 0.002:
            queued = random.uniform(60, 150)
        yield 5 + random.expovariate(1) + queued
        queued = max(queued - 12, 0)


def wifi(random: Random) -> Iterator[float]:
    """Most soon, some much later: a long tail, and a scan of 100 ms now and then."""
    scan = 0.0
    while True:
        if random.random() < 0.0005:
            scan = 120
        yield 3 + random.paretovariate(1.6) * 3 % 160 + scan
        scan = max(scan - 20, 0)


def step(random: Random) -> Iterator[float]:
    """A route that is 100 ms longer from the third minute to the sixth."""
    number = 0
    while True:
        number += 1
        yield (5 if not 9000 <= number < 18_000 else 105) + random.expovariate(0.5)


class Call:
    """A bridge with one stream, and who takes what it gives."""

    def __init__(self, settings: MediaSettings) -> None:
        plan = BridgePlan(
            "b",
            "b",
            "192.0.2.9",
            (StreamPlan(0, (L16,)),),
            (ChannelPlan(0, (0,)),),
            (Destination("one", "ws://consumer.example.com/"),),
            Description("b", "c"),
            0.0,
        )
        self.bridge = Bridge(plan, Surroundings(settings, lambda now: now, lambda: "s"), OPENED)
        self.begun = 0.0
        self.payloads: list[bytes] = []
        self.waits: list[float] = []

    def step(self, now: float, came: list[Datagram]) -> None:
        """A moment, and what came before it."""
        if came:
            self.bridge.receive(0, came)
        self.bridge.expire(now)
        for block in self.bridge.outputs():
            for _, start in block.opened:
                self.begun = start.started_at - OPENED
            for _, items in block.parts:
                for item in items:
                    if isinstance(item, Audio):
                        self.payloads.append(item.payload)
                        ends = self.begun + (item.position + item.samples) / 8000
                        self.waits.append(now - OPENED - ends)


def packet(number: int, payload: bytes, arrived_at: float) -> Datagram:
    """A packet of 20 ms."""
    octets = bytes(RTPPacket(96, False, number & 0xFFFF, 160 * number & 0xFFFFFFFF, 7, payload))
    return Datagram(octets, ("192.0.2.1", 4000), arrived_at)


def drift(ppm: float, minutes: int) -> None:
    """How far a party is off, second by second, and how clean a tone is."""
    call, delays = Call(MediaSettings()), quiet(Random(1))
    waiting: list[Datagram] = []
    number = 0
    for second in range(1, minutes * 60 + 1):
        now = OPENED + second
        while not waiting or waiting[-1].arrived_at <= now:
            at = np.arange(160 * number, 160 * number + 160) / 8000 * (1 + ppm / 1e6)
            tone = np.rint(12_000 * np.sin(2 * np.pi * (HERTZ * at)))
            sent = (0.02 * number + 0.02) * (1 + ppm / 1e6)
            arrived_at = OPENED + sent + next(delays) / 1000
            waiting.append(packet(number, tone.astype(">i2").tobytes(), arrived_at))
            number += 1
        call.step(now, waiting[:-1])
        del waiting[:-1]
    samples = np.frombuffer(b"".join(call.payloads), dtype="<i2")[8000:]
    at = call.begun + 1 + np.arange(len(samples)) / 8000
    each = (samples * np.exp(-2j * np.pi * HERTZ * (at - 0.021))).reshape(-1, 800).sum(axis=1)
    # More than a period in an hour: the angle is followed from one tenth to the next.
    off_ms = np.unwrap(np.angle(each * 1j)) / (2 * np.pi * HERTZ) * 1000
    counted = call.bridge.statistics()[0]
    print(
        f"{ppm:+5.0f} ppm  off {np.abs(off_ms).max():5.2f} ms at most, "
        f"at the end {off_ms[-1]:+5.2f}   residue {residue_db(samples):6.1f} dB   "
        f"moved {counted.slipped} samples, late {counted.late}, silent {counted.silent_ms} ms"
    )


def residue_db(samples: NDArray[np.int16]) -> float:
    """What there is besides the tone, of the worst second."""
    window = np.blackman(8000)
    worst = -200.0
    near = np.abs(np.fft.rfftfreq(8000, 1 / 8000) - HERTZ) < 60
    for begin in range(0, len(samples) - 8000, 8000):
        power = np.abs(np.fft.rfft(samples[begin : begin + 8000] * window)) ** 2
        worst = max(worst, float(10 * np.log10(power[~near].sum() / power[near].sum())))
    return worst


def jitter(name: str, network: Network, least_ms: int, most_ms: int, minutes: int) -> None:
    """What comes too late, and how long is waited."""
    call = Call(MediaSettings(jitter_ms=least_ms, jitter_max_ms=most_ms, conceal=False))
    delays = network(Random(2))
    came = sorted(
        (
            packet(n, bytes([1, 1]) * 160, OPENED + 0.02 * n + next(delays) / 1000)
            for n in range(minutes * 3000)
        ),
        key=lambda one: one.arrived_at,
    )
    at, now = 0, OPENED
    while at < len(came):
        now += 0.01
        begin = at
        while at < len(came) and came[at].arrived_at <= now:
            at += 1
        call.step(now, came[begin:at])
    late = call.bridge.statistics()[0].late
    wait = f"{least_ms} to {most_ms}" if most_ms else str(least_ms)
    waited = np.array(call.waits) * 1000
    print(
        f"{name:9s} {wait:>9s} ms   late {100 * late / len(came):6.3f} %   "
        f"waited {waited.mean():5.1f} ms on average, {waited.max():5.1f} at most"
    )


def main() -> None:
    """What is asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("drift", "jitter"))
    options.add_argument("--minutes", type=int, default=0)
    chosen = options.parse_args()
    if chosen.what == "drift":
        for ppm in (0, 20, -50, 200, -200):
            drift(ppm, chosen.minutes or 60)
        return
    for network in (quiet, gaussian, bursts, wifi, step):
        for least_ms, most_ms in ((20, 0), (60, 0), (120, 0), (250, 0), (60, 250), (20, 250)):
            jitter(network.__name__, network, least_ms, most_ms, chosen.minutes or 10)


if __name__ == "__main__":
    main()
