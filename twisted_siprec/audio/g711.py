"""
G.711: eight bits a sample, by the laws mu (PCMU) and A (PCMA).

Both ways are one look-up in a table that is made at import from the
definition in ITU-T G.711: a sign, a three-bit segment and a four-bit step of a
logarithm drawn as eight straight lines. The bits of the octet are inverted on
the wire, all of them for the mu-law and every other one for the A-law
(:rfc:`3551#section-4.5.14`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..plan import Codec
from .samples import Samples

_BIAS = 33
_OCTETS = np.arange(256, dtype=np.int32)


def _mu_law_decoded() -> Samples:
    """All 256 octets of the mu-law as 16-bit samples (14 significant bits)."""
    octets = ~_OCTETS & 0xFF
    segment = (octets >> 4) & 7
    magnitude = ((((octets & 15) << 1) + _BIAS) << segment) - _BIAS
    signed = np.where(octets & 0x80, -magnitude, magnitude)
    return (signed << 2).astype(np.int16)


def _a_law_decoded() -> Samples:
    """All 256 octets of the A-law as 16-bit samples (13 significant bits)."""
    octets = _OCTETS ^ 0x55
    segment = (octets >> 4) & 7
    step = ((octets & 15) << 1) + 1
    magnitude = np.where(segment == 0, step, (step + 32) << np.maximum(segment - 1, 0))
    # Unlike in the mu-law, a set sign bit means positive.
    signed = np.where(octets & 0x80, magnitude, -magnitude)
    return (signed << 3).astype(np.int16)


def _by_sample(codes: NDArray[np.uint8], positive: int) -> NDArray[np.uint8]:
    """
    A table indexed by a 16-bit sample seen as unsigned, from the codes of the
    samples 0 to 32767. A negative sample has the code of its one's complement,
    as in ITU-T G.191, so that 0 and -1 are mirror images.
    """
    return np.concatenate([codes ^ positive, codes[::-1] ^ (positive ^ 0x80)]).astype(np.uint8)


def _mu_law_encoded() -> NDArray[np.uint8]:
    """Every 16-bit sample as an octet of the mu-law."""
    magnitude = np.minimum((np.arange(32768, dtype=np.int32) >> 2) + _BIAS, 0x1FFF)
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    step = (magnitude >> (segment + 1)) & 15
    return _by_sample(((segment << 4) | step).astype(np.uint8), 0xFF)


def _a_law_encoded() -> NDArray[np.uint8]:
    """Every 16-bit sample as an octet of the A-law."""
    magnitude = np.arange(32768, dtype=np.int32) >> 3
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    step = (magnitude >> np.maximum(segment, 1)) & 15
    return _by_sample(((segment << 4) | step).astype(np.uint8), 0xD5)


PCMU_DECODED = _mu_law_decoded()
PCMA_DECODED = _a_law_decoded()
PCMU_ENCODED = _mu_law_encoded()
PCMA_ENCODED = _a_law_encoded()
_DECODED = {"PCMU": PCMU_DECODED, "PCMA": PCMA_DECODED}
_ENCODED = {"PCMU": PCMU_ENCODED, "PCMA": PCMA_ENCODED}


def pairs_decoded(law: str) -> NDArray[np.uint32]:
    """Two octets at a time: every pair of them, as memory has it, to its two samples."""
    pairs = np.arange(1 << 16, dtype=np.uint16).view(np.uint8)
    return _DECODED[law].take(pairs).view(np.uint32)


def encoded(samples: Samples, law: str) -> bytes:
    """Samples as octets of PCMU or PCMA."""
    return _ENCODED[law].take(samples.view(np.uint16)).tobytes()


class G711Decoder:
    """PCMU or PCMA at whatever rate the SRC says, 8000 Hz nearly always."""

    joins = True

    def __init__(self, codec: Codec) -> None:
        self.rate = codec.clock_rate
        self.law = codec.name
        self._table = _DECODED[codec.name]

    def ticks(self, payload: bytes) -> int:
        """The RTP clock ticks that a payload lasts: one for each octet."""
        return len(payload)

    def decode(self, payload: bytes) -> Samples:
        """A payload of any length as samples."""
        return self._table.take(np.frombuffer(payload, dtype=np.uint8))


class G711Encoder:
    """PCMU or PCMA, at 8000 Hz nearly always."""

    def __init__(self, codec: Codec) -> None:
        self.clock_rate = self.rate = codec.clock_rate
        self._law = codec.name

    def encode(self, samples: Samples) -> bytes:
        """Samples as a payload."""
        return encoded(samples, self._law)
