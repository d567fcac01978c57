"""
L16: linear samples in network byte order (:rfc:`3551#section-4.5.11`).
"""

from __future__ import annotations

import numpy as np

from ..plan import Codec
from .samples import NO_SAMPLES, Samples


class L16Decoder:
    """L16 at any rate; of several channels the mean is taken."""

    joins = True

    def __init__(self, codec: Codec) -> None:
        self.rate = codec.clock_rate
        self._channels = max(codec.channels, 1)

    def ticks(self, payload: bytes) -> int:
        """The RTP clock ticks that a payload lasts: one for a sample of all channels."""
        return len(payload) // (2 * self._channels)

    def decode(self, payload: bytes) -> Samples:
        """A payload as samples; octets that are no whole sample are cut off."""
        ticks = self.ticks(payload)
        if ticks == 0:
            return NO_SAMPLES
        wire = np.frombuffer(payload, dtype=">i2", count=ticks * self._channels)
        if self._channels == 1:
            return wire.astype(np.int16)
        mean: Samples = wire.reshape(ticks, self._channels).mean(axis=1).astype(np.int16)
        return mean


class L16Encoder:
    """L16 of one channel."""

    def __init__(self, rate: int = 16000) -> None:
        self.rate = rate
        self.clock_rate = rate

    def encode(self, samples: Samples) -> bytes:
        """Samples as a payload."""
        return samples.astype(">i2").tobytes()
