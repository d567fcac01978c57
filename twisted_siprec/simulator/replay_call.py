"""
One call of a capture, played to a server: its requests and its packets, at the times
that they had, in a dialog and from ports of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..net.driver import Driver
from ..sip.events import Address, Timers, Transport
from .agent_events import Answered, Caller, Ended, Output, Purpose, Reoffered, Transmit
from .media_port import MediaPort
from .offer import AnsweredStream, AnswerError, parse_answer
from .replay_agent import ReplayAgent
from .replay_body import BodyError, body_of, rewritten
from .replay_plan import CapturedCall, MediaPacket, Step
from .wire import Message, Target, Wire, sent_by

_TICK_S = 0.005
_PATIENCE_S = 10.0
"How long a request waits for the one before it to be answered."
_ENDING_S = 40.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What came of it."""

    call_id: str
    "Of the capture."
    error: str | None = None
    status: int = 0
    packets: int = 0
    reports: int = 0
    unsent: int = 0
    requests: int = 0
    "Within the dialog."


class ReplayError(Exception):
    """The replay did not go as it should; the words say why."""


class ReplayedCall:
    """
    A call that is said again.

    :param ports: one for each m-line; they are closed at the end.
    :param speed: how many times faster than it was.
    """

    def __init__(
        self,
        clock: IReactorTime,
        target: Target,
        wire: Wire,
        call: CapturedCall,
        packets: list[MediaPacket],
        ports: tuple[MediaPort, ...],
        token: Callable[[int], str],
        monotonic: Callable[[], float],
        speed: float,
        say: Say,
    ) -> None:
        self._clock = clock
        self._target = target
        self._wire = wire
        self._call = call
        self._packets = packets
        self._ports = ports
        self._monotonic = monotonic
        self._speed = speed
        self._say = say
        self._numbers = [port.port for port in ports]
        self._wanted: list[bool] = [False] * len(ports)
        self._last_sdp = call.invite.sdp or b""
        self._agent = ReplayAgent(self._caller(), token, self._describe, Timers())
        self._driver = Driver(self._agent, clock, self._happened)
        self._awaited: dict[Purpose, Deferred[Answered]] = {}
        self._ended: Ended | None = None
        self._began_at = 0.0
        self._next = 0
        self._sent = [0, 0]
        "RTP and RTCP."
        self._unsent = 0
        self._requests = 0

    @property
    def call_id(self) -> str:
        """The Call-ID that it has now."""
        return self._agent.call_id

    def received(self, message: Message, source: Address) -> None:
        """A message with our Call-ID."""
        self._driver.attempt(self._agent.receive, message, source)

    def lost(self, reason: str) -> None:
        """The way to the server is gone."""
        self._driver.run(self._agent.unreachable, reason)

    def close(self) -> None:
        """Answer nothing any more."""
        self._driver.stop()

    async def run(self) -> ReplayResult:
        """The whole of it. Never fails."""
        error, status = None, 0
        try:
            status = await self._invite()
            if status < 300:
                await self._go_on()
        except (ReplayError, BodyError) as failure:
            error = str(failure)
        finally:
            await self._hang_up()
            for port in self._ports:
                port.close()
        return ReplayResult(
            self._call.call_id,
            error,
            status,
            self._sent[0],
            self._sent[1],
            self._unsent,
            self._requests,
        )

    # --- the course of it ---

    async def _invite(self) -> int:
        step = self._call.invite
        if step.sdp is None:
            raise ReplayError("its INVITE offers nothing (the offer was the server's)")
        body = self._body(step)
        answer = self._await(Purpose.CALL)
        self._driver.run(self._agent.begin, step.request, body)
        answered = await answer
        self._say(f"INVITE answered {answered.status} {answered.reason}{_as_then(step, answered)}")
        if not answered.status:
            raise ReplayError(f"the INVITE was not answered: {answered.reason}")
        expected = step.status or 200
        if answered.status // 100 != expected // 100:
            raise ReplayError(
                f"the INVITE got {answered.status} {answered.reason}, in the capture {expected}"
            )
        if answered.status < 300:
            self._point(answered.body)
        return answered.status

    async def _go_on(self) -> None:
        """Requests and packets at their times, until the last of both."""
        call = self._call
        self._began_at = self._monotonic()
        for step in call.steps:
            await self._play_until(step.at)
            if self._ended is not None:
                break
            if step.request.method == "BYE":
                return
            await self._repeat(step)
        last = self._packets[-1].at if self._packets else 0.0
        await self._play_until(call.ended_at or last)
        if self._ended is not None and not call.ended_by_server:
            raise ReplayError(f"the server ended it: {self._ended.reason}")

    async def _repeat(self, step: Step) -> None:
        method = step.request.method
        purpose = Purpose.CHANGE if method == "INVITE" else Purpose.OTHER
        waited_s = 0.0
        while method == "INVITE" and not self._agent.changeable:
            if waited_s >= _PATIENCE_S:
                raise ReplayError(f"a {method} could not be sent: another one is not answered")
            await self._sleep(_TICK_S)
            waited_s += _TICK_S
        body = self._body(step)
        answer = self._await(purpose)
        self._driver.run(self._agent.again, step.request, body)
        self._requests += 1
        # Packets go on meanwhile, as they did.
        while not answer.called and self._ended is None:
            self._pump()
            await self._sleep(_TICK_S)
        if not answer.called:
            return
        answered = await answer
        self._say(
            f"{method} answered {answered.status} {answered.reason}{_as_then(step, answered)}"
        )
        if answered.status < 300 and step.sdp is not None and answered.body:
            self._point(answered.body)

    async def _play_until(self, at: float) -> None:
        """Send what is due until then."""
        until = self._due(at)
        while self._ended is None and (left_s := until - self._monotonic()) > 0:
            self._pump()
            await self._sleep(min(_TICK_S, left_s))
        self._pump()

    async def _hang_up(self) -> None:
        """BYE, with what that of the capture has, and its answer."""
        step = self._call.steps[-1] if self._call.steps else None
        if self._ended is not None or not self._agent.begun:
            return
        if step is not None and step.request.method == "BYE":
            self._driver.run(self._agent.bye, step.request, step.request.body)
        else:
            self._driver.run(self._agent.hang_up)
        waited_s = 0.0
        while self._ended is None and waited_s < _ENDING_S:
            await self._sleep(_TICK_S)
            waited_s += _TICK_S

    # --- packets ---

    def _due(self, at: float) -> float:
        """When something of the capture is to be done."""
        origin = self._call.answered_at or self._call.invite.at
        return self._began_at + (at - origin) / self._speed

    def _pump(self) -> None:
        """Send all packets whose time has come."""
        now = self._monotonic()
        while self._next < len(self._packets):
            packet = self._packets[self._next]
            if self._due(packet.at) > now:
                return
            self._next += 1
            self._send(packet)

    def _send(self, packet: MediaPacket) -> None:
        if packet.stream >= len(self._ports) or not self._wanted[packet.stream]:
            self._unsent += 1
            return
        port = self._ports[packet.stream]
        try:
            if packet.is_rtcp and not packet.shared:
                port.send_report(packet.octets)
            else:
                port.send(packet.octets)
            self._sent[packet.is_rtcp] += 1
        except OSError:
            self._unsent += 1

    def _point(self, answer: bytes) -> None:
        """Packets go to where this answer wants them."""
        try:
            streams = parse_answer(answer, len(self._ports))
        except AnswerError as failure:
            raise ReplayError(f"the answer to it: {failure}") from failure
        for number, stream in enumerate(streams):
            self._wanted[number] = self._connect(self._ports[number], stream)

    def _connect(self, port: MediaPort, stream: AnsweredStream) -> bool:
        if not stream.port:
            return False
        with suppress(OSError):
            port.connect((stream.address, stream.port))
            return True
        return False

    # --- the agent ---

    def _happened(self, output: Output) -> None:
        match output:
            case Transmit():
                self._wire.send(output.octets, output.destination)
            case Answered():
                awaited = self._awaited.pop(output.purpose, None)
                if awaited is not None:
                    awaited.callback(output)
            case Reoffered():
                with suppress(ReplayError):
                    self._point(output.body)
            case Ended():
                self._ended = output

    def _describe(self, offer: bytes) -> bytes:
        """Our description for an offer of the server's: the one that the SRC had last."""
        return rewritten(self._last_sdp, self._wire.local[0], self._numbers)

    def _body(self, step: Step) -> bytes:
        if step.sdp is not None:
            self._last_sdp = step.sdp
        return body_of(step.request, step.sdp, self._wire.local[0], self._numbers)

    def _await(self, purpose: Purpose) -> Deferred[Answered]:
        answer: Deferred[Answered] = Deferred()
        self._awaited[purpose] = answer
        return answer

    def _sleep(self, seconds: float) -> Deferred[Any]:
        return deferLater(self._clock, seconds, lambda: None)

    def _caller(self) -> Caller:
        target, wire, request = self._target, self._wire, self._call.invite.request
        transport = target.transport
        parameter = "" if transport is Transport.UDP else f";transport={transport.value.lower()}"
        return Caller(
            target=target.uri,
            from_=_untagged(request.headers.get("From")) or "<sip:src@example.com>",
            to=_untagged(request.headers.get("To")) or f"<{target.uri}>",
            contact=f"sip:src@{sent_by(wire.local)}{parameter}",
            transport=transport,
            sent_by=sent_by(wire.local),
            user_agent=request.headers.get("User-Agent") or "siprec-replay",
        )


def _untagged(value: str | None) -> str:
    """An address without its tag."""
    parts = (value or "").split(";")
    return ";".join(part for part in parts if not part.strip().lower().startswith("tag="))


def _as_then(step: Step, answered: Answered) -> str:
    if step.status is None or step.status == answered.status:
        return ""
    return f" (in the capture {step.status})"
