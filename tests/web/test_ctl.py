"""
siprecctl: from its command line to requests, and from answers to what is printed.
"""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import ACCOUNT, BEGINNING, STREAM
from twisted_siprec.net.calls.events import CallClosed
from twisted_siprec.sip.events import Traced
from twisted_siprec.web import bodies
from twisted_siprec.web.ctl import Options, Refused, find, run, shown
from twisted_siprec.web.records import CallRecords
from twisted_siprec.web.token_hash import hashed


def records() -> CallRecords:
    """A call with its account, and a SIP message."""
    kept = CallRecords(lambda: 1_000.0)
    octets = b"INVITE x\r\nSubject: \x1b[2J"
    kept.traced(Traced(False, None, ("192.0.2.1", 5060), octets, "c1@sbc", "INVITE x"))
    for event in (*BEGINNING, CallClosed("3f2a", "sbc", ACCOUNT)):
        kept.happened(event, 1_000.0)
    return kept


class CtlTests(SynchronousTestCase):
    """Commands."""

    def setUp(self) -> None:
        self.patch(os, "environ", {"SIPREC_TOKEN": "secret"})
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            "GET /api/v1/calls": {
                "calls": [{"id": "3f2a", "call_id": "c1@sbc"}, {"id": "3f9b", "call_id": "c2@sbc"}]
            },
            "GET /api/v1/history?limit=1000": {"calls": [{"id": "77aa", "call_id": "old@sbc"}]},
        }

    def ask(self, method: str, path: str, body: bytes | None = None) -> Deferred[Any]:
        self.asked.append(f"{method} {path}" + (f" {body.decode()}" if body else ""))
        answer = self.answers.get(f"{method} {path}", {"status": "done"})
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def options(self, *arguments: str) -> Options:
        options = Options()
        options.parseOptions(arguments)
        return options

    def run_command(self, *arguments: str) -> list[str]:
        """The requests of a command."""
        self.asked.clear()
        self.successResultOf(Deferred.fromCoroutine(run(self.options(*arguments), self.ask)))
        return self.asked

    def test_requests(self) -> None:
        """What each command asks of the server."""
        for arguments, request in (
            ("calls", "GET /api/v1/calls?q="),
            ("calls ann bob", "GET /api/v1/calls?q=ann+bob"),
            ("calls -s +1&x", "GET /api/v1/calls?q=%2B1%26x"),
            ("history", "GET /api/v1/history?q=&limit=20&refused=false"),
            ("history -n 5 --refused x", "GET /api/v1/history?q=x&limit=5&refused=true"),
            ("status", "GET /api/v1/status"),
            ("health", "GET /healthz"),
            ("ready", "GET /readyz"),
            ("drain", "POST /api/v1/drain"),
            ("call 3f2", "GET /api/v1/calls/3f2a"),
            ("sip 3f2a", "GET /api/v1/calls/3f2a/sip"),
            ("metadata c1", "GET /api/v1/calls/3f2a/metadata"),
            ("hangup c2@sbc", "POST /api/v1/calls/3f9b/hangup"),
            ("pause 3f9b", "POST /api/v1/calls/3f9b/pause"),
            ("resume old", "POST /api/v1/calls/77aa/resume"),
            ("packets", "GET /api/v1/packets"),
            ("trace", "GET /api/v1/traces"),
            ("trace on sbc", 'POST /api/v1/traces {"name": "sbc"}'),
            ("trace off a/b", "DELETE /api/v1/traces/a%2Fb"),
            ("drop 3f2 1", "DELETE /api/v1/calls/3f2a/streams/1"),
            ("copy 3f2 qa", 'POST /api/v1/calls/3f2a/destinations {"name": "qa"}'),
            ("uncopy 3f2 q/a", "DELETE /api/v1/calls/3f2a/destinations/q%2Fa"),
        ):
            self.assertEqual(self.run_command(*arguments.split())[-1], request, arguments)

    def found(self, name: str) -> Deferred[str]:
        return Deferred.fromCoroutine(find(name, self.ask))

    def test_find(self) -> None:
        """A name that means several calls, or none, is refused; a whole one wins."""
        for name, problem in (
            ("3f", "2 calls begin with '3f': give more of it"),
            ("nope", "no call begins with 'nope'"),
        ):
            failure = self.failureResultOf(self.found(name), Refused)
            self.assertEqual(str(failure.value), problem)
        self.answers["GET /api/v1/calls"]["calls"].append({"id": "3f2a0", "call_id": "x"})
        self.assertEqual(self.successResultOf(self.found("3f2a")), "3f2a")

    def test_options(self) -> None:
        """Where the server is and the token come from options or the environment."""
        path: str = self.mktemp()
        with open(path, "w") as file:
            file.write("of file\n")
        options = self.options("status")
        self.assertEqual((options["url"], options["token"]), ("http://127.0.0.1:8080", "secret"))
        options = self.options("--url", "https://srs/", "--token-file", path, "status")
        self.assertEqual((options["url"], options["token"]), ("https://srs", "of file"))
        os.environ.update(SIPREC_URL="http://other", SIPREC_TOKEN_FILE=path)
        options = self.options("status")
        self.assertEqual((options["url"], options["token"]), ("http://other", "of file"))

    def test_mistakes(self) -> None:
        """A command line that makes no sense is refused."""
        for arguments in (
            "",
            "dance",
            "call",
            "call a b",
            "trace on",
            "trace up sbc",
            "packets now",
            "drop a",
            "copy a",
            "drop a one",
            "status now",
            "history -n many",
            "--url ftp://x status",
            "--token-file /nonexistent status",
        ):
            self.assertRaises(usage.UsageError, self.options, *arguments.split())

    # --- what is printed ---------------------------------------------------------------

    def test_pipe(self) -> None:
        """In a pipe it is JSON on a line, unless tables are asked for."""
        answer = {"calls": []}
        self.assertEqual(shown(self.options("calls"), answer, False), '{"calls": []}')
        self.assertEqual(shown(self.options("--table", "calls"), answer, False), "no calls")

    def test_terminal(self) -> None:
        """On a terminal it is a table, unless JSON is asked for."""
        answer = {"calls": []}
        self.assertEqual(shown(self.options("calls"), answer, True), "no calls")
        self.assertEqual(
            shown(self.options("--json", "calls"), answer, True), json.dumps(answer, indent=2)
        )

    def show(self, command: str, answer: Any) -> list[str]:
        arguments = (command,) if command in ("calls", "history", "status") else (command, "x")
        return shown(self.options(*arguments), answer, True).split("\n")

    def test_calls(self) -> None:
        """Calls as rows."""
        record = records().current[0]
        row = bodies.summary(record, (STREAM,), 4_725.0)
        self.assertEqual(
            self.show("calls", {"calls": [row]}),
            [
                (
                    "id    state      time     calling                    called                "
                    "source  codecs  loss    mos   to"
                ),
                (
                    "3f2a  recording  1:02:05  sip:+15550100@example.com  sip:2001@example.com  "
                    "sbc     PCMU    15.0 %  2.98  speech (connecting)"
                ),
            ],
        )
        [_, line] = self.show("history", {"calls": [row]})
        self.assertIn("1970-01-01T00:16:40", line)

    def test_call(self) -> None:
        """A call with its streams, its deliveries and what happened."""
        text = "\n".join(self.show("call", bodies.call(records().current[0], (STREAM,), 1_061.0)))
        for part in (
            "participant p1         Ann sip:+15550100@example.com",
            "ucid                   0001",
            "warning metadata-clock  a time is before 2000",
            "1       PCMU   90       10    5     0          12.5       2.98",
            "speech  488000   480000     8000     reconnect 1000 ms  1           no",
            "00:16:40.000  state     recording",
        ):
            self.assertIn(" ".join(part.split()), " ".join(text.split()))

    def test_sip(self) -> None:
        """The ladder as text, in which nothing steers the terminal."""
        rung = records().current[0].ladder.rungs[0]
        lines = self.show("sip", {"messages": [bodies.rung(rung)], "forgotten": 3})
        self.assertEqual(
            lines,
            [
                "(3 messages are forgotten)",
                "",
                "1970-01-01T00:16:40.000Z <- 192.0.2.1:5060",
                "INVITE x",
                "Subject: ?[2J",
                "",
            ],
        )
        self.assertEqual(
            self.show("sip", {"messages": [], "forgotten": 0}), ["no messages are kept"]
        )

    def test_metadata(self) -> None:
        """Metadata is as it was in a pipe, and harmless on a terminal."""
        text = "<a>\x1b[2J</a>\n"
        self.assertEqual(shown(self.options("metadata", "x"), text, False), text)
        self.assertEqual(shown(self.options("metadata", "x"), text, True), "<a>?[2J</a>\n")

    def test_status(self) -> None:
        """The server's state and its counters as one list."""
        answer = {"uptime_s": 1.5, "draining": False, "counters": {"calls offered": 3}}
        self.assertEqual(
            self.show("status", answer),
            ["uptime s       1.5", "draining       no", "calls offered  3"],
        )

    def test_token(self) -> None:
        """A token is made without a server, anew each time, with the hash that admits it."""
        options = self.options("token")
        made = [self.successResultOf(Deferred.fromCoroutine(run(options, self.ask))) for _ in "12"]
        self.assertEqual(self.asked, [])
        self.assertNotEqual(made[0]["token"], made[1]["token"])
        self.assertRegex(made[0]["token"], r"^srs_[\w-]{43}$")
        self.assertEqual(made[0]["hash"], hashed(made[0]["token"]))
        text = shown(options, made[0], True)
        self.assertEqual(text, f"token  {made[0]['token']}\nhash   {made[0]['hash']}")


class TenantTableTests(SynchronousTestCase):
    """Whose calls are whose, in tables."""

    def table(self, tenant: str) -> str:
        record = records().find("3f2a")
        assert record is not None
        record.tenant = tenant
        options = Options()
        options.parseOptions(["--table", "calls"])
        body = {"calls": [bodies.summary(record, (STREAM,), 1_061.0)]}
        return shown(options, body, True)

    def test_tenant(self) -> None:
        """There is a column for it where there are tenants, and none where there are none."""
        self.assertIn("acme", self.table("acme"))
        self.assertNotIn("tenant", self.table(""))

    def test_copied(self) -> None:
        """Where a call goes by now is shown."""
        options = Options()
        options.parseOptions(["--table", "copy", "3f2a", "qa"])
        answer = {"id": "3f2a", "destinations": ["speech", "qa"]}
        self.assertEqual(shown(options, answer, True), "id  3f2a\nto  speech, qa")
