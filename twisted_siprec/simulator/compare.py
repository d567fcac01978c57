"""
Compares the audio that a consumer received with what was sent, sample by
sample: the proof that nothing was lost, added or moved.

What was sent is taken through the codec once, as any receiver would. Where a
stream begins on the consumer's time line is found by correlation, since that
depends on when its first packet came; from there on every sample has to be
equal, and around it there has to be silence. Where it was brought to another rate,
what was sent is brought there too, in another way (by its spectrum), and the two
have to be alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .speech import Samples

_Spectrum = npt.NDArray[np.complex128]

ALIKE_DB = 50.0
"By which the difference must be below what was expected: nobody hears it."


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


@dataclass(frozen=True, slots=True)
class Likeness:
    """What came of one channel at another rate than it was sent at."""

    name: str
    samples: int
    "As many were expected."
    offset: int
    "Where the first one lies in what was received."
    decibels: float
    "How far below what was expected the difference is."

    @property
    def equal(self) -> bool:
        """To the ear."""
        return self.decibels >= ALIKE_DB

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.samples} samples, the difference {self.decibels:.0f} dB "
            f"below them, from position {self.offset}"
        )


def liken(name: str, sent: Samples, received: Samples, band: float) -> Likeness:
    """
    One channel with what was sent on it, at its rate.

    :param band: the part of what the rate can carry in which they must be alike.
    """
    offset = locate(sent, received)
    found = np.zeros(len(sent))
    inside = received[max(offset, 0) : max(offset + len(sent), 0)]
    before = max(-offset, 0)
    found[before : before + len(inside)] = inside
    edge = int(len(sent) / 2 * band)
    wanted, heard = np.fft.rfft(sent)[:edge], np.fft.rfft(found)[:edge]
    wrong = heard - _delayed(wanted, heard)
    decibels = 10 * np.log10(_power(wanted) / _power(wrong))
    return Likeness(name, len(sent), offset, float(decibels))


def _delayed(wanted: _Spectrum, heard: _Spectrum) -> _Spectrum:
    """
    What was expected, later by the part of a sample by which it was heard later:
    the slope of the phase between the two.
    """
    common = heard * np.conj(wanted)
    bins, weight = np.arange(len(wanted)), np.abs(common)
    slope = (weight * bins * np.angle(common)).sum() / max((weight * bins**2).sum(), 1.0)
    delayed: _Spectrum = wanted * np.exp(1j * slope * bins)
    return delayed


def _power(spectrum: _Spectrum) -> float:
    """Not 0."""
    return max(float((np.abs(spectrum) ** 2).sum()), 1.0)


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
