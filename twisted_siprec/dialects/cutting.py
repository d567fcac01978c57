"""
Chunks of any length as frames of one length, for consumers that count on it.
"""

from __future__ import annotations

from .base import Audio


class Cutter:
    """
    Cuts frames. What is left of a chunk begins the next frame, unless the next
    chunk does not follow it: then it is a frame as it is.

    :param samples: of a frame.
    :param sample_octets: of one sample of all channels.
    :param quiet: one such sample of silence, where each frame must be whole.
    """

    def __init__(self, samples: int, sample_octets: int, quiet: bytes | None = None) -> None:
        self.samples = samples
        self._octets = samples * sample_octets
        self._sample_octets = sample_octets
        self._quiet = quiet
        self._rest = b""
        self._position = 0

    def cut(self, position: int, payload: bytes) -> list[tuple[int, bytes]]:
        """The frames that are complete now, each with its position."""
        frames: list[tuple[int, bytes]] = []
        if position != self._position + len(self._rest) // self._sample_octets:
            frames = self.rest()
        if not self._rest:
            self._position = position
        waiting = self._rest + payload
        whole = len(waiting) - len(waiting) % self._octets
        for start in range(0, whole, self._octets):
            frames.append((self._position, waiting[start : start + self._octets]))
            self._position += self.samples
        self._rest = waiting[whole:]
        return frames

    def cut_audio(self, audio: Audio) -> list[tuple[int, bytes]]:
        """The same of audio."""
        return self.cut(audio.position, audio.payload)

    def rest(self) -> list[tuple[int, bytes]]:
        """What is left, as it is or filled up with silence."""
        rest, self._rest = self._rest, b""
        if not rest:
            return []
        position = self._position
        self._position += len(rest) // self._sample_octets
        if self._quiet is not None:
            rest += self._quiet * ((self._octets - len(rest)) // self._sample_octets)
        return [(position, rest)]
