"""
A recording session, from the INVITE to the end (:rfc:`7866`).

It moves by the table of :mod:`~twisted_siprec.siprec.states`. It holds what is
agreed on (:class:`~.agreement.Agreement`) and what is known
(:class:`~.dossier.Dossier`). A request is weighed into a proposal. Where the
proposal needs ports that are not bound, it waits for the media plane, the only
round trip there is; otherwise it is accepted at once. Until then, and for good if
it is refused, everything is as it was (:rfc:`3261#section-14.2`).

Metadata never decides whether a call is recorded: what is wrong with it becomes a
warning. ``strict`` alone turns the gates of the standard on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import LocalError, RemoteError
from ..plan import BridgeOpened, BridgeUpdate, Description, Destination, EndReason
from ..sip.message import Request
from . import snapshot
from .agreement import Agreement
from .content import ACCEPT
from .dossier import Dossier
from .keys import DTMF_TYPES, key_press
from .leniency import Oddity, joined, warning
from .multipart import FieldValue
from .outputs import (
    Accept,
    Ask,
    Changed,
    CloseBridge,
    Later,
    OpenBridge,
    Output,
    Refuse,
    RouteAnswer,
    Routed,
    SendBye,
    SendUpdate,
    SessionPolicy,
    UpdateBridge,
    Warned,
)
from .proposal import Proposal, Reply, admit, conclude, propose, told
from .shown import Shown, bare
from .states import TABLE, Action, Input, State
from .times import utc_text

__all__ = [
    "Accept",
    "Ask",
    "Changed",
    "CloseBridge",
    "Later",
    "OpenBridge",
    "Output",
    "RecordingSession",
    "Refuse",
    "RouteAnswer",
    "Routed",
    "SendBye",
    "SendUpdate",
    "SessionPolicy",
    "State",
    "UpdateBridge",
    "Warned",
]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that waits for a route or for ports, and what it proposes."""

    transaction: str
    proposal: Proposal
    request: Request
    wall: float


@dataclass(frozen=True, slots=True)
class _Queued:
    """A request that came while another one waits."""

    transaction: str
    request: Request
    wall: float


class RecordingSession:
    """
    One recording session, without any I/O: inputs in, :meth:`outputs` out.

    :param identity: its id, which is also the bridge's.
    :param dialog: the SIP core's name of the dialog.
    :param route: where a call goes, given what is known of it; or that this is to be
        asked for, and the INVITE waits for :meth:`routed`.
    """

    def __init__(
        self,
        identity: str,
        dialog: str,
        policy: SessionPolicy,
        route: Callable[[Description], RouteAnswer | Later],
    ) -> None:
        self._identity = identity
        self._dialog = dialog
        self._policy = policy
        self._route = route
        self._state = State.OFFERED
        self._agreement = Agreement.of(identity, policy.media_address)
        self._dossier = Dossier(identity, "")
        self._shown = Shown(identity)
        self._waiting: _Waiting | None = None
        self._queue: deque[_Queued] = deque()
        self._awaits_answer = False
        self._asks_snapshot = False
        self._outputs: list[Output] = []

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._state

    @property
    def description(self) -> Description:
        """What is known of the call."""
        return self._dossier.description(self._shown.include_xml)

    @property
    def metadata_text(self) -> str | None:
        """The metadata as received last."""
        return self._dossier.xml

    @property
    def warnings(self) -> tuple[Oddity, ...]:
        """What was odd so far."""
        return self._dossier.warnings

    def outputs(self) -> list[Output]:
        """What is to be done, in order; each is returned once."""
        outputs, self._outputs = self._outputs, []
        return outputs

    # --- from the SRC ---------------------------------------------------------------

    def offered(self, transaction: str, request: Request, now: float, wall: float) -> None:
        """The INVITE that begins it."""
        if self._state is not State.OFFERED:
            raise LocalError("a recording session is offered once")
        dossier = Dossier.of(self._identity, request, self._policy.headers)
        try:
            proposal = admit(request, self._agreement, dossier, self._policy, utc_text(wall))
            answer = self._route(proposal.dossier.description())
            if isinstance(answer, RemoteError):
                raise answer
        except RemoteError as error:
            self._dossier = dossier
            self._refuse(transaction, error)
            self._step(Input.REFUSED)
            return
        # Who is there from the start is in the description; nobody joins.
        self._waiting = _Waiting(transaction, replace(proposal, events=()), request, wall)
        if isinstance(answer, Later):
            self._learn(proposal.dossier)
            self._outputs.append(Ask(self.description))
            self._step(Input.ASK)
        else:
            self._open(self._waiting, answer)

    def routed(self, answer: Routed | RemoteError, now: float) -> None:
        """What was asked for is known. Where the dialog ended meanwhile, it is too late."""
        waiting = self._waiting
        if self._state is not State.ROUTING or waiting is None:
            return
        if isinstance(answer, RemoteError):
            self._refuse(waiting.transaction, answer)
            self._step(Input.REFUSED)
        else:
            dossier = waiting.proposal.dossier.identified(answer.parameters)
            proposal = replace(waiting.proposal, dossier=dossier)
            self._waiting = replace(waiting, proposal=proposal)
            self._open(self._waiting, answer.destinations)

    def reoffered(self, transaction: str, request: Request, now: float, wall: float) -> None:
        """A re-INVITE or an UPDATE within the dialog."""
        if not (self._state.live or self._state.pending):
            self._refuse(transaction, RemoteError(481, "Call/Transaction Does Not Exist"))
        elif self._waiting is None:
            self._begin(_Queued(transaction, request, wall))
        elif len(self._queue) < self._policy.max_waiting:
            self._queue.append(_Queued(transaction, request, wall))
        else:
            self._refuse(transaction, self._busy())

    def informed(self, transaction: str, request: Request, now: float, wall: float) -> None:
        """An INFO: a key press, a request for a video key frame, or what we do not know."""
        kind = FieldValue.parse(request.headers.get("Content-Type") or "").value
        if kind in DTMF_TYPES:
            self._key_pressed(request.body)
        elif self._policy.strict and request.body and kind != "application/media_control+xml":
            self._refuse(transaction, RemoteError(415, "Unsupported Media Type", (ACCEPT,)))
            return
        self._outputs.append(Accept(transaction))

    def acknowledged(self, request: Request, now: float, wall: float) -> None:
        """The ACK to our 200, with the answer where the offer was ours."""
        if not self._state.live:
            return
        if self._awaits_answer:
            self._awaits_answer = False
            self._answer_came(request, wall)
        elif request.body:
            dossier, events = told(request, self._dossier, self._policy, utc_text(wall))
            self._apply(Proposal(self._agreement, dossier, Reply.NOTHING, events))
        self._ask_snapshot()

    def dialog_ended(
        self, request: Request | None, reason: EndReason, now: float, wall: float
    ) -> None:
        """
        The dialog is over, by a BYE or for another reason. Metadata in the BYE
        is applied before the bridge is closed.
        """
        now_text = utc_text(wall)
        if request is not None and self._state.live:
            dossier, events = told(request, self._dossier, self._policy, now_text)
            dossier = dossier.stopped(request)
            self._apply(Proposal(self._agreement, dossier, Reply.NOTHING, events))
        if self._state.live:
            self._learn(self._dossier.closed(now_text))
        self._step(Input.OVER, reason)

    # --- from the media plane -------------------------------------------------------

    def bridge_opened(self, opened: BridgeOpened, now: float) -> None:
        """Ports are bound: the request that waits for them can be answered."""
        waiting = self._waiting
        if waiting is None:
            return
        agreement = waiting.proposal.agreement.bound(opened.ports)
        if agreement.wants_ports:
            # The report of an earlier change; the one that is waited for comes yet.
            return
        self._waiting = None
        self._step(Input.READY)
        self._accept(
            waiting.transaction, waiting.request, replace(waiting.proposal, agreement=agreement)
        )
        self._go_on()

    def bridge_failed(self, status: int, reason: str, now: float) -> None:
        """There are no ports. The first INVITE is refused for it; a later one changes nothing."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._warn(warning("sip-no-ports", reason))
        elif self._state is State.OPENING:
            retry = (("Retry-After", str(self._policy.retry_after_s)),) if status == 503 else ()
            self._refuse(waiting.transaction, RemoteError(status, reason, retry))
            self._step(Input.FAILED)
        else:
            self._refuse(waiting.transaction, self._busy())
            self._show(self._shown.change(self._dossier, self._agreement.streams))
            self._warn(warning("sip-no-ports", reason))
            self._go_on()

    # --- from us --------------------------------------------------------------------

    def hang_up(self, reason: EndReason, now: float) -> None:
        """End it from our side."""
        self._step(Input.HANG_UP, reason)

    def pause(self, now: float) -> None:
        """Record nothing until :meth:`resume`, whatever the SRC sends."""
        self._set_policy_paused(True)

    def resume(self, now: float) -> None:
        """Record again, unless the SRC has paused it too."""
        self._set_policy_paused(False)

    # --- the inside -----------------------------------------------------------------

    def _step(self, happened: Input, reason: EndReason = EndReason.ERROR) -> None:
        self._state, actions = TABLE.get((self._state, happened), (self._state, ()))
        for action in actions:
            match action:
                case Action.REFUSE_FIRST:
                    self._refuse_first()
                case Action.DROP_WAITING:
                    self._waiting = None
                    self._queue.clear()
                case Action.CLOSE_BRIDGE:
                    self._outputs.append(CloseBridge(self._identity, reason))
                case Action.SEND_BYE:
                    self._outputs.append(SendBye(self._dialog, reason))

    def _refuse_first(self) -> None:
        if self._waiting is not None:
            self._refuse(
                self._waiting.transaction,
                RemoteError(
                    503,
                    "Service Unavailable",
                    (("Retry-After", str(self._policy.retry_after_s)),),
                ),
            )

    def _open(self, waiting: _Waiting, destinations: tuple[Destination, ...]) -> None:
        """Have the first bridge opened, for an INVITE that waits for it from now on."""
        dossier = waiting.proposal.dossier
        plan = self._shown.plan(
            dossier,
            waiting.proposal.agreement.streams,
            destinations,
            self._policy.local_address,
            waiting.wall,
        )
        self._learn(dossier)
        self._outputs.append(OpenBridge(plan))
        self._step(Input.OPEN)

    def _begin(self, queued: _Queued) -> None:
        """Weigh a request; accept it, refuse it, or let it wait for ports."""
        try:
            self._check_open_offer(queued.request)
            proposal = propose(
                queued.request, self._agreement, self._dossier, self._policy, utc_text(queued.wall)
            )
        except RemoteError as error:
            self._refuse(queued.transaction, error)
            self._warn(warning("sip-bad-re-offer", error.reason))
            return
        dossier, streams = proposal.dossier, proposal.agreement.streams
        if proposal.agreement.wants_ports:
            # The media plane hears of it now, so that is not told again with the ports.
            self._show(self._shown.change(dossier, streams, proposal.events))
            proposal = replace(proposal, events=())
            self._waiting = _Waiting(queued.transaction, proposal, queued.request, queued.wall)
        else:
            self._accept(queued.transaction, queued.request, proposal)

    def _check_open_offer(self, request: Request) -> None:
        """While our own offer is open there can be no other (:rfc:`3311#section-5.2`)."""
        if self._awaits_answer and (request.method == "INVITE" or request.body):
            raise RemoteError(491, "Request Pending")

    def _accept(self, transaction: str, request: Request, proposal: Proposal) -> None:
        proposal = proposal.concluded
        self._apply(proposal)
        self._awaits_answer = self._awaits_answer or proposal.reply is Reply.OFFER
        self._outputs.append(Accept(transaction, proposal.body))
        metadata = proposal.dossier.metadata
        if metadata.partial and not metadata.complete and self._policy.request_snapshots:
            self._asks_snapshot = "update" in request.headers.tokens("Allow")
        if request.method != "INVITE":
            self._ask_snapshot()

    def _apply(self, proposal: Proposal) -> None:
        """From here on it holds."""
        self._agreement = proposal.agreement
        self._show(
            self._shown.change(proposal.dossier, proposal.agreement.streams, proposal.events)
        )
        self._learn(proposal.dossier)
        self._settle()

    def _go_on(self) -> None:
        while self._queue and self._waiting is None:
            self._begin(self._queue.popleft())

    def _answer_came(self, request: Request, wall: float) -> None:
        try:
            proposal = conclude(
                request, self._agreement, self._dossier, self._policy, utc_text(wall)
            )
        except RemoteError as error:
            code = "sip-bad-answer" if request.body else "sip-no-answer"
            self._warn(warning(code, error.reason))
            if self._policy.strict:
                self._step(Input.HANG_UP, EndReason.ERROR)
            return
        self._apply(proposal)
        self._go_on()

    def _ask_snapshot(self) -> None:
        if self._asks_snapshot and self._state.live:
            self._asks_snapshot = False
            self._outputs.append(SendUpdate(self._dialog, snapshot.BODY, snapshot.HEADERS))

    def _key_pressed(self, body: bytes) -> None:
        key = key_press(body)
        if key is None:
            self._warn(warning("dtmf-malformed"))
        elif self._state.live:
            self._show(self._shown.key(key))

    def _set_policy_paused(self, paused: bool) -> None:
        if self._state.live:
            self._show(self._shown.policy_change(paused))
            self._settle()
        else:
            self._shown.paused_by_policy = paused

    def _settle(self) -> None:
        """Paused is when every stream is, by whomever."""
        self._step(Input.PAUSE if self._shown.paused else Input.RESUME)

    def _show(self, update: BridgeUpdate | None) -> None:
        if update is not None:
            self._outputs.append(UpdateBridge(update))

    def _learn(self, dossier: Dossier) -> None:
        """Take a dossier over, and tell what is new in it."""
        known = self._dossier.warnings
        before = bare(self.description)
        # A proposal that waited for ports does not know what was odd meanwhile.
        self._dossier = replace(dossier, warnings=joined(known, dossier.warnings))
        self._outputs += [Warned(*each) for each in self._dossier.warnings if each not in known]
        if bare(self.description) != before:
            self._outputs.append(Changed(self.description))

    def _warn(self, oddity: Oddity) -> None:
        self._learn(self._dossier.warned((oddity,)))

    def _refuse(self, transaction: str, error: RemoteError) -> None:
        self._outputs.append(Refuse(transaction, error.status, error.reason, error.headers))

    def _busy(self) -> RemoteError:
        return RemoteError(
            500,
            "another change is under way",
            (("Retry-After", str(self._policy.retry_after_s)),),
        )
