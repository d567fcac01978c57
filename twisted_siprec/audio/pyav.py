"""
The decoders and encoders of FFmpeg, by PyAV: the extra ``codecs``.

Where PyAV is not installed nothing here fails, there is only none of its
codecs. Each decoder is of one source, in one thread, and knows neither files
nor containers: a frame in, its samples out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from .samples import NO_SAMPLES, Samples

try:
    import av
    from av.error import FFmpegError
except ImportError:  # The extra is not installed, or its shared libraries don't load.
    INSTALLED = False
else:
    INSTALLED = True

Settings = Mapping[str, str]
"FFmpeg's own options of a codec."


def location() -> Path | None:
    """Where PyAV's wheel has the shared libraries that it brings; None where it has none."""
    if not INSTALLED:
        return None
    libraries = Path(av.__file__).parent.parent / "av.libs"
    return libraries if libraries.is_dir() else None


def first_decoder(*names: str) -> str | None:
    """The first of these decoders that FFmpeg was built with; None where there is none."""
    return _first(names, "r")


def first_encoder(*names: str) -> str | None:
    """The first of these encoders that FFmpeg was built with; None where there is none."""
    return _first(names, "w")


def _first(names: tuple[str, ...], mode: Literal["r", "w"]) -> str | None:
    if not INSTALLED:
        return None
    for name in names:
        try:
            # Of one name there may be a decoder and no encoder.
            if av.codec.Codec(name, mode).name == name:
                return name
        except (FFmpegError, ValueError):
            continue
    return None


class FrameDecoder:
    """
    One stream of frames for FFmpeg to decode.

    :param names: FFmpeg's names of decoders that do, the best first;
        :exc:`LookupError` where it has none of them.
    """

    def __init__(self, *names: str, rate: int, settings: Settings | None = None) -> None:
        name = first_decoder(*names)
        if name is None:
            raise LookupError(f"no decoder {' or '.join(names)}: install twisted_siprec[codecs]")
        self._context = _context(name, "r", rate, settings or {})
        self._context.open()

    def decode(self, frame: bytes, samples: int) -> Samples:
        """Exactly so many samples: what FFmpeg makes of a frame, and silence for the rest."""
        try:
            parts = [_linear(decoded) for decoded in self._context.decode(av.Packet(frame))]
        except FFmpegError:
            parts = []
        audio = parts[0] if len(parts) == 1 else np.concatenate([NO_SAMPLES, *parts])
        if len(audio) >= samples:
            return audio[:samples]
        return np.concatenate([audio, np.zeros(samples - len(audio), dtype=np.int16)])


class FrameEncoder:
    """One stream of samples for FFmpeg to encode; :exc:`LookupError` where it cannot."""

    def __init__(
        self, *names: str, rate: int, bit_rate: int = 0, settings: Settings | None = None
    ) -> None:
        name = first_encoder(*names)
        if name is None:
            raise LookupError(f"no encoder {' or '.join(names)}: install twisted_siprec[codecs]")
        self._context = _context(name, "w", rate, settings or {})
        self._context.format = "s16"
        if bit_rate:
            self._context.bit_rate = bit_rate
        self._context.open()
        self._rate = rate

    def encode(self, samples: Samples) -> list[bytes]:
        """The frames that are complete by these samples."""
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = self._rate
        return [bytes(packet) for packet in self._context.encode(frame)]


def _context(
    name: str, mode: Literal["r", "w"], rate: int, settings: Settings
) -> av.AudioCodecContext:
    """A codec of one channel that is yet to be opened."""
    context = av.CodecContext.create(name, mode)
    if not isinstance(context, av.AudioCodecContext):
        raise LookupError(f"{name} is no audio codec")
    context.sample_rate = rate
    context.layout = "mono"
    context.options = dict(settings)
    # There are thousands of streams, and one frame is no work for two threads.
    context.thread_count = 1
    return context


def _linear(frame: av.AudioFrame) -> Samples:
    """A decoded frame of one channel as 16-bit samples, however FFmpeg holds them."""
    audio = frame.to_ndarray().reshape(-1)
    if audio.dtype == np.int16:
        return audio.astype(np.int16, copy=False)
    return np.clip(np.rint(audio * 32768.0), -32768, 32767).astype(np.int16)
