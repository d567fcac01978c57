"""
GSM 06.10, full rate: 33 octets for 20 ms (:rfc:`3551#section-4.5.8`).
"""

from __future__ import annotations

from ..plan import Codec
from .frames import decoded, split
from .pyav import FrameDecoder
from .samples import Samples

DECODERS = ("gsm",)
_OCTETS = 33
_SAMPLES = 160


class GSMDecoder:
    """One stream of GSM 06.10."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        self._decoder = FrameDecoder(*DECODERS, rate=self.rate)

    def ticks(self, payload: bytes) -> int:
        """160 for each frame."""
        return len(payload) // _OCTETS * _SAMPLES

    def decode(self, payload: bytes) -> Samples:
        """The next frames as samples."""
        return decoded(split(payload, _OCTETS), self._decoder, _SAMPLES)
