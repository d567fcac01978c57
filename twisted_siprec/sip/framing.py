"""
SIP messages out of a stream of octets (:rfc:`3261#section-18.3`).

A stream has no message boundaries but those that Content-Length makes, and
nothing says where the next message begins once one of them was wrong. So the
framing stops for good at the first message that it cannot delimit: it gives
what it has of it, for the user agent to answer, and takes nothing more.
"""

from __future__ import annotations

from ..errors import RemoteError
from .events import Limits
from .headers import Headers, declared_length
from .message import head_end, unfolded_fields

PING = b"\r\n\r\n"
"The keep-alive of :rfc:`5626#section-3.5.1`, which the user agent answers with one CRLF."


class StreamFraming:
    """
    Cuts one connection's octets into messages, however they arrive.

    What it gives is for :meth:`~twisted_siprec.sip.uas.UserAgentServer.receive`:
    a message, :data:`PING`, or the beginning of a message after which it is
    :attr:`broken`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits if limits is not None else Limits()
        self._buffer = bytearray()
        self._scanned = 0
        "Up to here there is no empty line in the buffer."
        self._begun = False
        "The start line of the message in the buffer is whole and names SIP."
        self._body: tuple[int, int] | None = None
        "Where the body of the message at the start of the buffer begins and ends."
        self.broken = False

    @property
    def incomplete(self) -> bool:
        """A message has begun and has not ended."""
        return bool(self._buffer.strip(b"\r\n")) and not self.broken

    def receive(self, octets: bytes) -> list[bytes]:
        """The messages that these octets complete."""
        if self.broken:
            return []
        self._buffer += octets
        messages: list[bytes] = []
        while self._buffer and not self.broken:
            if self._skip_line_ends(messages):
                break
            message = self._next()
            if message is None:
                break
            messages.append(message)
        return messages

    def _skip_line_ends(self, messages: list[bytes]) -> bool:
        """Take line ends before a message away; True where more octets are needed to tell."""
        while self._buffer.startswith((b"\r", b"\n")):
            if self._buffer.startswith(PING):
                if messages[-1:] != [PING]:
                    messages.append(PING)
                del self._buffer[:4]
            elif PING.startswith(self._buffer):
                return True
            else:
                del self._buffer[: 2 if self._buffer.startswith(b"\r\n") else 1]
        return not self._buffer

    def _next(self) -> bytes | None:
        if self._body is None:
            self._body = self._measure()
        if self.broken:
            return self._give(len(self._buffer))
        if self._body is None or len(self._buffer) < self._body[1]:
            return None
        return self._give(self._body[1])

    def _measure(self) -> tuple[int, int] | None:
        """Find the end of the head, and what Content-Length says of the body."""
        end = head_end(self._buffer, max(0, self._scanned - 3))
        if end is None:
            self._scanned = len(self._buffer)
            self.broken = self._garbage() or len(self._buffer) > self._limits.header_octets
            return None
        head = bytes(self._buffer[: end[0]]).decode("utf-8", "replace")
        try:
            length = declared_length(Headers(unfolded_fields(head)))
        except RemoteError:
            length = None
        if (
            length is None
            or length > self._limits.body_octets
            or end[0] > self._limits.header_octets
        ):
            del self._buffer[end[1] :]
            self.broken = True
            return None
        return end[1], end[1] + length

    def _garbage(self) -> bool:
        """The first line is whole, and it is no line of SIP."""
        if self._begun:
            return False
        end = self._buffer.find(b"\n")
        self._begun = end >= 0
        return self._begun and b"SIP/" not in self._buffer[:end].upper()

    def _give(self, length: int) -> bytes:
        message = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._scanned = 0
        self._begun = False
        self._body = None
        return message
