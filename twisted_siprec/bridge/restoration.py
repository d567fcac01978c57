"""
What takes the place of lost packets in the chunks of one stream.

A decoder that conceals by itself does it, in the order of the packets, as it
learns from its own guess; for all others the samples are replaced, chunk by
chunk (:class:`~twisted_siprec.audio.concealment.Concealment`). Either way it is
over after 60 ms. Where the packet after a loss has what was in the one before it
once more (forward error correction), that is heard, however long the loss was. Only
a loss that is known for one when its chunk is played is made up for: what was
silent once does not become loud in the middle.
"""

from __future__ import annotations

import numpy as np

from ..audio.codec import ConcealingDecoder, CorrectingDecoder, Decoder
from ..audio.concealment import Concealment
from ..audio.samples import NO_SAMPLES, Samples
from .timeline import units_per_sample

Span = tuple[int, int]
"Two places on the timeline, or two samples of a chunk."

_LONGEST_MS = 60
_FADING_MS = 20
"Of the longest concealment of a decoder, so much at its end fades."


class Restoration:
    """The losses of a stream, and what is in their place."""

    def __init__(self, rate: int) -> None:
        self._concealment = Concealment(rate)
        self._losses: list[Span] = []
        "In the chunk that is being played, yet to be concealed."
        self._concealed: list[Span] = []
        "By decoders, from the chunk that is being played on."
        self._known = 0
        "Losses up to here are dealt with."
        self.losing = False
        "The last thing that was played was a loss."

    def lose(
        self, begin: int, end: int, until: int, decoder: Decoder | None, following: bytes = b""
    ) -> Samples:
        """
        A span is lost, after the packets of a decoder. Gives what that decoder
        has in its place from its beginning on, if anything.

        :param end: where the loss ends, or the chunk in which it lies, and
        :param until: where the loss ends, as far as it is known now.
        :param following: the payload at its end, where that is for this decoder too.
        """
        if begin < self._known or begin >= end or decoder is None:
            return NO_SAMPLES
        if not isinstance(decoder, ConcealingDecoder):
            self._known = end
            self._losses.append((begin, end))
            return NO_SAMPLES
        self._known = until
        unit = units_per_sample(decoder.rate)
        lost = (until - begin) // unit
        repeated = decoder.repeats(following) if isinstance(decoder, CorrectingDecoder) else 0
        guessed = lost - repeated if repeated <= lost else lost
        audio = self._guessed(decoder, guessed)
        if len(audio):
            self._concealed.append((begin, begin + len(audio) * unit))
        if isinstance(decoder, CorrectingDecoder) and guessed < lost:
            silence = np.zeros(guessed - len(audio), dtype=np.int16)
            audio = np.concatenate([audio, silence, decoder.recover(following)])
            self._concealed.append((begin + guessed * unit, begin + lost * unit))
        return audio

    @staticmethod
    def _guessed(decoder: ConcealingDecoder, lost: int) -> Samples:
        """What a decoder makes of what it heard, for 60 ms at most, then fading out."""
        if not lost:
            return NO_SAMPLES
        longest = decoder.rate * _LONGEST_MS // 1000
        fading = decoder.rate * _FADING_MS // 1000
        audio = decoder.conceal(min(lost, longest))
        if len(audio) > longest - fading:
            gain = np.linspace(1.0, 0.0, fading, endpoint=False)[: len(audio) - longest + fading]
            audio = audio.copy()
            audio[longest - fading :] = np.rint(audio[longest - fading :] * gain)
        return audio

    @property
    def wanted(self) -> bool:
        """Something is lost in the chunk that is being played, and yet to be concealed."""
        return bool(self._losses)

    def restore(self, samples: Samples, rate: int, start: int, end: int) -> list[Span]:
        """
        Conceal the losses in the samples of a chunk. Gives all that is concealed
        in it, in places.
        """
        unit = units_per_sample(rate)
        origin = start // unit
        losses, self._losses = self._losses, []
        concealed = [
            (max(first, start), min(last, end)) for first, last in self._concealed if first < end
        ]
        self._concealed = [(first, last) for first, last in self._concealed if last > end]
        self._turn_to(rate)
        at = 0
        for first, last in losses:
            low, high = max(first // unit - origin, at), last // unit - origin
            self._hear(samples, at, low)
            replaced = self._concealment.lost(high - low)
            samples[low : low + len(replaced)] = replaced
            if len(replaced):
                concealed.append((first, first + len(replaced) * unit))
            at = high
        self._hear(samples, at, len(samples))
        self.losing = at == len(samples)
        return concealed

    def remember(self, samples: Samples, rate: int) -> None:
        """This was played since, by others."""
        self._turn_to(rate)
        self._concealment.good(samples)

    def _turn_to(self, rate: int) -> None:
        if rate != self._concealment.rate:
            self._concealment = Concealment(rate)

    def _hear(self, samples: Samples, begin: int, end: int) -> None:
        heard = samples[begin:end]
        joined = self._concealment.good(heard)
        if joined is not heard:
            samples[begin:end] = joined

    def shift(self, units: int) -> None:
        """The timeline lies later by so much from now on."""
        self._known += units
        self._concealed = [(first + units, last + units) for first, last in self._concealed]

    def forget(self) -> None:
        """What was heard last is not to be repeated; nothing is lost at the moment."""
        self._concealment.silent()
        self._losses, self._concealed = [], []
        self.losing = False
