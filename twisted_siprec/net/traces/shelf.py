"""
The directory of the flight recorder: one file for each call, the oldest given up
for the newest.

All of it blocks, and is for a thread; one at a time.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from struct import Struct

from . import pcapng

_FILE = re.compile(r"\d{8}T\d{6}Z-([0-9A-Za-z.-]{1,80})\.pcapng")
_PART = re.compile(r"([0-9A-Za-z.-]{1,80})\.rtp(?:\.part)?")
_PATIENCE_S, _LOOK_S = 5.0, 0.1
"How long a process may take to finish its file, and how often it is looked for."
_DROPPED_AT = 24
"Octets of a block of statistics before the count."


@dataclass(frozen=True, slots=True)
class Kept:
    """A call's file."""

    id: str
    path: str
    octets: int
    ended_at: float


@dataclass(frozen=True, slots=True)
class Flight:
    """A call that is over, with its SIP."""

    id: str
    began_at: float
    comment: str
    messages: tuple[pcapng.Block, ...]
    has_media: bool
    "There is a file of its packets, or will be."
    keep: bool


class Shelf:
    """
    The files.

    :param sleep: waits, in the thread.
    """

    def __init__(
        self,
        directory: str,
        calls: int,
        max_octets: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._directory = Path(directory)
        self._calls = calls
        self._max_octets = max_octets
        self._sleep = sleep

    def open(self) -> list[Kept]:
        """Make the directory; files of calls that a dead server had are finished."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._directory.iterdir()):
            found = _PART.fullmatch(path.name)
            if found is not None:
                with suppress(OSError):
                    began_at = path.stat().st_mtime
                    flight = Flight(found[1], began_at, "a server that ended", (), True, True)
                    self._put_together(flight, path)
            elif path.name.endswith(".pcapng.part"):
                path.unlink(missing_ok=True)
        return self.tidy()

    def add(self, flight: Flight) -> int:
        """
        A call is over: put its file together, or remove what there is of it. Gives
        how many of its packets are missing.
        """
        media = self._media(flight) if flight.has_media else None
        if flight.keep:
            return self._put_together(flight, media)
        if media is not None:
            media.unlink(missing_ok=True)
        return 0

    def tidy(self) -> list[Kept]:
        """Remove the oldest beyond what is allowed; what there is then, the oldest first."""
        kept: list[Kept] = []
        others = 0
        for path in sorted(self._directory.iterdir()):
            found = _FILE.fullmatch(path.name)
            with suppress(FileNotFoundError):
                status = path.stat()
                if found is None:
                    others += status.st_size
                else:
                    kept.append(Kept(found[1], str(path), status.st_size, status.st_mtime))
        octets = others + sum(each.octets for each in kept)
        while kept and (len(kept) > self._calls or octets > self._max_octets):
            oldest = kept.pop(0)
            octets -= oldest.octets
            Path(oldest.path).unlink(missing_ok=True)
        return kept

    def _media(self, flight: Flight) -> Path | None:
        """The packets of a call, once its process has written them; it may have died."""
        whole = self._directory / f"{flight.id}.rtp"
        waited_s = 0.0
        while not whole.exists():
            if waited_s >= _PATIENCE_S:
                part = whole.with_name(f"{flight.id}.rtp.part")
                return part if part.exists() else None
            self._sleep(_LOOK_S)
            waited_s += _LOOK_S
        return whole

    def _put_together(self, flight: Flight, media: Path | None) -> int:
        """One file of both, in the order of time."""
        packets = list(pcapng.blocks(media.read_bytes())) if media is not None else []
        missing = sum(
            Struct("<Q").unpack_from(block.octets, _DROPPED_AT)[0]
            for block in packets
            if pcapng.is_statistics(block)
        )
        self._write(flight, [*flight.messages, *packets])
        if media is not None:
            media.unlink(missing_ok=True)
        return int(missing)

    def _write(self, flight: Flight, packets: Sequence[pcapng.Block]) -> None:
        began = datetime.fromtimestamp(flight.began_at, UTC)
        path = self._directory / f"{began:%Y%m%dT%H%M%SZ}-{flight.id}.pcapng"
        part = path.with_name(f"{path.name}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        try:
            with open(os.open(part, flags, 0o600), "wb") as file:
                file.write(pcapng.beginning(flight.comment))
                file.writelines(
                    block.octets for block in sorted(packets, key=lambda block: block.at_ns)
                )
            part.rename(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
