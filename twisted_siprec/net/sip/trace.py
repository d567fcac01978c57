"""
SIP messages for people: whoever asks gets those that interest them, as text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.logger import Logger

from ...sdp.crypto import without_keys
from ...sip.events import Traced

Write = Callable[[str], None]


class SIPTrace:
    """
    Who wants to see which messages.

    :param switch: turns the tracing of the SIP core on and off.
    :param always: every message goes to the log.
    """

    _log = Logger()

    def __init__(self, switch: Callable[[bool], None], always: bool) -> None:
        self._switch = switch
        self._always = always
        self._watchers: dict[object, tuple[str, Write]] = {}
        self._listeners: list[Callable[[Traced], None]] = []

    def listen(self, listener: Callable[[Traced], None]) -> None:
        """Every message from now on goes to ``listener`` as it is."""
        self._listeners.append(listener)
        self._switch(True)

    def watch(self, pattern: str, write: Write) -> Callable[[], None]:
        """Messages whose Call-ID or start line contains the pattern; call the result to stop."""
        key = object()
        self._watchers[key] = (pattern, write)
        self._switch(True)

        def stop() -> None:
            self._watchers.pop(key, None)
            if not self._watchers:
                self._switch(self._always or bool(self._listeners))

        return stop

    def traced(self, message: Traced) -> None:
        """A message went in or out. Nobody is shown the keys in its SDP."""
        message = replace(message, octets=without_keys(message.octets))
        for listener in self._listeners:
            listener(message)
        if not (self._always or self._watchers):
            return
        call_id = message.call_id or "-"
        arrow = "->" if message.outgoing else "<-"
        where = f"{arrow} {message.address[0]}:{message.address[1]}"
        text = message.octets.decode("utf-8", "replace").replace("\r\n", "\n")
        if self._always:
            self._log.info("{call_id} {where}\n{text}", call_id=call_id, where=where, text=text)
        for pattern, write in list(self._watchers.values()):
            if pattern in call_id or pattern in message.summary:
                write(f"{where}\n{text}")
