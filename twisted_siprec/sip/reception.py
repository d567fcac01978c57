"""
What becomes of a request: it is matched with what came before, checked, served
here where it concerns SIP alone, and else passed on to the transaction user.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RemoteError
from .answering import ServerTransactions
from .authentication import Gate
from .dialog import Dialog, DialogState
from .dialogs import Dialogs
from .events import (
    Cancelled,
    CloseFlow,
    DialogEnd,
    Discarded,
    Flow,
    Informed,
    Invited,
    Refused,
    Reinvited,
    Updated,
    UserAgentSettings,
)
from .machine import Input
from .message import Request
from .outbox import Outbox
from .responses import capabilities, contact, destination_of, response_to
from .screening import (
    accepts,
    check_content,
    check_extensions,
    check_method,
    check_served,
    check_syntax,
    check_uri,
    has_offer,
)
from .server_transaction import ServerTransaction, transaction_key
from .session_timer import SessionExpires, agree

BUSY_RETRY_AFTER_S = 5
"Retry-After where a table is full."


class Reception:
    """The requests of all peers, as they come."""

    def __init__(
        self,
        settings: UserAgentSettings,
        token: Callable[[int], str],
        outbox: Outbox,
        server: ServerTransactions,
        dialogs: Dialogs,
        gate: Gate | None = None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._outbox = outbox
        self._server = server
        self._dialogs = dialogs
        self._gate = gate
        self.retry_after_s: int | None = None
        "While not None, new dialogs are refused with 503 and this Retry-After."
        self.overload_retry_after_s: int | None = None
        "While not None, new INVITEs are refused in the same way, and all else is served."
        self.options_body = b""
        "What OPTIONS are answered with, for peers that accept SDP."

    def request(self, request: Request, octets: bytes, flow: Flow, now: float) -> None:
        """A request came."""
        if request.method == "ACK":
            self._acknowledge(request, octets, flow, now)
            return
        key = transaction_key(request)
        if key is None:
            self.discard("no usable Via", flow, octets, close=True)
            return
        known = self._server.matching(request)
        if known is not None:
            self._server.step(known, Input.REQUEST, now)
            return
        if self._server.full:
            self._overloaded(request, flow)
            return
        opened = self._server.open(key, request, flow, now)
        try:
            self._check(opened, len(octets), now)
            self._serve(opened, now)
        except RemoteError as error:
            self._tell_refused(opened.request, flow, error)
            self.fail(opened, now, error.status, error.reason, error.headers)
        if flow.transport.reliable and not _is_whole(request):
            self._outbox.tell(CloseFlow(flow, "the end of the message is not known"))

    def _check(self, opened: ServerTransaction, octets: int, now: float) -> None:
        """Check a request in the order of :rfc:`3261#section-8.2`."""
        request, flow, settings = opened.request, opened.flow, self._settings
        check_syntax(request, settings.limits, octets, stream=flow.transport.reliable)
        credentials = None
        if self._gate is not None and request.method != "CANCEL":
            credentials = self._gate(request, flow, now)
        check_method(request, settings)
        if request.method == "CANCEL":
            return
        check_uri(request)
        if request.to_tag is None:
            check_served(request.uri_text, request.method, settings, flow)
            if credentials is not None:
                # It need not be the Request-URI, but one of ours (:rfc:`8760#section-2.6`).
                check_served(credentials.uri, request.method, settings, flow)
        if self._server.merged(opened):
            raise RemoteError(482, "Loop Detected")
        check_extensions(request, settings)

    def _serve(self, opened: ServerTransaction, now: float) -> None:
        request = opened.request
        if request.method == "CANCEL":
            self._cancel(opened, now)
            return
        dialog = self._dialogs.of(request)
        if dialog is not None:
            self._serve_within(opened, dialog, now)
        elif request.to_tag is None and request.method == "OPTIONS":
            self._serve_options(opened, None, now)
        elif request.to_tag is None and request.method == "INVITE":
            self._invite(opened)
        else:
            raise RemoteError(481, "Call/Transaction Does Not Exist")

    # --- outside of dialogs ------------------------------------------------------------

    def _invite(self, opened: ServerTransaction) -> None:
        self._check_capacity()
        self._check_load()
        check_content(opened.request, self._settings)
        self.agree(opened.request)
        dialog = self._dialogs.open(opened, opened.flow)
        self._outbox.tell(Invited(opened.name, dialog.name, opened.request, opened.flow))

    def _check_capacity(self) -> None:
        retry_after_s = self.retry_after_s
        if retry_after_s is None and self._dialogs.full:
            retry_after_s = BUSY_RETRY_AFTER_S
        if retry_after_s is not None:
            raise _unavailable(retry_after_s)

    def _check_load(self) -> None:
        """There is time for another INVITE; a ping is no measure of that."""
        if self.overload_retry_after_s is not None:
            raise _unavailable(self.overload_retry_after_s)
        if self._dialogs.pending >= self._settings.limits.pending_invites:
            raise _unavailable(BUSY_RETRY_AFTER_S)

    def _serve_options(self, opened: ServerTransaction, dialog: Dialog | None, now: float) -> None:
        """Answer OPTIONS as an INVITE would be (:rfc:`3261#section-11.2`)."""
        request = opened.request
        if dialog is None:
            self._check_capacity()
        ours = contact(request, opened.flow, self._settings.contact_user)
        fields = (
            ("Contact", ours),
            *capabilities(self._settings),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
            *self.own_fields(opened, dialog),
        )
        body = self.options_body if accepts(request, "application/sdp") else b""
        self._server.answer(opened, now, 200, "OK", fields, body=body)

    def _cancel(self, cancel: ServerTransaction, now: float) -> None:
        meant = self._server.cancelled_by(cancel.request)
        if meant is None:
            raise RemoteError(481, "Call/Transaction Does Not Exist")
        # The To tags of both responses should be one (:rfc:`3261#section-9.2`).
        cancel.local_tag = meant.local_tag
        self._server.answer(cancel, now, 200, "OK", self.own_fields(cancel, None))
        if meant.unanswered:
            self.terminate(meant, now)

    def terminate(self, opened: ServerTransaction, now: float) -> None:
        """An INVITE is not wanted any more."""
        dialog = opened.dialog
        self.fail(opened, now, 487, "Request Terminated", ())
        if dialog is not None:
            self._outbox.tell(Cancelled(opened.name, dialog))

    def _acknowledge(self, ack: Request, octets: bytes, flow: Flow, now: float) -> None:
        meant = self._server.matching(ack, "INVITE")
        if meant is not None and not self._server.step(meant, Input.ACK, now):
            return
        dialog = self._dialogs.get(meant.dialog) if meant is not None else self._dialogs.of(ack)
        if dialog is None:
            self.discard("ACK to no response of ours", flow, octets)
            return
        self._dialogs.acknowledged(dialog, ack, now)

    # --- within dialogs ------------------------------------------------------------

    def _serve_within(self, opened: ServerTransaction, dialog: Dialog, now: float) -> None:
        request = opened.request
        if request.method == "BYE":
            # Whatever its CSeq: a recording must not outlive its call.
            self._server.answer(opened, now, 200, "OK", self.own_fields(opened, dialog))
            self._dialogs.end(dialog, DialogEnd.BYE, now, request=request)
            return
        if dialog.state is DialogState.ENDED or request.method == "PRACK":
            raise RemoteError(481, "Call/Transaction Does Not Exist")
        try:
            dialog.check_sequence(request)
        except RemoteError as error:
            raise self._later(error.reason) if error.status == 500 else error from error
        dialog.heard(request, opened.flow)
        if request.method == "OPTIONS":
            self._serve_options(opened, dialog, now)
            return
        if request.method == "INVITE":
            self._check_reinvite(dialog)
        elif request.method == "UPDATE":
            self._check_update(request, dialog)
        check_content(request, self._settings)
        if request.method in ("INVITE", "UPDATE"):
            self.agree(request)
        kind: type[Reinvited | Updated | Informed] = Informed
        if request.method in ("INVITE", "UPDATE"):
            kind = Reinvited if request.method == "INVITE" else Updated
        self._dialogs.asked(dialog, opened)
        self._outbox.tell(kind(opened.name, dialog.name, request, opened.flow))

    def _check_reinvite(self, dialog: Dialog) -> None:
        """One INVITE at a time (:rfc:`3261#section-14.2`)."""
        if self._dialogs.awaits_answer(dialog, "INVITE"):
            raise self._later("another INVITE is not answered yet")
        if "INVITE" in dialog.asking.values():
            raise RemoteError(491, "Request Pending")

    def _check_update(self, request: Request, dialog: Dialog) -> None:
        """One UPDATE, and one offer, at a time (:rfc:`3311#section-5.2`)."""
        if self._dialogs.awaits_answer(dialog, "UPDATE"):
            raise self._later("another UPDATE is not answered yet")
        if not has_offer(request):
            return
        if "INVITE" in dialog.asking.values():
            raise RemoteError(491, "Request Pending")
        if self._dialogs.awaits_answer(dialog, "INVITE"):
            raise self._later("another offer is not answered yet")

    def _later(self, reason: str) -> RemoteError:
        """500 with a Retry-After of 0 to 10 seconds, at random."""
        wait_s = int(self._token(2), 16) % 11
        return RemoteError(500, reason, (("Retry-After", str(wait_s)),))

    def agree(self, request: Request) -> tuple[SessionExpires, tuple[tuple[str, str], ...]] | None:
        """The session timer that we answer with; raises 422 where the interval is too short."""
        return agree(
            request,
            proposal_s=self._settings.session_expires_s,
            least_s=self._settings.min_se_s,
        )

    # --- responses ------------------------------------------------------------

    def own_fields(
        self, opened: ServerTransaction, dialog: Dialog | None
    ) -> tuple[tuple[str, str], ...]:
        """The header fields that all final responses of ours have."""
        fields = [("Server", self._settings.server)]
        if dialog is not None and dialog.session_id is not None:
            theirs = (opened.request.headers.get("Session-ID") or "").partition(";")[0].strip()
            remote = f";remote={theirs}" if theirs else ""
            fields.append(("Session-ID", f"{dialog.session_id}{remote}"))
        return tuple(fields)

    def fail(
        self,
        opened: ServerTransaction,
        now: float,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        """Answer with an error; a dialog that was to begin does not."""
        dialog = self._dialogs.get(opened.dialog)
        fields = (*headers, *self.own_fields(opened, dialog))
        self._server.answer(opened, now, status, reason, fields)
        if dialog is not None:
            dialog.asked.pop(opened.name, None)
            if dialog.state is DialogState.EARLY:
                self._dialogs.drop(dialog)

    def _overloaded(self, request: Request, flow: Flow) -> None:
        """Answer without keeping anything, for there is no room to keep it in."""
        error = _unavailable(BUSY_RETRY_AFTER_S)
        self._tell_refused(request, flow, error)
        response = response_to(
            request, flow, 503, error.reason, local_tag=self._token(16), headers=error.headers
        )
        self._outbox.respond(flow, destination_of(request, flow), bytes(response))

    def _tell_refused(self, request: Request, flow: Flow, error: RemoteError) -> None:
        self._outbox.tell(
            Refused(error.status, error.reason, request.method, request.call_id, flow)
        )

    def discard(self, reason: str, flow: Flow, octets: bytes, *, close: bool = False) -> None:
        """Octets that get no answer."""
        self._outbox.tell(Discarded(reason, flow, len(octets)))
        if close and flow.transport.reliable:
            self._outbox.tell(CloseFlow(flow, reason))


def _unavailable(retry_after_s: int) -> RemoteError:
    return RemoteError(503, "Service Unavailable", (("Retry-After", str(retry_after_s)),))


def _is_whole(request: Request) -> bool:
    """The framing knew where the message ends."""
    try:
        return request.content_length == len(request.body)
    except RemoteError:
        return False
