"""
WAV files that grow while they are valid.

The header says how long the audio is, so it is written anew as the file grows:
whoever opens the file after a crash gets all but the last moments. Positions in
the file are positions in the call; what was never heard is silence in it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from ...plan import Encoding

FORMATS = {Encoding.L16: 1, Encoding.PCMA: 6, Encoding.PCMU: 7}
SILENCE = {Encoding.L16: b"\x00", Encoding.PCMA: b"\xd5", Encoding.PCMU: b"\xff"}
MAX_OCTETS = 2**32 - 1024
"Of audio in one file: its lengths have 32 bits."
_BLOCK = 1 << 16


def header(encoding: Encoding, sample_rate: int, width: int, octets: int) -> bytes:
    """The 58 octets before the audio. The fact chunk is there for G.711, which needs it."""
    sample_octets = width * (2 if encoding is Encoding.L16 else 1)
    form = struct.pack(
        "<HHIIHHH",
        FORMATS[encoding],
        width,
        sample_rate,
        sample_rate * sample_octets,
        sample_octets,
        sample_octets * 8 // width,
        0,
    )
    chunks = (
        b"fmt " + struct.pack("<I", len(form)) + form,
        b"fact" + struct.pack("<II", 4, octets // sample_octets),
        b"data" + struct.pack("<I", octets),
    )
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + octets) + body


class WavFile:
    """A file that is being recorded. Not for the reactor's thread alone: it blocks."""

    def __init__(self, path: Path, encoding: Encoding, sample_rate: int, width: int) -> None:
        self.path = path
        self._encoding = encoding
        self._sample_rate = sample_rate
        # A call whose streams are yet to come has no channel; a file has one at least.
        self._width = width = max(1, width)
        self._sample_octets = width * (2 if encoding is Encoding.L16 else 1)
        self._octets = 0
        self._file: IO[bytes] = path.open("xb", buffering=0)
        self._start = self._write(header(encoding, sample_rate, width, 0))

    def write(self, position: int, payload: bytes) -> None:
        """
        Audio at its position, silence before it where there was none.

        :raises OSError: as files do; what was written of it is written again
            with the next attempt.
        """
        offset = position * self._sample_octets
        if offset + len(payload) > MAX_OCTETS:
            raise OSError("the WAV file is at its end, after 4 GiB")
        self._file.seek(self._start + self._octets)
        while self._octets < offset:
            octets = min(_BLOCK, offset - self._octets)
            self._octets += self._write(SILENCE[self._encoding] * octets)
        self._file.seek(self._start + offset)
        self._write(payload)
        self._octets = max(self._octets, offset + len(payload))

    def patch(self) -> None:
        """Make the header say how long the file is by now."""
        self._file.seek(0)
        self._write(header(self._encoding, self._sample_rate, self._width, self._octets))

    def close(self) -> None:
        """Patch the header and close. Twice is once."""
        if not self._file.closed:
            try:
                self.patch()
            finally:
                self._file.close()

    def _write(self, octets: bytes) -> int:
        view = memoryview(octets)
        while view:
            view = view[self._file.write(view) :]
        return len(octets)
