"""
Compares the audio that a consumer received with what was sent, sample by
sample: the proof that nothing was lost, added or moved.

What was sent is taken through the codec once, as any receiver would. Where a
stream begins on the consumer's time line is found by correlation, since that
depends on when its first packet came; from there on every sample has to be
equal, and around it there has to be silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..audio.codec import decoder
from ..plan import Codec
from .speech import EncodedSpeech, Samples


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of one channel."""

    name: str
    samples: int
    "As many were sent."
    offset: int
    "Where the first one lies in what was received."
    different: int
    "So many are not what was sent, or missing."
    first_difference: int | None
    "Where the first of them is, counted in what was sent."
    beyond: int
    "Samples before and after what was sent that are not silent."

    @property
    def equal(self) -> bool:
        """Every sample came, and nothing but them."""
        return not self.different and not self.beyond

    def __str__(self) -> str:
        if self.equal:
            return f"{self.name}: all {self.samples} samples equal, from position {self.offset}"
        words = []
        if self.different:
            words.append(
                f"{self.different} of {self.samples} samples differ, "
                f"the first at {self.first_difference}"
            )
        if self.beyond:
            words.append(f"{self.beyond} samples that nobody sent")
        return f"{self.name}: {'; '.join(words)}"


def expected(speech: EncodedSpeech) -> Samples:
    """What a receiver hears of it: the speech after its codec."""
    codec = Codec(speech.payload_type, speech.codec, speech.clock_rate)
    return decoder(codec).decode(speech.payloads.tobytes())


def compare(name: str, sent: Samples, received: Samples) -> Comparison:
    """One channel with what was sent on it."""
    return compare_mix(name, (sent,), received)


def compare_mix(name: str, sent: Sequence[Samples], received: Samples) -> Comparison:
    """
    A mono channel with the sum of what was sent on several streams, each of
    which has begun where it has: the sum saturates, as the server's does.
    """
    offsets = [locate(one, received) for one in sent]
    start = min(offsets)
    end = max(offset + len(one) for offset, one in zip(offsets, sent, strict=True))
    mixed = np.zeros(end - start, dtype=np.int32)
    for offset, one in zip(offsets, sent, strict=True):
        mixed[offset - start : offset - start + len(one)] += one
    wanted = np.clip(mixed, -32768, 32767)
    # What lies outside of what was received counts as different: it is missing.
    inside = received[max(start, 0) : max(end, 0)].astype(np.int32)
    before = max(-start, 0)
    found = np.full(len(wanted), 1 << 20, dtype=np.int32)
    found[before : before + len(inside)] = inside
    different = np.flatnonzero(found != wanted)
    around = np.concatenate((received[: max(start, 0)], received[max(end, 0) :]))
    return Comparison(
        name,
        len(wanted),
        start,
        len(different),
        int(different[0]) if len(different) else None,
        int(np.count_nonzero(around)),
    )


def locate(sent: Samples, received: Samples) -> int:
    """
    Where ``sent`` begins in ``received``: the shift at which the two correlate
    most. Negative where its beginning is missing.
    """
    if not len(received) or not len(sent):
        return 0
    size = 1 << (len(sent) + len(received) - 1).bit_length()
    correlation = np.fft.irfft(
        np.fft.rfft(_centred(received), size) * np.conj(np.fft.rfft(_centred(sent), size)), size
    )
    shift = int(np.argmax(correlation))
    return shift if shift < len(received) else shift - size


def _centred(samples: Samples) -> npt.NDArray[np.float64]:
    """Without its mean: the silence of A-law is a constant that is not zero."""
    return samples - np.mean(samples)
