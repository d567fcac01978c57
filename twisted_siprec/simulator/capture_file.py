"""
The frames of a capture: pcap and pcapng, as tcpdump, Wireshark and SBCs write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error
from typing import BinaryIO

MAX_FRAME = 1 << 24
"Octets of one block; a longer one is no capture."

_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_SECTION, _ORDER = 0x0A0D0D0A, 0x1A2B3C4D
_INTERFACE, _OLD_PACKET, _SIMPLE, _PACKET = 1, 2, 3, 6
_RESOLUTION, _OFFSET = 9, 14


class CaptureError(Exception):
    """The file is no capture, or is broken; capinfos (of Wireshark) says more of it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What was on the wire."""

    at: float
    "POSIX seconds."
    link: int
    "The LINKTYPE: what the octets begin with."
    octets: bytes
    length: int
    "What it had, of which the octets may be less."


@dataclass(frozen=True, slots=True)
class _Interface:
    link: int
    ticks: int
    "Of a second."
    offset_s: int


def read_frames(path: Path) -> Iterator[Frame]:
    """
    All frames of a file, in its order. A file that was cut off ends where it was.

    Raises :exc:`CaptureError`.
    """
    try:
        with path.open("rb") as file:
            yield from _frames(file)
    except OSError as failure:
        raise CaptureError(f"{path}: {failure.strerror or failure}") from failure
    except error as failure:
        raise CaptureError(f"{path}: a block is shorter than it has to be") from failure


def _frames(file: BinaryIO) -> Iterator[Frame]:
    begins = file.read(4)
    if begins == _SECTION.to_bytes(4, "big"):
        yield from _pcapng(file)
        return
    for order in ("little", "big"):
        kind = int.from_bytes(begins, "little" if order == "little" else "big")
        if kind in (_MICROSECONDS, _NANOSECONDS):
            ticks = 10**6 if kind == _MICROSECONDS else 10**9
            yield from _pcap(file, "<" if order == "little" else ">", ticks)
            return
    raise CaptureError("neither pcap nor pcapng")


def _pcap(file: BinaryIO, order: str, second: int) -> Iterator[Frame]:
    head = file.read(20)
    if len(head) < 20:
        return
    link = Struct(f"{order}I").unpack_from(head, 16)[0] & 0xFFFF
    record = Struct(f"{order}IIII")
    while len(begins := file.read(record.size)) == record.size:
        seconds, ticks, kept, length = record.unpack(begins)
        if kept > MAX_FRAME:
            raise CaptureError("a frame is too long: the file is broken")
        octets = file.read(kept)
        if len(octets) < kept:
            return
        yield Frame(seconds + ticks / second, link, octets, length)


def _pcapng(file: BinaryIO) -> Iterator[Frame]:
    file.seek(0)
    order, interfaces = "<", list[_Interface]()
    while len(begins := file.read(8)) == 8:
        if begins[:4] == _SECTION.to_bytes(4, "big"):
            order, interfaces = _order(file), []
        kind, total = Struct(f"{order}II").unpack(begins)
        if total < 12 or total % 4 or total > MAX_FRAME:
            raise CaptureError("a block has no length that it can have: the file is broken")
        body = file.read(total - 8)[:-4]
        if len(body) < total - 12:
            return
        if kind == _INTERFACE:
            interfaces.append(_interface(body, order))
        elif kind in (_PACKET, _OLD_PACKET, _SIMPLE):
            frame = _frame(kind, body, order, interfaces)
            if frame is not None:
                yield frame


def _order(file: BinaryIO) -> str:
    at = file.tell()
    magic = file.read(4)
    file.seek(at)
    if magic not in (_ORDER.to_bytes(4, "little"), _ORDER.to_bytes(4, "big")):
        raise CaptureError("a section without a byte order: the file is broken")
    return "<" if magic == _ORDER.to_bytes(4, "little") else ">"


def _interface(body: bytes, order: str) -> _Interface:
    (link,) = Struct(f"{order}H").unpack_from(body)
    ticks, offset_s, at = 10**6, 0, 8
    option = Struct(f"{order}HH")
    while at + option.size <= len(body):
        code, length = option.unpack_from(body, at)
        value = body[at + option.size : at + option.size + length]
        if code == 0:
            break
        if code == _RESOLUTION and value:
            power = value[0] & 0x7F
            ticks = 1 << power if value[0] & 0x80 else 10 ** min(power, 18)
        elif code == _OFFSET and len(value) == 8:
            (offset_s,) = Struct(f"{order}q").unpack(value)
        at += option.size + length + -length % 4
    return _Interface(link, ticks, offset_s)


def _frame(kind: int, body: bytes, order: str, interfaces: list[_Interface]) -> Frame | None:
    if kind == _SIMPLE:
        number, high, low, begins = 0, 0, 0, 4
        (length,) = Struct(f"{order}I").unpack_from(body)
        kept = min(length, len(body) - 4)
    else:
        number, high, low, kept, length = Struct(f"{order}IIIII").unpack_from(body)
        number, begins = number if kind == _PACKET else number & 0xFFFF, 20
    if number >= len(interfaces):
        return None
    interface = interfaces[number]
    at = (high << 32 | low) / interface.ticks + interface.offset_s
    return Frame(at, interface.link, body[begins : begins + kept], length)
