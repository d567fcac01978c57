"""
All dialogs of a user agent: how they begin, are kept alive, and end.
"""

from __future__ import annotations

from collections.abc import Callable

from .acceptance import Acceptance, Due
from .agenda import Agenda
from .answering import AgendaKey, ServerTransactions
from .dialog import Dialog, DialogState
from .events import (
    Acknowledged,
    Answered,
    DialogEnd,
    Ended,
    Flow,
    UserAgentSettings,
)
from .message import Request, Response
from .outbox import Outbox
from .server_transaction import ServerTransaction
from .session_timer import LEAST_INTERVAL_S, SessionExpires, SessionTimer, least_interval
from .uac import ClientTransactions, Outcome


class Dialogs:
    """The dialogs by name, and what happens to them by time and by our own requests."""

    def __init__(
        self,
        settings: UserAgentSettings,
        token: Callable[[int], str],
        outbox: Outbox,
        agenda: Agenda[AgendaKey],
        server: ServerTransactions,
        client: ClientTransactions,
    ) -> None:
        self._settings = settings
        self._token = token
        self._outbox = outbox
        self._agenda = agenda
        self._server = server
        self._client = client
        self._by_name: dict[str, Dialog] = {}
        self._pending: set[str] = set()

    def __len__(self) -> int:
        return sum(dialog.state is not DialogState.ENDED for dialog in self._by_name.values())

    @property
    def full(self) -> bool:
        """There is no room for another dialog."""
        return len(self._by_name) >= self._settings.limits.dialogs

    def get(self, name: str | None) -> Dialog | None:
        """The dialog of this name."""
        return self._by_name.get(name or "")

    def of(self, request: Request) -> Dialog | None:
        """The dialog of a request: Call-ID and both tags (:rfc:`3261#section-12.2.2`)."""
        dialog = self._by_name.get(request.to_tag or "")
        if dialog is None or dialog.call_id != request.call_id:
            return None
        return dialog if dialog.remote_tag == (request.from_tag or "") else None

    # --- beginning ------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many INVITEs outside of dialogs are not answered."""
        return len(self._pending)

    def open(self, transaction: ServerTransaction, flow: Flow) -> Dialog:
        """The dialog that an INVITE will make, if it is accepted."""
        request = transaction.request
        session_id = self._token(32) if "Session-ID" in request.headers else None
        dialog = Dialog(transaction.local_tag, request, flow, session_id)
        self._by_name[dialog.name] = dialog
        self._pending.add(dialog.name)
        self.asked(dialog, transaction)
        return dialog

    def asked(self, dialog: Dialog, transaction: ServerTransaction) -> None:
        """A request within the dialog waits for our transaction user."""
        transaction.dialog = dialog.name
        dialog.asked[transaction.name] = transaction.request.method

    def awaits_answer(self, dialog: Dialog, method: str) -> bool:
        """A request of the peer with this method is still unanswered."""
        for name in [*dialog.asked]:
            transaction = self._server.get(name)
            if transaction is None or not transaction.unanswered:
                del dialog.asked[name]
        return method in dialog.asked.values()

    def drop(self, dialog: Dialog) -> None:
        """Forget a dialog without a word: it never was, or its BYE is through."""
        self._agenda.set(("dialog", dialog.name), None)
        self._by_name.pop(dialog.name, None)
        self._pending.discard(dialog.name)

    def accepted(self, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
        """We sent a 2xx to an INVITE."""
        dialog.state = DialogState.CONFIRMED
        self._pending.discard(dialog.name)
        dialog.acceptance = Acceptance(transaction, self._settings.timers, now)
        self.schedule(dialog)

    def acknowledged(self, dialog: Dialog, request: Request, now: float) -> bool:
        """An ACK; False where it is not the one that we wait for."""
        cseq = request.cseq
        acceptance = dialog.acceptance
        if acceptance is None or cseq is None or cseq.sequence != acceptance.sequence:
            return False
        dialog.acceptance = None
        self._outbox.tell(Acknowledged(dialog.name, request))
        if dialog.waiting_bye is not None:
            self.end(dialog, DialogEnd.LOCAL, now, bye=True)
        else:
            self.schedule(dialog)
        return True

    # --- keeping alive ------------------------------------------------------------

    def agreed(self, dialog: Dialog, expires: SessionExpires | None, now: float) -> None:
        """Our 2xx to a refresh said this of the session timer."""
        if expires is None:
            dialog.session_timer = None
        else:
            ours = expires.refresher == "uas"
            dialog.session_timer = SessionTimer.starting(expires.interval_s, ours, now)
        self.schedule(dialog)

    def timer_field(self, dialog: Dialog) -> tuple[tuple[str, str], ...]:
        """
        The Session-Expires of a request of ours. It has to be in each UPDATE
        and re-INVITE, or else their 2xx would end the timer.
        """
        timer = dialog.session_timer
        if timer is None:
            return ()
        return (
            ("Session-Expires", f"{timer.interval_s};refresher={'uac' if timer.ours else 'uas'}"),
        )

    def schedule(self, dialog: Dialog) -> None:
        """Set the dialog's next deadline."""
        if dialog.name in self._by_name:
            self._agenda.set(("dialog", dialog.name), dialog.next_deadline())

    def expire(self, name: str, now: float) -> None:
        """Do what is due for a dialog."""
        dialog = self._by_name.get(name)
        if dialog is None:
            return
        due = dialog.acceptance.expire(now) if dialog.acceptance is not None else None
        if due is Due.RESEND and dialog.acceptance is not None:
            self._server.repeat(dialog.acceptance.transaction)
        elif due is Due.GIVE_UP:
            waited = dialog.waiting_bye is not None
            reason = DialogEnd.LOCAL if waited else DialogEnd.UNACKNOWLEDGED
            self.end(dialog, reason, now, bye=True)
        timer = dialog.session_timer
        if timer is not None and now >= timer.expires_at:
            self.end(dialog, DialogEnd.EXPIRED, now, bye=True)
        elif timer is not None and timer.ours and now >= timer.refresh_at:
            self._refresh(dialog, timer, now)
        self.schedule(dialog)

    def _refresh(self, dialog: Dialog, timer: SessionTimer, now: float) -> None:
        """Refresh by UPDATE where the peer takes it, else by the last SDP again."""
        dialog.session_timer = timer.postponed(timer.expires_at)
        if dialog.asking or dialog.acceptance is not None:
            dialog.session_timer = timer.postponed(min(now + 1.0, timer.expires_at))
        elif "UPDATE" in dialog.peer_allows:
            self.ask(dialog, "UPDATE", now, refresh=True)
        elif dialog.sdp is not None:
            self.ask(
                dialog, "INVITE", now, body=dialog.sdp, content_type="application/sdp", refresh=True
            )

    # --- our requests ------------------------------------------------------------

    def ask(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "",
        refresh: bool = False,
    ) -> str | None:
        """Send a request within the dialog."""
        return self._client.send(
            dialog,
            method,
            now,
            headers=(*self.timer_field(dialog), *headers),
            body=body,
            content_type=content_type,
            refresh=refresh,
        )

    def cancel_invites(self, dialog: Dialog, now: float) -> bool:
        """Give our re-INVITE up, if one is on its way."""
        names = [name for name, method in dialog.asking.items() if method == "INVITE"]
        for name in names:
            self._client.cancel(name, now)
        return bool(names)

    def answered(self, outcome: Outcome, now: float) -> None:
        """A request of ours has ended."""
        transaction, status = outcome.transaction, outcome.status
        method = transaction.request.method
        dialog = self._by_name.get(transaction.dialog)
        if dialog is not None and status in (401, 407):
            dialog.asking.pop(transaction.name, None)
            if self._client.send_again(dialog, outcome, now):
                return
        self._outbox.tell(
            Answered(transaction.dialog, method, transaction.name, status, outcome.response)
        )
        if dialog is None:
            return
        dialog.asking.pop(transaction.name, None)
        if method == "INVITE" and 200 <= status < 300:
            self._client.acknowledge(dialog, outcome)
            dialog.sdp = transaction.request.body
        if method == "BYE":
            self.drop(dialog)
        elif status == 481 or (status == 408 and (outcome.response or transaction.refresh)):
            # A peer that does not answer at all may be one that takes no
            # requests from recorders; only a refresh must not go unanswered.
            self.end(dialog, DialogEnd.GONE, now, bye=True)
        elif outcome.response is not None and 200 <= status < 300:
            self._refreshed(dialog, outcome.response, now)
        elif transaction.refresh:
            self._refresh_failed(dialog, outcome, now)

    def _refreshed(self, dialog: Dialog, response: Response, now: float) -> None:
        dialog.refresh_target(response)
        cseq = response.cseq
        if cseq is not None and cseq.method in ("INVITE", "UPDATE"):
            expires = SessionExpires.of(response)
            dialog.session_timer = (
                SessionTimer.starting(
                    max(expires.interval_s, LEAST_INTERVAL_S), expires.refresher != "uas", now
                )
                if expires is not None and dialog.session_timer is not None
                else None
            )
        self.schedule(dialog)

    def _refresh_failed(self, dialog: Dialog, outcome: Outcome, now: float) -> None:
        timer = dialog.session_timer
        if timer is None:
            return
        if outcome.status == 422 and outcome.response is not None:
            interval_s = max(timer.interval_s, least_interval(outcome.response.headers))
            timer = SessionTimer(interval_s, True, now, timer.expires_at)
            dialog.session_timer = timer.postponed(now + 0.5)
        elif outcome.status == 491:
            # We are never the owner of the Call-ID (:rfc:`3261#section-14.1`).
            dialog.session_timer = timer.postponed(now + int(self._token(2), 16) % 200 / 100)
        else:
            left = max(0.0, timer.expires_at - now)
            dialog.session_timer = timer.postponed(now + max(1.0, left / 2))
        self.schedule(dialog)

    # --- ending ------------------------------------------------------------

    def send_bye(self, dialog: Dialog, now: float, reason: str) -> str | None:
        """
        End the dialog. Before the ACK to our 2xx came a callee must not send
        BYE (:rfc:`3261#section-15`), so it waits for that.
        """
        if dialog.state is not DialogState.CONFIRMED:
            return None
        if dialog.waiting_bye is None:
            dialog.waiting_bye = (self._client.new_name(), reason)
        name = dialog.waiting_bye[0]
        if dialog.acceptance is None:
            self.end(dialog, DialogEnd.LOCAL, now, bye=True)
        return name

    def end(
        self,
        dialog: Dialog,
        reason: DialogEnd,
        now: float,
        *,
        request: Request | None = None,
        bye: bool = False,
    ) -> None:
        """
        The dialog is over, once. Where we say so ourselves it is kept until the
        BYE is answered, to answer the peer's BYE that may cross it.
        """
        if dialog.state is DialogState.ENDED:
            return
        dialog.state = DialogState.ENDED
        dialog.acceptance = None
        dialog.session_timer = None
        for name in dialog.asked:
            transaction = self._server.get(name)
            if transaction is not None:
                self._server.answer(transaction, now, 487)
        dialog.asked.clear()
        self.cancel_invites(dialog, now)
        self._outbox.tell(Ended(dialog.name, reason, request))
        if not (bye and self._say_bye(dialog, now)):
            self.drop(dialog)

    def _say_bye(self, dialog: Dialog, now: float) -> bool:
        name, reason = dialog.waiting_bye or (self._client.new_name(), "")
        self._agenda.set(("dialog", dialog.name), None)
        sent = self._client.send(
            dialog, "BYE", now, headers=(("Reason", reason),) if reason else (), name=name
        )
        return sent is not None

    def flow_lost(self, key: str, now: float) -> None:
        """A connection is gone: later requests make their own (:rfc:`3261#section-18`)."""
        for dialog in self._by_name.values():
            if dialog.flow is not None and dialog.flow.key == key:
                dialog.flow = None
        for outcome in self._client.flow_lost(key, now):
            self.answered(outcome, now)
