"""
Codecs of shared libraries, by cffi: those of the system, or that a wheel brought.

Only the simulator's parties need the encoders that are had so; what is received
is decoded without them, but for what :mod:`.libopus` says.
"""

from __future__ import annotations

from typing import Any

from cffi import FFI


def opened(ffi: FFI, *names: str) -> Any | None:
    """The first of these libraries that there is, by its path or its name; None for none."""
    for name in names:
        try:
            return ffi.dlopen(name)
        except OSError:
            continue
    return None


def needed(library: Any | None, codec: str, package: str) -> Any:
    """It, or :exc:`LookupError` that says what to install."""
    if library is None:
        raise LookupError(f"no encoder for {codec} here: install {package} (Debian's name of it)")
    return library


def frames_of(codec: str, samples: int, frame: int) -> range:
    """Where the frames of a packet begin; ValueError where they do not fill it."""
    if not samples or samples % frame:
        raise ValueError(f"{codec} has frames of {frame} samples, which do not fill {samples}")
    return range(0, samples, frame)
