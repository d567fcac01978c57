"""
The SIP messages of a call, as they went and came: the ladder of its page.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..sip.events import Traced

MAX_MESSAGES = 200
"Of one call. Of more, the oldest but the first few are forgotten."
_FIRST = 8
"Messages from the beginning that stay: they say what was agreed on."
_CREDENTIALS = ("authorization", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class Rung:
    """One message."""

    at: float
    outgoing: bool
    peer: str
    summary: str
    "The start line."
    text: str | None
    "The whole of it; None where there was no room."
    octets: int = 0
    "Of the message as it was."


class Ladder:
    """
    The messages of one call.

    :param max_octets: of their texts; start lines are kept beyond it.
    """

    def __init__(self, max_octets: int, max_messages: int = MAX_MESSAGES) -> None:
        self._max_octets = max_octets
        self._max_later = max(max_messages - _FIRST, 1)
        self._octets = 0
        self._first: list[Rung] = []
        self._later: deque[Rung] = deque()
        self.forgotten = 0

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The messages, the oldest first."""
        return (*self._first, *self._later)

    def add(self, message: Traced, at: float) -> None:
        """A message went in or out."""
        size = len(message.octets)
        fits = self._octets + size <= self._max_octets
        if fits:
            self._octets += size
        host, port = message.address
        peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        rung = Rung(
            at,
            message.outgoing,
            peer,
            message.summary,
            _text(message.octets) if fits else None,
            size,
        )
        if len(self._first) < _FIRST:
            self._first.append(rung)
            return
        self._later.append(rung)
        if len(self._later) > self._max_later:
            gone = self._later.popleft()
            self.forgotten += 1
            if gone.text is not None:
                self._octets -= gone.octets


def _text(octets: bytes) -> str:
    """A message for people; what proves who the peer is stays out of it."""
    lines = octets.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return "\n".join(
        f"{name}: (not shown)"
        if (name := line.partition(":")[0]).strip().lower() in _CREDENTIALS
        else line
        for line in lines
    )
