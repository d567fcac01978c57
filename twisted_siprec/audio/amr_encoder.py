"""
AMR and AMR-WB to be sent, in either payload format of :rfc:`4867`: by
opencore-amr (PyAV) and by vo-amrwbenc, where that is installed.

Of ``mode-set`` the highest mode is taken; without it, the best there is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cffi import FFI

from ..plan import Codec
from .amr import FAMILIES
from .library import frames_of, needed, opened
from .pyav import FrameEncoder
from .samples import Samples

_BIT_RATES = (4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200)
"Of AMR, by mode."
_NO_REQUEST = 15
_MOST_OCTETS = 64

_ffi = FFI()
_ffi.cdef(
    """
    void *E_IF_init(void);
    int E_IF_encode(void *encoder, int16_t mode, int16_t *samples, uint8_t *octets, int16_t dtx);
    void E_IF_exit(void *encoder);
    """
)

_Encode = Callable[[Samples], bytes]
"A frame of a file of section 5.3, of 20 ms."


class AMREncoder:
    """One stream of AMR or AMR-WB to be sent."""

    def __init__(self, codec: Codec) -> None:
        self._family = FAMILIES[codec.name]
        self._name = codec.name
        self.rate = self.clock_rate = self._family.rate
        self._crc = codec.parameter("crc") == "1"
        self._aligned = codec.parameter("octet-align") == "1" or self._crc
        if self._crc:
            raise LookupError("no encoder for AMR with CRCs")
        asked = codec.parameter("mode-set") or ""
        modes = [int(mode) for mode in asked.split(",") if mode.strip().isdigit()]
        speech = self._family.sid - 1
        mode = min(max(modes, default=speech), speech)
        self._encode: _Encode = _narrowband(mode) if self._family.rate == 8000 else _wideband(mode)

    def encode(self, samples: Samples) -> bytes:
        """The next samples, a multiple of 20 ms, as a payload."""
        step = self._family.rate // 50
        frames = [
            self._encode(np.ascontiguousarray(samples[at : at + step]))
            for at in frames_of(self._name, len(samples), step)
        ]
        return self._together(frames) if self._aligned else self._packed(frames)

    def _together(self, frames: list[bytes]) -> bytes:
        """Octet-aligned (section 4.4)."""
        more = [frame[0] | 0x80 for frame in frames[:-1]]
        speech = b"".join(frame[1:] for frame in frames)
        return bytes((_NO_REQUEST << 4, *more, frames[-1][0])) + speech

    def _packed(self, frames: list[bytes]) -> bytes:
        """Bandwidth-efficient (section 4.3)."""
        whole, length = _NO_REQUEST, 4
        for number, frame in enumerate(frames):
            more = number < len(frames) - 1
            whole, length = whole << 6 | more << 5 | frame[0] >> 2 & 0x1F, length + 6
        for frame in frames:
            bits = self._family.bits[frame[0] >> 3 & 15]
            speech = int.from_bytes(frame[1:], "big") >> (8 * (len(frame) - 1) - bits)
            whole, length = whole << bits | speech, length + bits
        padding = -length % 8
        return (whole << padding).to_bytes((length + padding) // 8, "big")


def _narrowband(mode: int) -> _Encode:
    encoder = FrameEncoder("libopencore_amrnb", rate=8000, bit_rate=_BIT_RATES[mode])
    return lambda samples: b"".join(encoder.encode(samples))


def _wideband(mode: int) -> _Encode:
    library = needed(opened(_ffi, "libvo-amrwbenc.so.0"), "AMR-WB", "libvo-amrwbenc0")
    encoder = _ffi.gc(library.E_IF_init(), library.E_IF_exit)
    room = _ffi.new("uint8_t[]", _MOST_OCTETS)

    def encode(samples: Samples) -> bytes:
        spoken = _ffi.cast("int16_t *", samples.ctypes.data)
        made = library.E_IF_encode(encoder, mode, spoken, room, 0)
        return bytes(_ffi.buffer(room, made))

    return encode
