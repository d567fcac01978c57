"""
The user agent of a call that is played again: requests with the header fields and
the bodies of the capture, in a dialog of their own.
"""

from __future__ import annotations

import re

from ..sip.headers import canonical
from ..sip.message import Request
from .agent import CallAgent
from .agent_events import Purpose
from .dialog import ALLOW

_OF_ITS_OWN = frozenset(
    canonical(name)
    for name in (
        *("Via", "Max-Forwards", "Route", "Record-Route", "From", "To", "Call-ID", "CSeq"),
        *("Content-Length", "Authorization", "Proxy-Authorization", "User-Agent"),
        *("Session-Expires", "Min-SE", "Path", "P-Asserted-Service", "Timestamp"),
    )
)
"Header fields that belong to the way of a message, or to the dialog that it was in."
_CONTACT = re.compile(r"<[^>]*>|[^;<>]+")


class ReplayAgent(CallAgent):
    """A :class:`CallAgent` that says what another said."""

    def begin(self, request: Request, body: bytes, now: float) -> None:
        """The INVITE."""
        self.invite_with(self._fields(request), body, now)

    def again(self, request: Request, body: bytes, now: float) -> None:
        """A request within the dialog; INVITE only while :attr:`changeable`."""
        purpose = Purpose.CHANGE if request.method == "INVITE" else Purpose.OTHER
        self.send(purpose, request.method, self._fields(request), body, now)

    def bye(self, request: Request, body: bytes, now: float) -> None:
        """The end of it, which may say why, and have metadata."""
        self.hang_up(now, self._fields(request), body)

    def _fields(self, request: Request) -> tuple[tuple[str, str], ...]:
        fields: list[tuple[str, str]] = []
        for name, value in request.headers:
            key = canonical(name)
            if key == "contact":
                # The parameters are what the SRC says of itself, such as +sip.src.
                fields.append((name, f"<{self.caller.contact}>{_CONTACT.sub('', value, count=1)}"))
            elif key not in _OF_ITS_OWN:
                fields.append((name, value))
        if "Allow" not in request.headers and request.method == "INVITE":
            fields.append(("Allow", ALLOW))
        return tuple(fields)
