"""
The payload types of a stream, and what becomes of their packets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..audio.codec import Decoder, RestingDecoder, decoder, supports
from ..plan import Codec
from .playout import Kind
from .timeline import units_per_sample

_KINDS = {"TELEPHONE-EVENT": Kind.EVENT, "CN": Kind.NOISE}


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of one source."""

    codec: Codec
    kind: Kind
    tick: int
    "Units of one tick of its RTP clock."
    decoder: Decoder | None
    "None for what is no audio."
    rests: Callable[[bytes], bool] | None = None
    "Whether nothing need follow a payload; None where a sender never rests."


Formats = dict[int, Format]
"By payload type."


def formats(codecs: tuple[Codec, ...]) -> Formats:
    """The payload types that we can take, with decoders that have heard nothing yet."""
    known = ((codec.payload_type, _format(codec)) for codec in codecs)
    return {number: taken for number, taken in known if taken is not None}


def _format(codec: Codec) -> Format | None:
    """How packets of a payload type are taken; None for what we know nothing of."""
    try:
        tick = units_per_sample(codec.clock_rate)
    except (LookupError, ZeroDivisionError):
        return None
    kind = _KINDS.get(codec.name)
    if kind is not None:
        return Format(codec, kind, tick, None)
    if not supports(codec):
        return None
    made = decoder(codec)
    rests = made.rests if isinstance(made, RestingDecoder) else None
    return Format(codec, Kind.AUDIO, tick, made, rests)


def first_rate(known: Formats) -> int:
    """The rate of the audio before any came."""
    return next((taken.decoder.rate for taken in known.values() if taken.decoder), 8000)
