"""
G.726 at 40 kbit/s, bit for bit as ITU-T G.726 has it.

FFmpeg's decoder forgets the zero predictor twice as fast at this rate as the
standard does (clause 2.6: 2**-9, not 2**-8) and drifts away from the sender, so
the arithmetic is here. The names are the standard's: DQ the quantized
difference, SR the reconstructed signal, SE and SEZ their estimates, Y the step
size with its fast part YU and its slow part YL, AP the speed between the two.
DQ and SR are remembered as the standard's little floating-point numbers: a sign,
four bits of exponent and six of mantissa.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .samples import Samples

_HALF = (-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566)
_DQLN = _HALF + _HALF[::-1]
"The quantized difference as a logarithm, by code (table 6)."
_HALF = (14, 14, 24, 39, 40, 41, 58, 100, 141, 179, 219, 280, 358, 440, 529, 696)
_WI = tuple(32 * weight for weight in _HALF + _HALF[::-1])
"What a code does to the step size (clause 2.4)."
_HALF = (0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6)
_FI = tuple(512 * weight for weight in _HALF + _HALF[::-1])
"What a code does to the speed (clause 2.5)."
_SIGN = 16


class _Float(NamedTuple):
    """A number of the predictors."""

    negative: bool
    exponent: int
    mantissa: int


_ZERO = _Float(False, 0, 32)


def _float(magnitude: int, negative: bool) -> _Float:
    """FLOATA and FLOATB."""
    exponent = magnitude.bit_length()
    return _Float(negative, exponent, (magnitude << 6) >> exponent if magnitude else 32)


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


class G72640:
    """The state of one stream."""

    def __init__(self) -> None:
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
        """The next codes of five bits as samples."""
        signal = np.fromiter((self._next(code) for code in codes), dtype=np.int32)
        return np.clip(signal << 2, -32768, 32767).astype(np.int16)

    def _next(self, code: int) -> int:
        """SR, of 14 bits."""
        zeros = sum(map(_product, self._b, self._dq))
        poles = _product(self._a1, self._sr1) + _product(self._a2, self._sr2)
        estimate = (zeros + poles) >> 1
        step = self._step()
        logarithm = _DQLN[code] + (step >> 2)
        magnitude = 0
        if logarithm >= 0:
            magnitude = (128 + (logarithm & 127) << 7) >> (14 - (logarithm >> 7 & 15))
        negative = code >= _SIGN
        difference = -magnitude if negative else magnitude
        signal = estimate + difference
        transition = self._tone and magnitude > self._threshold()
        self._adapt_step(step, _WI[code])
        self._adapt_predictors(difference + (zeros >> 1), magnitude, negative, transition)
        self._adapt_speed(step, _FI[code], transition)
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
        b = [coefficient - (coefficient >> 9) for coefficient in self._b]
        if magnitude:
            for n, remembered in enumerate(self._dq):
                b[n] += 128 if remembered.negative is negative else -128
        self._b = b

    def _adapt_speed(self, step: int, weight: int, transition: bool) -> None:
        """FILTA, FILTB, FILTC, SUBTC and TRIGA."""
        self._dms += (weight - self._dms) >> 5
        self._dml += ((weight << 2) - self._dml) >> 7
        if transition:
            self._ap = 256
            return
        fast = (
            step < 1536
            or self._tone
            or abs((self._dms << 2) - self._dml) >= self._dml >> 3
        )
        self._ap += ((512 if fast else 0) - self._ap) >> 4
