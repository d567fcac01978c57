"""
The audio of one simulated call: its streams, the ports that they are sent
from, and where the SRS wants them.
"""

from __future__ import annotations

from contextlib import suppress
from math import ceil
from random import Random

from twisted.internet.interfaces import IReactorTime

from ..sip.events import Address
from .client_plan import CallPlan, StreamResult
from .dtls_port import DTLS, DTLSPort
from .media_port import MediaPort
from .offer import TELEPHONE_EVENT, AnsweredStream, AnswerError, StreamOffer, parse_answer
from .outgoing import OutgoingStream, PacedStream
from .pacing import Pacer
from .reports import goodbye, sender_report
from .secure_port import SecurePort
from .tones import EventPacket, key_presses

_PRESS_S = 0.1
"How long a key is pressed, and how long the pause is before the next one."


class CallStreams:
    """
    All streams of a call. They start at the same moment, and each belongs to
    one m-line and one port, in the order of the plan.
    """

    def __init__(
        self,
        plan: CallPlan,
        ports: tuple[MediaPort, ...],
        pacer: Pacer,
        random: Random,
        clock: IReactorTime,
    ) -> None:
        self._plan = plan
        self._ports = ports = tuple(_protected(port, plan, clock) for port in ports)
        self._pacer = pacer
        self._random = random
        self._paced: list[PacedStream] = []
        self._destinations: dict[int, Address] = {}
        "Where the audio of each of our ports goes."
        self._stopped = False
        self.trouble: str | None = None
        "What went wrong without ending the call."
        self.offered = tuple(
            StreamOffer(
                str(number),
                port.port,
                speech.formats,
                speech.packet_ms,
                port.port + 1 if plan.reports else None,
                port.offered if isinstance(port, SecurePort) else None,
                port.offered if isinstance(port, DTLSPort) else (),
            )
            for number, (speech, port) in enumerate(zip(plan.streams, ports, strict=True), 1)
        )

    @property
    def all_sent(self) -> bool:
        """Nothing is late."""
        return all(paced.ended for paced in self._paced)

    async def start(self, answer: bytes) -> None:
        """
        Send, as the answer says, as soon as there are keys.

        Raises :exc:`AnswerError` where it leaves nothing to send.
        """
        streams = parse_answer(answer, len(self._ports))
        for answered, offered in zip(streams, self.offered, strict=True):
            for known in offered.formats:
                if answered.port and str(known.payload_type) not in answered.payload_types:
                    raise AnswerError(
                        f"stream {offered.label} is answered without {known.name}: "
                        f"{' '.join(answered.payload_types)}"
                    )
        for answered, port, offered in zip(streams, self._ports, self.offered, strict=True):
            if answered.port and not _has_keys(port, answered):
                raise AnswerError(f"stream {offered.label} is answered without a key for SRTP")
        if not any(answered.port for answered in streams):
            raise AnswerError("all streams are refused (port 0)")
        epoch = self._pacer.now()
        for number, (answered, port) in enumerate(zip(streams, self._ports, strict=True)):
            paced = PacedStream(self._stream(number), port.send, epoch)
            self._paced.append(paced)
            self._point(paced, port, answered)
        for answered, port in zip(streams, self._ports, strict=True):
            if answered.port and isinstance(port, DTLSPort):
                await port.ready()
        epoch = self._pacer.now()
        for paced in self._paced:
            paced.epoch = epoch
            self._pacer.add(paced)

    def hold(self) -> None:
        """Send nothing for now."""
        for paced in self._paced:
            paced.hold()

    def resume(self, answer: bytes) -> None:
        """Go on after a pause, or elsewhere: to where the SRS wants it now."""
        try:
            streams = parse_answer(answer, len(self._ports))
        except AnswerError as failure:
            self.trouble = f"re-INVITE: {failure}"
            return
        for paced, port, answered in zip(self._paced, self._ports, streams, strict=True):
            self._point(paced, port, answered)

    def report(self, wallclock: float, cname: str) -> None:
        """A sender report of each stream."""
        for paced, port in zip(self._paced, self._ports, strict=True):
            stream = paced.stream
            slot = (self._pacer.now() - paced.epoch) / stream.speech.packet_s
            timestamp = stream.timestamp(slot)
            # Refused or full: it is for information, and another one follows.
            with suppress(OSError):
                port.send_report(
                    sender_report(
                        stream.ssrc, wallclock, timestamp, stream.packets, stream.octets, cname
                    )
                )

    def stop(self) -> None:
        """Send no more. It may be stopped twice."""
        if self._stopped:
            return
        self._stopped = True
        for paced, port in zip(self._paced, self._ports, strict=False):
            paced.end()
            if self._plan.reports:
                with suppress(OSError):
                    port.send_report(goodbye(paced.stream.ssrc))

    def close(self) -> None:
        """Give the ports back."""
        self.stop()
        for port in self._ports:
            port.close()

    def results(self) -> tuple[StreamResult, ...]:
        """What was sent so far."""
        return tuple(
            StreamResult(
                offered.label,
                self._destinations.get(offered.port),
                paced.stream.packets,
                paced.stream.octets,
                paced.stream.unsent,
            )
            for offered, paced in zip(self.offered, self._paced, strict=False)
        )

    def _stream(self, number: int) -> OutgoingStream:
        plan, speech = self._plan, self._plan.streams[number]
        events: dict[int, tuple[EventPacket, ...]] = {}
        if number == 0 and plan.digits:
            first_slot = int(plan.digits_at_s / speech.packet_s)
            press_slots = max(round(_PRESS_S / speech.packet_s), 1)
            events = key_presses(
                plan.digits,
                first_slot,
                speech.ticks,
                press_slots=press_slots,
                pause_slots=press_slots,
            )
        return OutgoingStream(
            speech,
            self._random,
            slots=ceil(plan.seconds / speech.packet_s - 1e-6),
            impairment=plan.impairment,
            events=events,
            event_payload_type=TELEPHONE_EVENT,
        )

    def _point(self, paced: PacedStream, port: MediaPort, answered: AnsweredStream) -> None:
        if not answered.wanted:
            paced.hold()
            return
        try:
            port.connect((answered.address, answered.port))
        except OSError as failure:
            self.trouble = f"no RTP to {answered.address}:{answered.port}: {failure}"
            paced.hold()
        else:
            self._destinations[port.port] = (answered.address, answered.port)
            paced.resume()


def _protected(port: MediaPort, plan: CallPlan, clock: IReactorTime) -> MediaPort:
    """The ports of a stream, protected as the plan says."""
    if plan.srtp is None:
        return port
    if plan.srtp == DTLS:
        return DTLSPort(port, clock, plan.reports)
    return SecurePort(port, plan.srtp)


def _has_keys(port: MediaPort, answered: AnsweredStream) -> bool:
    """Whether the answer has what the protection of a stream needs."""
    if isinstance(port, DTLSPort):
        return port.is_answered(answered.dtls)
    return not isinstance(port, SecurePort) or port.is_answered(answered.crypto)
