"""
The codecs that we know, by the names of :rfc:`3551`.

A codec is one module and one line in the table below. What it cannot take it
says with :exc:`LookupError` when it is made, never while it decodes. Those that
name decoders of FFmpeg's are there when PyAV is (the extra ``codecs``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..plan import Codec
from . import amr, g726, g729, gsm, ilbc, opus
from .amr_encoder import AMREncoder
from .g711 import G711Decoder, G711Encoder
from .g722 import G722Decoder, G722Encoder
from .l16 import L16Decoder, L16Encoder
from .pyav import first_decoder
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


@runtime_checkable
class RestingDecoder(Protocol):
    """A decoder of a codec whose senders fall silent without another word."""

    def rests(self, payload: bytes) -> bool:
        """Whether after this payload nothing need follow, so that nothing is missed."""


@runtime_checkable
class ConcealingDecoder(Protocol):
    """A decoder that knows best what there is in the place of what was lost."""

    @property
    def rate(self) -> int:
        """Hz of the samples."""

    def conceal(self, count: int) -> Samples:
        """So many samples of its own, before the next payload; at most a packet or two."""


@runtime_checkable
class CorrectingDecoder(Protocol):
    """A decoder of packets that may have what was in the one before once more."""

    def repeats(self, payload: bytes) -> int:
        """So many of the samples right before a payload are in it too; 0 for none."""

    def recover(self, payload: bytes) -> Samples:
        """Those samples, which were lost, before the payload itself is decoded."""


class Encoder(Protocol):
    """Makes payloads of samples, in order."""

    @property
    def clock_rate(self) -> int:
        """Hz of the RTP clock."""

    @property
    def rate(self) -> int:
        """Hz of the samples."""

    def encode(self, samples: Samples) -> bytes:
        """
        The next samples as a payload; empty where nothing need be sent. ValueError
        where they do not fill its frames.
        """


@dataclass(frozen=True, slots=True)
class _Known:
    """A codec."""

    decoder: Callable[[Codec], Decoder]
    encoder: Callable[[Codec], Encoder] | None = None
    clock_rates: tuple[int, ...] = (8000,)
    needs: tuple[str, ...] = ()
    "Decoders of FFmpeg's, any of which will do; empty where none is needed."
    wideband: bool = False
    takes: Callable[[Codec], bool] = lambda codec: True
    "Whether it can do what the parameters ask for."

    @property
    def available(self) -> bool:
        """Whether audio can be made of it here."""
        return not self.needs or first_decoder(*self.needs) is not None


RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"Hz of the audio that can be brought to the rate of a consumer."

_KNOWN: dict[str, _Known] = {
    "PCMU": _Known(G711Decoder, G711Encoder, RATES),
    "PCMA": _Known(G711Decoder, G711Encoder, RATES),
    "G722": _Known(G722Decoder, G722Encoder, wideband=True),
    "L16": _Known(L16Decoder, L16Encoder, RATES),
    "OPUS": _Known(
        opus.OpusDecoder, opus.OpusEncoder, (48000,), needs=opus.DECODERS, wideband=True
    ),
    "G729": _Known(g729.G729Decoder, g729.G729Encoder, needs=g729.DECODERS),
    "AMR": _Known(
        amr.NarrowbandDecoder, AMREncoder, needs=amr.NARROWBAND_DECODERS, takes=amr.understands
    ),
    "AMR-WB": _Known(
        amr.AMRDecoder,
        AMREncoder,
        clock_rates=(16000,),
        needs=amr.WIDEBAND_DECODERS,
        wideband=True,
        takes=amr.understands,
    ),
    "GSM": _Known(gsm.GSMDecoder, gsm.GSMEncoder, needs=gsm.DECODERS),
    "ILBC": _Known(ilbc.ILBCDecoder, needs=ilbc.DECODERS),
    **{name: _Known(g726.G726Decoder, g726.G726Encoder) for name in g726.NAMES},
}

NAMES = tuple(_KNOWN)
"Every codec that there is, in upper case, whether audio can be made of it here or not."

SUPPORTED = frozenset(name for name, known in _KNOWN.items() if known.available)
"The encoding names of which audio can be made here, in upper case."


def supports(codec: Codec) -> bool:
    """Whether audio can be made of a format; rate and parameters count besides the name."""
    if codec.name not in SUPPORTED:
        return False
    known = _KNOWN[codec.name]
    return codec.clock_rate in known.clock_rates and known.takes(codec)


def wideband(codec: Codec) -> bool:
    """Whether a format may carry more than 8 kHz sampling does."""
    known = _KNOWN.get(codec.name)
    return codec.clock_rate > 8000 or (known is not None and known.wideband)


def decoder(codec: Codec) -> Decoder:
    """A decoder for one source of a format; :exc:`LookupError` where there is none."""
    if not supports(codec):
        raise LookupError(f"no decoder for {codec.name}/{codec.clock_rate}")
    return _KNOWN[codec.name].decoder(codec)


def encoder(codec: Codec) -> Encoder:
    """An encoder of a format; :exc:`LookupError` where there is none, or not here."""
    known = _KNOWN.get(codec.name)
    if known is None or known.encoder is None or codec.clock_rate not in known.clock_rates:
        raise LookupError(f"no encoder for {codec.name}/{codec.clock_rate}")
    return known.encoder(codec)
