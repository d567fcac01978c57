"""
What the parameters of a format ask for (``a=fmtp``), and what we say to them.

A format whose sound could not be made of its packets is left out of the answer:
one at another clock than its payload format has, or in a packing that we don't
read. What we answer is the offer's words, so that no SRC misses any of them,
but for Opus, whose parameters each side says of itself.
"""

from __future__ import annotations

from ..plan import Codec

_CLOCK_RATES = {
    "G722": 8000,
    "G729": 8000,
    "GSM": 8000,
    "ILBC": 8000,
    "AMR": 8000,
    "AMR-WB": 16000,
    "OPUS": 48000,
}
"Of payload formats that have one alone."

_ADAPTIVE = frozenset({"AMR", "AMR-WB"})
_OPUS_ANSWERED = frozenset(
    {"maxplaybackrate", "maxaveragebitrate", "stereo", "cbr", "useinbandfec", "usedtx"}
)
"Parameters of the receiver's own (:rfc:`7587#section-6.1`); others are left out of an answer."


def decodable(codec: Codec) -> bool:
    """Whether a format is one that a decoder of its name can read."""
    clock_rate = _CLOCK_RATES.get(codec.name)
    if clock_rate is None and "G726-" in codec.name:
        clock_rate = 8000
    if clock_rate is not None and codec.clock_rate != clock_rate:
        return False
    return codec.name not in _ADAPTIVE or _plainly_packed(codec)


def answered(codec: Codec) -> str:
    """The parameters of a format in our answer; empty for none."""
    if codec.name == "TELEPHONE-EVENT":
        # A receiver that takes events must say which (:rfc:`4733#section-2.5.1.1`).
        return codec.parameters or "0-15"
    if codec.name == "OPUS":
        return ";".join(
            parameter.strip()
            for parameter in codec.parameters.split(";")
            if parameter.partition("=")[0].strip().lower() in _OPUS_ANSWERED
        )
    return codec.parameters


def _plainly_packed(codec: Codec) -> bool:
    """No interleaving, no robust sorting (:rfc:`4867#section-8.1`), no second channel."""
    sorted_otherwise = codec.parameter("robust-sorting") == "1"
    return codec.channels == 1 and codec.parameter("interleaving") is None and not sorted_otherwise
