"""
G.722: wideband audio at 16 kHz in 64 kbit/s, sub-band ADPCM, so each octet
depends on those before it.

Its RTP clock runs at 8000 Hz for a historical mistake that is kept for ever
(:rfc:`3551#section-4.5.2`): an octet is one tick and two samples.
"""

from __future__ import annotations

from array import array

import numpy as np
from G722 import G722

from ..plan import Codec
from .samples import NO_SAMPLES, Samples

_RATE = 16000
_BIT_RATE = 64000


class G722Decoder:
    """One stream of G.722, from its first octet on."""

    joins = True
    rate = _RATE

    def __init__(self, codec: Codec) -> None:
        self._g722 = G722(_RATE, _BIT_RATE)

    def ticks(self, payload: bytes) -> int:
        """The ticks of the 8000 Hz clock that a payload lasts."""
        return len(payload)

    def decode(self, payload: bytes) -> Samples:
        """The next payload as samples, two for each octet."""
        if not payload:
            return NO_SAMPLES
        # An array.array or an ndarray, by whether G722-numpy is installed.
        return np.frombuffer(self._g722.decode(payload), dtype=np.int16)


class G722Encoder:
    """One stream of G.722 to be sent."""

    clock_rate = 8000
    rate = _RATE

    def __init__(self, codec: Codec) -> None:
        self._g722 = G722(_RATE, _BIT_RATE)

    def encode(self, samples: Samples) -> bytes:
        """The next samples, an even number of them, as a payload."""
        if len(samples) % 2:
            raise ValueError("G.722 encodes pairs of samples")
        return bytes(self._g722.encode(array("h", samples.tobytes()))) if len(samples) else b""
