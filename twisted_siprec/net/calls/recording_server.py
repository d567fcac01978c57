"""
The session recording server: joins the SIP user agent, the recording sessions
and the media plane. It takes no protocol decision; it carries the outputs of
one core to the inputs of another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ...errors import RemoteError
from ...participants import Description
from ...plan import EndReason
from ...routing.policy import Intake
from ...sip import events as sip
from ...sip.headers import canonical
from ...sip.message import Request, Response
from ...siprec import session as siprec
from ..media.media import Media
from ..sip.trace import SIPTrace
from ..sip.transport import SIPTransport
from .bridged import BridgedCalls, Limits
from .chronicle import Chronicle
from .desk import Directory
from .events import CallRefused
from .log import source_text
from .recording import Reception, Recording

MAX_REASON = 200
"So much of an SRC's Reason header field is logged."

Receive = Callable[[sip.Flow], Reception | RemoteError]
"Says what applies to the calls that come on a flow, or why none is taken."


class RecordingServer(BridgedCalls):
    """
    Takes calls from the user agent, has them recorded by the media plane, and
    ends them.

    :param clock: the reactor, for its time.
    :param wall: the wall clock in POSIX seconds.
    :param identity: makes the id of a recording session.
    :param directory: the destinations that an operator may send a call to besides.
    :param captured: whether the packets of a call are written down, by its id.
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
        directory: Directory = lambda name, tenant: None,
        captured: Callable[[str], bool] = lambda id: False,
    ) -> None:
        super().__init__(
            clock,
            transport,
            media,
            intake,
            Chronicle(wall),
            SIPTrace(transport.trace, always_trace, self._source_of),
            directory,
            limits,
            captured,
        )
        self._wall = wall
        self._identity = identity
        self._receive = receive

    def _source_of(self, flow: sip.Flow) -> str | None:
        reception = self._receive(flow)
        return reception.source if isinstance(reception, Reception) else None

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
                            recording.tenant,
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
        recording.tenant = recording.reception.whose(description, fields)
        routed = recording.reception.route(description, fields)
        if isinstance(routed, RemoteError):
            return routed
        source, tenant = recording.reception.source, recording.tenant
        refusal = self._intake.admit(self._clock.seconds(), source, tenant)
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

    # --- in the hands of the operator -----------------------------------------------------

    def _hang_up(self, recording: Recording, reason: EndReason) -> None:
        recording.session.hang_up(reason, self._clock.seconds())
        self._carry_out(recording)


_TellSession = Callable[[siprec.RecordingSession, str, Request, float, float], None]

_REASONS = {
    sip.DialogEnd.BYE: EndReason.CALL_ENDED,
    sip.DialogEnd.LOCAL: EndReason.OPERATOR,
    sip.DialogEnd.UNACKNOWLEDGED: EndReason.SRC_LOST,
    sip.DialogEnd.GONE: EndReason.SRC_LOST,
    sip.DialogEnd.EXPIRED: EndReason.SRC_LOST,
}
"Why a recording session ended, when it was the dialog that ended it."
