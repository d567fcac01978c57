"""
The vocabulary of the operator's console: ``calls()``, ``call("…")``,
``hangup("…")``, ``drop("…", 1)``, ``copy("…", "…")``, ``uncopy("…", "…")``,
``drain()``, ``stats()``, ``trace("…")`` and ``help()``.

It is a Python prompt, so that whoever may log in can do whatever the server's
user can; these words are what is needed of it in most nights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..net.calls.calls import CallSummary, Copying, Recorder
from ..net.sip.trace import TooManyTraces
from .table import Table, Words

_HELP = (
    ("calls()", "the calls in progress"),
    ('call("3f2")', "all about one call; its id, its Call-ID, or how one of them begins"),
    ('hangup("3f2")', "end a call"),
    ('drop("3f2", 1)', "have the SRC close a stream of a call, by the place of its m-line"),
    ('copy("3f2", "qa")', "send a call to a destination too, from now on"),
    ('uncopy("3f2", "qa")', "send it there no more"),
    ("stats()", "the counters of the server"),
    (
        'trace("2001")',
        "show SIP messages of a call, number, address or source as they come",
    ),
    ("trace()", "show no more of them"),
    ('log_sip("sbc")', "the same into the server's log, by the name of a source too"),
    ('log_sip("sbc", False)', "no more of them; log_sip() says which there are"),
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
            "copy": self.copy,
            "uncopy": self.uncopy,
            "drop": self.drop,
            "drain": self.drain,
            "stats": self.stats,
            "trace": self.trace,
            "log_sip": self.log_sip,
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

    def drop(self, name: str, index: int) -> Words:
        """Have the SRC close one stream of a call."""
        found = self._find(name)
        if isinstance(found, Words):
            return found
        if self._recorder.drop(found.id, index):
            return Words(f"the SRC is asked to close stream {index} of {found.id}")
        return Words(f"{found.id} has no stream {index}, or its SRC takes no re-INVITE")

    def copy(self, name: str, destination: str) -> Words:
        """Send a call to a destination too."""
        return self._redirect(name, self._recorder.copy, destination, "goes to {} too")

    def uncopy(self, name: str, destination: str) -> Words:
        """Send a call to one of its destinations no more."""
        return self._redirect(name, self._recorder.uncopy, destination, "goes to {} no more")

    def _redirect(
        self, name: str, tell: Callable[[str, str], Copying], destination: str, done: str
    ) -> Words:
        found = self._find(name)
        if isinstance(found, Words):
            return found
        copying = tell(found.id, str(destination))
        said = done.format(destination) if copying is Copying.DONE else copying.value
        return Words(f"{found.id}: {said}")

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

    def log_sip(self, word: str | None = None, on: bool = True) -> Words:
        """Log the SIP messages that concern a word, whoever looks on; or no more of them."""
        try:
            if word and not self._recorder.trace_to_log(str(word), on):
                return Words(f"{word!r} is not logged")
        except TooManyTraces as error:
            return Words(str(error))
        return Words("logging the SIP of " + (", ".join(self._recorder.traces()) or "nobody"))

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
