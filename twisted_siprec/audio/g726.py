"""
G.726: ADPCM of 2, 3, 4 or 5 bits a sample (:rfc:`3551#section-4.5.4`).

Two ways of packing the same codes into octets are in use: from the least
significant bit on (G726-16, -24, -32, -40), and from the most significant bit
on, as in ATM (AAL2-G726-16 and so on). The static payload type 2 was G721, which
is G726-32. Equipment that means ATM's order by that number or name exists, and
nothing on the wire tells the two apart: then map the type to AAL2-G726-32.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..plan import Codec
from .adpcm import ADPCM, RATES
from .samples import Samples

_BY_NAME = {f"{order}G726-{8 * rate.bits}": rate for order in ("", "AAL2-") for rate in RATES}
NAMES = tuple(_BY_NAME)
"The encoding names of all rates and both packings."


class G726Decoder:
    """One stream of G.726."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        rate = _BY_NAME[codec.name]
        self._bits = rate.bits
        self._from_the_left = codec.name.startswith("AAL2-")
        self._adpcm = ADPCM(rate)

    def ticks(self, payload: bytes) -> int:
        """One for each code; bits at the end that are no code are none."""
        return len(payload) * 8 // self._bits

    def decode(self, payload: bytes) -> Samples:
        """The next codes as samples."""
        octets = np.frombuffer(payload, dtype=np.uint8)
        bits = np.unpackbits(octets, bitorder="big" if self._from_the_left else "little")
        codes = bits[: self.ticks(payload) * self._bits].reshape(-1, self._bits)
        weights = 1 << np.arange(self._bits)
        if self._from_the_left:
            weights = weights[::-1]
        return self._adpcm.decode((codes @ weights).tolist())


class G726Encoder:
    """One stream of G.726 to be sent."""

    clock_rate = 8000
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        rate = _BY_NAME[codec.name]
        self._bits = rate.bits
        self._from_the_left = codec.name.startswith("AAL2-")
        self._adpcm = ADPCM(rate)

    def encode(self, samples: Samples) -> bytes:
        """The next samples, a multiple of eight, as a payload."""
        if len(samples) % 8:
            raise ValueError("G.726 is sent by eight samples")
        codes = np.array(self._adpcm.encode(samples), dtype=np.uint8).reshape(-1, 1)
        shifts = np.arange(self._bits)
        bits = codes >> (shifts[::-1] if self._from_the_left else shifts) & 1
        order: Literal["big", "little"] = "big" if self._from_the_left else "little"
        return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder=order).tobytes()
