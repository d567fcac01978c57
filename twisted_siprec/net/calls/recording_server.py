"""
The session recording server: joins the SIP user agent, the recording sessions
and the media plane. It takes no protocol decision; it carries the outputs of
one core to the inputs of another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ...errors import RemoteError
from ...participants import Description
from ...plan import BridgePlan, BridgeUpdate, EndReason
from ...report import BridgeClosed, BridgeFailed, BridgeOpened, Report, StreamHeard, StreamSilent
from ...routing.policy import Intake
from ...sip import events as sip
from ...sip.headers import canonical
from ...sip.message import Request, Response
from ...siprec import session as siprec
from ..media.media import Media, NoPorts
from ..sip.trace import SIPTrace
from ..sip.transport import SIPTransport
from .chronicle import Chronicle
from .desk import CallDesk
from .events import CallRefused
from .log import source_text
from .recording import Reception, Recording

MAX_REASON = 200
"So much of an SRC's Reason header field is logged."

Receive = Callable[[sip.Flow], Reception | RemoteError]
"Says what applies to the calls that come on a flow, or why none is taken."


@dataclass(frozen=True, slots=True)
class Limits:
    """How the server treats calls besides what the cores decide."""

    retry_after_s: int = 30
    "What an SRC is told that is refused while we drain."
    end_after_silence_s: float = 0.0
    "A call from none of whose active streams anything comes for so long is ended; 0 for never."


class RecordingServer(CallDesk):
    """
    Takes calls from the user agent, has them recorded by the media plane, and
    ends them.

    :param clock: the reactor, for its time.
    :param wall: the wall clock in POSIX seconds.
    :param identity: makes the id of a recording session.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        identity: Callable[[], str],
        transport: SIPTransport,
        media: Media,
        intake: Intake,
        receive: Receive,
        limits: Limits,
        always_trace: bool = False,
    ) -> None:
        super().__init__(
            clock,
            transport,
            media,
            intake,
            Chronicle(wall),
            SIPTrace(transport.trace, always_trace),
        )
        self._wall = wall
        self._identity = identity
        self._receive = receive
        self._limits = limits
        media.listen(self.reported)

    # --- from the SIP user agent ------------------------------------------------------

    def happened(self, output: sip.Output) -> None:
        """What the SIP core tells its transaction user."""
        match output:
            case sip.Invited():
                self._invited(output)
            case sip.Reinvited() | sip.Updated():
                self._told(output, siprec.RecordingSession.reoffered)
            case sip.Informed():
                self._told(output, siprec.RecordingSession.informed)
            case sip.Acknowledged():
                self._acknowledged(output)
            case sip.Cancelled():
                self._cancelled(output)
            case sip.Ended():
                self._over(output.dialog, _REASONS[output.reason], output)
            case sip.Refused():
                self._log.refused_by_core(output)
            case sip.Discarded():
                self._log.discarded(output)
            case sip.Traced():
                self._trace.traced(output)
            case sip.Answered():
                self._answered(output)
            case _:
                """The rest is for the wire, and the transport's."""

    def _invited(self, invited: sip.Invited) -> None:
        reception = self._receive(invited.flow)
        call_id = invited.request.call_id or "-"
        self._log.counters["calls offered"] += 1
        if isinstance(reception, RemoteError):
            status, reason = reception.status, reception.reason
            peer = source_text(invited.flow)
            self._log.refused(CallRefused(call_id, "INVITE", None, peer, status, reason, True))
            self._transport.refuse(invited.transaction, status, reason, reception.headers)
            return
        session = siprec.RecordingSession(
            self._identity(),
            invited.dialog,
            reception.policy,
            partial(self._route, invited.dialog),
        )
        now, wall = self._clock.seconds(), self._wall()
        recording = Recording(session, invited.dialog, call_id, reception, now, wall)
        recording.fields = tuple((canonical(name), text) for name, text in invited.request.headers)
        self._recordings[invited.dialog] = recording
        self._log.offered(recording)
        self._tell(recording, invited, siprec.RecordingSession.offered)
        if session.state is siprec.State.ENDED:
            self._forget(recording)

    def _told(
        self, request: sip.Reinvited | sip.Updated | sip.Informed, tell: _TellSession
    ) -> None:
        recording = self._recordings.get(request.dialog)
        if recording is None:
            self._transport.refuse(request.transaction, 481, "Call/Transaction Does Not Exist")
        else:
            self._tell(recording, request, tell)

    def _tell(
        self,
        recording: Recording,
        request: sip.Invited | sip.Reinvited | sip.Updated | sip.Informed,
        tell: _TellSession,
    ) -> None:
        tell(
            recording.session,
            request.transaction,
            request.request,
            self._clock.seconds(),
            self._wall(),
        )
        self._carry_out(recording)

    def _acknowledged(self, acknowledged: sip.Acknowledged) -> None:
        recording = self._recordings.get(acknowledged.dialog)
        if recording is not None:
            now, wall = self._clock.seconds(), self._wall()
            recording.session.acknowledged(acknowledged.request, now, wall)
            self._carry_out(recording)

    def _answered(self, answered: sip.Answered) -> None:
        recording = self._recordings.get(answered.dialog)
        self._log.request_answered(recording, answered)
        # The SIP core has INVITEs of its own, for the session timer, but never two at once.
        if recording is not None and recording.asking and answered.method == "INVITE":
            recording.asking = False
            self._tell_answer(recording, answered.status, answered.response)

    def _tell_answer(self, recording: Recording, status: int, response: Response | None) -> None:
        now, wall = self._clock.seconds(), self._wall()
        recording.session.answered("INVITE", status, response, now, wall)
        self._carry_out(recording)

    def _cancelled(self, cancelled: sip.Cancelled) -> None:
        """Where it was the first INVITE, the call is over; a re-INVITE never was."""
        recording = self._recordings.get(cancelled.dialog)
        if recording is not None and recording.session.state.pending:
            self._log.ended(recording, "cancelled before it was answered")
            self._over(cancelled.dialog, EndReason.CALL_ENDED, None)

    def _over(self, dialog: str, reason: EndReason, ended: sip.Ended | None) -> None:
        recording = self._recordings.get(dialog)
        if recording is None:
            return
        request = None
        if ended is not None:
            request = ended.request
            said = request.headers.get("Reason") if request is not None else None
            why = ended.reason.value
            self._log.ended(recording, f"{why} ({said[:MAX_REASON]})" if said else why)
        recording.session.dialog_ended(request, reason, self._clock.seconds(), self._wall())
        self._carry_out(recording)
        if not recording.bridged:
            self._forget(recording)

    # --- what the recording sessions want ---------------------------------------------------

    def _carry_out(self, recording: Recording) -> None:
        call_id = recording.call_id
        for output in recording.session.outputs():
            match output:
                case siprec.Ask():
                    self._ask(recording)
                case siprec.OpenBridge(plan):
                    self._open(recording, plan)
                case siprec.UpdateBridge(update):
                    self._update(recording, update)
                case siprec.CloseBridge(_, reason):
                    self._close(recording, reason)
                case siprec.Accept(transaction, body, headers):
                    self._transport.accept(transaction, body=body, headers=headers)
                    self._log.accepted(recording, self._clock.seconds())
                case siprec.Refuse(transaction, status, reason, headers):
                    source, initial = recording.reception.source, not recording.answered
                    self._log.refused(
                        CallRefused(
                            call_id,
                            "request",
                            source,
                            source,
                            status,
                            reason,
                            initial,
                            recording.id,
                        )
                    )
                    self._transport.refuse(transaction, status, reason, headers)
                case siprec.SendBye(dialog):
                    self._transport.send_bye(dialog)
                case siprec.SendUpdate(dialog, body, headers):
                    self._transport.send_update(dialog, body, headers)
                case siprec.SendInvite(dialog, body):
                    self._reinvite(recording, dialog, body)
                case siprec.Warned(code, text):
                    self._log.warned(recording, code, text)
                case siprec.Changed():
                    self._log.described(recording)
        self._log.stands(recording)
        recording.wake(self._clock, self._expire)

    def _expire(self, recording: Recording) -> None:
        # The clock may be a rounding error short of the deadline.
        deadline = recording.session.next_deadline() or 0.0
        recording.session.expire(max(self._clock.seconds(), deadline))
        self._carry_out(recording)

    def _reinvite(self, recording: Recording, dialog: str, body: bytes) -> None:
        recording.asking = True
        if self._transport.send_invite(dialog, body=body) is None:
            recording.asking = False
            self._tell_answer(recording, 491, None)

    def _route(self, dialog: str, description: Description) -> siprec.RouteAnswer | siprec.Later:
        """Where the call goes, or why it is refused; one that has a route counts from now on."""
        recording = self._recordings[dialog]
        fields, recording.fields = recording.fields, ()
        routed = recording.reception.route(description, fields)
        if isinstance(routed, RemoteError):
            return routed
        refusal = self._intake.admit(self._clock.seconds(), recording.reception.source)
        if refusal is not None:
            return refusal
        recording.admitted = True
        if callable(routed):
            recording.question = routed
            return siprec.Later.LATER
        recording.goes_to(routed)
        return routed

    def _ask(self, recording: Recording) -> None:
        """Somebody else says where the call goes. Until then its INVITE waits."""
        question, recording.question = recording.question, None
        if question is not None:
            asking = question()
            asking.addErrback(self._not_routed, recording)
            asking.addCallback(partial(self._routed, recording))
            asking.addErrback(self._log.fault, recording)

    def _not_routed(self, failure: Failure, recording: Recording) -> RemoteError:
        self._log.fault(failure, recording)
        return RemoteError(500, "the route could not be looked up")

    def _routed(self, recording: Recording, answer: siprec.Routed | RemoteError) -> None:
        if not isinstance(answer, RemoteError):
            recording.goes_to(answer.destinations)
        recording.session.routed(answer, self._clock.seconds())
        self._carry_out(recording)
        if recording.session.state is siprec.State.ENDED and not recording.bridged:
            self._forget(recording)

    def _open(self, recording: Recording, plan: BridgePlan) -> None:
        self._log.began(recording, plan)
        recording.bridged = True
        recording.expect(plan.streams, plan.paused)
        self._bridges[plan.bridge] = recording
        self._await(recording, self._media.open(plan))

    def _update(self, recording: Recording, update: BridgeUpdate) -> None:
        recording.expect(update.streams, update.paused)
        self._await(recording, self._media.update(update))

    def _await(self, recording: Recording, opening: Deferred[BridgeOpened]) -> None:
        opening.addCallbacks(partial(self._opened, recording), partial(self._failed, recording))
        opening.addErrback(self._log.fault, recording)

    def _opened(self, recording: Recording, opened: BridgeOpened) -> None:
        recording.session.bridge_opened(opened, self._clock.seconds())
        self._carry_out(recording)

    def _failed(self, recording: Recording, failure: Failure) -> None:
        if failure.check(NoPorts):
            status, reason = 503, failure.getErrorMessage()
        else:
            status, reason = 500, "the media plane failed"
            self._log.fault(failure, recording)
        if recording.session.state is siprec.State.OPENING:
            recording.bridged = False
        recording.session.bridge_failed(status, reason, self._clock.seconds())
        self._carry_out(recording)
        if not recording.bridged:
            self._forget(recording)

    def _close(self, recording: Recording, reason: EndReason) -> None:
        if not recording.bridged or recording.closing:
            return
        recording.closing = True
        recording.stop_silence_timer()
        closing = self._media.close(recording.id, reason)
        closing.addCallback(partial(self._closed, recording))
        closing.addErrback(self._log.fault, recording)
        closing.addBoth(lambda _: self._forget(recording))

    def _closed(self, recording: Recording, closed: BridgeClosed) -> None:
        self._log.closed(recording, closed)

    def _forget(self, recording: Recording) -> None:
        """Nothing of it is under way any more."""
        if self._recordings.pop(recording.dialog, None) is None:
            return
        recording.stop_silence_timer()
        recording.sleep()
        self._bridges.pop(recording.id, None)
        if recording.admitted:
            self._intake.leave(recording.reception.source)
        self._log.forgotten(recording)
        if not self._recordings:
            waiting, self._idle = self._idle, []
            for each in waiting:
                each.callback(None)

    # --- from the media plane -------------------------------------------------------------

    def reported(self, report: Report) -> None:
        """What the media plane tells by itself."""
        recording = self._bridges.get(report.bridge)
        if recording is None:
            return
        self._log.reported(recording, report)
        match report:
            case StreamHeard(_, index):
                recording.silent.discard(index)
                recording.stop_silence_timer()
            case StreamSilent(_, index, silent_ms):
                recording.silent.add(index)
                self._watch_silence(recording, silent_ms / 1000)
            case BridgeFailed():
                self._hang_up(recording, EndReason.ERROR)

    def _watch_silence(self, recording: Recording, silent_s: float) -> None:
        """Where all of a call is silent, the SRC may be gone without a BYE."""
        limit_s = self._limits.end_after_silence_s
        if limit_s and recording.all_silent and recording.silence_timer is None:
            remaining_s = max(0.0, limit_s - silent_s)
            recording.silence_timer = self._clock.callLater(remaining_s, self._lost, recording)

    def _lost(self, recording: Recording) -> None:
        recording.silence_timer = None
        if recording.all_silent:
            self._log.ended(recording, "silent for too long (media.end_after_silence_s)")
            self._hang_up(recording, EndReason.SRC_LOST)

    # --- in the hands of the operator -----------------------------------------------------

    def _hang_up(self, recording: Recording, reason: EndReason) -> None:
        recording.session.hang_up(reason, self._clock.seconds())
        self._carry_out(recording)

    @property
    def _retry_after_s(self) -> int:
        return self._limits.retry_after_s

    def change(self, limits: Limits) -> None:
        """From now on these hold."""
        self._limits = limits


_TellSession = Callable[[siprec.RecordingSession, str, Request, float, float], None]

_REASONS = {
    sip.DialogEnd.BYE: EndReason.CALL_ENDED,
    sip.DialogEnd.LOCAL: EndReason.OPERATOR,
    sip.DialogEnd.UNACKNOWLEDGED: EndReason.SRC_LOST,
    sip.DialogEnd.GONE: EndReason.SRC_LOST,
    sip.DialogEnd.EXPIRED: EndReason.SRC_LOST,
}
"Why a recording session ended, when it was the dialog that ended it."
