"""
Conversations of an SRC with the whole recording server, and what replays them: in
memory (``tests/net/calls/test_recording_server.py``) and over the real listeners
(``tests/interop/test_vendors.py``).

A file of ``tests/conversations/vendors`` is read line by line:

``# …``
    says what it is about.
``dialog NAME``
    from here on it is about this dialog; another name begins another one.
``> …``
    a request of the SRC: ``METHOD`` or ``METHOD URI``, header fields, an empty
    line, the body. Via, From, To, Call-ID, CSeq, Max-Forwards, Contact and
    Content-Length are written where the file has none. ``{here}`` is the SRC's
    address, ``{via}`` its transport and address, ``{srs}`` our URI.
``< 200``
    the response to it; lines after it are in that response, in their order, with
    ``*`` for anything. A 200 to an offer is checked besides: as many m-lines, in
    their order, each with its label and the direction that follows from the offer.
``ack``
    the ACK to the last 200; ``ack`` lines after ``>`` lines of a body bear it.
``<< METHOD`` or ``<< METHOD STATUS``
    a request of ours, with lines as above; it is answered 200, or as it says. A 200 to
    an INVITE has an answer: every stream that we want is sent. Our ACK has to come.
``<<! METHOD``
    a request of ours that gets no answer yet.
``rtp``
    packets come on every stream that we receive (over the real listeners).
``? WHAT …``
    what is known of the call by now; see :meth:`Replay._ask`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count, groupby
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, fail, succeed

from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    EndReason,
    Redirection,
    StreamPlan,
)
from twisted_siprec.report import BridgeClosed, BridgeOpened, Report, StreamPorts, StreamStatistics

DIRECTORY = Path(__file__).parent / "conversations" / "vendors"
FILES = sorted(DIRECTORY.glob("*.txt"))

_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}
_NUMBERS = count(1)
_ANSWERED = {
    "sendonly": "recvonly",
    "sendrecv": "recvonly",
    "recvonly": "inactive",
    "inactive": "inactive",
}


@dataclass
class View:
    """What the media plane was told of a call."""

    plan: BridgePlan
    channels: tuple[ChannelPlan, ...] = ()
    streams: tuple[StreamPlan, ...] = ()
    description: Description = field(default_factory=lambda: Description("", ""))
    paused: bool = False
    events: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    destinations: list[tuple[str, ...]] = field(default_factory=list)
    "Where it was sent to instead, each time."
    ended: EndReason | None = None
    account: BridgeClosed | None = None


class WatchedMedia:
    """A media plane, and a note of all that it is told; without one, ports that are none."""

    def __init__(self, inner: object = None) -> None:
        self.inner = inner
        self.views: dict[str, View] = {}
        self.failure: Exception | None = None
        self._ports: dict[tuple[str, int], StreamPorts] = {}

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """Note the beginning, or fail as a test wants it."""
        if self.failure is not None:
            return fail(self.failure)
        view = View(plan, plan.channels, plan.streams, plan.description, plan.paused)
        self.views[plan.bridge] = view
        if self.inner is not None:
            return self.inner.open(plan)
        return succeed(self._opened(plan.bridge, plan.streams))

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """Note what changed."""
        view = self.views[update.bridge]
        view.channels, view.streams = update.channels, update.streams
        view.description, view.paused = update.description, update.paused
        view.events += [f"{each.event} {each.participant_id}" for each in update.events]
        view.keys += [each.digit for each in update.key_presses]
        if self.inner is not None:
            return self.inner.update(update)
        return succeed(self._opened(update.bridge, update.streams))

    def tap(self, bridge: str, tap: object) -> Callable[[], None]:
        """There is nothing to see."""
        return lambda: None

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """Note where it goes."""
        view = self.views[redirection.bridge]
        view.destinations.append(tuple(each.name for each in redirection.destinations))
        return succeed(self._opened(redirection.bridge, view.streams))

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """Note the end, and the account of it."""
        view = self.views[bridge]
        view.ended = reason
        if self.inner is None:
            return succeed(BridgeClosed(bridge, reason, 0, (), ()))

        def note(closed: BridgeClosed) -> BridgeClosed:
            view.account = closed
            return closed

        return self.inner.close(bridge, reason).addCallback(note)

    def statistics(self, bridge: str) -> tuple[StreamStatistics, ...]:
        """What came."""
        return self.inner.statistics(bridge) if self.inner is not None else ()

    def listen(self, listener: Callable[[Report], None]) -> None:
        """Nothing is reported by itself where there is no plane."""
        if self.inner is not None:
            self.inner.listen(listener)

    def _opened(self, bridge: str, streams: tuple[StreamPlan, ...]) -> BridgeOpened:
        for each in streams:
            number = 30_000 + 2 * len(self._ports)
            self._ports.setdefault(
                (bridge, each.index), StreamPorts(each.index, number, number + 1)
            )
        return BridgeOpened(bridge, tuple(self._ports[bridge, each.index] for each in streams))


class Wire(Protocol):
    """How the SRC of a conversation reaches us."""

    here: str
    via: str
    srs: str

    def send(self, octets: bytes) -> None:
        """A message of the SRC."""

    def message(self) -> Awaitable[bytes]:
        """Our next message."""

    def settle(self, holds: Callable[[], None]) -> Awaitable[None]:
        """Until ``holds`` no longer raises."""

    def rtp(self, stream: str, port: int, payload_type: int) -> None:
        """Packets on a stream, to a port of ours; the source is another for another name."""


@dataclass
class Section:
    """An m-line as the tests read it, which is not as the server does."""

    line: str
    attributes: list[str]
    direction: str

    @property
    def port(self) -> int:
        """Of the m-line."""
        return int(self.line.split()[1].partition("/")[0])

    @property
    def formats(self) -> list[str]:
        """Payload types."""
        return self.line.split()[3:]

    @property
    def label(self) -> str | None:
        """The a=label line."""
        return next((each for each in self.attributes if each.startswith("a=label:")), None)


def sections(body: str) -> list[Section]:
    """The m-lines of the SDP that is somewhere in a body."""
    start = re.search(r"^v=0", body, re.MULTILINE)
    if start is None:
        return []
    lines = re.split(r"\r?\n", body[start.start() :])
    end = next((n for n, line in enumerate(lines) if line.startswith(("--", "<"))), len(lines))
    chunks: list[list[str]] = [[]]
    for line in lines[:end]:
        if line.startswith("m="):
            chunks.append([])
        chunks[-1].append(line)
    session, *media = chunks
    return [Section(chunk[0], chunk[1:], _direction(chunk, session)) for chunk in media]


def _direction(chunk: list[str], session: list[str]) -> str:
    connections = [line for line in (*chunk, *session) if line.startswith("c=")]
    if connections and connections[0].split()[-1] == "0.0.0.0":
        return "inactive"
    words = (line[2:] for line in (*chunk, *session))
    return next((word for word in words if word in _ANSWERED), "sendrecv")


class Dialog:
    """The SRC's side of a dialog."""

    def __init__(self, name: str, wire: Wire) -> None:
        self.number = next(_NUMBERS)
        self.call_id = f"{name.replace(' ', '-')}-{self.number}@{wire.here}"
        self.sequence = 0
        self.branch = 0
        self.sender = f"<sip:src@{wire.here}>;tag=src-{self.number}"
        self.recipient = f"<{wire.srs}>"
        self.contact = f"<sip:src@{wire.here}>;+sip.src"
        self.target = wire.srs
        self.offer: list[Section] = []
        self.answer: list[Section] = []
        self.sent: dict[int, int] = {}
        self.events_seen = 0


class Replay:
    """One file, running."""

    def __init__(self, text: str, wire: Wire, media: WatchedMedia) -> None:
        self.text = text
        self.wire = wire
        self.media = media
        self.dialogs: dict[str, Dialog] = {}
        self.dialog = self._dialog("1")
        self.response: list[str] = []
        self._seen: set[bytes] = set()
        self._body: list[str] = []

    async def run(self) -> None:
        """From the first line to the last."""
        for marker, lines in self._blocks():
            match marker:
                case ">":
                    for request in _requests(lines):
                        self._send(request)
                case "<":
                    for block in _starting(lines, r"\d{3}$"):
                        await self._response(block)
                case "<<":
                    for block in _starting(lines, r"[A-Z]+( \d{3})?$"):
                        await self._request(block)
                case "<<!":
                    for block in _starting(lines, r"[A-Z]+$"):
                        await self._requested(block[0], block[1:])
                case "?":
                    for line in lines:
                        await self.wire.settle(lambda line=line: self._ask(*line.split(" ", 1)))
                case "dialog":
                    self.dialog = self._dialog(lines[-1])
                case "ack":
                    self._ack()
                case "rtp":
                    await self._rtp()
                case _:
                    raise AssertionError(f"{marker} {lines}")
        for dialog in self.dialogs.values():
            await self.wire.settle(lambda dialog=dialog: self._all_heard(dialog))

    def view(self, dialog: Dialog | None = None) -> View:
        """What the media plane knows of a dialog's call."""
        call_id = (dialog or self.dialog).call_id
        found = [each for each in self.media.views.values() if each.plan.call_id == call_id]
        assert found, f"nothing is recorded for {call_id}"
        return found[-1]

    # --- the file -----------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[str, list[str]]]:
        lines = [line for line in self.text.split("\n") if line and not line.startswith("#")]
        for marker, group in groupby(lines, key=lambda line: line.split(" ", 1)[0]):
            yield marker, [line.partition(" ")[2] for line in group]

    def _dialog(self, name: str) -> Dialog:
        return self.dialogs.setdefault(name, Dialog(name, self.wire))

    # --- the SRC speaks -------------------------------------------------------------

    def _filled(self, text: str) -> str:
        for name in ("here", "via", "srs"):
            text = text.replace(f"{{{name}}}", getattr(self.wire, name))
        return text

    def _send(self, lines: list[str]) -> None:
        lines = [self._filled(line) for line in lines]
        first, *rest = lines
        blank = rest.index("") if "" in rest else len(rest)
        head, body = rest[:blank], rest[blank + 1 :]
        if first == "BODY":
            # It goes with the next ACK.
            self._body = rest
            return
        method, _, uri = first.partition(" ")
        self._emit(method, uri, head, body)

    def _emit(self, method: str, uri: str, head: list[str], body: list[str]) -> None:
        dialog = self.dialog
        given = {_name(line): line.partition(":")[2].strip() for line in head if ":" in line}
        if method == "INVITE" and dialog.sequence == 0:
            dialog.sender = given.get("from", dialog.sender)
            dialog.recipient = given.get("to", dialog.recipient)
            dialog.contact = given.get("contact", dialog.contact)
            dialog.call_id = given.get("call-id", dialog.call_id)
        written = int(given.get("cseq", f"{dialog.sequence + 1}").split()[0])
        if method != "ACK":
            dialog.branch += 1
            if written > dialog.sequence:
                dialog.sequence = written
        octets = "\r\n".join(body).encode() + (b"\r\n" if body else b"")
        branch = f"z9hG4bK{dialog.number}x{dialog.branch}{method}"
        own = {
            "via": f"Via: SIP/2.0/{self.wire.via};branch={branch}",
            "from": f"From: {dialog.sender}",
            "to": f"To: {dialog.recipient}",
            "call-id": f"Call-ID: {dialog.call_id}",
            "cseq": f"CSeq: {dialog.sequence} {method}",
            "max-forwards": "Max-Forwards: 70",
            "content-length": f"Content-Length: {len(octets)}",
        }
        if method in ("INVITE", "UPDATE"):
            own["contact"] = f"Contact: {dialog.contact}"
        missing = [line for name, line in own.items() if name not in given]
        start = f"{method} {uri or dialog.target} SIP/2.0"
        if sections("\n".join(body)):
            if method == "ACK":
                dialog.answer = []
            dialog.offer = sections("\n".join(body))
        elif method == "INVITE":
            dialog.offer = []
        self.offered = bool(sections("\n".join(body)))
        self.wire.send("\r\n".join([start, *missing, *head, "", ""]).encode() + octets)

    def _ack(self) -> None:
        head: list[str] = []
        body = self._body
        if body:
            blank = body.index("")
            head, body = body[:blank], body[blank + 1 :]
        self._body = []
        self._emit("ACK", "", head, body)

    async def _rtp(self) -> None:
        dialog = self.dialog
        for index, section in enumerate(dialog.answer):
            if "a=recvonly" in section.attributes and section.port:
                name = f"{dialog.call_id} {index} {dialog.offer[index].port if dialog.offer else 0}"
                self.wire.rtp(name, section.port, int(section.formats[0]))
                dialog.sent[index] = dialog.sent.get(index, 0) + PACKETS
        await self.wire.settle(lambda: self._all_heard(dialog))

    # --- we answer ----------------------------------------------------------------------

    async def _next(self, response: bool) -> list[str]:
        while True:
            octets = await self.wire.message()
            lines = octets.decode().split("\r\n")
            if octets in self._seen or (response and re.match(r"SIP/2.0 1\d\d", lines[0])):
                continue
            self._seen.add(octets)
            return lines

    async def _response(self, expected: list[str]) -> None:
        status, *patterns = expected
        self.response = await self._next(True)
        assert self.response[0].startswith(f"SIP/2.0 {status} "), "\n".join(self.response)
        _in_order(patterns, self.response)
        if status != "200":
            return
        dialog = self.dialog
        fields = {
            _name(line): line.partition(":")[2].strip() for line in self.response if ":" in line
        }
        cseq = fields["cseq"]
        if cseq.endswith("INVITE"):
            dialog.recipient = fields["to"]
            dialog.target = fields["contact"].partition("<")[2].partition(">")[0]
        if cseq.endswith(("INVITE", "UPDATE")):
            assert re.search(r">;.*\+sip\.srs", fields["contact"]), fields["contact"]
            assert "siprec" not in fields.get("require", "")
            body = "\n".join(self.response[self.response.index("") + 1 :])
            answer = sections(body)
            if self.offered:
                assert fields["content-type"] == "application/sdp"
                _check_answer(dialog.offer, answer)
            elif cseq.endswith("UPDATE"):
                assert not answer, "an UPDATE without SDP was answered with one"
            dialog.answer = answer or dialog.answer

    async def _request(self, expected: list[str]) -> None:
        first, *patterns = expected
        method, _, status = first.partition(" ")
        lines = await self._requested(method, patterns)
        copied = [line for line in lines if _name(line) in ("via", "from", "to", "call-id", "cseq")]
        head = [f"SIP/2.0 {status or 200} Whatever", *copied, f"Contact: {self.dialog.contact}"]
        body = b""
        if method == "INVITE" and not status:
            body = self._answer_to("\n".join(lines))
            head.append("Content-Type: application/sdp")
        head.append(f"Content-Length: {len(body)}")
        self.wire.send("\r\n".join((*head, "", "")).encode() + body)
        if method == "INVITE":
            await self._requested("ACK", [])

    async def _requested(self, method: str, patterns: list[str]) -> list[str]:
        lines = await self._next(False)
        assert lines[0].startswith(f"{method} "), "\n".join(lines)
        _in_order(patterns, lines)
        return lines

    def _answer_to(self, offer: str) -> bytes:
        """The SRC sends what we want to receive."""
        lines = ["v=0", "o=- 1 9 IN IP4 {here}", "s=-", "c=IN IP4 {here}", "t=0 0"]
        for number, section in enumerate(sections(offer)):
            kind, _, *rest = section.line.split()
            port = 4000 + 2 * number if section.port else 0
            direction = "sendonly" if section.direction == "recvonly" else "inactive"
            lines += [" ".join((kind, str(port), *rest)), f"a={direction}"]
            lines += [each for each in section.attributes if each.startswith("a=label")]
        return "".join(self._filled(line) + "\r\n" for line in lines).encode()

    # --- what is known ------------------------------------------------------------------

    def _ask(self, what: str, expected: str = "") -> None:
        """One line that begins with a question mark."""
        view = self.view()
        known = view.description
        match what:
            case "channels":
                # participant role label | …
                found = " | ".join(
                    " ".join(part or "-" for part in (each.participant_id, each.role, each.label))
                    for each in view.channels
                )
            case "present":
                found = " ".join(each.id for each in known.participants if each.left_at is None)
            case "named":
                found = " | ".join(
                    f"{each.id} {each.aor or '-'} {each.name or '-'}" for each in known.participants
                )
            case "parties":
                found = f"{known.caller or '-'} {known.called or '-'}"
            case "sent":
                # label by participants | …
                found = " | ".join(
                    f"{each.label} {','.join(each.sent_by) or '-'}" for each in known.streams
                )
            case "active":
                found = " ".join("yes" if each.active else "no" for each in view.streams)
            case "sources":
                found = " ".join(str((each.source or ("", 0))[1]) for each in view.streams)
            case "codecs":
                found = " ".join(each.codecs[0].name for each in view.streams)
            case "paused":
                found = "yes" if view.paused else "no"
            case "revision":
                found = str(known.revision)
            case "extension":
                name = expected.partition("=")[0]
                found = f"{name}={dict(known.extensions).get(name)}"
            case "stitch":
                found = known.stitch or "-"
            case "keys":
                found = " ".join(known.stitch_keys)
            case "groups":
                found = " ".join(each.id for each in known.groups)
            case "sessions":
                found = " ".join(
                    each.id + ("" if each.stop_time is None else " over") for each in known.sessions
                )
            case "warned":
                found = " ".join(dict.fromkeys(code for code, _ in known.warnings))
            case "pressed":
                found = "".join(view.keys)
            case "closed":
                found = view.ended.value if view.ended is not None else "-"
            case "events":
                found = ", ".join(view.events[self.dialog.events_seen :])
            case _:
                raise AssertionError(f"? {what}")
        assert found == self._filled(expected), f"{what}: {found!r} is not {expected!r}"
        if what == "events":
            self.dialog.events_seen = len(view.events)

    def _all_heard(self, dialog: Dialog) -> None:
        """Every packet that was sent was received, whatever happened meanwhile."""
        if self.media.inner is None or not dialog.sent:
            return
        view = self.view(dialog)
        if view.ended is not None and view.account is None:
            raise AssertionError("the account is not here yet")
        streams = (
            view.account.streams
            if view.account is not None
            else self.media.statistics(view.plan.bridge)
        )
        for each in streams:
            sent = dialog.sent.get(each.index, 0)
            assert each.packets >= sent, f"stream {each.index}: {each} of {sent}"


PACKETS = 4
"On each stream, each time."


def _in_order(patterns: list[str], lines: list[str]) -> None:
    rest = iter(lines)
    for pattern in patterns:
        escaped = pattern.replace("[", "[[]")
        assert any(fnmatchcase(line, escaped) for line in rest), (
            f"{pattern!r} is not, or not there, in\n" + "\n".join(lines)
        )


def _check_answer(offer: list[Section], answer: list[Section]) -> None:
    assert len(offer) == len(answer), (offer, answer)
    for offered, answered in zip(offer, answer, strict=True):
        kind, _, protocol, *formats = offered.line.split()
        assert answered.line.split()[0] == kind
        assert answered.line.split()[2] == protocol
        assert answered.label == offered.label, (answered, offered)
        assert set(answered.formats) <= set(formats)
        if kind != "m=audio" or offered.port == 0:
            assert answered.port == 0
            continue
        assert answered.port > 0
        assert answered.port % 2 == 0
        assert answered.direction == _ANSWERED[offered.direction], (answered, offered)


def _name(line: str) -> str:
    name = line.partition(":")[0].strip().lower()
    return _COMPACT.get(name, name)


def _requests(lines: list[str]) -> Iterator[list[str]]:
    """Requests that follow each other without anything between them."""
    return _starting(lines, r"(?:BODY|INVITE|UPDATE|BYE|INFO|OPTIONS|CANCEL)(?: \S+)?$")


def _starting(lines: list[str], pattern: str) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        if block and re.match(pattern, line):
            yield block
            block = []
        block.append(line)
    yield block
