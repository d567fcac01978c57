"""
G.729 and its Annexes A and B: 10 octets for 10 ms (:rfc:`3551#section-4.5.6`).

Annex A is another encoder and decoder for the same bits. By Annex B a sender
with nothing to say sends a frame of 2 octets, alone or as the last of a payload,
that describes its background noise (SID), and then nothing until that changes.
A SID is silence here; it is taken whether annexb=no was said or not.
"""

from __future__ import annotations

import numpy as np
from cffi import FFI

from ..plan import Codec
from .frames import concealed, decoded, split
from .library import frames_of, needed, opened
from .pyav import FrameDecoder
from .samples import Samples

DECODERS = ("g729",)
_OCTETS = 10
_SID_OCTETS = 2
_SAMPLES = 80
_ERASED = bytes(_OCTETS)
"FFmpeg takes a frame of zeros for one that was lost (section 4.4 of ITU-T G.729)."


class G729Decoder:
    """One stream of G.729."""

    joins = False
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        self._decoder = FrameDecoder(*DECODERS, rate=self.rate)

    def ticks(self, payload: bytes) -> int:
        """80 for each frame, a SID among them."""
        return (len(payload) // _OCTETS + self.rests(payload)) * _SAMPLES

    def rests(self, payload: bytes) -> bool:
        """Whether a payload ends with a SID, so that nothing need follow."""
        return len(payload) % _OCTETS == _SID_OCTETS

    def decode(self, payload: bytes) -> Samples:
        """The next frames as samples."""
        speech = decoded(split(payload, _OCTETS), self._decoder, _SAMPLES)
        if not self.rests(payload):
            return speech
        return np.concatenate([speech, np.zeros(_SAMPLES, dtype=np.int16)])

    def conceal(self, count: int) -> Samples:
        """As ITU-T G.729 has it."""
        return concealed(_ERASED, self._decoder, _SAMPLES, count)


_ffi = FFI()
_ffi.cdef(
    """
    typedef struct bcg729EncoderChannelContextStruct Encoder;
    Encoder *initBcg729EncoderChannel(uint8_t with_annex_b);
    void bcg729Encoder(Encoder *encoder, const int16_t samples[], uint8_t octets[],
                       uint8_t *length);
    void closeBcg729EncoderChannel(Encoder *encoder);
    """
)


class G729Encoder:
    """G.729 to be sent, by bcg729; with Annex B, unless annexb=no was said."""

    clock_rate = 8000
    rate = 8000

    def __init__(self, codec: Codec) -> None:
        library = needed(opened(_ffi, "libbcg729.so.0"), "G729", "libbcg729-0")
        made = library.initBcg729EncoderChannel(int(codec.parameter("annexb") != "no"))
        self._encoder = _ffi.gc(made, library.closeBcg729EncoderChannel)
        self._encode = library.bcg729Encoder
        self._room = _ffi.new("uint8_t[]", _OCTETS)
        self._length = _ffi.new("uint8_t *")

    def encode(self, samples: Samples) -> bytes:
        """
        The next samples, a multiple of 10 ms, as a payload; it ends with the first
        SID, as it must, and is empty while nothing need be sent.
        """
        payload = b""
        for at in frames_of("G729", len(samples), _SAMPLES):
            frame = np.ascontiguousarray(samples[at : at + _SAMPLES])
            self._encode(
                self._encoder, _ffi.cast("int16_t *", frame.ctypes.data), self._room, self._length
            )
            if len(payload) % _OCTETS == 0:
                payload += bytes(_ffi.buffer(self._room, self._length[0]))
        return payload
