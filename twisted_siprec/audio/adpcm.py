"""
The arithmetic of G.726, bit for bit as ITU-T G.726 has it.

The names are the standard's: DQ the quantized difference, SR the reconstructed
signal, SE and SEZ their estimates, Y the step size with its fast part YU and its
slow part YL, AP the speed between the two. DQ and SR are remembered as the
standard's little floating-point numbers: a sign, four bits of exponent and six
of mantissa.

FFmpeg's decoder is none for this: its results are off in the last places, and at
40 kbit/s it forgets the zero predictor twice as fast as the standard says, so
that it loses the sender altogether.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .samples import Samples

_Float = tuple[bool, int, int]
"Whether it is negative, exponent, mantissa."
_ZERO: _Float = (False, 0, 32)


@dataclass(frozen=True, slots=True)
class Rate:
    """What depends on the number of bits, for codes without a sign bit."""

    bits: int
    logarithms: tuple[int, ...]
    "DQLN, the quantized difference."
    weights: tuple[int, ...]
    "WI, what a code does to the step size."
    speeds: tuple[int, ...]
    "FI, what a code does to the speed between the parts of the step size."
    levels: tuple[int, ...]
    "Between the codes: the logarithms at which the next one begins."
    leak: int = 8
    "The zero predictor forgets 2**-leak of itself with each sample."


RATES = (
    Rate(2, (116, 365), (-22, 439), (0, 7), (261,)),
    Rate(3, (-2048, 135, 273, 373), (-4, 30, 137, 582), (0, 1, 2, 7), (8, 218, 331)),
    Rate(
        4,
        (-2048, 4, 135, 213, 273, 323, 373, 425),
        (-12, 18, 41, 64, 112, 198, 355, 1122),
        (0, 0, 0, 1, 1, 1, 3, 7),
        (-124, 80, 178, 246, 300, 349, 400),
    ),
    Rate(
        5,
        (-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566),
        (14, 14, 24, 39, 40, 41, 58, 100, 141, 179, 219, 280, 358, 440, 529, 696),
        (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6),
        (-122, -16, 68, 139, 198, 250, 298, 339, 378, 413, 445, 475, 502, 528, 553),
        leak=9,
    ),
)
"Clauses 2.2 to 2.6 of ITU-T G.726."


def _float(magnitude: int, negative: bool) -> _Float:
    """FLOATA and FLOATB."""
    exponent = magnitude.bit_length()
    return negative, exponent, (magnitude << 6) >> exponent if magnitude else 32


def _product(coefficient: int, remembered: _Float) -> int:
    """FMULT: a coefficient of a predictor times what it is of."""
    negative, exponent, mantissa = remembered
    coefficient >>= 2
    magnitude = coefficient if coefficient > 0 else -coefficient & 0x1FFF
    shift = magnitude.bit_length() - 6
    if magnitude == 0:
        own = 32
    else:
        own = magnitude >> shift if shift >= 0 else magnitude << -shift
    product = (own * mantissa + 48) >> 4
    shift += exponent - 13
    product = (product << shift) & 0x7FFF if shift >= 0 else product >> -shift
    return -product if (coefficient < 0) is not negative else product


def _with_signs(positive: tuple[int, ...], scale: int = 1) -> tuple[int, ...]:
    """A table of all codes: a negative one is the complement of its magnitude's."""
    scaled = tuple(scale * value for value in positive)
    return scaled + scaled[::-1]


class ADPCM:
    """The state of one stream."""

    def __init__(self, rate: Rate) -> None:
        self._dqln = _with_signs(rate.logarithms)
        self._wi = _with_signs(rate.weights, 32)
        self._fi = _with_signs(rate.speeds, 512)
        self._levels = rate.levels
        self._sign = 1 << (rate.bits - 1)
        self._leak = rate.leak
        self._yl = 34816
        self._yu = 544
        self._ap = self._dms = self._dml = 0
        self._a1 = self._a2 = 0
        self._b = [0] * 6
        self._dq = [_ZERO] * 6
        self._sr1 = self._sr2 = _ZERO
        self._pk1 = self._pk2 = False
        "The signs of the last two signals that are partly reconstructed."
        self._tone = False

    def decode(self, codes: Iterable[int]) -> Samples:
        """The next codes as samples."""
        signal = np.fromiter((self._next(code) for code in codes), dtype=np.int32)
        samples: Samples = np.clip(signal << 2, -32768, 32767).astype(np.int16)
        return samples

    def encode(self, samples: Samples) -> list[int]:
        """The next samples as codes."""
        return [self._coded(sample >> 2) for sample in samples.tolist()]

    def _coded(self, signal: int) -> int:
        """I, of a signal of 14 bits."""
        zeros, estimate, step = self._expected()
        code = self._quantized(signal - estimate, step)
        self._heard(code, zeros, estimate, step)
        return code

    def _quantized(self, difference: int, step: int) -> int:
        """LOG, SUBTB and QUAN."""
        magnitude = abs(difference)
        exponent = (magnitude >> 1).bit_length()
        logarithm = (exponent << 7) + ((magnitude << 7 >> exponent) & 127) - (step >> 2)
        code = bisect_right(self._levels, logarithm)
        if difference < 0:
            return 2 * self._sign - 1 - code
        # The code 0 is of the rate with 2 bits alone: a line that is idle says ones.
        return code if code or self._sign == 2 else 2 * self._sign - 1

    def _next(self, code: int) -> int:
        """SR, of 14 bits."""
        return self._heard(code, *self._expected())

    def _expected(self) -> tuple[int, int, int]:
        """SEZ before it is halved, SE, and Y."""
        zeros = sum(map(_product, self._b, self._dq))
        poles = _product(self._a1, self._sr1) + _product(self._a2, self._sr2)
        return zeros, (zeros + poles) >> 1, self._step()

    def _heard(self, code: int, zeros: int, estimate: int, step: int) -> int:
        """SR; and all that is learnt of the code."""
        logarithm = self._dqln[code] + (step >> 2)
        magnitude = 0
        if logarithm >= 0:
            magnitude = (128 + (logarithm & 127) << 7) >> (14 - (logarithm >> 7 & 15))
        negative = code >= self._sign
        difference = -magnitude if negative else magnitude
        signal = estimate + difference
        transition = self._tone and magnitude > self._threshold()
        self._adapt_step(step, self._wi[code])
        self._adapt_predictors(difference + (zeros >> 1), magnitude, negative, transition)
        self._adapt_speed(step, self._fi[code], transition)
        self._dq = [_float(magnitude, negative), *self._dq[:5]]
        self._sr1, self._sr2 = _float(min(abs(signal), 0x7FFF), signal < 0), self._sr1
        return signal

    def _step(self) -> int:
        """MIX: Y between its fast and its slow part."""
        if self._ap >= 256:
            return self._yu
        slow = self._yl >> 6
        apart = (self._yu - slow) * (self._ap >> 2)
        return slow + ((apart if apart >= 0 else apart + 63) >> 6)

    def _threshold(self) -> int:
        """TRANS: a difference past this, while a tone is heard, is the tone's end."""
        whole = self._yl >> 15
        threshold = 31 << 10 if whole > 9 else (32 + (self._yl >> 10 & 31)) << whole
        return (threshold + (threshold >> 1)) >> 1

    def _adapt_step(self, step: int, weight: int) -> None:
        """FUNCTW, FILTD, LIMB and FILTE."""
        self._yu = min(max(step + ((weight - step) >> 5), 544), 5120)
        self._yl += self._yu + (-self._yl >> 6)

    def _adapt_predictors(
        self, partly: int, magnitude: int, negative: bool, transition: bool
    ) -> None:
        """UPA1, UPA2, UPB, LIMC, LIMD, TRIGB and TONE."""
        sign = partly < 0
        if transition:
            self._a1 = self._a2 = 0
            self._b = [0] * 6
        else:
            self._adapt_poles(sign, partly != 0)
            self._adapt_zeros(magnitude, negative)
        self._pk1, self._pk2 = sign, self._pk1
        self._tone = not transition and self._a2 < -11776

    def _adapt_poles(self, sign: bool, nonzero: bool) -> None:
        a1, a2 = self._a1, self._a2
        differs = sign is not self._pk1
        a2 -= a2 >> 7
        if nonzero:
            leaning = a1 if differs else -a1
            if leaning < -8191:
                a2 -= 256
            elif leaning > 8191:
                a2 += 255
            else:
                a2 += leaning >> 5
            a2 += -128 if sign is not self._pk2 else 128
        self._a2 = a2 = min(max(a2, -12288), 12288)
        a1 -= a1 >> 8
        if nonzero:
            a1 += -192 if differs else 192
        limit = 15360 - a2
        self._a1 = min(max(a1, -limit), limit)

    def _adapt_zeros(self, magnitude: int, negative: bool) -> None:
        leak = self._leak
        b = [coefficient - (coefficient >> leak) for coefficient in self._b]
        if magnitude:
            for n, remembered in enumerate(self._dq):
                b[n] += 128 if remembered[0] is negative else -128
        self._b = b

    def _adapt_speed(self, step: int, weight: int, transition: bool) -> None:
        """FILTA, FILTB, FILTC, SUBTC and TRIGA."""
        self._dms += (weight - self._dms) >> 5
        self._dml += ((weight << 2) - self._dml) >> 7
        if transition:
            self._ap = 256
            return
        fast = step < 1536 or self._tone or abs((self._dms << 2) - self._dml) >= self._dml >> 3
        self._ap += ((512 if fast else 0) - self._ap) >> 4
