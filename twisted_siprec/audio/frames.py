"""
Codecs whose payloads are a whole number of frames of one length: what G.729,
GSM and iLBC have in common.
"""

from __future__ import annotations

import numpy as np

from .pyav import FrameDecoder
from .samples import NO_SAMPLES, Samples


def split(payload: bytes, octets: int) -> list[bytes]:
    """The whole frames of a payload; octets that are none are cut off."""
    whole = len(payload) - len(payload) % octets
    return [payload[at : at + octets] for at in range(0, whole, octets)]


def decoded(frames: list[bytes], decoder: FrameDecoder, samples: int) -> Samples:
    """Frames in their order as samples, so many of each."""
    if len(frames) == 1:
        return decoder.decode(frames[0], samples)
    return np.concatenate([NO_SAMPLES, *(decoder.decode(frame, samples) for frame in frames)])


def concealed(sign: bytes, decoder: FrameDecoder, samples: int, count: int) -> Samples:
    """
    What a decoder has in the place of lost frames, ``count`` samples of it.

    :param sign: what it takes for a frame that was lost.
    """
    return decoded([sign] * -(-count // samples), decoder, samples)[:count]
