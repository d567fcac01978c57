"""
The simulated SRC's side of one recording session: a user agent that sends
INVITE, re-INVITE and BYE, and answers what the SRS asks within the dialog
(:rfc:`3261#section-12`, :rfc:`7866#section-6.1`).

It does no I/O: messages go in, what is to be done comes out of
:meth:`CallAgent.outputs`. What the SRS may ask for is answered at once, so that
the shell only has to be told what changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from ..errors import LocalError
from ..sip.authorization import MAX_ATTEMPTS, authorized
from ..sip.events import Address, Timers
from ..sip.message import Request, Response
from .agent_events import (
    Answered,
    Caller,
    Ended,
    Output,
    Progressed,
    Purpose,
    Reoffered,
    Transmit,
)
from .dialog import ALLOW, Dialog, number, respond
from .transaction import Action, ClientTransaction, State

Fields = tuple[tuple[str, str], ...]
_REMEMBERED_RESPONSES = 32
"How many of our responses are kept for retransmitted requests of the SRS."


class _Phase(Enum):
    """Where the call is (:rfc:`3261#section-12`, and 9 for CANCEL)."""

    IDLE = auto()
    CALLING = auto()
    CANCELLING = auto()
    ESTABLISHED = auto()
    ENDING = auto()
    ENDED = auto()


@dataclass(slots=True)
class _Confirmation:
    """Our 2xx to a re-INVITE of the SRS, sent until it is acknowledged (section 13.3.1.4)."""

    octets: bytes
    destination: Address
    cseq: int
    interval_s: float
    resend_at: float
    end_at: float


class CallAgent:
    """
    One recording session as its SRC sees it.

    :param token: gives that many random hex digits.
    :param describe: our SDP answer to an offer of the SRS, and our own offer
        where the argument is empty.
    """

    def __init__(
        self,
        caller: Caller,
        token: Callable[[int], str],
        describe: Callable[[bytes], bytes],
        timers: Timers | None = None,
    ) -> None:
        self.caller = caller
        self._dialog = Dialog(caller, token)
        self._token = token
        self._challenges = 0
        "How many challenges came one after another."
        self._describe = describe
        self._timers = timers or Timers()
        self._phase = _Phase.IDLE
        self._transactions: dict[tuple[str, str], tuple[Purpose, ClientTransaction]] = {}
        "By branch and method: a CANCEL has the branch of its INVITE."
        self._responses: dict[tuple[str, str], tuple[bytes, Address]] = {}
        self._confirmation: _Confirmation | None = None
        self._outputs: list[Output] = []

    @property
    def call_id(self) -> str:
        """The Call-ID of all messages of the call."""
        return self._dialog.call_id

    # --- what we do -----------------------------------------------------------------

    def invite(self, body: bytes, content_type: str, now: float) -> None:
        """Begin the recording session."""
        fields = (
            ("Require", "siprec"),
            ("Contact", f"<{self.caller.contact}>;+sip.src"),
            ("Allow", ALLOW),
            ("Accept", "application/sdp"),
            *self.caller.headers,
            ("Content-Type", content_type),
        )
        self.invite_with(fields, body, now)

    def invite_with(self, fields: Fields, body: bytes, now: float) -> None:
        """The same with header fields of the caller's choice."""
        if self._phase is not _Phase.IDLE:
            raise LocalError("the call was begun already")
        self._phase = _Phase.CALLING
        self._begin(Purpose.CALL, self._dialog.request("INVITE", fields, body), None, now)

    @property
    def begun(self) -> bool:
        """There is something to hang up."""
        return self._phase not in (_Phase.IDLE, _Phase.ENDED)

    @property
    def changeable(self) -> bool:
        """A re-INVITE may be sent: no other is under way (:rfc:`3261#section-14.1`)."""
        return (
            self._phase is _Phase.ESTABLISHED and not self._inviting and self._confirmation is None
        )

    def reinvite(self, body: bytes, now: float) -> None:
        """Change the streams, while :attr:`changeable`."""
        if not self.changeable:
            raise LocalError("no re-INVITE may be sent now")
        fields = (
            ("Require", "siprec"),
            ("Contact", f"<{self.caller.contact}>;+sip.src"),
            ("Allow", ALLOW),
            ("Content-Type", "application/sdp"),
        )
        self.send(Purpose.CHANGE, "INVITE", fields, body, now)

    def send(self, purpose: Purpose, method: str, fields: Fields, body: bytes, now: float) -> None:
        """Send a request within the dialog; it is answered by its purpose."""
        request = self._dialog.request(method, fields, body)
        self._begin(purpose, request, self._dialog.next_hop(), now)

    def hang_up(self, now: float, fields: Fields = (), body: bytes = b"") -> None:
        """End it: by BYE, or by CANCEL where it is not answered. It may be asked twice."""
        if self._phase is _Phase.IDLE:
            self._end(False, "not begun")
        elif self._phase is _Phase.ESTABLISHED:
            self._phase = _Phase.ENDING
            self.send(Purpose.BYE, "BYE", fields, body, now)
        elif self._phase is _Phase.CALLING:
            self._phase = _Phase.CANCELLING
            self._cancel(now)

    def unreachable(self, reason: str, now: float) -> None:
        """The transport failed: what waits for an answer gets none."""
        for purpose, transaction in list(self._transactions.values()):
            if transaction.waiting:
                self._gave_up(purpose, reason, now)
        self._transactions.clear()
        self._confirmation = None
        if self._phase is _Phase.ESTABLISHED:
            self._end(True, reason)

    # --- the four verbs ----------------------------------------------------------------

    def receive(self, message: Request | Response, source: Address, now: float) -> None:
        """A message with our Call-ID."""
        if isinstance(message, Response):
            self._receive_response(message, now)
        else:
            self._receive_request(message, source, now)

    def outputs(self) -> list[Output]:
        """What is to be done, in order."""
        drained, self._outputs = self._outputs, []
        return drained

    def next_deadline(self) -> float | None:
        """When :meth:`expire` is to be called."""
        deadlines = [row.next_deadline() for _, row in self._transactions.values()]
        if self._confirmation is not None:
            deadlines.append(min(self._confirmation.resend_at, self._confirmation.end_at))
        return min(deadlines, default=None)

    def expire(self, now: float) -> None:
        """Send again what was not answered; give up what never was."""
        for key, (purpose, transaction) in list(self._transactions.items()):
            waited = transaction.waiting
            if transaction.expire(now):
                self._transmit(transaction.request, transaction.destination)
            elif transaction.state is State.TERMINATED:
                del self._transactions[key]
                if waited:
                    self._gave_up(purpose, "no answer", now)
        self._expire_confirmation(now)

    @property
    def ended(self) -> bool:
        """The call is over; late messages are still answered."""
        return self._phase is _Phase.ENDED

    # --- responses ----------------------------------------------------------------------

    def _receive_response(self, response: Response, now: float) -> None:
        method = response.cseq.method if response.cseq is not None else ""
        entry = self._transactions.get((response.branch or "", method))
        if entry is None:
            return
        purpose, transaction = entry
        action = transaction.receive(response.status, now)
        if action is Action.ACK:
            self._outputs.append(Transmit(transaction.acknowledgement, transaction.destination))
        elif action is Action.ACK_AND_TELL:
            self._acknowledge(transaction, response)
        if action not in (Action.TELL, Action.ACK_AND_TELL):
            return
        if not self._answered_challenge(purpose, transaction, response, now):
            self._told(purpose, response, now)

    def _answered_challenge(
        self, purpose: Purpose, transaction: ClientTransaction, response: Response, now: float
    ) -> bool:
        """The SRS wants credentials, we have some, and the request is on its way again."""
        credentials = self.caller.credentials
        if response.status not in (401, 407):
            self._challenges = 0
            return False
        self._challenges += 1
        if (
            credentials is None
            or self._phase is _Phase.CANCELLING
            or self._challenges >= MAX_ATTEMPTS
        ):
            return False
        fields = authorized(transaction.request, response, lambda _: credentials, self._token)
        if fields is None:
            return False
        again = self._dialog.again(transaction.request, fields)
        self._begin(purpose, again, transaction.destination, now)
        return True

    def _told(self, purpose: Purpose, response: Response, now: float) -> None:
        if response.status < 200:
            self._outputs.append(Progressed(response.status))
            if self._phase is _Phase.CANCELLING:
                self._cancel(now)
            return
        warning = response.headers.get("Warning") or response.headers.get("Retry-After") or ""
        answered = Answered(purpose, response.status, response.reason, response.body, warning)
        self._outputs.append(answered)
        if purpose is Purpose.CALL:
            self._called(response.status, now)
        elif purpose is Purpose.BYE:
            self._end(False, "BYE answered")
        elif purpose is Purpose.CHANGE and response.status in (408, 481):
            self._end(True, f"the SRS does not know the call any more ({response.status})")

    def _called(self, status: int, now: float) -> None:
        if status >= 300:
            self._end(True, "refused")
        elif self._phase is _Phase.CANCELLING:
            self._phase = _Phase.ESTABLISHED
            self.hang_up(now)
        else:
            self._phase = _Phase.ESTABLISHED

    def _acknowledge(self, transaction: ClientTransaction, response: Response) -> None:
        if response.status < 300:
            self._dialog.establish(response)
            transaction.destination = self._dialog.next_hop()
        ack = self._dialog.acknowledgement(transaction.request, response)
        transaction.acknowledgement = bytes(ack)
        self._outputs.append(Transmit(transaction.acknowledgement, transaction.destination))

    def _gave_up(self, purpose: Purpose, reason: str, now: float) -> None:
        self._outputs.append(Answered(purpose, 0, reason))
        if purpose not in (Purpose.CANCEL, Purpose.OTHER):
            self._end(True, reason)

    # --- requests of the SRS ------------------------------------------------------------

    def _receive_request(self, request: Request, source: Address, now: float) -> None:
        if request.method == "ACK":
            self._acknowledged(request)
            return
        kept = self._responses.get((request.branch or "", request.method))
        if kept is not None:
            self._outputs.append(Transmit(*kept))
            return
        if self._phase is not _Phase.ENDED and self._dialog.has(request):
            self._receive_in_dialog(request, source, now)
        else:
            self._respond(request, source, 481)

    def _receive_in_dialog(self, request: Request, source: Address, now: float) -> None:
        match request.method:
            case "BYE":
                self._respond(request, source, 200)
                self._end(True, request.headers.get("Reason") or "BYE from the SRS")
            case "INVITE":
                self._receive_invite(request, source, now)
            case "UPDATE":
                if self._inviting and request.body:
                    self._respond(request, source, 491)
                else:
                    self._respond(request, source, 200, self._answer(request))
            case "OPTIONS" | "INFO":
                self._respond(request, source, 200)
            case _:
                self._respond(request, source, 405)

    def _receive_invite(self, request: Request, source: Address, now: float) -> None:
        if self._inviting:
            self._respond(request, source, 491)
            return
        body = self._answer(request) if request.body else self._describe(b"")
        octets = self._respond(request, source, 200, body)
        t1 = self._timers.t1
        self._confirmation = _Confirmation(
            octets, source, number(request), t1, now + t1, now + 64 * t1
        )

    def _answer(self, request: Request) -> bytes:
        """Our SDP for a request that changes the dialog; none where it offers nothing."""
        contact = request.contact
        if contact is not None:
            self._dialog.target = contact.uri_text
        content_type = request.content_type
        if content_type is None or content_type.mime_type != "application/sdp":
            return b""
        answer = self._describe(request.body)
        self._outputs.append(Reoffered(request.body))
        return answer

    def _acknowledged(self, request: Request) -> None:
        if self._confirmation is not None and number(request) == self._confirmation.cseq:
            self._confirmation = None
            if request.body:
                self._outputs.append(Reoffered(request.body))

    def _expire_confirmation(self, now: float) -> None:
        confirmation = self._confirmation
        if confirmation is None:
            return
        if now >= confirmation.end_at:
            self._confirmation = None
            self.hang_up(now)
        elif now >= confirmation.resend_at:
            confirmation.interval_s = min(2 * confirmation.interval_s, self._timers.t2)
            confirmation.resend_at = now + confirmation.interval_s
            self._outputs.append(Transmit(confirmation.octets, confirmation.destination))

    def _respond(self, request: Request, source: Address, status: int, body: bytes = b"") -> bytes:
        fields: list[tuple[str, str]] = [("Allow", ALLOW)]
        if status == 200 and request.method in ("INVITE", "UPDATE"):
            fields.append(("Contact", f"<{self.caller.contact}>;+sip.src"))
        if body:
            fields.append(("Content-Type", "application/sdp"))
        octets = bytes(respond(request, status, tuple(fields), body))
        if len(self._responses) >= _REMEMBERED_RESPONSES:
            del self._responses[next(iter(self._responses))]
        self._responses[request.branch or "", request.method] = octets, source
        self._outputs.append(Transmit(octets, source))
        return octets

    # --- requests of ours ---------------------------------------------------------------

    @property
    def _inviting(self) -> bool:
        return any(row.is_invite and row.waiting for _, row in self._transactions.values())

    def _begin(
        self, purpose: Purpose, request: Request, destination: Address | None, now: float
    ) -> None:
        transaction = ClientTransaction(
            request, destination, self.caller.transport.reliable, self._timers, now
        )
        self._transactions[request.branch or "", request.method] = (purpose, transaction)
        self._transmit(request, destination)

    def _cancel(self, now: float) -> None:
        """CANCEL, but only after a provisional response (section 9.1), and only once."""
        rows = dict(self._transactions.values())
        if Purpose.CANCEL in rows or rows[Purpose.CALL].state is not State.PROCEEDING:
            return
        cancel = self._dialog.cancel(rows[Purpose.CALL].request)
        self._begin(Purpose.CANCEL, cancel, None, now)

    def _transmit(self, request: Request, destination: Address | None) -> None:
        self._outputs.append(Transmit(bytes(request), destination))

    def _end(self, by_peer: bool, reason: str) -> None:
        if self._phase is not _Phase.ENDED:
            self._phase = _Phase.ENDED
            self._confirmation = None
            self._outputs.append(Ended(by_peer, reason))
