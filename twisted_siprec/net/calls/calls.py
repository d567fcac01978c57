"""
Calls as operators see them: at the console, and wherever else they look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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


class Recorder(Protocol):
    """The recording server, as an operator sees it."""

    def calls(self) -> Sequence[CallSummary]:
        """All calls in progress, the oldest first."""

    def call(self, id: str) -> Mapping[str, Value]:
        """Everything about one call, by its id; empty where there is no such call any more."""

    def hang_up(self, id: str) -> bool:
        """End a call by BYE. False where there is no such call any more."""

    def drain(self) -> None:
        """Take no new call; those in progress go on."""

    def statistics(self) -> Mapping[str, Value]:
        """The counters of the server."""

    def trace(self, pattern: str, write: Callable[[str], None]) -> Callable[[], None]:
        """
        Give ``write`` every SIP message whose Call-ID or start line contains
        ``pattern``, as text. What is returned stops it.
        """


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
