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

A packet of speech may have that of the packet before it once more, coded with
fewer bits (forward error correction). Whether it has is told by the first octet
of its first frame, which begins with the flags of each 20 ms of one channel, then
of the other: a bit for each that there is a voice in it, and one that there is
redundancy (:rfc:`6716#section-4.2.3`).
"""

from __future__ import annotations

from ..plan import Codec
from .frames import concealed
from .libopus import LibOpusDecoder, LibOpusEncoder, installed
from .pyav import FrameDecoder
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
_MUSIC = 16
"The first config without a part that speech is coded in."
_STEREO = 4
_SPEECH_FRAME = 960
"Ticks of 20 ms."
_STEP = 120
"Ticks of 2.5 ms, of which concealment is made."
_BIT_RATE = 32_000
_LOSS_PERCENT = 15
"For which an encoder corrects that is asked to."
_REST_OCTETS = 2
"A packet no longer than this has no audio: discontinuous transmission begins or goes on."


class OpusDecoder:
    """One stream of Opus."""

    joins = False
    rate = _CLOCK_RATE

    def __init__(self, codec: Codec) -> None:
        self._decoder = LibOpusDecoder() if installed() else _FFmpegDecoder()

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
        return self._decoder.decode(payload, ticks) if ticks else NO_SAMPLES

    def conceal(self, count: int) -> Samples:
        """As the decoder has it without a packet (:rfc:`6716#section-4.4`)."""
        return self._decoder.conceal(-(-count // _STEP) * _STEP)[:count]

    def repeats(self, payload: bytes) -> int:
        """A frame's length, where the redundancy is there and can be read."""
        if not installed() or not self.ticks(payload) or not _redundant(payload):
            return 0
        return _TICKS[payload[0] >> 3]

    def recover(self, payload: bytes) -> Samples:
        """The frame before this packet."""
        return self._decoder.recover(payload, _TICKS[payload[0] >> 3])


class _FFmpegDecoder:
    """FFmpeg's decoder where libopus is not to be had by itself; it corrects nothing."""

    def __init__(self) -> None:
        self._decoder = FrameDecoder(*DECODERS, rate=_CLOCK_RATE)
        self._newest = 0
        "The first octet of the newest packet."

    def decode(self, packet: bytes, ticks: int) -> Samples:
        """A packet as so many samples."""
        self._newest = packet[0]
        return self._decoder.decode(packet, ticks)

    def conceal(self, ticks: int) -> Samples:
        """As an empty frame has it, which stands for a lost one (:rfc:`6716#section-3.2.1`)."""
        alone = self._newest & 0xFC
        return concealed(bytes([alone]), self._decoder, _TICKS[alone >> 3], ticks)

    def recover(self, packet: bytes, ticks: int) -> Samples:
        """Nothing is known of it."""
        return self.conceal(ticks)


def _redundant(payload: bytes) -> bool:
    """Whether there is redundancy in the first frame of a packet that makes sense."""
    config = payload[0] >> 3
    at = _first_frame(payload)
    if config >= _MUSIC or not 0 < at < len(payload):
        return False
    flags = payload[at]
    spoken = max(_TICKS[config] // _SPEECH_FRAME, 1)
    if flags >> (7 - spoken) & 1:
        return True
    return bool(payload[0] & _STEREO and flags >> (6 - 2 * spoken) & 1)


def _first_frame(payload: bytes) -> int:
    """Where the first frame begins (:rfc:`6716#section-3.2`); 0 where there is nothing in it."""
    code = payload[0] & 3
    if code < 2:
        return 1
    if code == 2:
        return _after_length(payload, 1)
    at = 2
    count, variable, padded = payload[1] & 0x3F, payload[1] & 0x80, payload[1] & 0x40
    if padded:
        while payload[at : at + 1] == b"\xff":
            at += 1
        at += 1
    if variable:
        first_empty = payload[at : at + 1] == b"\0"
        for _ in range(count - 1):
            at = _after_length(payload, at) or len(payload)
        return 0 if first_empty and count > 1 else at
    return at


def _after_length(payload: bytes, at: int) -> int:
    """What follows the length of a frame: one octet or two; 0 after a length of 0."""
    first = payload[at] if at < len(payload) else 0
    return at + (2 if first >= 252 else 1) if first else 0


class OpusEncoder:
    """
    Opus for speech, packets of 10, 20, 40 or 60 ms.

    Of the receiver's parameters it obeys ``useinbandfec`` and ``usedtx``
    (:rfc:`7587#section-6.1`).
    """

    clock_rate = _CLOCK_RATE
    rate = _CLOCK_RATE

    def __init__(self, codec: Codec) -> None:
        corrects = codec.parameter("useinbandfec") == "1"
        self._encoder = LibOpusEncoder(
            bit_rate=_BIT_RATE,
            correction_percent=_LOSS_PERCENT if corrects else 0,
            rests=codec.parameter("usedtx") == "1",
        )
        self._rests = False

    def encode(self, samples: Samples) -> bytes:
        """The next samples as a payload; empty while nothing need be sent."""
        payload = self._encoder.encode(samples)
        rested, self._rests = self._rests, len(payload) <= _REST_OCTETS
        return b"" if rested and self._rests else payload
