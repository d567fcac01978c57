"""
What the lines of the table are made of: payloads that follow each other without
a seam, so that any number of octets may be played, wherever the packets ended.

G.711 and L16 are decoded many lines at once. G.722 is decoded line by line, for
what an octet means depends on those before it; what was decoded of it before it
is played lies beside its line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..audio.codec import Decoder
from ..audio.g711 import G711Decoder, encoded, pairs_decoded
from ..audio.g722 import G722Decoder
from ..audio.l16 import L16Decoder
from ..audio.samples import Samples

Octets = NDArray[np.uint8]


class Form(NamedTuple):
    """How the octets of a line and its samples belong together."""

    name: str
    octets: int
    "So many octets …"
    samples: int
    "… are so many samples."
    decoded: Callable[[Octets], Samples] | None
    "Lines of an even number of octets as lines of samples; None where it depends on the past."
    written: Callable[[Samples], bytes]
    "Samples that were decoded already, as octets that are as long."

    def octets_of(self, samples: int) -> int:
        """How many octets some samples are."""
        return samples * self.octets // self.samples

    def samples_of(self, octets: int) -> int:
        """How many samples some octets are."""
        return octets * self.samples // self.octets


def _law(name: str) -> Form:
    pairs = pairs_decoded(name)

    def decoded(octets: Octets) -> Samples:
        return pairs.take(octets.view(np.uint16)).view(np.int16)

    return Form(name, 1, 1, decoded, lambda samples: encoded(samples, name))


def _linear(octets: Octets) -> Samples:
    return octets.view(">i2").astype(np.int16)


FORMS = (
    _law("PCMU"),
    _law("PCMA"),
    Form("L16", 2, 1, _linear, lambda samples: samples.astype(">i2").tobytes()),
    # Their place is kept, and nothing more: the octets were taken by the decoder.
    Form("G722", 1, 2, None, lambda samples: bytes(len(samples) // 2)),
)
_NUMBERS = {form.name: number for number, form in enumerate(FORMS)}


def form_of(decoder: Decoder | None) -> int | None:
    """The number of the form of what a decoder takes; None where it can be in no line."""
    if isinstance(decoder, G711Decoder):
        return _NUMBERS[decoder.law]
    if isinstance(decoder, L16Decoder) and decoder.channels == 1:
        return _NUMBERS["L16"]
    if isinstance(decoder, G722Decoder):
        return _NUMBERS["G722"]
    return None


def rewritten(form: Form, samples: Samples, decoder: Decoder) -> bytes | None:
    """
    The rest of a packet of which a part was played, as octets again; None where
    that cannot be: it is what another codec left behind.
    """
    if len(samples) * form.octets % form.samples:
        return None
    octets = form.written(samples)
    if form.decoded is not None and not np.array_equal(decoder.decode(octets), samples):
        return None
    return octets
