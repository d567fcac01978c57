"""
What a capture has of recording sessions: who said what when, and which packets of
RTP belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf

from ..errors import RemoteError
from ..sdp.description import SessionDescription
from ..sdp.transport import rtcp_of
from ..sip.events import Address
from ..sip.message import Request, Response
from ..siprec.content import METADATA, Content
from .capture_packets import Packet
from .capture_sip import CapturedMessage

WITHIN = frozenset({"INVITE", "UPDATE", "INFO", "BYE"})
"What an SRC sends within a dialog that is sent again."
_EARLY_S, _LATE_S = 1.0, 5.0
"How long before the answer and after the end packets are taken for those of the call."


@dataclass(frozen=True, slots=True)
class Step:
    """A request of the SRC."""

    at: float
    request: Request
    sdp: bytes | None = None
    "The session description in it."
    answer: bytes | None = None
    "The one in the response that it got."
    status: int | None = None


@dataclass(slots=True)
class CapturedCall:
    """One dialog."""

    call_id: str
    invite: Step
    answered_at: float | None = None
    steps: list[Step] = field(default_factory=list)
    "What followed; the last of it is the BYE, where there was one."
    ended_at: float | None = None
    ended_by_server: bool = False

    @property
    def stream_count(self) -> int:
        """How many m-lines it comes to have."""
        bodies = [step.sdp for step in (self.invite, *self.steps)]
        return max(len(list(_addresses(body))) for body in bodies)

    @property
    def answered(self) -> bool:
        """The capture has what the server answered."""
        return any(step.answer for step in (self.invite, *self.steps))

    @property
    def addresses(self) -> dict[Address, tuple[int, bool]]:
        """
        Of which m-line packets are, and whether of its RTCP, by where they go to; where
        there is no answer, by where the SRC says that it sends from.
        """
        found: dict[Address, tuple[int, bool]] = {}
        for step in (self.invite, *self.steps):
            body = step.answer if self.answered else step.sdp
            for number, (rtp, rtcp) in enumerate(_addresses(body)):
                if rtp[1]:
                    found[rtp] = (number, False)
                    found.setdefault(rtcp, (number, True))
        return found


@dataclass(frozen=True, slots=True)
class MediaPacket:
    """RTP or RTCP of an m-line."""

    at: float
    stream: int
    octets: bytes
    is_rtcp: bool
    shared: bool = False
    "It is RTCP that came by the port of RTP (:rfc:`5761`)."


def calls_in(messages: Iterable[CapturedMessage]) -> list[CapturedCall]:
    """The recording sessions, in the order of their INVITEs."""
    by_id: dict[str, list[CapturedMessage]] = {}
    for captured in messages:
        by_id.setdefault(captured.message.call_id or "", []).append(captured)
    found = (_call(call_id, each) for call_id, each in by_id.items() if call_id)
    return sorted((call for call in found if call is not None), key=lambda call: call.invite.at)


def _call(call_id: str, captured: Sequence[CapturedMessage]) -> CapturedCall | None:
    begins = [
        each
        for each in captured
        if isinstance(each.message, Request)
        and each.message.method == "INVITE"
        and not each.message.to_tag
    ]
    if not begins or not any(_is_recording(each.message) for each in begins):
        return None
    responses = [each for each in captured if isinstance(each.message, Response)]
    # Of several attempts (with credentials, say) it is the last that counts.
    first, last = begins[0], begins[-1]
    assert isinstance(last.message, Request)  # noqa: S101 - of the selection above
    invite = _step(last.message, first.at, responses)
    call = CapturedCall(call_id, invite)
    call.answered_at = next(
        (
            each.at
            for each in responses
            if _answers(each.message, last.message) and _status(each.message) in range(200, 300)
        ),
        None,
    )
    tag, seen = last.message.from_tag, set[tuple[int, str]]()
    for each in captured:
        request = each.message
        if not isinstance(request, Request) or not request.to_tag:
            continue
        if request.from_tag != tag:
            if request.method == "BYE":
                call.ended_at, call.ended_by_server = each.at, True
            continue
        number = request.cseq.sequence if request.cseq is not None else 0
        if request.method in WITHIN and (number, request.method) not in seen:
            seen.add((number, request.method))
            call.steps.append(_step(request, each.at, responses))
            if request.method == "BYE":
                call.ended_at = each.at
    call.steps.sort(key=lambda step: step.at)
    return call


def _is_recording(message: Request | Response) -> bool:
    """A recording session by any of its signs (:rfc:`7866#section-6.1`)."""
    headers = message.headers
    if "siprec" in headers.tokens("Require") | headers.tokens("Supported"):
        return True
    if "+sip.src" in (headers.get("Contact") or "").lower():
        return True
    return any(kind.encode() in message.body for kind in METADATA)


def _step(request: Request, at: float, responses: Sequence[CapturedMessage]) -> Step:
    finals = [
        each.message
        for each in responses
        if _answers(each.message, request) and _status(each.message) >= 200
    ]
    final = finals[-1] if finals else None
    answer = sdp_of(final) if final is not None and _status(final) < 300 else None
    return Step(at, request, sdp_of(request), answer, _status(final) if final else None)


def _answers(response: Request | Response, request: Request) -> bool:
    return response.cseq is not None and response.cseq == request.cseq


def _status(message: Request | Response) -> int:
    return message.status if isinstance(message, Response) else 0


def sdp_of(message: Request | Response) -> bytes | None:
    """The session description in a message."""
    try:
        return Content.read(message.body, message.headers.get("Content-Type")).sdp
    except RemoteError:
        return None


def _addresses(body: bytes | None) -> Iterable[tuple[Address, Address]]:
    """Where the m-lines of a description want RTP and RTCP."""
    try:
        description = SessionDescription.parse(body) if body else None
    except RemoteError:
        return
    for media in description.media if description is not None else ():
        connection = description.connection_of(media) if description is not None else None
        rtp = (connection.host if connection is not None else "", media.port)
        rtcp = rtcp_of(media, rtp) or (rtp[0], rtp[1] + 1)
        yield rtp, rtcp


def media_of(call: CapturedCall, packets: Iterable[Packet]) -> list[MediaPacket]:
    """
    The RTP and RTCP that the SRC sent. Known by where the server wanted it; behind
    NAT, where that address is not the one in the capture, by the port alone; and
    where the capture has no answer, by where the SRC says that it sends from.
    """
    begins, ends = call.invite.at - _EARLY_S, (call.ended_at or inf) + _LATE_S
    ways = _Ways(call)
    for packet in packets:
        if packet.sequence is None and begins <= packet.at <= ends and packet.payload:
            ways.take(packet)
    return sorted(ways.chosen(), key=lambda each: each.at)


class _Ways:
    """Packets by what they were known by; the better sign counts."""

    def __init__(self, call: CapturedCall) -> None:
        self._answered = call.answered
        self._exact = call.addresses
        self._by_port = {address[1]: known for address, known in self._exact.items()}
        self._found: dict[int, dict[str, list[MediaPacket]]] = {}

    def take(self, packet: Packet) -> None:
        """A datagram, which may be of the call."""
        address = packet.destination if self._answered else packet.source
        known, sign = self._exact.get(address), "address"
        if known is None:
            known, sign = self._by_port.get(address[1]), "port"
        if known is None:
            return
        number, by_port_of_rtcp = known
        # Both may share a port (RFC 5761): RTCP has types from 192 to 223 there.
        typed = len(packet.payload) > 1 and 192 <= packet.payload[1] <= 223
        if packet.payload[0] >> 6 != 2 or (by_port_of_rtcp and not typed):
            return
        shared = typed and not by_port_of_rtcp
        made = MediaPacket(packet.at, number, packet.payload, typed, shared)
        self._found.setdefault(number, {}).setdefault(sign, []).append(made)

    def chosen(self) -> list[MediaPacket]:
        """All of the call."""
        return [
            packet
            for signs in self._found.values()
            for packet in (signs.get("address") or signs["port"])
        ]
