"""
Opus: any bandwidth up to 20 kHz, frames of 2.5 to 60 ms, packets of up to 120 ms
(:rfc:`6716`, :rfc:`7587`).

The RTP clock is 48 kHz whatever is coded, and so are the samples: the sender
may change bandwidth, frame length and the number of channels from packet to
packet, and tells so in the first octet::

     0 1 2 3 4 5 6 7
    | config  |s| c |     config: mode, bandwidth and frame length; s: stereo
                          c: one frame, two, two of two lengths, or as many as
                          the next octet says (:rfc:`6716#section-3.1`)

Stereo is mixed to one channel by the decoder.
"""

from __future__ import annotations

from ..plan import Codec
from .frames import concealed
from .pyav import FrameDecoder, FrameEncoder
from .samples import NO_SAMPLES, Samples

DECODERS = ("libopus", "opus")
_CLOCK_RATE = 48000
_LONGEST = 5760
"Ticks of 120 ms, the most that a packet may last (:rfc:`6716#section-3.4`, R5)."
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_TICKS = _SILK * 3 + _HYBRID * 2 + _CELT * 4
"Of a frame, by config (:rfc:`6716#section-3.1`, table 2)."
_REST_OCTETS = 2
"A packet no longer than this has no audio: discontinuous transmission begins or goes on."


class OpusDecoder:
    """One stream of Opus."""

    joins = False
    rate = _CLOCK_RATE

    def __init__(self, codec: Codec) -> None:
        self._decoder = FrameDecoder(*DECODERS, rate=_CLOCK_RATE)
        self._newest = 0
        "The first octet of the newest packet."

    def ticks(self, payload: bytes) -> int:
        """What the first octets say; 0 where they say what cannot be."""
        if not payload:
            return 0
        each, code = _TICKS[payload[0] >> 3], payload[0] & 3
        if code == 3:
            count = payload[1] & 0x3F if len(payload) > 1 else 0
        else:
            count = 1 if code == 0 else 2
        return each * count if each * count <= _LONGEST else 0

    def rests(self, payload: bytes) -> bool:
        """Whether the sender has nothing to say, so that nothing need follow for 400 ms."""
        return len(payload) <= _REST_OCTETS

    def decode(self, payload: bytes) -> Samples:
        """The next packet as samples."""
        ticks = self.ticks(payload)
        if not ticks:
            return NO_SAMPLES
        self._newest = payload[0]
        return self._decoder.decode(payload, ticks)

    def conceal(self, count: int) -> Samples:
        """As an empty frame has it, which stands for a lost one (:rfc:`6716#section-3.2.1`)."""
        alone = self._newest & 0xFC
        return concealed(bytes([alone]), self._decoder, _TICKS[alone >> 3], count)


class OpusEncoder:
    """Opus for speech, one packet of 10, 20, 40 or 60 ms at a time."""

    clock_rate = _CLOCK_RATE
    rate = _CLOCK_RATE

    def __init__(self) -> None:
        self._encoder: FrameEncoder | None = None
        self._samples = 0

    def encode(self, samples: Samples) -> bytes:
        """The next samples, as many as the first time, as a payload."""
        if self._encoder is None:
            duration_ms = len(samples) * 1000 // _CLOCK_RATE
            settings = {"application": "voip", "frame_duration": str(duration_ms)}
            self._encoder = FrameEncoder(
                "libopus", rate=_CLOCK_RATE, bit_rate=32_000, settings=settings
            )
            self._samples = len(samples)
        if len(samples) != self._samples:
            raise ValueError("Opus packets of one encoder are of one length")
        return b"".join(self._encoder.encode(samples))
