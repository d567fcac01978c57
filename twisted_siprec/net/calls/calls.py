"""
Calls as operators see them: at the console, and wherever else they look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ...report import StreamStatistics
from ...sip.events import Traced
from ..media.outlet import Tap
from .events import CallListener

Value = str | int | float | bool | None
"What a cell of a table shows."


@dataclass(frozen=True, slots=True)
class CallSummary:
    """A call on one line."""

    id: str
    "The recording session's id."
    call_id: str
    "The SIP Call-ID."
    state: str
    seconds: int
    "Since the INVITE."
    calling: str | None = None
    called: str | None = None
    source: str | None = None
    destinations: tuple[str, ...] = ()
    warnings: int = 0
    tenant: str = ""
    "Whose it is; empty for nobody's."


class Copying(Enum):
    """What became of the wish to send a call somewhere else too, or no more."""

    DONE = "done"
    NO_CALL = "there is no such call, or it is over"
    NO_DESTINATION = "no destination of this name is configured for it"
    ALREADY = "the call goes there already"
    NOT_THERE = "the call does not go there"
    LAST = "the call goes nowhere else: pause it, or hang it up"
    TOO_OFTEN = "the call was sent elsewhere too often already"


class Recorder(Protocol):
    """The recording server, as an operator sees it."""

    def calls(self) -> Sequence[CallSummary]:
        """All calls in progress, the oldest first."""

    def call(self, id: str) -> Mapping[str, Value]:
        """Everything about one call, by its id; empty where there is no such call any more."""

    def hang_up(self, id: str) -> bool:
        """End a call by BYE. False where there is no such call any more."""

    def copy(self, id: str, destination: str) -> Copying:
        """From now on send a call to a destination too, by its name."""

    def uncopy(self, id: str, destination: str) -> Copying:
        """Send a call to one of its destinations no more."""

    def drop(self, id: str, index: int) -> bool:
        """
        Have the SRC close one stream of a call, by the place of its m-line. False where
        there is no such stream, or the SRC is known to take no re-INVITE.
        """

    def drain(self) -> None:
        """Take no new call; those in progress go on."""

    def statistics(self) -> Mapping[str, Value]:
        """The counters of the server."""

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        """
        Give ``write`` every SIP message that a word is in, as text: its Call-ID, start
        line, From, To or the peer's address; and those of the source of this name.
        What is returned stops it.
        """

    def trace_to_log(self, word: str, on: bool) -> bool:
        """The same into the server's log, or no more of it; False where it was not there."""

    def traces(self) -> Sequence[str]:
        """The words whose SIP messages are logged."""


class WatchedRecorder(Recorder, Protocol):
    """The recording server, as a page or a program sees it that follows its calls."""

    def watch(self, listener: CallListener) -> None:
        """Every event of every call from now on goes to ``listener`` too."""

    def trace_all(self, listener: Callable[[Traced], None]) -> None:
        """Every SIP message from now on goes to ``listener``."""

    def streams(self, id: str) -> tuple[StreamStatistics, ...]:
        """What came so far on the streams of a call; nothing where it is not received."""

    def waiting(self) -> Mapping[str, float]:
        """By destination, the seconds of audio that are not handed over yet, of all calls."""

    def tap(self, id: str, tap: Tap) -> Callable[[], None]:
        """
        Show ``tap`` what the consumers of a call get, from now on. Call the
        result to show no more.
        """

    def pause(self, id: str) -> bool:
        """Record nothing of a call until it is resumed. False where there is no such call."""

    def resume(self, id: str) -> bool:
        """Record a call again, unless its SRC has paused it too."""
