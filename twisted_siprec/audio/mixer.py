"""
Several channels as one, and several channels side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..plan import Encoding
from .g711 import encoded
from .samples import Samples

_LITTLE_ENDIAN = np.dtype("<i2")


def summed(parts: Sequence[Samples | None]) -> Samples | None:
    """The sum of channels, held at the largest value where it is larger; None is silence."""
    heard = [part for part in parts if part is not None]
    if len(heard) < 2:
        return heard[0] if heard else None
    total = heard[0].astype(np.int32)
    for part in heard[1:]:
        total += part
    return np.clip(total, -32768, 32767).astype(np.int16)


def interleaved(channels: Sequence[Samples | None], samples: int) -> Samples:
    """Channels of the same length side by side, sample by sample."""
    if len(channels) == 1:
        only = channels[0]
        return np.zeros(samples, dtype=np.int16) if only is None else only
    together = np.zeros((samples, len(channels)), dtype=np.int16)
    for column, channel in enumerate(channels):
        if channel is not None:
            together[:, column] = channel
    return together.reshape(-1)


def written(samples: Samples, encoding: Encoding) -> bytes:
    """Samples as a consumer gets them."""
    if encoding is Encoding.L16:
        return samples.astype(_LITTLE_ENDIAN, copy=False).tobytes()
    return encoded(np.ascontiguousarray(samples), encoding.value)
