"""
The vocabulary of the operator's console: ``calls()``, ``call("…")``,
``hangup("…")``, ``drain()``, ``stats()``, ``trace("…")`` and ``help()``.

It is a Python prompt, so that whoever may log in can do whatever the server's
user can; these words are what is needed of it in most nights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..net.calls.calls import CallSummary, Recorder
from .table import Table, Words

_HELP = (
    ("calls()", "the calls in progress"),
    ('call("3f2")', "all about one call; its id, its Call-ID, or how one of them begins"),
    ('hangup("3f2")', "end a call"),
    ("stats()", "the counters of the server"),
    ('trace("2001")', "show SIP messages with this in Call-ID or start line, as they come"),
    ("trace()", "show no more of them"),
    ("drain()", "take no new call; those in progress go on"),
    ("help()", "this"),
)


@dataclass(frozen=True, slots=True)
class Word:
    """A further word, where what it is about is configured."""

    usage: str
    "As it is typed, such as ``calls()``."
    meaning: str
    function: Callable[..., object]

    @property
    def name(self) -> str:
        """The name that the prompt knows."""
        return self.usage.partition("(")[0]


class Console:
    """
    One operator's console.

    :param recorder: the recording server.
    :param write: shows a line on the operator's terminal at any time.
    :param words: what there is besides.
    """

    def __init__(
        self, recorder: Recorder, write: Callable[[str], None], words: Sequence[Word] = ()
    ) -> None:
        self._recorder = recorder
        self._write = write
        self._words = tuple(words)
        self._stop_tracing: Callable[[], None] | None = None

    @property
    def namespace(self) -> dict[str, object]:
        """The names that the prompt knows."""
        return {
            "calls": self.calls,
            "call": self.call,
            "hangup": self.hangup,
            "drain": self.drain,
            "stats": self.stats,
            "trace": self.trace,
            "help": self.help,
            "recorder": self._recorder,
            **{word.name: word.function for word in self._words},
        }

    def calls(self) -> Table:
        """The calls in progress."""
        return Table(
            ("id", "state", "seconds", "calling", "called", "source", "destinations", "warnings"),
            [
                (
                    call.id,
                    call.state,
                    call.seconds,
                    call.calling,
                    call.called,
                    call.source,
                    call.destinations,
                    call.warnings,
                )
                for call in self._recorder.calls()
            ],
            empty="no calls",
        )

    def call(self, name: str) -> Table | Words:
        """All about one call."""
        found = self._find(name)
        if isinstance(found, Words):
            return found
        details = self._recorder.call(found.id).items()
        return Table((), details, empty=f"{found.id} has just ended", widest=120)

    def hangup(self, name: str) -> Words:
        """End a call."""
        found = self._find(name)
        if isinstance(found, Words):
            return found
        ended = self._recorder.hang_up(found.id)
        return Words(f"{found.id} is being ended" if ended else f"{found.id} has just ended")

    def drain(self) -> Words:
        """Take no new call."""
        self._recorder.drain()
        return Words(f"draining, {len(self._recorder.calls())} calls in progress")

    def stats(self) -> Table:
        """The counters of the server."""
        return Table((), self._recorder.statistics().items(), empty="no counters")

    def trace(self, pattern: str | None = None) -> Words:
        """Show SIP messages as they come; without a pattern, show no more of them."""
        self.close()
        if not pattern:
            return Words("tracing nothing")
        self._stop_tracing = self._recorder.trace(str(pattern), self._write)
        return Words(f"tracing {pattern!r}, until trace()")

    def help(self) -> Table:
        """The vocabulary."""
        further = tuple((word.usage, word.meaning) for word in self._words)
        return Table((), (*_HELP, *further), widest=72)

    def close(self) -> None:
        """The operator has gone, or wants no more messages."""
        stop, self._stop_tracing = self._stop_tracing, None
        if stop is not None:
            stop()

    def _find(self, name: str) -> CallSummary | Words:
        """The one call that a name, or the beginning of one, means; or why there is none."""
        name = str(name)
        calls = self._recorder.calls()
        exact = [call for call in calls if name in (call.id, call.call_id)]
        found = exact or [
            call
            for call in calls
            if name and (call.id.startswith(name) or call.call_id.startswith(name))
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            return Words(f"no call begins with {name!r}")
        return Words(f"{len(found)} calls begin with {name!r}: give more of it")
