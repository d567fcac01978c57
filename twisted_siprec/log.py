"""
The log: one event a line, with the Call-ID that it is about.

As text, ``2026-01-02T15:00:00.123Z info [net.calls.recording_server] 8f2@sbc: …``; as
JSON, one object a line. What a peer sent cannot make lines of its own: control
characters are escaped. Only the traceback of a failure has further lines, each
indented.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from constantly import NamedConstant
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import implementer

from .config.model import LogConfiguration

LONGEST_TEXT = 8_192
"Characters of one event's text; the rest is cut."

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PACKAGE = "twisted_siprec."
_CHATTY = ("log_legacy", "twisted.protocols.amp")
"Who tells of each port, protocol and pipe."
_SUBJECTS = ("call_id", "bridge")


class Sink(Protocol):
    """Where lines go."""

    def write(self, text: str) -> object:
        """Take the text."""

    def flush(self) -> object:
        """Write out what is buffered."""


@implementer(ILogObserver)
class LineObserver:
    """
    Writes each event as a line.

    :param sink: a text file, such as standard output.
    :param line: :func:`text_line` or :func:`json_line`.
    """

    def __init__(self, sink: Sink, line: Callable[[LogEvent], str]) -> None:
        self._sink = sink
        self._line = line

    def __call__(self, event: LogEvent) -> None:
        line = self._line(event)
        if line:
            self._sink.write(line + "\n")
            self._sink.flush()


def text_line(event: LogEvent) -> str:
    """An event for people; empty where it says nothing."""
    message = _message(event)
    traceback = _traceback(event)
    if not message and not traceback:
        return ""
    subject = next((str(event[key]) for key in _SUBJECTS if event.get(key)), "")
    if subject and subject not in message:
        message = f"{_escaped(subject)}: {message}"
    line = f"{_time(event)} {_level(event)} [{_system(event)}] {message}"
    return "\n\t".join([line, *(_escaped(each) for each in traceback.splitlines())])


def json_line(event: LogEvent) -> str:
    """An event for programs: its message, and the plain values that it carries."""
    message = _message(event)
    traceback = _traceback(event)
    if not message and not traceback:
        return ""
    fields = {
        "time": _time(event),
        "level": _level(event),
        "namespace": _system(event),
        "message": message,
        **dict(_plain(event)),
    }
    if traceback:
        fields["failure"] = traceback[:LONGEST_TEXT]
    return json.dumps(fields, allow_nan=False, separators=(",", ":"))


def observer(
    settings: LogConfiguration,
    twistd: Mapping[str, Any],
    reactor: IReactorFromThreads,
) -> ILogObserver | None:
    """
    The observer that the configuration asks for, writing where twistd would.

    :param twistd: the options of twistd itself. Where they name a logger or the
        system log, that is left to twistd, and the result is None.
    """
    sink = None if twistd.get("logger") or twistd.get("syslog") else _sink(twistd, reactor)
    if sink is None:
        return None
    lines = LineObserver(sink, json_line if settings.json else text_line)
    level = LogLevel.levelWithName(settings.level.value)
    predicates = [LogLevelFilterPredicate(level)]
    if level is not LogLevel.debug:
        predicates.insert(0, without_chatter)
    filtered: ILogObserver = FilteringLogObserver(lines, predicates)
    return filtered


@implementer(ILogFilterPredicate)
def without_chatter(event: LogEvent) -> NamedConstant:
    """
    What Twisted's older parts say of every port that opens and closes is for
    debugging: a call has four of them.
    """
    chatter = event.get("log_namespace") in _CHATTY and event.get("log_level") is LogLevel.info
    return PredicateResult.no if chatter else PredicateResult.maybe


def _sink(twistd: Mapping[str, Any], reactor: IReactorFromThreads) -> Sink | None:
    """Standard output or the file that twistd's options name, rotated at SIGUSR1 as twistd does."""
    name = twistd.get("logfile")
    foreground = bool(twistd.get("nodaemon"))
    if foreground and name in ("-", "", None):
        return sys.stdout
    if name == "-":
        return None
    file = LogFile.fromFullPath(name or "twistd.log")
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(file.rotate))
    return _LogFileSink(file)


class _LogFileSink:
    """A :class:`LogFile`, which takes text and flushes with each write."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text)

    def flush(self) -> None:
        self._file.flush()


def _time(event: LogEvent) -> str:
    moment = datetime.fromtimestamp(float(event.get("log_time", 0.0)), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level is not None else "info"


def _system(event: LogEvent) -> str:
    system = str(event.get("log_namespace") or event.get("log_system") or "-")
    return _escaped(system.removeprefix(_PACKAGE))


def _message(event: LogEvent) -> str:
    message = str(event.get("why") or "fault") if _is_old_failure(event) else formatEvent(event)
    if len(message) > LONGEST_TEXT:
        message = f"{message[:LONGEST_TEXT]}…"
    return _escaped(message)


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure")
    if failure is None and _is_old_failure(event):
        failure = event["failure"]
    return failure.getTraceback() if failure is not None else ""


def _is_old_failure(event: LogEvent) -> bool:
    """A failure of ``twisted.python.log.err``, whose text is the traceback all over again."""
    return bool(event.get("isError")) and isinstance(event.get("failure"), Failure)


def _plain(event: LogEvent) -> Iterator[tuple[str, str | int | float | bool]]:
    """The fields of ours that JSON can hold as they are."""
    reserved = {"time", "level", "namespace", "message", "failure", "isError", "format", "system"}
    for name, value in event.items():
        if name.startswith("log_") or name in reserved:
            continue
        if isinstance(value, float) and value - value != 0.0:
            continue
        if isinstance(value, str):
            yield name, value[:LONGEST_TEXT]
        elif isinstance(value, (int, float)):
            yield name, value


def _escaped(text: str) -> str:
    """The text on one line, whatever is in it."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
