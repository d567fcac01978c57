"""
What so many calls need: cores, memory, ports, bandwidth and disk.

    python bench/sizing.py [--cpu-us 1400] [--memory-kib 480] …

Prints the tables of docs/sizing.rst for the inputs that are given. What the network
carries is exact; the inputs are what was measured, and what you decide.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from math import ceil

CALLS = (1_000, 10_000, 100_000)

ETHERNET = 14 + 4
"Header and frame check sequence. Preamble and gap between frames, 20 more, are not counted."
IPV4, UDP, RTP = 20, 8, 12
TCP = 20 + 12
"With timestamps, as Linux has them."
MTU = 1500
TLS_RECORD = 5 + 1 + 16
"TLS 1.3: the record's header, its inner type and the tag."
FRAMED = 16
"The header of recstream.v1.framed before the audio of a message."
PACKETS_PER_S = 50
"Packets of 20 ms."
TCP_PER_ACK = 2
"Segments that one acknowledgement without anything else stands for."


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is measured, and what is decided."""

    cpu_us: float = 1_400
    "CPU µs that a call takes each second while it lasts (bench/calls.py)."
    setup_ms: float = 12
    "CPU ms that a call takes besides, for its beginning and its end (bench/signalling.py)."
    memory_kib: float = 480
    "Memory of a call, KiB (bench/calls.py)."
    base_mib: float = 110
    "Memory of each process without calls, MiB."
    call_s: float = 180
    "How long a call lasts in the mean."
    use: float = 0.6
    "How much of each core may be in use at the busiest time."
    cores: int = 8
    "Cores of one machine."


@dataclass(frozen=True, slots=True)
class Stream:
    """The audio of one party as it comes: octets of a payload of 20 ms."""

    name: str
    payload: int

    @property
    def frame(self) -> int:
        """Octets of an Ethernet frame."""
        return self.payload + RTP + UDP + IPV4 + ETHERNET

    @property
    def kbit_s(self) -> float:
        """On Ethernet."""
        return self.frame * 8 * PACKETS_PER_S / 1000


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes to a consumer, of a call of two parties."""

    name: str
    rate: int
    octets_per_sample: int
    chunk_ms: int
    encrypted: bool

    @property
    def message(self) -> int:
        """Octets of the audio of one message, both channels."""
        return self.rate * self.chunk_ms // 1000 * 2 * self.octets_per_sample

    @property
    def sent(self) -> int:
        """Octets of that message as TCP carries it."""
        framed = FRAMED + self.message
        # RFC 6455 section 5.2: two octets, two or eight of length, and the mask.
        frame = framed + 2 + (2 if framed < 65536 else 8) + 4
        return frame + (TLS_RECORD * ceil(frame / 16384) if self.encrypted else 0)

    @property
    def segments(self) -> int:
        """How many segments of TCP that takes."""
        return ceil(self.sent / (MTU - IPV4 - TCP))

    @property
    def kbit_s(self) -> float:
        """To the consumer, on Ethernet."""
        octets = self.sent + self.segments * (ETHERNET + IPV4 + TCP)
        return octets * 8 / self.chunk_ms

    @property
    def acknowledged_kbit_s(self) -> float:
        """From the consumer, on Ethernet."""
        count = ceil(self.segments / TCP_PER_ACK)
        return count * (ETHERNET + IPV4 + TCP) * 8 / self.chunk_ms


G711 = Stream("G.711", 160)
STREAMS = (
    G711,
    Stream("G.711, SRTP", 160 + 10),
    Stream("G.722", 160),
    Stream("L16/16000", 640),
    Stream("Opus, 24 kbit/s", 60),
    Stream("G.729", 20),
)
L16 = Delivery("L16, 8 kHz", 8000, 2, 100, False)
DELIVERIES = (
    L16,
    Delivery("L16, 8 kHz, wss", 8000, 2, 100, True),
    Delivery("PCMU, 8 kHz, wss", 8000, 1, 100, True),
    Delivery("L16, 16 kHz, wss", 16000, 2, 100, True),
    Delivery("L16, 8 kHz, wss, chunks of 20 ms", 8000, 2, 20, True),
)
WSS = DELIVERIES[1]


def media_cores(inputs: Inputs, calls: int) -> float:
    """Cores for the audio of so many calls, with what is kept free."""
    return calls * inputs.cpu_us / 1e6 / inputs.use


def signalling_cores(inputs: Inputs, calls: int) -> float:
    """Cores for their beginnings and ends."""
    return calls / inputs.call_s * inputs.setup_ms / 1e3 / inputs.use


def machines(inputs: Inputs, calls: int) -> int:
    """How many machines, and one more, which may fail."""
    return ceil((media_cores(inputs, calls) + signalling_cores(inputs, calls)) / inputs.cores) + 1


def memory_gib(inputs: Inputs, calls: int) -> float:
    """Memory of them all, with a process for each core."""
    processes = machines(inputs, calls) * inputs.cores
    return (calls * inputs.memory_kib / 1024 + processes * inputs.base_mib) / 1024


def calls_rows(inputs: Inputs) -> list[list[str]]:
    """What so many calls need."""
    rows = [["calls", "calls/s", "cores", "machines", "memory", "RTP in", "packets/s", "wss out"]]
    for calls in CALLS:
        cores = media_cores(inputs, calls) + signalling_cores(inputs, calls)
        rows.append(
            [
                f"{calls:,}",
                f"{calls / inputs.call_s:,.1f}",
                f"{cores:,.1f}",
                f"{machines(inputs, calls):,}",
                f"{memory_gib(inputs, calls):,.1f} GiB",
                _bits(calls * 2 * G711.kbit_s),
                f"{calls * 2 * PACKETS_PER_S:,}",
                _bits(calls * WSS.kbit_s),
            ]
        )
    return rows


def stream_rows() -> list[list[str]]:
    """What the RTP of one party takes."""
    rows = [["codec, 20 ms", "payload", "frame", "one party", "a call"]]
    return rows + [
        [
            each.name,
            f"{each.payload}",
            f"{each.frame}",
            f"{each.kbit_s:.1f} kbit/s",
            f"{2 * each.kbit_s:.1f} kbit/s",
        ]
        for each in STREAMS
    ]


def delivery_rows() -> list[list[str]]:
    """What a consumer of both parties takes."""
    rows = [["to the consumer", "message", "sent", "segments", "out", "acknowledged"]]
    return rows + [
        [
            each.name,
            f"{each.message:,}",
            f"{each.sent:,}",
            f"{each.segments}",
            f"{each.kbit_s:.1f} kbit/s",
            f"{each.acknowledged_kbit_s:.1f} kbit/s",
        ]
        for each in DELIVERIES
    ]


def input_rows(inputs: Inputs) -> list[list[str]]:
    """The inputs."""
    return [["input", "is"]] + [
        [each.name, f"{getattr(inputs, each.name):,g}"] for each in fields(inputs)
    ]


def table(rows: list[list[str]]) -> str:
    """Rows, of which the first is the heading, as reStructuredText."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = " ".join("=" * width for width in widths)
    lines = [
        " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def tables(inputs: Inputs) -> list[str]:
    """All of them."""
    rows = (input_rows(inputs), calls_rows(inputs), stream_rows(), delivery_rows())
    return [table(each) for each in rows]


def _bits(kbit_s: float) -> str:
    if kbit_s >= 1e6:
        return f"{kbit_s / 1e6:,.2f} Gbit/s"
    return f"{kbit_s / 1e3:,.1f} Mbit/s"


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description="What so many calls need.")
    for each in fields(Inputs):
        option = "--" + each.name.replace("_", "-")
        parser.add_argument(option, type=type(each.default), default=each.default)
    print("\n\n".join(tables(Inputs(**vars(parser.parse_args())))))


if __name__ == "__main__":
    main()
