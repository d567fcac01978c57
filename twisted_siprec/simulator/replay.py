"""
``siprec-replay``: finds the recording sessions in a capture, and plays them to a
server as if their SRC called again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.python import usage

from .. import __version__
from ..plan import ClientTLS
from ..sip.events import Address, Transport
from ..sip.message import Request
from .call import react
from .call_options import one_of
from .capture_file import CaptureError, read_frames
from .capture_packets import Passed, packets
from .capture_sip import messages
from .client import hex_token
from .dialog import ALLOW, respond
from .display import Display, whole_message
from .media_port import MediaPort, NoPortError, SocketPair
from .replay_call import ReplayedCall, ReplayResult
from .replay_plan import CapturedCall, MediaPacket, calls_in, media_of
from .wire import Message, Target, Wire, WireError, open_wire

MAX_CALLS = 1_000


def _speed(text: str) -> float:
    value = float(text)
    if not 0.01 <= value <= 1_000:
        raise ValueError(f"{text} is not between 0.01 and 1000")
    return value


class Options(usage.Options):
    """What to play, and where to."""

    synopsis = "Usage: siprec-replay [options] --to sip:srs@HOST:PORT CAPTURE"
    longdesc = (
        "Finds the recording sessions (SIPREC) in a pcap or pcapng file and plays them to a "
        "recording server: their INVITEs, re-INVITEs and BYEs with addresses, ports, tags and "
        "Call-IDs of its own, and their RTP and RTCP, all at the times that they had. Exits "
        "with 0 if every call went as it did in the capture."
    )
    optFlags = [
        ["list", "l", "Only show what is in the capture."],
        ["insecure", None, "Do not verify the server's certificate (for trials only)."],
        ["no-media", None, "Send no RTP and no RTCP."],
        ["trace", None, "Print the SIP messages as they are sent and received."],
    ]
    optParameters: list[list[Any]] = [
        ["to", "t", None, "The server: a SIP URI."],
        [
            "transport",
            None,
            None,
            "udp, tcp or tls; else as the URI says.",
            one_of(*Transport.__members__),
        ],
        ["call", "c", None, "Only the call whose Call-ID begins so."],
        ["speed", "s", 1.0, "How many times faster than it was.", _speed],
        ["local", None, "", "The local IP address to call and to send from."],
        ["ca", None, None, "Authorities to trust instead of the system's (a PEM file)."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no annotations here
        self.target: Target | None = None
        self.path = Path()

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"siprec-replay (twisted_siprec) {__version__}")
        raise SystemExit(0)

    def parseArgs(self, path: str) -> None:  # type: ignore[override]  # Twisted reads the arguments' names
        """The capture."""
        self.path = Path(path)

    def postOptions(self) -> None:
        """Check what belongs together."""
        if self["to"] is None:
            if not self["list"]:
                raise usage.UsageError("--to is needed, or --list")
            return
        transport = self["transport"]
        try:
            self.target = Target.parse(self["to"], Transport(transport) if transport else None)
        except ValueError as error:
            raise usage.UsageError(str(error)) from error


class Replayer:
    """Plays calls over one way to the server; its listener."""

    def __init__(
        self,
        reactor: Any,
        options: Options,
        display: Display,
        open_port: Callable[[str], MediaPort] = SocketPair,
        token: Callable[[int], str] = hex_token,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._options = options
        self._display = display
        self._open_port = open_port
        self._token = token
        self._monotonic = monotonic
        self._wire: Wire | None = None
        self._calls: dict[str, ReplayedCall] = {}

    async def play(
        self, played: Sequence[tuple[CapturedCall, list[MediaPacket]]]
    ) -> list[ReplayResult]:
        """All of them, each as long after the first as it was. Raises :exc:`WireError`."""
        options, target = self._options, self._options.target
        assert target is not None  # noqa: S101 - the options demand it
        self._wire = await open_wire(
            self._reactor,
            target,
            self,
            local=options["local"],
            tls=ClientTLS(verify=not options["insecure"], authorities=options["ca"]),
        )
        first = played[0][0].invite.at
        playing = [
            Deferred.fromCoroutine(
                self._play(call, media, (call.invite.at - first) / options["speed"])
            )
            for call, media in played
        ]
        results = [result for _, result in await DeferredList(playing)]
        for call in self._calls.values():
            call.close()
        self._wire.close()
        return results

    async def _play(
        self, captured: CapturedCall, media: list[MediaPacket], wait_s: float
    ) -> ReplayResult:
        await deferLater(self._reactor, wait_s, lambda: None)
        target, wire = self._options.target, self._wire
        assert target is not None and wire is not None  # noqa: S101 - they are opened before
        ports: list[MediaPort] = []
        try:
            for _ in range(captured.stream_count):
                ports.append(self._open_port(wire.local[0]))
        except NoPortError as error:
            for port in ports:
                port.close()
            return ReplayResult(captured.call_id, str(error))

        def say(text: str) -> None:
            self._display.line(f"{captured.call_id}: {text}")

        call = ReplayedCall(
            self._reactor,
            target,
            wire,
            captured,
            media,
            tuple(ports),
            self._token,
            self._monotonic,
            self._options["speed"],
            say,
        )
        self._calls[call.call_id] = call
        return await call.run()

    # --- the wire's listener ---

    def received(self, message: Message, source: Address) -> None:
        """A message of the server."""
        call = self._calls.get(message.call_id or "")
        if call is not None:
            call.received(message, source)
        elif isinstance(message, Request) and message.method != "ACK" and self._wire is not None:
            status = 200 if message.method == "OPTIONS" else 481
            self._wire.send(bytes(respond(message, status, (("Allow", ALLOW),))), source)

    def lost(self, reason: str) -> None:
        """The way to the server is gone."""
        for call in self._calls.values():
            call.lost(reason)

    def traced(self, outgoing: bool, octets: bytes, peer: Address) -> None:
        """A message, for who wants to see it."""
        if self._options["trace"]:
            self._display.line(whole_message(outgoing, octets))


def found_in(path: Path, passed: Passed) -> list[CapturedCall]:
    """The recording sessions of a file."""
    return calls_in(messages(packets(read_frames(path), passed)))[:MAX_CALLS]


def with_media(path: Path, calls: Sequence[CapturedCall]) -> list[list[MediaPacket]]:
    """The packets of each, from a second reading."""
    return [media_of(call, packets(read_frames(path), Passed())) for call in calls]


def described(call: CapturedCall, media: Sequence[MediaPacket]) -> str:
    """A call of the capture in one line."""
    reports = sum(packet.is_rtcp for packet in media)
    seconds = (call.ended_at or (media[-1].at if media else call.invite.at)) - call.invite.at
    within = ", ".join(step.request.method for step in call.steps) or "nothing after the INVITE"
    end = " by the server" if call.ended_by_server else ""
    return (
        f"{call.call_id}: {call.stream_count} streams, {len(media) - reports} RTP and {reports} "
        f"RTCP packets, {seconds:.1f} s; answered {call.invite.status or 'not at all'}; "
        f"then {within}{', ended' + end if end else ''}"
    )


def told_passed(passed: Passed) -> list[str]:
    """What of the capture could not be read."""
    lines = [
        f"link type {link} is not understood: its frames are left out" for link in passed.links
    ]
    if passed.cut:
        lines.append(f"{passed.cut} packets were not captured as a whole (tcpdump -s 0 does)")
    if passed.fragments:
        lines.append(f"{passed.fragments} fragments belong to packets that are not whole")
    return lines


async def run(reactor: Any, options: Options, display: Display) -> int:
    """The command: its exit code."""
    passed = Passed()
    try:
        calls = found_in(options.path, passed)
    except CaptureError as error:
        display.line(display.bad(str(error)))
        return 1
    for line in told_passed(passed):
        display.line(line)
    wanted = options["call"]
    calls = [call for call in calls if not wanted or call.call_id.startswith(wanted)]
    if not calls:
        display.line(display.bad("no recording session (SIPREC) is in the capture"))
        return 1
    media = with_media(options.path, calls)
    for call, each in zip(calls, media, strict=True):
        display.line(described(call, each))
    if options["list"]:
        return 0
    if options["no-media"]:
        media = [[] for _ in calls]
    replayer = Replayer(reactor, options, display)
    try:
        results = await replayer.play(list(zip(calls, media, strict=True)))
    except WireError as error:
        display.line(display.bad(str(error)))
        return 1
    for result in results:
        display.line(_account(result, display))
    return 0 if all(result.error is None for result in results) else 1


def _account(result: ReplayResult, display: Display) -> str:
    words = (
        f"{result.call_id}: sent {result.packets} RTP and {result.reports} RTCP packets, "
        f"{result.requests} requests after the INVITE"
    )
    if result.unsent:
        words += f"; {result.unsent} packets that nobody took"
    return words if result.error is None else display.bad(f"{words}; {result.error}")


def main(argv: Sequence[str] | None = None) -> None:
    """The console command."""
    options = Options()
    try:
        options.parseOptions(sys.argv[1:] if argv is None else list(argv))  # type: ignore[no-untyped-call]
    except usage.UsageError as error:
        sys.exit(f"siprec-replay: {error}\nTry siprec-replay --help.")
    sys.exit(react(lambda reactor: run(reactor, options, Display(sys.stdout))))


if __name__ == "__main__":
    main()
