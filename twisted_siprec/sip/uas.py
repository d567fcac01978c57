"""
The user agent of the recording server: what it is told, and what it tells.

It answers by itself whatever concerns SIP alone (retransmissions, CANCEL, ACK,
OPTIONS, session timers, requests that are wrong) and passes on what concerns a
recording: INVITE, UPDATE and INFO as questions to be answered by
:meth:`~UserAgentServer.accept` or :meth:`~UserAgentServer.refuse`, ACK and BYE
as news.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RemoteError
from .agenda import Agenda
from .answering import AgendaKey, ServerTransactions
from .authentication import Gate
from .authorization import Secrets
from .dialog import Dialog, DialogState
from .dialogs import Dialogs
from .events import Address, Discarded, Flow, Output, UserAgentSettings
from .framing import PING
from .message import Response, parse
from .outbox import Outbox
from .reception import Reception
from .responses import capabilities, contact
from .server_transaction import ServerTransaction
from .uac import ClientTransactions

STUN_COOKIE = b"\x21\x12\xa4\x42"


class UserAgentServer:
    """
    A callee that records. Nothing that a peer sends makes it raise, and it
    holds no more than its limits allow.

    :param token: random hexadecimal digits, as many as are asked for.
    :param gate: who may send us requests; None for everybody.
    :param secrets: what peers may ask us for, by realm; None for nothing.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        token: Callable[[int], str],
        *,
        gate: Gate | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._settings = settings
        self._outbox = Outbox(settings.trace)
        self._agenda: Agenda[AgendaKey] = Agenda()
        self._server = ServerTransactions(settings, token, self._outbox, self._agenda)
        self._client = ClientTransactions(settings, token, self._outbox, self._agenda, secrets)
        self._dialogs = Dialogs(
            settings, token, self._outbox, self._agenda, self._server, self._client
        )
        self._reception = Reception(
            settings, token, self._outbox, self._server, self._dialogs, gate
        )

    # --- the four verbs ------------------------------------------------------------

    def receive(self, octets: bytes, flow: Flow, now: float) -> None:
        """One datagram, or what the framing of a connection gave."""
        if flow.transport.reliable and octets == PING:
            self._outbox.respond(flow, flow.remote, b"\r\n")
            return
        if _is_keep_alive(octets):
            self._outbox.tell(Discarded("keep-alive", flow, len(octets)))
            return
        try:
            message = parse(octets)
        except RemoteError as error:
            self._reception.discard(error.reason, flow, octets, close=True)
            return
        self._outbox.received(message, octets, flow)
        if isinstance(message, Response):
            self._response(message, octets, flow, now)
        else:
            self._reception.request(message, octets, flow, now)

    def outputs(self) -> list[Output]:
        """All that is to be done since the last time, in order."""
        return self._outbox.drain()

    def next_deadline(self) -> float | None:
        """When :meth:`expire` wants to be called."""
        return self._agenda.next_deadline()

    def expire(self, now: float) -> None:
        """Do what is due."""
        for kind, name in self._agenda.due(now):
            if kind == "server":
                waited = self._server.expire(name, now)
                if waited is not None:
                    self._reception.terminate(waited, now)
            elif kind == "client":
                outcome = self._client.expire(name, now)
                if outcome is not None:
                    self._dialogs.answered(outcome, now)
            else:
                self._dialogs.expire(name, now)

    # --- inputs of the shell ------------------------------------------------------------

    def flow_lost(self, key: str, now: float) -> None:
        """A connection was closed. The dialogs on it live on."""
        self._dialogs.flow_lost(key, now)

    def located(self, transaction: str, servers: tuple[Address, ...], now: float) -> Address:
        """
        The name that a request of ours goes to was looked up: its servers, the best
        first. The answer is the one to send it to.
        """
        return self._client.located(transaction, servers)

    def send_failed(self, transaction: str, now: float) -> None:
        """A request of ours could not be sent."""
        outcome = self._client.failed(transaction, now)
        if outcome is not None:
            self._dialogs.answered(outcome, now)

    # --- inputs of the transaction user ------------------------------------------------

    def accept(
        self,
        transaction: str,
        now: float,
        *,
        body: bytes = b"",
        content_type: str = "application/sdp",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """
        Answer 200. An answer to what was cancelled or given up meanwhile is
        ignored.
        """
        opened = self._server.get(transaction)
        if opened is None or not opened.unanswered:
            return
        dialog = self._dialogs.get(opened.dialog)
        if dialog is None:
            return
        request = opened.request
        fields = self._accepting_fields(opened, dialog)
        expires = None
        if request.method in ("INVITE", "UPDATE"):
            agreement = self._reception.agree(request)
            if agreement is not None:
                expires, timer_fields = agreement
                fields = (*fields, *timer_fields)
        dialog.asked.pop(opened.name, None)
        self._server.answer(
            opened, now, 200, "OK", (*fields, *headers), body=body, content_type=content_type
        )
        if request.method in ("INVITE", "UPDATE"):
            dialog.refresh_target(request)
            if body and content_type == "application/sdp":
                dialog.sdp = body
            if request.method == "INVITE":
                self._dialogs.accepted(dialog, opened, now)
            self._dialogs.agreed(dialog, expires, now)

    def refuse(
        self,
        transaction: str,
        now: float,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer with an error. A dialog that exists is left as it is."""
        opened = self._server.get(transaction)
        if opened is not None and opened.unanswered:
            self._reception.fail(opened, now, status, reason, headers)

    def send_bye(self, dialog: str, now: float, reason: str = "") -> str | None:
        """
        End a dialog; the name of the BYE's transaction, or None where there is
        no such dialog or it is not established. ``Ended`` follows when the BYE
        goes out, which may have to wait for the ACK to our 200.

        :param reason: the value of a Reason header field (:rfc:`3326`).
        """
        found = self._dialogs.get(dialog)
        return self._dialogs.send_bye(found, now, reason) if found is not None else None

    def send_update(
        self,
        dialog: str,
        now: float,
        *,
        body: bytes = b"",
        content_type: str = "",
        disposition: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> str | None:
        """Send an UPDATE; None where it cannot be: no such dialog, or one is on its way."""
        found = self._established(dialog)
        if found is None or "UPDATE" in found.asking.values():
            return None
        disposed = (("Content-Disposition", disposition),) if disposition else ()
        return self._dialogs.ask(
            found,
            "UPDATE",
            now,
            headers=(*disposed, *headers),
            body=body,
            content_type=content_type,
        )

    def send_invite(
        self, dialog: str, now: float, *, body: bytes, content_type: str = "application/sdp"
    ) -> str | None:
        """
        Send a re-INVITE. None where there must be none now: another INVITE of
        either side is not through (:rfc:`3261#section-14.1`).
        """
        found = self._established(dialog)
        if found is None or found.acceptance is not None or "INVITE" in found.asking.values():
            return None
        if self._dialogs.awaits_answer(found, "INVITE"):
            return None
        return self._dialogs.ask(found, "INVITE", now, body=body, content_type=content_type)

    def cancel_invite(self, dialog: str, now: float) -> bool:
        """
        Give our re-INVITE up (:rfc:`3261#section-9.1`). ``Answered`` follows all
        the same: 487, or what the peer answered before the CANCEL came. False
        where none is on its way.
        """
        found = self._dialogs.get(dialog)
        return found is not None and self._dialogs.cancel_invites(found, now)

    def peer_allows(self, dialog: str, method: str) -> bool:
        """The peer lists the method in its Allow."""
        found = self._dialogs.get(dialog)
        return found is not None and method in found.peer_allows

    # --- settings that change while it runs ---------------------------------------------

    def drain(self, retry_after_s: int | None) -> None:
        """
        Refuse new dialogs with 503 and this Retry-After, and say so to those
        who ping with OPTIONS; None to serve again. Dialogs that exist go on.
        """
        self._reception.retry_after_s = retry_after_s

    def overload(self, retry_after_s: int | None) -> None:
        """
        Refuse new INVITEs with 503 and this Retry-After for there is too much to
        do; None to take them again. All else is served.
        """
        self._reception.overload_retry_after_s = retry_after_s

    def options_body(self, sdp: bytes) -> None:
        """What OPTIONS are answered with, for peers that accept SDP."""
        self._reception.options_body = sdp

    def trace(self, on: bool) -> None:
        """Tell every message as ``Traced``, or no longer."""
        self._outbox.trace = on

    @property
    def dialogs(self) -> int:
        """How many dialogs there are, early ones with them."""
        return len(self._dialogs)

    @property
    def transactions(self) -> int:
        """How many transactions there are, on either side."""
        return len(self._server) + len(self._client)

    # --- parts ------------------------------------------------------------

    def _response(self, response: Response, octets: bytes, flow: Flow, now: float) -> None:
        ours, outcome = self._client.receive(response, now)
        if not ours:
            self._reception.discard("response to no request of ours", flow, octets)
        if outcome is not None:
            self._dialogs.answered(outcome, now)

    def _established(self, name: str) -> Dialog | None:
        dialog = self._dialogs.get(name)
        if dialog is None or dialog.state is not DialogState.CONFIRMED:
            return None
        return dialog if dialog.waiting_bye is None else None

    def _accepting_fields(
        self, opened: ServerTransaction, dialog: Dialog
    ) -> tuple[tuple[str, str], ...]:
        """The header fields of a 2xx to INVITE, UPDATE or INFO."""
        request = opened.request
        own = self._reception.own_fields(opened, dialog)
        if request.method not in ("INVITE", "UPDATE"):
            return own
        dialog.contact = contact(request, opened.flow, self._settings.contact_user)
        routes: tuple[tuple[str, str], ...] = ()
        if dialog.state is DialogState.EARLY:
            lines = request.headers.lines("Record-Route")
            routes = tuple(("Record-Route", line) for line in lines)
        return (*routes, ("Contact", dialog.contact), *capabilities(self._settings), *own)


def _is_keep_alive(octets: bytes) -> bool:
    """What peers send to keep a NAT open: line ends, zeros, ``jaK``, STUN (:rfc:`5626`)."""
    return (
        not octets.strip(b"\r\n\x00 \t")
        or octets[:3] == b"jaK"
        or (octets[0] < 4 and octets[4:8] == STUN_COOKIE)
    )
