"""
SIP messages for people: whoever asks gets those that interest them, as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from twisted.logger import Logger

from ...sdp.crypto import without_keys
from ...sip.events import Flow, Traced

Write = Callable[[str], None]

MAX_LOGGED = 16
"Words whose messages are logged at once."
_PARTIES = re.compile(rb"^(?:from|f|to|t)[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)


class TooManyTraces(Exception):
    """Enough is logged already: turn one of the traces off before another is turned on."""


class SIPTrace:
    """
    Who wants to see which messages.

    :param switch: turns the tracing of the SIP core on and off.
    :param always: every message goes to the log.
    :param source: the name of the source that sends by a flow.
    """

    _log = Logger()

    def __init__(
        self,
        switch: Callable[[bool], None],
        always: bool,
        source: Callable[[Flow], str | None] = lambda flow: None,
    ) -> None:
        self._switch = switch
        self._always = always
        self._source = source
        self._watchers: dict[object, tuple[str, Write]] = {}
        self._listeners: list[Callable[[Traced], None]] = []
        self._confidants: list[Callable[[Traced], None]] = []
        self._logged: dict[str, Callable[[], None]] = {}

    @property
    def logged(self) -> tuple[str, ...]:
        """The words whose messages go to the log."""
        return tuple(self._logged)

    def listen(self, listener: Callable[[Traced], None]) -> None:
        """Every message from now on goes to ``listener``, without keys."""
        self._listeners.append(listener)
        self._switch(True)

    def confide(self, listener: Callable[[Traced], None]) -> None:
        """Every message from now on goes to ``listener`` as it is, which must hide the keys."""
        self._confidants.append(listener)
        self._switch(True)

    def watch(self, word: str, write: Write) -> Callable[[], None]:
        """
        Messages that have the word in their Call-ID, start line, From or To, or in the
        address of the peer, and those of the source of this name; call the result to stop.
        """
        key = object()
        self._watchers[key] = (word, write)
        self._switch(True)

        def stop() -> None:
            self._watchers.pop(key, None)
            if not self._watchers:
                self._switch(self._always or bool(self._listeners or self._confidants))

        return stop

    def log(self, word: str) -> None:
        """
        The same messages to the server's log, until :meth:`log_no_more`.

        :raises TooManyTraces: where so many words are logged already.
        """
        if word in self._logged:
            return
        if len(self._logged) >= MAX_LOGGED:
            raise TooManyTraces(f"{MAX_LOGGED} traces are on already")

        def write(text: str) -> None:
            self._log.info("{text}", text=f"trace of {word}: {text}")

        self._logged[word] = self.watch(word, write)
        self._log.info("the SIP messages of {word} are logged from now on", word=word)

    def log_no_more(self, word: str) -> bool:
        """Log the messages of a word no more; False where they were not."""
        stop = self._logged.pop(word, None)
        if stop is None:
            return False
        stop()
        self._log.info("the SIP messages of {word} are logged no more", word=word)
        return True

    def traced(self, message: Traced) -> None:
        """A message went in or out. People are not shown the keys in its SDP."""
        for listener in self._confidants:
            self._tell(listener, message)
        message = replace(message, octets=without_keys(message.octets))
        for listener in self._listeners:
            self._tell(listener, message)
        if not (self._always or self._watchers):
            return
        call_id = message.call_id or "-"
        arrow = "->" if message.outgoing else "<-"
        where = f"{arrow} {message.address[0]}:{message.address[1]}"
        text = message.octets.decode("utf-8", "replace").replace("\r\n", "\n")
        if self._always:
            self._log.info("{call_id} {where}\n{text}", call_id=call_id, where=where, text=text)
        for word, write in list(self._watchers.values()):
            if self._concerns(message, word):
                write(f"{where}\n{text}")

    def _concerns(self, message: Traced, word: str) -> bool:
        host, port = message.address
        if any(word in text for text in (message.call_id or "", message.summary, f"{host}:{port}")):
            return True
        head = message.octets.partition(b"\r\n\r\n")[0]
        if any(word.encode() in party for party in _PARTIES.findall(head)):
            return True
        return message.flow is not None and self._source(message.flow) == word

    def _tell(self, listener: Callable[[Traced], None], message: Traced) -> None:
        try:
            listener(message)
        except Exception:  # noqa: BLE001 - who only looks on must not harm the call
            self._log.failure("{call_id} a trace failed", call_id=message.call_id or "-")
