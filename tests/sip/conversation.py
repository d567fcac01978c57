"""
Conversations with the user agent as text, and what runs them.

A file of ``tests/conversations`` is read line by line:

``# …``
    says what it is about.
``% name=value``
    a setting of the user agent (before the first message); ``limits.name=value``
    and ``timers.name=value`` for those two.
``flow NAME TRANSPORT HOST PORT [LOCAL [IDENTITY]]``
    a way that messages come; the first one is used until ``on NAME`` names
    another. The identity is a name in the peer's certificate.
``as USER SECRET [COUNT [ALGORITHM]]``
    who the SRC says that it is from here on: ``{credentials}`` in its messages
    is its answer to the last challenge, the first one of all or the one of the
    algorithm.
``> …``
    a line of a message that the SRC sends. ``{length}`` is the length of its
    body; other names in braces are what was caught before.
``< …``
    the next message that we send: its start line, and lines that it has, in
    their order. A name in braces catches what stands there, or has to be what
    was caught. ``<- Name`` is a header field that it must not have.
``! …``
    the next event for the transaction user: its class, and for some of them
    what is the matter.
``= …``
    what the transaction user does: accept, refuse, bye, update, invite, cancel,
    drain, overload, fail, lost.
``in NAME``
    the lines of ``NAME.part``.
``@ 1.5``
    it is 1.5 s since the beginning; what is due until then happens in its time.

Messages and events are each taken in their order. None may be left when
something new begins, or at the end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import count, groupby
from pathlib import Path

from twisted_siprec.sip.accounts import Accounts
from twisted_siprec.sip.authentication import Authentication, DigestSettings, Gate
from twisted_siprec.sip.authorization import Secrets
from twisted_siprec.sip.digest import Challenge, Credentials, answer
from twisted_siprec.sip.events import (
    Answered,
    Cancelled,
    Ended,
    Flow,
    Limits,
    Output,
    Refused,
    Respond,
    Reuse,
    Send,
    Timers,
    Transport,
    UserAgentSettings,
)
from twisted_siprec.sip.message import Request
from twisted_siprec.sip.nonces import Nonces
from twisted_siprec.sip.uas import UserAgentServer

SDP = b"v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
_NAME = re.compile(r"\{([a-z_0-9]+)\}")
_START_LINE = re.compile(r"(SIP/2\.0 \d{3} .*|[A-Z]+ \S+ SIP/2\.0)$")
DIRECTORY = Path(__file__).parent.parent / "conversations"


def flow(
    name: str = "udp",
    transport: str = "UDP",
    host: str = "192.0.2.10",
    port: int = 5060,
    local: str = "198.51.100.1",
    *identities: str,
) -> Flow:
    """A flow; its key is its name."""
    kind = Transport[transport]
    ours = (local, 5061 if kind is Transport.TLS else 5060)
    return Flow(kind, name, ours, (host, port), ours, identities)


def tokens() -> Iterator[int]:
    """What makes tags and branches that a reader can tell apart."""
    return count(1)


def user_agent(
    settings: UserAgentSettings | None = None,
    accounts: Accounts | None = None,
    secrets: Secrets | None = None,
) -> UserAgentServer:
    """
    A user agent whose random tokens are numbers in order.

    :param accounts: who may send it requests, in the realm ``srs``.
    """
    numbers = tokens()

    def token(digits: int) -> str:
        return f"{next(numbers):0{digits}x}"

    gate: Gate | None = None
    if accounts is not None:
        authentication = Authentication(
            "sbc", DigestSettings("srs"), lambda: accounts, Nonces("key", 60.0), token
        )

        def gate(request: Request, flow: Flow, now: float) -> Credentials | None:
            return authentication.check(request, now)

    return UserAgentServer(settings or UserAgentSettings(), token, gate=gate, secrets=secrets)


class Conversation:
    """One file, running."""

    def __init__(self, text: str) -> None:
        self.lines = list(_included(text))
        self.settings = UserAgentSettings()
        self.flows: dict[str, Flow] = {}
        self.current = flow()
        self.caught: dict[str, str] = {}
        self.now = 100.0
        self.messages: deque[Respond | Send] = deque()
        self.events: deque[Output] = deque()
        self.transaction = self.dialog = self.sent = ""
        self._agent: UserAgentServer | None = None
        self.accounts: Accounts | None = None
        self.secrets: dict[str, tuple[str, str]] = {}
        self.client: list[str] = []
        self.challenges: list[Challenge] = []

    @property
    def agent(self) -> UserAgentServer:
        """The user agent, made when it is needed first."""
        if self._agent is None:
            self._agent = user_agent(self.settings, self.accounts, self.secrets.get)
        return self._agent

    def run(self) -> None:
        """From the first line to the last."""
        for marker, group in groupby(self.lines, key=lambda line: line[:2].rstrip()):
            lines = [line[2:] for line in group]
            if marker in (">", "<"):
                for message in _split(lines):
                    self._message(marker, message)
                continue
            if marker == "<-":
                self._message(marker, lines)
                continue
            for line in lines:
                self._line(marker, line)
        self.nothing_left()

    def _message(self, marker: str, lines: list[str]) -> None:
        if marker == ">":
            self.nothing_left()
            self.agent.receive(self._filled(lines), self.current, self.now)
            self.drain()
        elif marker == "<":
            self._expect(lines)
        else:
            for line in lines:
                name = line.strip().lower()
                assert not any(
                    field.lower().startswith(f"{name}:") for field in self.last_message
                ), f"{name} is in {self.last_message}"

    def _line(self, marker: str, line: str) -> None:
        if marker == "%":
            self._set(line.strip())
        elif marker == "!":
            self._event(line.strip())
        elif marker == "=":
            self.nothing_left()
            self._command(*line.split())
            self.drain()
        elif marker == "@":
            self.nothing_left()
            self._wait(100.0 + float(line))
        elif marker == "fl":
            name, transport, host, port, *local = line.split()[1:]
            self.flows[name] = flow(name, transport, host, int(port), *local)
            if len(self.flows) == 1:
                self.current = self.flows[name]
        elif marker == "as":
            self.client = line.split()
        elif marker == "on":
            self.current = self.flows[line.strip()]
        else:
            assert marker in ("#", ""), f"{marker}{line}"

    def _set(self, line: str) -> None:
        name, _, value = line.partition("=")
        if name.startswith("limits."):
            limits = replace(self.settings.limits, **{name[7:]: int(value)})
            assert name[7:] in {field.name for field in fields(Limits)}
            self.settings = replace(self.settings, limits=limits)
        elif name.startswith("timers."):
            assert name[7:] in {field.name for field in fields(Timers)}
            timers = replace(self.settings.timers, **{name[7:]: float(value)})
            self.settings = replace(self.settings, timers=timers)
        elif name == "accounts":
            self.accounts = Accounts.parse(value.replace(",", "\n"))
        elif name == "secret":
            realm, user, secret = value.split(":")
            self.secrets[realm] = (user, secret)
        elif name in ("domains", "users"):
            self.settings = replace(self.settings, **{name: tuple(value.split(","))})
        elif name == "allow":
            self.settings = replace(self.settings, allow=tuple(value.split(",")))
        elif name == "reuse_flow":
            self.settings = replace(self.settings, reuse_flow=Reuse(value))
        else:
            self.settings = replace(self.settings, **{name: int(value)})

    def _filled(self, lines: list[str]) -> bytes:
        text = "\r\n".join(lines)
        head, blank, body = text.partition("\r\n\r\n")
        if body:
            body += "\r\n"
        known = {**self.caught, "length": str(len(body.encode()))}
        if "{credentials}" in head:
            known["credentials"] = self._credentials(*head.split(" ", 2)[:2], body.encode())
        head = _NAME.sub(lambda match: known[match[1]], head)
        return (head + (blank or "\r\n\r\n") + body).encode()

    def _credentials(self, method: str, uri: str, body: bytes) -> str:
        user, secret, *more = self.client
        count, algorithm = int(more[0]) if more else 1, more[1] if len(more) > 1 else None
        challenge = next(
            each for each in self.challenges if algorithm in (None, each.algorithm.value)
        )
        given = answer(challenge, user, secret, method, uri, body, cnonce="c", count=count)
        return str(given)

    def _expect(self, lines: list[str]) -> None:
        assert self.messages, f"nothing was sent, not {lines[0]}"
        octets = self.messages.popleft().octets.decode()
        self.last_message = octets.split("\r\n")
        asked = [line[18:] for line in self.last_message if line.startswith("WWW-Authenticate: ")]
        if asked:
            self.challenges = [found for line in asked if (found := Challenge.parse(line))]
        rest = iter(self.last_message)
        start_line = next(rest)
        assert self._matches(lines[0], start_line), f"{start_line!r} is not {lines[0]!r}"
        for line in lines[1:]:
            assert any(self._matches(line, actual) for actual in rest), (
                f"{line!r} is not, or not there, in\n{octets}"
            )

    def _matches(self, expected: str, actual: str) -> bool:
        pattern, at, names = "", 0, []
        for match in _NAME.finditer(expected):
            pattern += re.escape(expected[at : match.start()])
            at = match.end()
            if match[1] in self.caught:
                pattern += re.escape(self.caught[match[1]])
            else:
                names.append(match[1])
                pattern += "([^;>\\s]+)"
        found = re.fullmatch(pattern + re.escape(expected[at:]), actual)
        if found is not None:
            self.caught.update(zip(names, found.groups(), strict=True))
        return found is not None

    def _event(self, expected: str) -> None:
        assert self.events, f"no event, not {expected}"
        event = self.events.popleft()
        kind, _, about = expected.partition(" ")
        assert type(event).__name__ == kind, f"{event} is not {expected}"
        if about:
            assert about == _about(event), f"{_about(event)!r} is not {about!r}"

    def _command(self, verb: str, *words: str) -> None:
        agent, now = self.agent, self.now
        match verb:
            case "accept":
                body = b"" if "bare" in words else SDP
                agent.accept(self.transaction, now, body=body)
            case "refuse":
                agent.refuse(self.transaction, now, int(words[0]), " ".join(words[1:]))
            case "bye":
                self.sent = agent.send_bye(self.dialog, now, " ".join(words)) or "none"
            case "update":
                body = b"x" * int(words[0]) if words else b""
                self.sent = (
                    agent.send_update(
                        self.dialog,
                        now,
                        body=body,
                        content_type="application/rs-metadata+xml",
                        disposition="recording-session",
                    )
                    or "none"
                )
            case "invite":
                self.sent = agent.send_invite(self.dialog, now, body=SDP) or "none"
            case "cancel":
                assert agent.cancel_invite(self.dialog, now)
            case "overload":
                agent.overload(int(words[0]) if words else None)
            case "drain":
                agent.drain(int(words[0]) if words else None)
            case "fail":
                agent.send_failed(self.sent, now)
            case "lost":
                agent.flow_lost(words[0], now)
            case "none":
                assert self.sent == "none"
            case _:
                raise AssertionError(verb)

    def _wait(self, until: float) -> None:
        while (deadline := self.agent.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self.agent.expire(deadline)
            self.drain()
        self.now = until

    def drain(self) -> None:
        """Sort what the agent wants done."""
        for output in self.agent.outputs():
            if isinstance(output, Respond | Send):
                self.messages.append(output)
                continue
            self.events.append(output)
            if type(output).__name__ in ("Invited", "Reinvited", "Updated", "Informed"):
                self.transaction = getattr(output, "transaction")  # noqa: B009
                self.dialog = getattr(output, "dialog")  # noqa: B009

    def nothing_left(self) -> None:
        """All that happened was expected."""
        assert not self.messages, self.messages[0].octets.decode()
        assert not self.events, self.events[0]


def _split(lines: list[str]) -> Iterator[list[str]]:
    """Messages that follow each other, each from its start line on."""
    message: list[str] = []
    for line in lines:
        if message and _START_LINE.match(line):
            yield message
            message = []
        message.append(line)
    yield message


def _included(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith("in "):
            yield from _included((DIRECTORY / f"{line[3:].strip()}.part").read_text())
        else:
            yield line


def _about(event: Output) -> str:
    match event:
        case Ended(reason=reason):
            return reason.name
        case Answered(method=method, status=status):
            return f"{method} {status}"
        case Refused(status=status):
            return str(status)
        case Cancelled():
            return ""
    return str(getattr(event, "reason", ""))
