"""
Channels side by side, taken apart and put together, without a look at the
samples; and, for the rare call in which several channels are one side, their sum.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from functools import cache

from ..plan import Encoding

_BIAS = 0x84
_CLIP = 32635


def silence(encoding: Encoding, samples: int) -> bytes:
    """So many samples of one channel in which nothing is heard."""
    octets = {Encoding.L16: b"\x00\x00", Encoding.PCMU: b"\xff", Encoding.PCMA: b"\xd5"}
    return octets[encoding] * samples


def apart(payload: bytes, width: int, encoding: Encoding) -> list[bytes]:
    """Each of ``width`` interleaved channels by itself."""
    if width == 1:
        return [payload]
    if encoding is not Encoding.L16:
        return [payload[index::width] for index in range(width)]
    samples = array("H", payload)
    return [samples[index::width].tobytes() for index in range(width)]


def together(channels: Sequence[bytes], encoding: Encoding) -> bytes:
    """Channels of one length, interleaved."""
    if len(channels) == 1:
        return channels[0]
    form = "H" if encoding is Encoding.L16 else "B"
    parts = [array(form, channel) for channel in channels]
    both = array(form, bytes(sum(map(len, channels))))
    for index, part in enumerate(parts):
        both[index :: len(parts)] = part
    return both.tobytes()


def summed(channels: Sequence[bytes], encoding: Encoding) -> bytes:
    """
    Channels of one length as one. A-law is not summed (nothing here has two
    sides of it): of that, the first is taken.
    """
    if len(channels) == 1 or encoding is Encoding.PCMA:
        return channels[0]
    if encoding is Encoding.L16:
        linear = [_native(array("h", channel)) for channel in channels]
        return _native(array("h", map(_clipped, zip(*linear, strict=True)))).tobytes()
    levels = _levels()
    return bytes(
        _mu_law(sum(levels[octet] for octet in octets)) for octets in zip(*channels, strict=True)
    )


def refolded(payload: bytes, width: int, wanted: int, encoding: Encoding) -> bytes:
    """
    Interleaved channels as another number of them: those too many are summed in
    the last, those too few are silent.
    """
    if width == wanted:
        return payload
    parts = apart(payload, width, encoding)
    quiet = silence(encoding, len(parts[0]) // (2 if encoding is Encoding.L16 else 1))
    kept = (
        [*parts[: wanted - 1], summed(parts[wanted - 1 :], encoding)] if width > wanted else parts
    )
    return together([*kept, *[quiet] * (wanted - len(kept))], encoding)


def _clipped(samples: tuple[int, ...]) -> int:
    return max(-32768, min(32767, sum(samples)))


def _native(samples: array[int]) -> array[int]:
    """Consumers have the lesser octet first, whatever the machine has."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


@cache
def _levels() -> tuple[int, ...]:
    """The 256 octets of the mu-law as 16-bit samples (ITU-T G.711)."""
    levels = []
    for octet in range(256):
        bits = ~octet & 0xFF
        magnitude = ((((bits & 15) << 3) + _BIAS) << (bits >> 4 & 7)) - _BIAS
        levels.append(-magnitude if bits & 0x80 else magnitude)
    return tuple(levels)


def _mu_law(sample: int) -> int:
    """A sample of any size as an octet of the mu-law."""
    # A negative sample has the code of its one's complement (ITU-T G.191).
    sign, sample = (0x80, ~sample) if sample < 0 else (0, sample)
    magnitude = min(sample, _CLIP) + _BIAS
    segment = magnitude.bit_length() - 8
    return ~(sign | segment << 4 | magnitude >> segment + 3 & 15) & 0xFF
