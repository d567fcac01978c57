"""
The codecs that we know, by the names of :rfc:`3551`.

A codec is one module and one line in each of the tables below. What it cannot
take it says with :exc:`LookupError` when it is made, never while it decodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..plan import Codec
from .g711 import G711Decoder, G711Encoder
from .g722 import G722Decoder, G722Encoder
from .l16 import L16Decoder, L16Encoder
from .samples import Samples


class Decoder(Protocol):
    """Makes samples of the payloads of one source, in order."""

    @property
    def rate(self) -> int:
        """Hz of the samples, which need not be the RTP clock's."""

    @property
    def joins(self) -> bool:
        """Payloads that follow each other may be joined and decoded as one."""

    def ticks(self, payload: bytes) -> int:
        """How long a payload lasts, in ticks of the RTP clock."""

    def decode(self, payload: bytes) -> Samples:
        """The next payload as samples. Never raises, whatever it holds."""


class Encoder(Protocol):
    """Makes payloads of samples, in order."""

    @property
    def clock_rate(self) -> int:
        """Hz of the RTP clock."""

    @property
    def rate(self) -> int:
        """Hz of the samples."""

    def encode(self, samples: Samples) -> bytes:
        """The next samples as a payload."""


_DECODERS: dict[str, Callable[[Codec], Decoder]] = {
    "PCMU": G711Decoder,
    "PCMA": G711Decoder,
    "G722": G722Decoder,
    "L16": L16Decoder,
}
_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "PCMU": lambda: G711Encoder("PCMU"),
    "PCMA": lambda: G711Encoder("PCMA"),
    "G722": G722Encoder,
    "L16": L16Encoder,
}

SUPPORTED = frozenset(_DECODERS)
"The encoding names of which audio can be made, in upper case."

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"Hz of the audio that can be brought to the rate of a consumer."


def supports(codec: Codec) -> bool:
    """Whether audio can be made of a format; the rate counts besides the name."""
    return codec.name in SUPPORTED and codec.clock_rate in RATES


def wideband(codec: Codec) -> bool:
    """Whether a format may carry more than 8 kHz sampling does."""
    return codec.name == "G722" or codec.clock_rate > 8000


def decoder(codec: Codec) -> Decoder:
    """A decoder for one source of a format; :exc:`LookupError` where there is none."""
    if not supports(codec):
        raise LookupError(f"no decoder for {codec.name}/{codec.clock_rate}")
    return _DECODERS[codec.name](codec)


def encoder(name: str) -> Encoder:
    """An encoder by its name; :exc:`LookupError` where there is none."""
    return _ENCODERS[name]()
