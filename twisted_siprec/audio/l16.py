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
        self.channels = max(codec.channels, 1)
        "Side by side in a payload."

    def ticks(self, payload: bytes) -> int:
        """The RTP clock ticks that a payload lasts: one for a sample of all channels."""
        return len(payload) // (2 * self.channels)

    def decode(self, payload: bytes) -> Samples:
        """A payload as samples; octets that are no whole sample are cut off."""
        ticks = self.ticks(payload)
        if ticks == 0:
            return NO_SAMPLES
        wire = np.frombuffer(payload, dtype=">i2", count=ticks * self.channels)
        if self.channels == 1:
            return wire.astype(np.int16)
        mean: Samples = wire.reshape(ticks, self.channels).mean(axis=1).astype(np.int16)
        return mean


class L16Encoder:
    """L16 at any rate; each of several channels says the same."""

    def __init__(self, codec: Codec) -> None:
        self.clock_rate = self.rate = codec.clock_rate
        self._channels = max(codec.channels, 1)

    def encode(self, samples: Samples) -> bytes:
        """Samples as a payload."""
        return np.repeat(samples.astype(">i2"), self._channels).tobytes()
