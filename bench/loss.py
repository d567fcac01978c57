"""
What speech is worth after packet loss: PESQ (ITU-T P.862.1) with our concealment,
with silence, and with that of spandsp, which is GStreamer's spanplc.

    python bench/loss.py [SEEDS]

The speech of the simulator as PCMU, packets of 20 ms, each rate of loss at random
and in bursts of three packets on average. Needs ``pip install pesq`` (and a C
compiler for it); spandsp is compared with where libspandsp is installed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twisted_siprec.audio.concealment import Concealment
from twisted_siprec.audio.g711 import PCMU_DECODED, encoded
from twisted_siprec.simulator.speech import read

try:
    from pesq import pesq
except ImportError:
    sys.exit("bench/loss.py needs PESQ: pip install pesq")

RATE = 8000
PACKET = 160
PERCENT = (1, 3, 5, 10)
BURST = 3.0

Samples = NDArray[np.int16]
Received = NDArray[np.bool_]
Conceal = Callable[[Samples, Received], Samples]


def lost_at_random(packets: int, share: float, lots: np.random.Generator) -> Received:
    """Each packet is lost or not by itself."""
    return lots.random(packets) >= share


def lost_in_bursts(packets: int, share: float, lots: np.random.Generator) -> Received:
    """Two states, good and lost (Gilbert), the lost one left after three packets on average."""
    leave = 1.0 / BURST
    enter = leave * share / (1.0 - share)
    received = np.ones(packets, dtype=bool)
    lost = False
    for number, lot in enumerate(lots.random(packets)):
        lost = lot >= leave if lost else lot < enter
        received[number] = not lost
    return received


def spans(received: Received) -> Iterator[tuple[bool, int, int]]:
    """The packets that came and those that did not, in turn, in samples."""
    edges = [0, *(np.flatnonzero(np.diff(received)) + 1).tolist(), len(received)]
    for first, end in pairwise(edges):
        yield bool(received[first]), first * PACKET, end * PACKET


def silence(speech: Samples, received: Received) -> Samples:
    """What was lost is digital silence."""
    return speech * np.repeat(received, PACKET)


def ours(speech: Samples, received: Received) -> Samples:
    """What was lost is concealed as ``media.conceal`` does it."""
    concealment = Concealment(RATE)
    heard = np.zeros_like(speech)
    for good, start, end in spans(received):
        part = concealment.good(speech[start:end]) if good else concealment.lost(end - start)
        heard[start : start + len(part)] = part
    return heard


def spandsp() -> Conceal | None:
    """spandsp's plc_rx and plc_fillin; None where the library is missing."""
    name = ctypes.util.find_library("spandsp")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.plc_init.restype = ctypes.c_void_p
    library.plc_init.argtypes = [ctypes.c_void_p]
    for way in (library.plc_rx, library.plc_fillin):
        way.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]

    def conceal(speech: Samples, received: Received) -> Samples:
        state = library.plc_init(None)
        heard = speech.copy()
        for number, good in enumerate(received):
            packet = heard[number * PACKET :][:PACKET]
            (library.plc_rx if good else library.plc_fillin)(state, packet.ctypes.data, PACKET)
        return heard

    return conceal


def speeches() -> list[Samples]:
    """What the simulator's parties say, by way of PCMU, a whole number of packets each."""
    texts = []
    for name in ("caller.wav", "callee.wav"):
        path = Path(str(files("twisted_siprec.simulator") / name))
        samples = read(path).at(RATE).samples
        samples = samples[: len(samples) // PACKET * PACKET]
        octets = np.frombuffer(encoded(samples, "PCMU"), dtype=np.uint8)
        texts.append(PCMU_DECODED.take(octets))
    return texts


def main() -> None:
    """Print a line for each rate of loss."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    ways: dict[str, Conceal] = {"silence": silence, "ours": ours}
    other = spandsp()
    if other is not None:
        ways["spandsp"] = other
    texts = speeches()
    print("loss        ", *(f"{name:>8}" for name in ways))
    for title, losing in (("random", lost_at_random), ("bursts", lost_in_bursts)):
        for percent in PERCENT:
            scores = dict.fromkeys(ways, 0.0)
            for seed in range(seeds):
                for text in texts:
                    lots = np.random.default_rng(seed)
                    received = losing(len(text) // PACKET, percent / 100, lots)
                    for name, conceal in ways.items():
                        scores[name] += pesq(RATE, text, conceal(text, received), "nb")
            shown = (f"{score / seeds / len(texts):8.2f}" for score in scores.values())
            print(f"{percent:3} % {title}", *shown, flush=True)


if __name__ == "__main__":
    main()
