"""
The log of calls: one line for each thing that happens, the Call-ID first, and a
count of each kind.
"""

from __future__ import annotations

from collections import Counter

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from ...participants import Description
from ...plan import BridgePlan
from ...report import (
    BridgeClosed,
    BridgeFailed,
    ConsumerSaid,
    DeliveryStatistics,
    HandshakeDone,
    HandshakeFailed,
    LinkDown,
    LinkUp,
    Report,
    StreamHeard,
    StreamSilent,
    StreamStatistics,
)
from ...sip import events as sip

_ASKED = frozenset({(401, "Unauthorized"), (401, "Stale Nonce")})
"How requests are refused that are sent again with credentials."


class CallLog:
    """Writes down what happens to calls, and counts it."""

    _log = Logger()

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()

    # --- signalling -----------------------------------------------------------------

    def began(
        self,
        call_id: str,
        source: str,
        plan: BridgePlan,
        destinations: tuple[str, ...],
        tenant: str = "",
    ) -> None:
        """A call is going to be recorded."""
        self.counters["calls recorded"] += 1
        # Only a call that is somebody's has the name of that one, in JSON too.
        whose = {"tenant": tenant} if tenant else {}
        self._log.info(
            "{call_id} recording {caller} to {called} from {source}"
            + (" for tenant {tenant}" if tenant else "")
            + ", {streams} streams, to {destinations}",
            **whose,
            call_id=call_id,
            caller=plan.description.caller or "-",
            called=plan.description.called or "-",
            source=source,
            streams=len(plan.streams),
            destinations=", ".join(destinations),
        )

    def redirected(self, call_id: str, destinations: tuple[str, ...]) -> None:
        """An operator has a call sent to other destinations than before."""
        self.counters["calls redirected"] += 1
        self._log.info(
            "{call_id} goes to {destinations} from now on",
            call_id=call_id,
            destinations=", ".join(destinations),
        )

    def described(self, call_id: str, description: Description) -> None:
        """The metadata of a call changed."""
        present = [
            participant.aor or participant.name or participant.id
            for participant in description.participants
            if participant.left_at is None
        ]
        self._log.info(
            "{call_id} metadata revision {revision}: {participants}",
            call_id=call_id,
            revision=description.revision,
            participants=", ".join(present) or "nobody",
        )

    def warned(self, call_id: str, code: str, text: str) -> None:
        """Something was odd in what the SRC sent."""
        self.counters[f"warned: {code}"] += 1
        self._log.warn("{call_id} {text} [{code}]", call_id=call_id, text=text, code=code)

    def refused(
        self, call_id: str | None, method: str, source: str, status: int, reason: str
    ) -> None:
        """A request got an error."""
        self.counters[f"refused: {status}"] += 1
        # Who authenticates is refused once for each request: that is no news.
        asked = (status, reason) in _ASKED
        self._log.emit(
            LogLevel.debug if asked else LogLevel.info,
            "{call_id} {method} from {source} refused: {status} {reason}",
            call_id=call_id or "-",
            method=method,
            source=source,
            status=status,
            reason=reason,
        )

    def discarded(self, discarded: sip.Discarded) -> None:
        """Octets got no answer."""
        self.counters[f"discarded: {discarded.reason}"] += 1
        self._log.debug(
            "{octets} octets from {source} discarded: {reason}",
            octets=discarded.octets,
            source=source_text(discarded.flow),
            reason=discarded.reason,
        )

    def answered(self, call_id: str, answered: sip.Answered) -> None:
        """A request of ours got its answer."""
        self._log.debug(
            "{call_id} our {method} was answered {status}",
            call_id=call_id,
            method=answered.method,
            status=answered.status,
        )

    def ended(self, call_id: str, why: str) -> None:
        """The dialog of a call is over."""
        self._log.info("{call_id} ended: {why}", call_id=call_id, why=why)

    # --- media -----------------------------------------------------------------------

    def reported(self, call_id: str, report: Report) -> None:
        """What the media plane tells by itself."""
        match report:
            case StreamHeard(_, index, (host, port)):
                self._log.info(
                    "{call_id} hears stream {index} from {host}:{port}",
                    call_id=call_id,
                    index=index,
                    host=host,
                    port=port,
                )
            case StreamSilent(_, index, silent_ms):
                self.counters["streams silent"] += 1
                self._log.warn(
                    "{call_id} nothing came on stream {index} for {silent_s:.0f} s",
                    call_id=call_id,
                    index=index,
                    silent_s=silent_ms / 1000,
                )
            case HandshakeDone(_, index, suite):
                self.counters["handshakes done"] += 1
                self._log.info(
                    "{call_id} stream {index} is protected by {suite}, with keys by DTLS",
                    call_id=call_id,
                    index=index,
                    suite=suite,
                )
            case HandshakeFailed():
                # The recording session warns of it.
                self.counters["handshakes failed"] += 1
            case LinkUp(_, destination, attempt):
                self._log.info(
                    "{call_id} connected to {destination}, attempt {attempt}",
                    call_id=call_id,
                    destination=destination,
                    attempt=attempt,
                )
            case LinkDown(_, destination, reason, retry_in_s):
                self.counters["links lost"] += 1
                again = "given up" if retry_in_s is None else f"again in {retry_in_s:.2f} s"
                self._log.warn(
                    "{call_id} not connected to {destination}: {reason}; {again}",
                    call_id=call_id,
                    destination=destination,
                    reason=reason,
                    again=again,
                )
            case BridgeFailed(_, reason):
                self.counters["bridges failed"] += 1
                self._log.error(
                    "{call_id} the media plane gave it up: {reason}",
                    call_id=call_id,
                    reason=reason,
                )
            case ConsumerSaid(_, destination, name, _):
                self._log.info(
                    "{call_id} {destination} says {name}",
                    call_id=call_id,
                    destination=destination,
                    name=name,
                )

    def closed(self, call_id: str, closed: BridgeClosed) -> None:
        """The account of a call."""
        self.counters[f"calls ended: {closed.reason.value}"] += 1
        for stream in closed.streams:
            self._stream(call_id, stream)
        for delivery in closed.deliveries:
            self._delivery(call_id, delivery)

    def _stream(self, call_id: str, stream: StreamStatistics) -> None:
        self._log.info(
            "{call_id} stream {label}: {codec}, {packets} packets, {lost} lost, {late} late, "
            "{discarded} discarded, jitter {jitter_ms:.1f} ms",
            call_id=call_id,
            label=stream.label or stream.index,
            codec=stream.codec or "no codec",
            packets=stream.packets,
            lost=stream.lost,
            late=stream.late,
            discarded=stream.discarded,
            jitter_ms=stream.max_jitter_ms,
        )

    def _delivery(self, call_id: str, delivery: DeliveryStatistics) -> None:
        self.counters["samples delivered"] += delivery.delivered
        self.counters["samples in gaps"] += delivery.missing
        level = self._log.info if delivery.complete else self._log.warn
        level(
            "{call_id} {destination} got {delivered} of {final} samples, {missing} are in gaps "
            "{gaps}, after {reconnects} reconnections",
            call_id=call_id,
            destination=delivery.destination,
            delivered=delivery.delivered,
            final=delivery.final_position,
            missing=delivery.missing,
            gaps=", ".join(f"{reason} {ms} ms" for reason, ms in delivery.gaps_ms) or "none",
            reconnects=delivery.reconnects,
        )
        if delivery.spooled:
            self.counters["samples spooled"] += delivery.spooled
            self._log.info(
                "{call_id} {destination}: {spooled} samples are in the spool, for later, "
                "as stream {stream_id}",
                call_id=call_id,
                destination=delivery.destination,
                spooled=delivery.spooled,
                stream_id=delivery.stream_id,
            )

    # --- faults ----------------------------------------------------------------------

    def fault(self, failure: Failure, call_id: str) -> None:
        """A mistake of ours, which costs this call only."""
        self.counters["faults"] += 1
        self._log.failure("{call_id} a fault", failure=failure, call_id=call_id)


def source_text(flow: sip.Flow) -> str:
    """Where a message came from."""
    return f"{flow.transport.value} {flow.remote[0]}:{flow.remote[1]}"
