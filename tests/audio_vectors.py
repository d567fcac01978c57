"""The recorded bitstreams of tests/audio/vectors, and how to judge what is made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from twisted_siprec.audio.codec import Decoder
from twisted_siprec.audio.samples import Samples

_HERE = Path(__file__).parent / "audio" / "vectors"


def octets(name: str) -> bytes:
    """A file as it is."""
    return (_HERE / name).read_bytes()


def parts(stream: bytes, length: int) -> list[bytes]:
    """A stream in payloads of a length."""
    return [stream[at : at + length] for at in range(0, len(stream), length)]


def amr_frames(name: str, magic: bytes, bits: tuple[int, ...]) -> list[bytes]:
    """The frames of a file of RFC 4867 section 5, each with its header."""
    stream = octets(name).removeprefix(magic)
    frames: list[bytes] = []
    while stream:
        kind = stream[0] >> 3 & 15
        length = 1 + (-(-bits[kind] // 8) if kind < len(bits) else 0)
        frames.append(stream[:length])
        stream = stream[length:]
    return frames


def decoded(decoder: Decoder, payloads: list[bytes]) -> Samples:
    """All payloads, one after the other."""
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def digest(samples: Samples) -> str:
    """What is the same for the same samples alone."""
    return hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest()[:32]


def likeness_db(judge: Samples, ours: Samples) -> float:
    """How far below the signal the difference is."""
    length = min(len(judge), len(ours))
    expected, got = judge[:length].astype(float), ours[:length].astype(float)
    error = ((expected - got) ** 2).sum()
    return float(10 * np.log10((expected**2).sum() / error)) if error else float("inf")
