"""
libopus itself, for what FFmpeg's wrapping of it cannot do: the forward error
correction inside Opus (:rfc:`6716#section-2.1.7`), and discontinuous transmission.

The library is that which comes with PyAV, so that nothing need be installed
besides, or the system's. Where there is neither, or an unknown one, Opus is
FFmpeg's all the same, and only the correction is missing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from cffi import FFI

from .library import opened
from .pyav import location
from .samples import Samples

_RATE = 48000
_OK = 0
_VOIP = 2048
_MOST_OCTETS = 1275 * 3
_SET_BITRATE, _SET_INBAND_FEC, _SET_PACKET_LOSS, _SET_DTX = 4002, 4012, 4014, 4016
_SYSTEM = "libopus.so.0"

_ffi = FFI()
_ffi.cdef(
    """
    typedef struct OpusDecoder OpusDecoder;
    typedef struct OpusEncoder OpusEncoder;
    OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
    void opus_decoder_destroy(OpusDecoder *decoder);
    int opus_decode(OpusDecoder *decoder, const unsigned char *octets, int32_t length,
                    int16_t *samples, int count, int decode_fec);
    OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
    void opus_encoder_destroy(OpusEncoder *encoder);
    int opus_encode(OpusEncoder *encoder, const int16_t *samples, int count,
                    unsigned char *octets, int32_t room);
    int opus_encoder_ctl(OpusEncoder *encoder, int request, ...);
    """
)


@lru_cache(maxsize=1)
def _library() -> Any:
    """The library; None where there is none."""
    wheel = location()
    bundled = sorted(wheel.glob("libopus*.so*")) if wheel is not None else []
    return opened(_ffi, *map(str, bundled), _SYSTEM)


def installed() -> bool:
    """Whether there is one."""
    return _library() is not None


class LibOpusDecoder:
    """One stream of packets for libopus to decode, as one channel at 48 kHz."""

    def __init__(self) -> None:
        self._opus = library = _library()
        if library is None:
            raise LookupError("no libopus: install twisted_siprec[codecs]")
        error = _ffi.new("int *")
        made = library.opus_decoder_create(_RATE, 1, error)
        if error[0] != _OK:
            raise LookupError(f"libopus makes no decoder: error {error[0]}")
        self._decoder = _ffi.gc(made, library.opus_decoder_destroy)

    def decode(self, packet: bytes, samples: int) -> Samples:
        """A packet as so many samples; silence where it is damaged."""
        return self._made(packet, samples, 0)

    def conceal(self, samples: int) -> Samples:
        """What it has in the place of lost audio, a multiple of 2.5 ms."""
        return self._made(None, samples, 0)

    def recover(self, packet: bytes, samples: int) -> Samples:
        """
        So many samples that were lost before a packet: the last of them, a frame's
        length, as that packet has them once more, and what is concealed before.
        """
        return self._made(packet, samples, 1)

    def _made(self, packet: bytes | None, samples: int, correcting: int) -> Samples:
        audio: Samples = np.zeros(samples, dtype=np.int16)
        octets = _ffi.NULL if packet is None else packet
        room = _ffi.cast("int16_t *", audio.ctypes.data)
        made = self._opus.opus_decode(
            self._decoder, octets, len(packet or b""), room, samples, correcting
        )
        if made < samples:
            audio[max(made, 0) :] = 0
        return audio


class LibOpusEncoder:
    """
    Opus for speech, in packets.

    :param correction_percent: with forward error correction for so much loss; 0 for none.
    """

    def __init__(self, *, bit_rate: int, correction_percent: int = 0, rests: bool = False) -> None:
        self._opus = library = _library()
        if library is None:
            raise LookupError("no libopus: install twisted_siprec[codecs]")
        error = _ffi.new("int *")
        made = library.opus_encoder_create(_RATE, 1, _VOIP, error)
        if error[0] != _OK:
            raise LookupError(f"libopus makes no encoder: error {error[0]}")
        self._encoder = _ffi.gc(made, library.opus_encoder_destroy)
        self._room = _ffi.new("unsigned char[]", _MOST_OCTETS)
        for request, value in (
            (_SET_BITRATE, bit_rate),
            (_SET_INBAND_FEC, int(correction_percent > 0)),
            (_SET_PACKET_LOSS, correction_percent),
            (_SET_DTX, int(rests)),
        ):
            library.opus_encoder_ctl(self._encoder, request, _ffi.cast("int", value))

    def encode(self, samples: Samples) -> bytes:
        """A packet of 10, 20, 40 or 60 ms."""
        spoken = np.ascontiguousarray(samples)
        made = self._opus.opus_encode(
            self._encoder,
            _ffi.cast("int16_t *", spoken.ctypes.data),
            len(spoken),
            self._room,
            _MOST_OCTETS,
        )
        if made < 0:
            raise ValueError(f"Opus has no packets of {len(spoken)} samples")
        return bytes(_ffi.buffer(self._room, made))
