"""
GSM 06.10, full rate: 33 octets for 20 ms (:rfc:`3551#section-4.5.8`).
"""

from __future__ import annotations

import numpy as np
from cffi import FFI

from ..plan import Codec
from .frames import decoded, split
from .library import frames_of, needed, opened
from .pyav import FrameDecoder
from .samples import Samples

DECODERS = ("gsm",)
_OCTETS = 33
_SAMPLES = 160


class GSMDecoder:
    """One stream of GSM 06.10."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        self._decoder = FrameDecoder(*DECODERS, rate=self.rate)

    def ticks(self, payload: bytes) -> int:
        """160 for each frame."""
        return len(payload) // _OCTETS * _SAMPLES

    def decode(self, payload: bytes) -> Samples:
        """The next frames as samples."""
        return decoded(split(payload, _OCTETS), self._decoder, _SAMPLES)


_ffi = FFI()
_ffi.cdef(
    """
    typedef struct gsm_state *gsm;
    gsm gsm_create(void);
    void gsm_destroy(gsm state);
    void gsm_encode(gsm state, int16_t *samples, uint8_t *octets);
    """
)


class GSMEncoder:
    """GSM 06.10 to be sent, by libgsm."""

    clock_rate = 8000
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        self._gsm = library = needed(opened(_ffi, "libgsm.so.1"), "GSM", "libgsm1")
        self._encoder = _ffi.gc(library.gsm_create(), library.gsm_destroy)
        self._room = _ffi.new("uint8_t[]", _OCTETS)

    def encode(self, samples: Samples) -> bytes:
        """The next samples, a multiple of 20 ms, as a payload."""
        payload = b""
        for at in frames_of("GSM", len(samples), _SAMPLES):
            frame = np.ascontiguousarray(samples[at : at + _SAMPLES])
            spoken = _ffi.cast("int16_t *", frame.ctypes.data)
            self._gsm.gsm_encode(self._encoder, spoken, self._room)
            payload += bytes(_ffi.buffer(self._room))
        return payload
