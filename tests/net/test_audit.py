"""
The audit log.
"""

from __future__ import annotations

import json
import os
import stat

from twisted.logger import LogEvent, Logger, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.log import text_line
from twisted_siprec.net.audit import Actor, Audit

ANN = Actor("ann", "192.0.2.1", "api", "acme", "siprecctl/1")


class AuditTests(SynchronousTestCase):
    """Lines."""

    def setUp(self) -> None:
        self.path: str = self.mktemp()
        self.events: list[LogEvent] = []
        self.audit = Audit(lambda: 1_000.5, self.path, Logger("audit", observer=self.events.append))

    def lines(self, path: str = "") -> list[dict[str, str]]:
        with open(path or self.path) as file:
            return [json.loads(line) for line in file]

    def test_log(self) -> None:
        """A line of the log, under its own name."""
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)
        Audit(lambda: 0.0).note(ANN, "hang_up", "3f2a", "202")
        [event] = self.events
        self.assertEqual(formatEvent(event), "ann at 192.0.2.1 (api): hang_up 3f2a: 202")
        self.assertEqual(event["log_namespace"], "twisted_siprec.audit")

    def test_file(self) -> None:
        """A line of JSON in a file that its owner alone may read."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.audit.note(ANN, "hang_up", "3f2a", "202")
        self.assertEqual(
            self.lines(),
            [
                {
                    "time": "1970-01-01T00:16:40.500Z",
                    "who": "ann",
                    "tenant": "acme",
                    "address": "192.0.2.1",
                    "by": "api",
                    "agent": "siprecctl/1",
                    "did": "hang_up",
                    "subject": "3f2a",
                    "outcome": "202",
                }
            ],
        )
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_rotated(self) -> None:
        """Lines are appended; where the file was moved away, there is a new one."""
        for subject in "ab":
            self.audit.note(ANN, "pause", subject)
        os.rename(self.path, self.path + ".1")
        self.audit.note(ANN, "pause", "c")
        self.assertEqual([each["subject"] for each in self.lines(self.path + ".1")], ["a", "b"])
        self.assertEqual([each["subject"] for each in self.lines()], ["c"])

    def test_hostile(self) -> None:
        """What somebody sent makes no further lines, and none that has no end."""
        self.audit.note(ANN, "trace", '"}\n{"who": "root"}\ud800' + "x" * 5_000)
        [line] = self.lines()
        self.assertTrue(line["subject"].startswith('"}\n{"who": "root"}'))
        self.assertEqual(len(line["subject"]), 1_000)
        self.assertNotIn("\n", text_line(self.events[0]))

    def test_unwritable(self) -> None:
        """Where the file cannot be written, the log says so, once until it can be again."""
        os.mkdir(self.path)
        self.audit.note(ANN, "pause", "a")
        self.audit.note(ANN, "pause", "b")
        self.assertEqual(
            [event["log_level"].name for event in self.events], ["info", "error", "info"]
        )
        os.rmdir(self.path)
        self.audit.note(ANN, "pause", "c")
        self.assertEqual([each["subject"] for each in self.lines()], ["c"])

    def test_pipe(self) -> None:
        """A pipe that nobody reads holds nothing up."""
        os.mkfifo(self.path)
        self.audit.note(ANN, "pause", "a")
        self.assertEqual(self.events[-1]["log_level"].name, "error")
