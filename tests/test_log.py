"""
The log's lines, and where they go.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from typing import Any

from twisted.internet.testing import MemoryReactor
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_siprec.config import Level, LogConfiguration
from twisted_siprec.log import LONGEST_TEXT, LineObserver, json_line, observer, text_line


def event(format: str | None = "{call_id} answered", **fields: Any) -> LogEvent:
    """An event of the recording server, at a known time."""
    return {
        "log_time": 1767366000.1236,
        "log_level": LogLevel.info,
        "log_namespace": "twisted_siprec.net.calls.recording_server",
        "log_format": format,
        **fields,
    }


HEAD = "2026-01-02T15:00:00.123Z info [net.calls.recording_server] "


def failing(logger: Logger) -> None:
    """Logs a failure."""
    try:
        raise ValueError("bad\x1b[2Jthing")
    except ValueError:
        logger.failure("{call_id} failed", call_id="c1")


class TextLineTests(SynchronousTestCase):
    """Lines for people."""

    def test_line(self) -> None:
        """Time, level, where, and the text."""
        self.assertEqual(text_line(event(call_id="c1@sbc")), HEAD + "c1@sbc answered")

    def test_subject(self) -> None:
        """The Call-ID, or the bridge, is put before a text that does not tell it."""
        self.assertEqual(text_line(event("answered", call_id="c1")), HEAD + "c1: answered")
        self.assertEqual(text_line(event("late", bridge="b1")), HEAD + "b1: late")
        self.assertEqual(text_line(event("late", bridge="b1", call_id=None)), HEAD + "b1: late")

    def test_one_line(self) -> None:
        """What a peer sent makes no line of its own, and steers no terminal."""
        line = text_line(event("{x}", x="a\r\n2026 forged\x1b[2J\u2028\x85\udc80", call_id="c\n"))
        self.assertEqual(line, HEAD + "c\\n: a\\r\\n2026 forged\\x1b[2J\\u2028\\x85\\udc80")

    def test_long(self) -> None:
        """A very long text is cut."""
        self.assertEqual(
            len(text_line(event("{x}", x="a" * 100_000))), len(HEAD) + LONGEST_TEXT + 1
        )

    def test_failure(self) -> None:
        """A failure's traceback follows, indented."""
        events: list[LogEvent] = []
        failing(Logger("test", observer=events.append))
        first, *rest = text_line(events[0]).split("\n")
        self.assertTrue(first.endswith("critical [test] c1 failed"), first)
        self.assertTrue(all(line.startswith("\t") for line in rest))
        self.assertIn("bad\\x1b[2Jthing", rest[-1])

    def test_old_failure(self) -> None:
        """A failure of old logging has its traceback once, behind its line."""
        for why, said in (("Unhandled Error", "Unhandled Error"), (None, "fault")):
            first, *rest = text_line(
                event(
                    "{log_text}",
                    log_text="why\nTraceback …",
                    isError=1,
                    why=why,
                    failure=Failure(ValueError("bad")),
                )
            ).split("\n")
            self.assertEqual(first, HEAD + said)
            self.assertIn("ValueError: bad", rest[-1])

    def test_nothing(self) -> None:
        """An event without a text makes no line."""
        self.assertEqual(text_line(event(None)), "")
        self.assertEqual(json_line(event(None)), "")

    def test_foreign(self) -> None:
        """Events of twistd and of old logging are lines too."""
        self.assertEqual(
            text_line({"log_time": 0.0, "log_format": "hello", "log_system": "-"}),
            "1970-01-01T00:00:00.000Z info [-] hello",
        )


class JSONLineTests(SynchronousTestCase):
    """Lines for programs."""

    def test_fields(self) -> None:
        """The plain fields of the event stand beside its message; others are left out."""
        line = json_line(
            event(
                call_id="c1",
                streams=2,
                seconds=1.5,
                ok=True,
                address=("192.0.2.1", 5060),
                nothing=None,
                bad=float("nan"),
                time="mine",
            )
        )
        self.assertEqual(
            json.loads(line),
            {
                "time": "2026-01-02T15:00:00.123Z",
                "level": "info",
                "namespace": "net.calls.recording_server",
                "message": "c1 answered",
                "call_id": "c1",
                "streams": 2,
                "seconds": 1.5,
                "ok": True,
            },
        )
        self.assertNotIn("\n", line)

    def test_failure(self) -> None:
        """A failure's traceback is a field."""
        events: list[LogEvent] = []
        failing(Logger("test", observer=events.append))
        fields = json.loads(json_line(events[0]))
        self.assertEqual((fields["message"], fields["call_id"]), ("c1 failed", "c1"))
        self.assertIn("ValueError", fields["failure"])


class LineObserverTests(SynchronousTestCase):
    """Writing lines."""

    def test_writes(self) -> None:
        """Each event is a line, written out at once; silent ones are none."""
        sink = io.StringIO()
        lines = LineObserver(sink, text_line)
        self.assertTrue(verifyObject(ILogObserver, lines))
        lines(event("one"))
        lines(event(None))
        lines(event("two"))
        self.assertEqual(sink.getvalue(), f"{HEAD}one\n{HEAD}two\n")


class ObserverTests(SynchronousTestCase):
    """Which observer twistd is given."""

    def make(self, settings: LogConfiguration, **twistd: Any) -> ILogObserver | None:
        return observer(settings, twistd, MemoryReactor())

    def test_left_to_twistd(self) -> None:
        """With a logger or the system log asked of twistd, there is none of ours."""
        self.assertIs(self.make(LogConfiguration(), logger="x.y", nodaemon=1), None)
        self.assertIs(self.make(LogConfiguration(), syslog=1, nodaemon=1), None)
        self.assertIs(self.make(LogConfiguration(), logfile="-", nodaemon=0), None)

    def test_standard_output(self) -> None:
        """In the foreground it is standard output, filtered by level."""
        for logfile in (None, "-"):
            sink = io.StringIO()
            self.patch(sys, "stdout", sink)
            lines = self.make(LogConfiguration(level=Level.WARN), nodaemon=1, logfile=logfile)
            assert lines is not None
            lines(event("quiet"))
            lines(event("loud", log_level=LogLevel.error))
            self.assertEqual(sink.getvalue(), HEAD.replace("info", "error") + "loud\n")

    def test_file(self) -> None:
        """A file is written, and rotated at SIGUSR1."""
        handlers: list[Any] = []
        self.patch(signal, "getsignal", lambda number: signal.SIG_DFL)
        self.patch(signal, "signal", lambda number, handler: handlers.append((number, handler)))
        reactor = MemoryReactor()
        called: list[Any] = []
        reactor.callFromThread = lambda function: called.append(function)  # type: ignore[method-assign]
        path = os.path.abspath(self.mktemp())
        lines = observer(LogConfiguration(json=True), {"logfile": path, "nodaemon": 1}, reactor)
        assert lines is not None
        lines(event("one"))
        [(number, handler)] = handlers
        self.assertEqual(number, signal.SIGUSR1)
        handler(number, None)
        called[0]()
        lines(event("two"))
        for name, message in [(path + ".1", "one"), (path, "two")]:
            with open(name) as file:
                self.assertEqual(json.loads(file.read())["message"], message)

    def test_daemon(self) -> None:
        """A daemon without a file named writes twistd.log, as twistd does."""
        self.patch(signal, "getsignal", lambda number: signal.default_int_handler)
        directory = self.mktemp()
        os.mkdir(directory)
        before = os.getcwd()
        os.chdir(directory)
        self.addCleanup(os.chdir, before)
        lines = self.make(LogConfiguration(), nodaemon=0)
        assert lines is not None
        lines(event("one"))
        with open("twistd.log") as file:
            self.assertEqual(file.read(), HEAD + "one\n")
