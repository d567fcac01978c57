"""
G.726: ADPCM of 2, 3, 4 or 5 bits a sample (:rfc:`3551#section-4.5.4`).

Two ways of packing the same codes into octets are in use: from the least
significant bit on (G726-16, -24, -32, -40), and from the most significant bit
on, as in ATM (AAL2-G726-…, :rfc:`3551#section-4.5.4`). The static payload type 2
was G721, which is G726-32; equipment that has ATM's order behind that number or
name is there too, and nothing on the wire tells the two apart.
"""

from __future__ import annotations

from ..plan import Codec
from .pyav import FrameDecoder, FrameEncoder
from .samples import NO_SAMPLES, Samples

DECODERS = ("g726le", "g726")
_BITS = {"16": 2, "24": 3, "32": 4, "40": 5}


NAMES = tuple(f"{order}G726-{rate}" for order in ("", "AAL2-") for rate in _BITS)
"The encoding names of all rates and both packings."


class G726Decoder:
    """One stream of G.726."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        order, _, rate = codec.name.rpartition("G726-")
        self._bits = _BITS[rate]
        # A context of FFmpeg's begins with no rate at all: the options say it.
        settings = {"bits_per_coded_sample": str(self._bits)}
        name = "g726" if order == "AAL2-" else "g726le"
        self._decoder = FrameDecoder(name, rate=self.rate, settings=settings)

    def ticks(self, payload: bytes) -> int:
        """One for each code; bits at the end that are no code are none."""
        return len(payload) * 8 // self._bits

    def decode(self, payload: bytes) -> Samples:
        """The next codes as samples."""
        if not payload:
            return NO_SAMPLES
        return self._decoder.decode(payload, self.ticks(payload))


class G726Encoder:
    """G.726 to be sent, packed as :rfc:`3551` says."""

    clock_rate = 8000
    rate = 8000

    def __init__(self, name: str = "G726-32") -> None:
        order, _, rate = name.rpartition("G726-")
        self._encoder = FrameEncoder(
            "g726" if order == "AAL2-" else "g726le",
            rate=self.rate,
            bit_rate=int(rate) * 1000,
            settings={"code_size": str(_BITS[rate])},
        )

    def encode(self, samples: Samples) -> bytes:
        """The next samples, whole octets of them, as a payload."""
        return b"".join(self._encoder.encode(samples)) if len(samples) else b""
