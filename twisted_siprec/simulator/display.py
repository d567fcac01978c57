"""
How the simulator's commands show what happens: colours and one line that is
written over on a terminal, plain lines in a pipe.
"""

from __future__ import annotations

import os
from typing import TextIO

from ..errors import RemoteError
from ..sip.message import Request, parse

_CLEAR = "\r\x1b[2K"
_FLOOR_DBFS = -60.0


class Display:
    """
    Lines of text on a stream.

    :param colours: None for colours on a terminal whose user has not set
        NO_COLOR.
    """

    def __init__(self, stream: TextIO, colours: bool | None = None) -> None:
        self._stream = stream
        self.terminal = stream.isatty()
        wanted = self.terminal and not os.environ.get("NO_COLOR")
        self._colours = wanted if colours is None else colours
        self._fleeting = False
        "The last line is one that is written over."

    def line(self, text: str) -> None:
        """A line that stays."""
        self._write(f"{self._erase()}{text}\n")

    def fleeting(self, text: str) -> None:
        """A line that the next one takes the place of; nothing in a pipe."""
        if self.terminal:
            erased = self._erase()
            self._fleeting = True
            self._write(erased + text)

    def done(self) -> None:
        """No fleeting line is left behind."""
        self._write(self._erase())

    def good(self, text: str) -> str:
        """In green."""
        return self._painted("32", text)

    def bad(self, text: str) -> str:
        """In red."""
        return self._painted("31", text)

    def bold(self, text: str) -> str:
        """In bold."""
        return self._painted("1", text)

    def dim(self, text: str) -> str:
        """Less bright."""
        return self._painted("2", text)

    def _painted(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def _erase(self) -> str:
        erased = _CLEAR if self._fleeting else ""
        self._fleeting = False
        return erased

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def meter(dbfs: float, width: int = 12) -> str:
    """A level as a bar; -60 dBFS and less is nothing, 0 dBFS is all of it."""
    part = min(max((dbfs - _FLOOR_DBFS) / -_FLOOR_DBFS, 0.0), 1.0)
    eighths = round(part * width * 8)
    full, rest = divmod(eighths, 8)
    bar = "█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")
    return bar.ljust(width)


def message_line(outgoing: bool, octets: bytes, ours: str = "SRC", theirs: str = "SRS") -> str:
    """A SIP message in one line, with an arrow in its direction and what its body is."""
    arrow = f"{ours} ──▶ {theirs}" if outgoing else f"{ours} ◀── {theirs}"
    try:
        message = parse(octets)
    except RemoteError:
        return f"{arrow}  {len(octets)} octets that are no SIP message"
    if isinstance(message, Request):
        start = f"{message.method} {message.uri_text}"
    else:
        of = f" ({message.cseq.method})" if message.cseq is not None else ""
        start = f"{message.status} {message.reason}{of}"
    body = message.content_type
    return f"{arrow}  {start}" + (f"  [{body.mime_type}]" if message.body and body else "")


def whole_message(outgoing: bool, octets: bytes, indent: str = "    ") -> str:
    """A SIP message with all of its lines, indented."""
    text = octets.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")
    return "\n".join((message_line(outgoing, octets), *(indent + row for row in text.split("\n"))))
