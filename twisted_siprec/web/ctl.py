"""
``siprecctl``: the API on the command line. Tables on a terminal, JSON in a pipe.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import treq
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionLost, TimeoutError
from twisted.python import usage
from twisted.web.client import ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers

from .. import __version__
from . import ctl_view as view
from .token_hash import hashed, new_token

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 10


class Ask(Protocol):
    """Sends a request by method and path; gives the JSON of its answer, or a text."""

    def __call__(self, method: str, path: str, body: bytes | None = None) -> Deferred[Any]: ...


class Refused(Exception):
    """The server did not do what was asked, or cannot be reached."""


class _Search(usage.Options):
    optParameters: list[list[Any]] = [["search", "s", "", "Only calls with these words somewhere."]]

    def parseArgs(self, *words: str) -> None:
        """Words may stand for themselves."""
        if words:
            self["search"] = " ".join((self["search"], *words)).strip()


class CallsOptions(_Search):
    """The calls in progress."""


class HistoryOptions(_Search):
    """The calls that are over."""

    optParameters = [*_Search.optParameters, ["limit", "n", 20, "At most so many.", int]]
    optFlags: list[list[Any]] = [["refused", None, "Those that were refused."]]


class CallOptions(usage.Options):
    """One call."""

    synopsis = "CALL"

    def parseArgs(self, name: str) -> None:  # type: ignore[override]  # it is called with the words
        """A call's id, its Call-ID, or how one of them begins."""
        self["name"] = name


class DropOptions(CallOptions):
    """One stream of a call."""

    synopsis = "CALL STREAM"

    def parseArgs(self, name: str, index: str) -> None:  # type: ignore[override]  # the words
        """A call as above, and the place of the stream's m-line: 0, 1, …"""
        if not (index.isascii() and index.isdigit()):
            raise usage.UsageError(f"{index!r} is no place of an m-line: 0, 1, …")
        self["name"], self["index"] = name, int(index)


class CopyOptions(CallOptions):
    """One call, and a destination."""

    synopsis = "CALL DESTINATION"

    def parseArgs(self, name: str, destination: str) -> None:  # type: ignore[override]  # it is called with the words
        """A call as elsewhere, and the name of a destination in the configuration."""
        super().parseArgs(name)
        self["destination"] = destination


class TraceOptions(usage.Options):
    """SIP messages in the server's log."""

    synopsis = "[on WORD | off WORD]"

    def parseArgs(self, *words: str) -> None:
        """A word: the name of a source, an address, a number, a Call-ID; or nothing to look."""
        if words and (len(words) != 2 or words[0] not in ("on", "off")):
            raise usage.UsageError("trace on WORD, trace off WORD, or trace")
        self["on"], self["word"] = words or ("", "")


class NoOptions(usage.Options):
    """Nothing more is to be said."""

    def parseArgs(self) -> None:
        """No argument."""


class Options(usage.Options):
    """The command line."""

    synopsis = "siprecctl [options] COMMAND"
    longdesc = "Asks a running recording server, by the API of its web listener."
    optParameters = [
        ["url", "u", None, f"Where it is (SIPREC_URL; else {DEFAULT_URL})."],
        ["token-file", "t", None, "The file with the token (SIPREC_TOKEN_FILE or SIPREC_TOKEN)."],
    ]
    optFlags = [
        ["json", "j", "JSON, on a terminal too."],
        ["table", None, "Tables, in a pipe too."],
    ]
    subCommands = [
        ["calls", None, CallsOptions, "The calls in progress."],
        ["history", None, HistoryOptions, "The calls that are over, the newest first."],
        ["call", None, CallOptions, "All about a call."],
        ["sip", None, CallOptions, "The SIP messages of a call."],
        ["metadata", None, CallOptions, "The metadata of a call as it was received."],
        ["hangup", None, CallOptions, "End a call."],
        ["pause", None, CallOptions, "Record nothing of a call until it is resumed."],
        ["resume", None, CallOptions, "Record a call again."],
        ["drop", None, DropOptions, "Have the SRC close one stream of a call."],
        ["copy", None, CopyOptions, "Send a call to a destination too, from now on."],
        ["uncopy", None, CopyOptions, "Send a call to one of its destinations no more."],
        ["packets", None, NoOptions, "The calls that are in files as packets."],
        ["trace", None, TraceOptions, "Log SIP messages, or no more: trace on SOURCE."],
        ["drain", None, NoOptions, "Take no new call; those in progress go on."],
        ["token", None, NoOptions, "Make a token and its hash; no server is asked."],
        ["status", None, NoOptions, "The server as a whole."],
        ["health", None, NoOptions, "Whether it is there."],
        ["ready", None, NoOptions, "Whether it takes new calls."],
    ]

    def postOptions(self) -> None:
        """Something is to be done."""
        if self.subCommand is None:
            raise usage.UsageError("a command is needed")
        url = self["url"] or os.environ.get("SIPREC_URL") or DEFAULT_URL
        if urlsplit(url).scheme not in ("http", "https"):
            raise usage.UsageError(f"{url} is no http:// or https:// URL")
        self["url"] = url.rstrip("/")
        self["token"] = self._token()

    def _token(self) -> str:
        path: str | None = self["token-file"] or os.environ.get("SIPREC_TOKEN_FILE")
        if not path:
            return os.environ.get("SIPREC_TOKEN", "")
        try:
            text: str = Path(path).read_text("utf-8")
            return text.strip()
        except (OSError, UnicodeDecodeError) as error:
            raise usage.UsageError(f"{path} cannot be read: {error}") from None


async def run(options: Options, ask: Ask) -> Any:
    """Do what the command says. The result is the answer of the API."""
    command, given = options.subCommand, options.subOptions
    match command:
        case "token":
            token = new_token(secrets.token_bytes)
            return {"token": token, "hash": hashed(token)}
        case "calls":
            return await ask("GET", f"/api/v1/calls?{urlencode({'q': given['search']})}")
        case "history":
            query = {"q": given["search"], "limit": given["limit"]}
            query["refused"] = "true" if given["refused"] else "false"
            return await ask("GET", f"/api/v1/history?{urlencode(query)}")
        case "status":
            return await ask("GET", "/api/v1/status")
        case "packets":
            return await ask("GET", "/api/v1/packets")
        case "trace" if given["on"] == "on":
            named = json.dumps({"name": given["word"]}).encode()
            return await ask("POST", "/api/v1/traces", named)
        case "trace" if given["on"] == "off":
            return await ask("DELETE", f"/api/v1/traces/{quote(given['word'], safe='')}")
        case "trace":
            return await ask("GET", "/api/v1/traces")
        case "drain":
            return await ask("POST", "/api/v1/drain")
        case "health":
            return await ask("GET", "/healthz")
        case "ready":
            return await ask("GET", "/readyz")
    path = f"/api/v1/calls/{quote(await find(given['name'], ask), safe='')}"
    if command == "call":
        return await ask("GET", path)
    if command == "copy":
        named = json.dumps({"name": given["destination"]}).encode()
        return await ask("POST", f"{path}/destinations", named)
    if command == "uncopy":
        return await ask("DELETE", f"{path}/destinations/{quote(given['destination'], safe='')}")
    if command in ("sip", "metadata"):
        return await ask("GET", f"{path}/{command}")
    if command == "drop":
        return await ask("DELETE", f"{path}/streams/{given['index']}")
    return await ask("POST", f"{path}/{command}")


async def find(name: str, ask: Ask) -> str:
    """
    The id of the one call that a name, or the beginning of one, means. Calls in
    progress go before those that are over.
    """
    for path in ("/api/v1/calls", "/api/v1/history?limit=1000"):
        calls = (await ask("GET", path))["calls"]
        names: dict[str, tuple[str, str]] = {
            call["id"]: (call["id"], call["call_id"]) for call in calls
        }
        exact = [id for id, known in names.items() if name in known]
        found = exact or [
            id for id, known in names.items() if any(each.startswith(name) for each in known)
        ]
        if len(found) > 1:
            raise Refused(f"{len(found)} calls begin with {name!r}: give more of it")
        if found:
            return found[0]
    raise Refused(f"no call begins with {name!r}")


def asker(reactor: Any, url: str, token: str) -> Ask:
    """Asks the server at a URL."""

    async def ask(method: str, path: str, body: bytes | None) -> Any:
        headers = Headers({"User-Agent": [f"siprecctl/{__version__}"]})
        if token:
            headers.setRawHeaders("Authorization", [f"Bearer {token}"])
        if body is not None:
            headers.setRawHeaders("Content-Type", ["application/json"])
        try:
            response = await treq.request(
                method, url + path, headers=headers, data=body, timeout=TIMEOUT_S, reactor=reactor
            )
            text = (await treq.content(response)).decode("utf-8", "replace")
        except (ConnectError, ConnectionLost, TimeoutError, ResponseFailed) as error:
            raise Refused(f"{url} does not answer: {_why(error)}") from None
        answer = _answer(url, response, text)
        # 503 is an answer of /readyz, not a fault.
        if response.code >= 400 and not (isinstance(answer, dict) and "detail" not in answer):
            detail = answer["detail"] if isinstance(answer, dict) else text[:200]
            raise Refused(f"{response.code}: {detail}")
        return answer

    def begin(method: str, path: str, body: bytes | None = None) -> Deferred[Any]:
        return Deferred.fromCoroutine(ask(method, path, body))

    return begin


def _answer(url: str, response: Any, text: str) -> Any:
    """What the server said: JSON, or a text."""
    kind = response.headers.getRawHeaders("content-type", [""])[0].partition(";")[0].strip()
    if kind == "text/plain":
        return text
    try:
        if kind in ("application/json", "application/problem+json"):
            return json.loads(text)
    except ValueError:
        pass
    raise Refused(f"{url} is no recording server, or not its web listener")


def _why(error: Exception) -> str:
    if isinstance(error, ResponseNeverReceived | ResponseFailed):
        return ", ".join(each.getErrorMessage() for each in error.reasons)
    return str(error) or type(error).__name__


def shown(options: Options, answer: Any, terminal: bool) -> str:
    """The answer as it is printed."""
    if isinstance(answer, str):
        return view.safe(answer) if terminal else answer
    tables = options["table"] or (terminal and not options["json"])
    if not tables:
        return json.dumps(answer, indent=2 if terminal else None)
    return view.table(str(options.subCommand), answer)


async def _main(reactor: Any, options: Options) -> None:
    try:
        answer = await run(options, asker(reactor, options["url"], options["token"]))
    except Refused as error:
        sys.exit(f"siprecctl: {error}")
    print(shown(options, answer, sys.stdout.isatty()))
    if options.subCommand == "ready" and answer.get("status") != "ready":
        sys.exit(1)


def main() -> None:
    """The console command."""
    options = Options()  # type: ignore[no-untyped-call]
    try:
        options.parseOptions()  # type: ignore[no-untyped-call]
    except usage.UsageError as error:
        sys.exit(f"siprecctl: {error}\nTry siprecctl --help.")
    task.react(lambda reactor: Deferred.fromCoroutine(_main(reactor, options)))
