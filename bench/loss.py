"""
What speech is worth after packet loss: PESQ (ITU-T P.862.1) with our concealment,
with silence, and with that of spandsp, which is GStreamer's spanplc.

    python bench/loss.py [SEEDS [codecs]]

The speech of the simulator as PCMU, packets of 20 ms, each rate of loss at random
and in bursts of three packets on average. Needs ``pip install pesq`` (and a C
compiler for it); spandsp is compared with where libspandsp is installed. Then, for
random loss, the codecs whose decoders conceal by themselves, where their encoders are
installed: that (own) beside the repetition of what they gave; and Opus with forward
error correction (fec), as a call is heard: what the packet after a loss has once more,
and the decoder's own in place of what was lost before that.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twisted_siprec.audio.amr import NarrowbandDecoder
from twisted_siprec.audio.codec import ConcealingDecoder, CorrectingDecoder, decoder, encoder
from twisted_siprec.audio.concealment import Concealment
from twisted_siprec.audio.g711 import PCMU_DECODED, encoded
from twisted_siprec.plan import Codec
from twisted_siprec.simulator.speech import Speech, bundled, read

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
    for path in bundled():
        samples = read(path).at(RATE).samples
        samples = samples[: len(samples) // PACKET * PACKET]
        octets = np.frombuffer(encoded(samples, "PCMU"), dtype=np.uint8)
        texts.append(PCMU_DECODED.take(octets))
    return texts


def packets_of(codec: Codec, samples: Samples) -> list[bytes]:
    """Speech at the rate of a codec in its payloads of 20 ms."""
    coder = encoder(codec)
    size = coder.rate // 50
    return [coder.encode(samples[at : at + size]) for at in range(0, len(samples) - size + 1, size)]


def decoded(codec: Codec, payloads: list[bytes], received: Received, way: str) -> Samples:
    """What is heard of a stream, at 8000 Hz."""
    # By their own class, for AMR-WB too, of which the table has none that conceals.
    made = NarrowbandDecoder(codec) if codec.name == "AMR-WB" else decoder(codec)
    assert isinstance(made, ConcealingDecoder)
    size = made.rate // 50
    repetition = Concealment(made.rate)
    heard = np.zeros(size * len(payloads), dtype=np.int16)
    for number, (payload, good) in enumerate(zip(payloads, received, strict=True)):
        part = np.zeros(0, dtype=np.int16)
        following = number + 1 < len(payloads) and received[number + 1]
        if good:
            part = made.decode(payload)
            part = repetition.good(part) if way == "repeated" else part
        elif way == "repeated":
            part = repetition.lost(size)
        elif way == "fec" and following and isinstance(made, CorrectingDecoder):
            again = made.repeats(payloads[number + 1]) == size
            part = made.recover(payloads[number + 1]) if again else made.conceal(size)
        elif way in ("own", "fec"):
            part = made.conceal(size)
        heard[number * size :][: len(part)] = part
    return Speech(heard, made.rate).at(RATE).samples


CODECS = (
    (Codec(111, "OPUS", 48000, 2, "useinbandfec=1"), ("silence", "repeated", "own", "fec")),
    (Codec(98, "AMR", 8000), ("silence", "repeated", "own")),
    (Codec(99, "AMR-WB", 16000), ("silence", "repeated", "own")),
    (Codec(18, "G729", 8000, 1, "annexb=no"), ("silence", "repeated", "own")),
)


def codecs(seeds: int) -> None:
    """A line for each rate of loss and codec that conceals by itself."""
    print("\nloss          ", *(f"{way:>8}" for way in ("silence", "repeated", "own", "fec")))
    for codec, ways in CODECS:
        try:
            streams = [
                packets_of(codec, read(p).at(encoder(codec).rate).samples) for p in bundled()
            ]
        except LookupError as missing:
            print(f"{codec.name}: {missing}")
            continue
        for percent in PERCENT:
            scores = dict.fromkeys(ways, 0.0)
            for payloads in streams:
                whole = decoded(codec, payloads, np.ones(len(payloads), dtype=bool), "silence")
                for seed in range(seeds):
                    lots = np.random.default_rng(seed)
                    received = lost_at_random(len(payloads), percent / 100, lots)
                    for way in ways:
                        heard = decoded(codec, payloads, received, way)
                        scores[way] += pesq(RATE, whole, heard, "nb") / seeds / 2
            print(
                f"{percent:3} % {codec.name:8}",
                *(f"{scores[way]:8.2f}" for way in ways),
                flush=True,
            )


def main() -> None:
    """Print a line for each rate of loss."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    if sys.argv[2:] == ["codecs"]:
        codecs(seeds)
        return
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
    codecs(seeds)


if __name__ == "__main__":
    main()
