"""
What the change of rate does to the audio: the ripple of its passband, the
attenuation of what must not be heard, and its delay, by a sweep of tones.

    python bench/rates.py

For each pair of rates: tones up to 85 % of the lower rate's band, of which the gain
and the phase are taken; then, going down, tones from 103 % of it on, of which
nothing may come through (they would be heard at other frequencies), and going up,
whatever else comes with a tone that is heard (its images). The time is the CPU's,
of a second of audio in chunks of 100 ms.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twisted_siprec.audio.resample import Resampler

RATES = (8000, 11025, 16000, 24000, 32000, 44100, 48000)
OUTPUTS = (8000, 16000, 24000, 48000)
PASSED, STOPPED = 0.85, 1.03
"Of the lower rate's band."
LEVEL = 20_000.0
SECONDS = 0.3
TONES = 24

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    ripple_db: float
    "From the least gain in the passband to the greatest."
    attenuation_db: float
    "The least, of anything that must not be heard."
    delay_ms: float
    "The group delay, mean over the passband."
    uneven_ms: float
    "How far the delay of any frequency is from that."


def tone(hertz: float, rate: int) -> NDArray[np.int16]:
    """A tone, for as long as is measured."""
    phase = 2 * np.pi * hertz * np.arange(round(SECONDS * rate)) / rate
    return np.rint(LEVEL * np.cos(phase)).astype(np.int16)


def heard(hertz: float, from_hz: int, to_hz: int) -> Signal:
    """What comes of a tone, its beginning left out."""
    return Resampler(from_hz, to_hz).resample(tone(hertz, from_hz)).astype(np.float64)


def response(hertz: float, from_hz: int, to_hz: int) -> tuple[complex, float]:
    """Gain and phase of a tone, and how loud the rest is, of 1."""
    signal = heard(hertz, from_hz, to_hz)
    times = np.arange(len(signal)) / to_hz
    settled = times > 2 * 28 / min(from_hz, to_hz)
    signal, phase = signal[settled], 2 * np.pi * hertz * times[settled]
    columns = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    (real, imaginary), *_ = np.linalg.lstsq(columns, signal, rcond=None)
    rest = signal - columns @ np.array([real, imaginary])
    return complex(real, -imaginary) / LEVEL, float(np.sqrt(2 * (rest**2).mean()) / LEVEL)


def measured(from_hz: int, to_hz: int) -> Figures:
    """The figures of one pair of rates."""
    band = min(from_hz, to_hz) / 2
    frequencies = np.linspace(50.0, PASSED * band, TONES)
    found = [response(hertz, from_hz, to_hz) for hertz in frequencies]
    gains_db = 20 * np.log10([abs(gain) for gain, _ in found])
    # The phase turns more than once from tone to tone: take out the nominal delay first.
    nominal_s = Resampler(from_hz, to_hz).delay_ms / 1000
    gains = np.array([gain for gain, _ in found])
    left = gains * np.exp(2j * np.pi * frequencies * nominal_s)
    away_ms = -np.unwrap(np.angle(left)) / (2 * np.pi * frequencies) * 1000
    if to_hz > from_hz:
        unwanted = max(rest for _, rest in found)
    else:
        too_high = np.linspace(STOPPED * band, 0.98 * from_hz / 2, TONES)
        late = round(2 * 28 * to_hz / min(from_hz, to_hz))
        signals = [heard(hertz, from_hz, to_hz)[late:] for hertz in too_high]
        unwanted = max(float(np.sqrt(2 * (signal**2).mean())) / LEVEL for signal in signals)
    delay_ms = float(away_ms.mean())
    return Figures(
        float(gains_db.max() - gains_db.min()),
        float(-20 * np.log10(unwanted)),
        nominal_s * 1000 + delay_ms,
        float(np.abs(away_ms - delay_ms).max()),
    )


def cost_ms(from_hz: int, to_hz: int) -> float:
    """CPU of a second of audio."""
    resampler = Resampler(from_hz, to_hz)
    chunk = np.random.default_rng(1).integers(-9000, 9000, from_hz // 10).astype(np.int16)
    resampler.resample(chunk)
    began = time.process_time()
    for _ in range(50):
        resampler.resample(chunk)
    return (time.process_time() - began) / 5 * 1000


def main() -> None:
    """A line for each pair."""
    print("   from     to  ripple dB  stopped dB  delay ms  CPU ms")
    for from_hz in RATES:
        for to_hz in OUTPUTS:
            if from_hz == to_hz:
                continue
            got = measured(from_hz, to_hz)
            print(
                f"{from_hz:7}{to_hz:7}{got.ripple_db:11.3f}{got.attenuation_db:12.1f}"
                f"{got.delay_ms:10.2f}{cost_ms(from_hz, to_hz):8.2f}"
            )


if __name__ == "__main__":
    main()
