"""
A recording session, from the INVITE to the end (:rfc:`7866`).

It moves by the table of :mod:`~twisted_siprec.siprec.states`. It holds what is
agreed on with the SRC, and what we want of it (:class:`~.terms.Terms`), and what is
known (:class:`~.knowledge.Knowledge`). A request is weighed into a proposal. Where the
proposal needs ports that are not bound, it waits for the media plane, the only
round trip there is; otherwise it is accepted at once. Until then, and for good if
it is refused, everything is as it was (:rfc:`3261#section-14.2`).

Metadata never decides whether a call is recorded: what is wrong with it becomes a
warning. ``strict`` alone turns the gates of the standard on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..errors import LocalError, RemoteError
from ..participants import Description
from ..plan import Destination, EndReason
from ..report import BridgeOpened
from ..sip.message import Request, Response
from .content import ACCEPT
from .dossier import Dossier
from .keys import DTMF_TYPES, key_press
from .knowledge import Knowledge
from .leniency import Oddity, warning
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
    SendInvite,
    SendUpdate,
    SessionPolicy,
    UpdateBridge,
    Warned,
)
from .pending import Queued, Waiting
from .proposal import Proposal, admit
from .states import TABLE, Action, Input, State
from .terms import Terms
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
    "SendInvite",
    "SendUpdate",
    "SessionPolicy",
    "State",
    "UpdateBridge",
    "Warned",
]


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
        self._knowledge = Knowledge(identity, policy.hide)
        self._terms = Terms(identity, dialog, policy, self._knowledge)
        self._waiting: Waiting | None = None
        self._queue: deque[Queued] = deque()

    @property
    def identity(self) -> str:
        """Its id."""
        return self._identity

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._state

    @property
    def description(self) -> Description:
        """What is known of the call."""
        return self._knowledge.description

    @property
    def metadata_text(self) -> str | None:
        """The metadata as received last."""
        return self._knowledge.text

    @property
    def warnings(self) -> tuple[Oddity, ...]:
        """What was odd so far."""
        return self._knowledge.dossier.warnings

    @property
    def streams(self) -> tuple[int, ...]:
        """The m-lines that are recorded, by their place in the SDP."""
        return tuple(stream.index for stream in self._terms.agreement.streams)

    def outputs(self) -> list[Output]:
        """What is to be done, in order; each is returned once."""
        return self._knowledge.outputs()

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has to be called."""
        return self._terms.next_deadline() if self._state.live else None

    def expire(self, now: float) -> None:
        """Do what is due."""
        self._terms.expire(now)
        self._settle()

    # --- from the SRC ---------------------------------------------------------------

    def offered(self, transaction: str, request: Request, now: float, wall: float) -> None:
        """The INVITE that begins it."""
        if self._state is not State.OFFERED:
            raise LocalError("a recording session is offered once")
        dossier = Dossier.of(self._identity, request, self._policy.headers)
        try:
            proposal = admit(request, self._terms.agreement, dossier, self._policy, utc_text(wall))
            answer = self._route(proposal.dossier.description())
            if isinstance(answer, RemoteError):
                raise answer
        except RemoteError as error:
            self._knowledge.dossier = dossier
            self._refuse(transaction, error)
            self._step(Input.REFUSED)
            return
        # Who is there from the start is in the description; nobody joins.
        self._waiting = Waiting(transaction, replace(proposal, events=()), request, wall)
        if isinstance(answer, Later):
            self._knowledge.learn(proposal.dossier)
            self._put(Ask(self.description))
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
            self._begin(Queued(transaction, request, wall))
        elif len(self._queue) < self._policy.max_waiting:
            self._queue.append(Queued(transaction, request, wall))
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
        self._put(Accept(transaction))

    def acknowledged(self, request: Request, now: float, wall: float) -> None:
        """The ACK to our 200, with the answer where the offer was ours."""
        if not self._state.live:
            return
        if not self._terms.acknowledged(request, wall) and self._policy.strict:
            self._step(Input.HANG_UP, EndReason.ERROR)
        self._settle()

    def answered(
        self, method: str, status: int, response: Response | None, now: float, wall: float
    ) -> None:
        """The final response to our re-INVITE, or that it cannot be sent now (491)."""
        if method == "INVITE" and self._state.live:
            self._terms.answered(status, response, now, wall)
            self._settle()

    def dialog_ended(
        self, request: Request | None, reason: EndReason, now: float, wall: float
    ) -> None:
        """
        The dialog is over, by a BYE or for another reason. Metadata in the BYE
        is applied before the bridge is closed.
        """
        if self._state.live:
            if request is not None:
                self._terms.hear(request, wall)
            self._knowledge.learn(self._dossier.closed(utc_text(wall)))
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
        proposal = replace(waiting.proposal, agreement=agreement)
        self._accept(waiting.transaction, waiting.request, proposal)
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
            self._knowledge.warn((warning("sip-no-ports", reason),), live=False)
            self._knowledge.show(self._dossier, self._terms.agreement.streams)
            self._go_on()

    def handshake_failed(self, index: int, reason: str) -> None:
        """A stream has no keys, and nothing of it can be heard."""
        self._warn(warning("media-no-keys", f"{index}, {reason}"))

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

    def drop(self, index: int, now: float) -> bool:
        """
        Have the SRC close a stream, for good. It is recorded until the SRC agrees.
        False where there is no such stream, or the SRC is known to take no re-INVITE.
        """
        if not (self._state.live and index in self.streams and self._terms.want_dropped(index)):
            return False
        self._settle()
        return True

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
                    self._put(CloseBridge(self._identity, reason))
                case Action.SEND_BYE:
                    self._put(SendBye(self._dialog, reason))

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

    def _open(self, waiting: Waiting, destinations: tuple[Destination, ...]) -> None:
        """Have the first bridge opened, for an INVITE that waits for it from now on."""
        dossier = waiting.proposal.dossier
        plan = self._knowledge.plan(
            dossier,
            waiting.proposal.agreement.streams,
            destinations,
            self._policy.local_address,
            waiting.wall,
        )
        half = dossier.half if self._policy.join else None
        self._put(OpenBridge(replace(plan, mask_dtmf=self._policy.mask_dtmf, half=half)))
        self._step(Input.OPEN)

    def _begin(self, queued: Queued) -> None:
        """Weigh a request; accept it, refuse it, or let it wait for ports."""
        try:
            proposal = self._terms.weigh(queued.request, queued.wall)
        except RemoteError as error:
            self._refuse(queued.transaction, error)
            if error.status != 491:
                self._warn(warning("sip-bad-re-offer", error.reason))
            return
        if proposal.agreement.wants_ports:
            # The media plane hears of it now, so that is not told again with the ports.
            streams = proposal.agreement.streams
            self._knowledge.show(proposal.dossier, streams, proposal.events)
            proposal = replace(proposal, events=())
            self._waiting = Waiting(queued.transaction, proposal, queued.request, queued.wall)
        else:
            self._accept(queued.transaction, queued.request, proposal)

    def _accept(self, transaction: str, request: Request, proposal: Proposal) -> None:
        self._terms.accept(transaction, request, proposal)
        self._settle()

    def _go_on(self) -> None:
        while self._queue and self._waiting is None:
            self._begin(self._queue.popleft())

    def _key_pressed(self, body: bytes) -> None:
        key = key_press(body)
        if key is None:
            self._warn(warning("dtmf-malformed"))
        elif self._state.live:
            self._knowledge.pressed(key)

    def _set_policy_paused(self, paused: bool) -> None:
        self._knowledge.pause(paused, self._state.live)
        self._terms.want_pause(paused)
        self._settle()

    def _settle(self) -> None:
        """Paused is when every stream is, by whomever. What we want besides is asked for."""
        if self._state.live:
            self._step(Input.PAUSE if self._knowledge.paused else Input.RESUME)
            if self._waiting is None:
                self._terms.ask()

    @property
    def _dossier(self) -> Dossier:
        return self._knowledge.dossier

    def _put(self, output: Output) -> None:
        self._knowledge.put(output)

    def _warn(self, oddity: Oddity) -> None:
        self._knowledge.warn((oddity,), self._state.live)

    def _refuse(self, transaction: str, error: RemoteError) -> None:
        self._put(Refuse(transaction, error.status, error.reason, error.headers))

    def _busy(self) -> RemoteError:
        return RemoteError(
            500,
            "another change is under way",
            (("Retry-After", str(self._policy.retry_after_s)),),
        )
