"""
iLBC, the internet Low Bit Rate Codec (:rfc:`3951`, :rfc:`3952`): 38 octets for
20 ms, or 50 octets for 30 ms.

``mode`` in fmtp says which; without it, it is 30 (:rfc:`3952#section-5`). A
sender that falls back to the other one without saying so shows by the length
of its payloads.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import Codec
from .frames import concealed, decoded, split
from .pyav import FrameDecoder
from .samples import Samples

DECODERS = ("ilbc",)


@dataclass(frozen=True, slots=True)
class _Mode:
    """A frame length."""

    octets: int
    samples: int


_MODE_20, _MODE_30 = _Mode(38, 160), _Mode(50, 240)


class ILBCDecoder:
    """One stream of iLBC."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        says_20 = codec.parameter("mode") == "20"
        self._said = _MODE_20 if says_20 else _MODE_30
        self._other = _MODE_30 if says_20 else _MODE_20
        self._mode = self._said
        self._decoder = self._decoder_of(self._said)

    def ticks(self, payload: bytes) -> int:
        """160 or 240 for each frame."""
        mode = self._mode_of(payload)
        return len(payload) // mode.octets * mode.samples

    def decode(self, payload: bytes) -> Samples:
        """The next frames as samples."""
        mode = self._mode_of(payload)
        if mode is not self._mode:
            self._mode, self._decoder = mode, self._decoder_of(mode)
        return decoded(split(payload, mode.octets), self._decoder, mode.samples)

    def conceal(self, count: int) -> Samples:
        """As a frame has it whose last bit says that it is none (:rfc:`3951#section-3.8`)."""
        mode = self._mode
        empty = bytes(mode.octets - 1) + b"\1"
        return concealed(empty, self._decoder, mode.samples, count)

    def _mode_of(self, payload: bytes) -> _Mode:
        """What was said, unless the length fits the other one alone."""
        fits_other = len(payload) % self._other.octets == 0
        return self._other if fits_other and len(payload) % self._said.octets else self._said

    def _decoder_of(self, mode: _Mode) -> FrameDecoder:
        # FFmpeg tells the modes apart by the length of a block.
        settings = {"block_align": str(mode.octets)}
        return FrameDecoder(*DECODERS, rate=self.rate, settings=settings)
