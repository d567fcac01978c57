"""
AMR and AMR-WB: 3GPP's adaptive codecs, 20 ms a frame, the mode told with each
(:rfc:`4867`).

A payload is a codec mode request, which is nothing to one who only listens, a
table of contents with an entry for each frame, and the frames::

     bandwidth-efficient               octet-aligned (octet-align=1)
     CMR(4) [F(1) FT(4) Q(1)]…  frames CMR(4) 0000 [F(1) FT(4) Q(1) 00]… frames
     bits without gaps                 each frame from an octet's start on

FT is the mode, a SID (a description of the background noise, sent every 160 ms
in silence), or NO_DATA. Silence is what is heard of both; the decoder learns of
them all the same. A frame whose Q bit says that it is damaged is the decoder's
to conceal. Interleaving and robust sorting are not known here: whoever answers
an offer with them leaves the format out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..plan import Codec
from .frames import concealed
from .pyav import FrameDecoder
from .samples import NO_SAMPLES, Samples

NARROWBAND_DECODERS = ("libopencore_amrnb", "amrnb")
WIDEBAND_DECODERS = ("libopencore_amrwb", "amrwb")
MAX_FRAMES = 50
"Of a payload; more is no speech but somebody's attempt."
_NO_DATA = 15
_SPEECH_LOST = 14
_TOC_BITS = 6
_EMPTY = bytes((_NO_DATA << 3 | 4,))


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two codecs."""

    rate: int
    bits: tuple[int, ...]
    "Of a frame, by FT, the SID last."
    decoders: tuple[str, ...]

    @property
    def sid(self) -> int:
        """The FT of a SID."""
        return len(self.bits) - 1


FAMILIES = {
    "AMR": Family(8000, (95, 103, 118, 134, 148, 159, 204, 244, 39), NARROWBAND_DECODERS),
    "AMR-WB": Family(16000, (132, 177, 253, 285, 317, 365, 397, 461, 477, 40), WIDEBAND_DECODERS),
}


class Frame(NamedTuple):
    """One frame of a payload."""

    kind: int
    "FT."
    good: bool
    "Q."
    speech: bytes
    "Its bits from an octet's start on, as in a file of :rfc:`4867#section-5.3`."


class AMRDecoder:
    """One stream of AMR or AMR-WB."""

    joins = False

    def __init__(self, codec: Codec) -> None:
        self._family = family = FAMILIES[codec.name]
        self.rate = family.rate
        self._samples = family.rate // 50
        self._crc = codec.parameter("crc") == "1"
        # A CRC is of the octet-aligned format alone (section 8.1).
        self._aligned = codec.parameter("octet-align") == "1" or self._crc
        if not understands(codec):
            raise LookupError(f"{codec.name} with {codec.parameters}")
        self._decoder = FrameDecoder(*family.decoders, rate=family.rate)

    def ticks(self, payload: bytes) -> int:
        """320 (AMR: 160) for each entry of the table of contents; 0 where it makes no sense."""
        return len(self.frames(payload)) * self._samples

    def rests(self, payload: bytes) -> bool:
        """Whether the last frame is of silence, so that nothing need follow for 160 ms."""
        frames = self.frames(payload)
        return bool(frames) and frames[-1].kind in (self._family.sid, _NO_DATA)

    def decode(self, payload: bytes) -> Samples:
        """The next frames as samples."""
        parts = [self._decoded(frame) for frame in self.frames(payload)]
        return parts[0] if len(parts) == 1 else np.concatenate([NO_SAMPLES, *parts])

    def frames(self, payload: bytes) -> list[Frame]:
        """The frames of a payload; none where it is cut short or is none."""
        return self._aligned_frames(payload) if self._aligned else self._packed_frames(payload)

    def _decoded(self, frame: Frame) -> Samples:
        usable = frame.good and frame.kind not in (_SPEECH_LOST, _NO_DATA)
        kind = frame.kind if usable else _NO_DATA
        header = bytes((kind << 3 | 4,))
        audio = self._decoder.decode(header + frame.speech if usable else header, self._samples)
        if frame.kind in (self._family.sid, _NO_DATA):
            return np.zeros(self._samples, dtype=np.int16)
        return audio

    def _length(self, kind: int) -> int | None:
        """The bits of a frame; None for an FT without a meaning (section 4.3.2)."""
        if kind < len(self._family.bits):
            return self._family.bits[kind]
        empty = kind == _NO_DATA or (kind == _SPEECH_LOST and self._family.rate == 16000)
        return 0 if empty else None

    def _packed_frames(self, payload: bytes) -> list[Frame]:
        """Bandwidth-efficient: read from the left, bit by bit (section 4.3)."""
        bits = len(payload) * 8
        whole = int.from_bytes(payload, "big")
        at = 4
        entries: list[int] = []
        while not entries or entries[-1] & 0x20:
            if at + _TOC_BITS > bits or len(entries) == MAX_FRAMES:
                return []
            entries.append(whole >> (bits - at - _TOC_BITS) & 0x3F)
            at += _TOC_BITS
        frames: list[Frame] = []
        for entry in entries:
            kind = entry >> 1 & 15
            length = self._length(kind)
            if length is None or at + length > bits:
                return []
            speech = whole >> (bits - at - length) & (1 << length) - 1
            octets = -(-length // 8)
            frames.append(
                Frame(kind, bool(entry & 1), (speech << (octets * 8 - length)).to_bytes(octets))
            )
            at += length
        return frames

    def _aligned_frames(self, payload: bytes) -> list[Frame]:
        """Octet-aligned, with CRCs or without (section 4.4)."""
        entries: list[int] = []
        while not entries or entries[-1] & 0x80:
            at = 1 + len(entries)
            if at >= len(payload) or len(entries) == MAX_FRAMES:
                return []
            entries.append(payload[at])
        at = 1 + len(entries)
        if self._crc:
            at += sum(1 for entry in entries if self._length(entry >> 3 & 15))
        frames: list[Frame] = []
        for entry in entries:
            kind = entry >> 3 & 15
            length = self._length(kind)
            if length is None or at + -(-length // 8) > len(payload):
                return []
            octets = -(-length // 8)
            frames.append(Frame(kind, bool(entry & 4), payload[at : at + octets]))
            at += octets
        return frames


class NarrowbandDecoder(AMRDecoder):
    """
    One stream of AMR, whose decoder conceals by itself. That of AMR-WB does too, but
    worse than silence is (docs/codecs.rst has the figures), and is not asked to.
    """

    def conceal(self, count: int) -> Samples:
        """As for frames without data, in the midst of speech (3GPP TS 26.091)."""
        return concealed(_EMPTY, self._decoder, self._samples, count)


def understands(codec: Codec) -> bool:
    """Whether a format does without interleaving, robust sorting and a second channel."""
    sorted_otherwise = codec.parameter("robust-sorting") == "1"
    return codec.parameter("interleaving") is None and not sorted_otherwise and codec.channels == 1
