"""
The requests that we send within dialogs, until they are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from .agenda import Agenda
from .answering import AgendaKey
from .authorization import MAX_ATTEMPTS, Secrets, authorized, kept
from .client_transaction import ClientTransaction, acknowledgement, cancellation
from .dialog import Dialog
from .events import Address, Hop, Reuse, Transport, UserAgentSettings
from .machine import Action, Input
from .message import Headers, Request, Response
from .outbox import Outbox
from .server_transaction import MAGIC_COOKIE
from .values import uri_parameter

DATAGRAM_OCTETS = 1300
"A request above this goes by a stream where it can (:rfc:`3261#section-18.1.1`)."


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a request of ours."""

    transaction: ClientTransaction
    status: int
    response: Response | None


class ClientTransactions:
    """
    The client transactions of a user agent.

    :param secrets: what peers may ask us for; None for nothing.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        token: Callable[[int], str],
        outbox: Outbox,
        agenda: Agenda[AgendaKey],
        secrets: Secrets | None = None,
    ) -> None:
        self._settings = settings
        self._token = token
        self._outbox = outbox
        self._agenda = agenda
        self._secrets = secrets
        self._count = 0
        self._by_name: dict[str, ClientTransaction] = {}
        self._by_branch: dict[tuple[str, str], str] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def new_name(self) -> str:
        """A name for a transaction to come."""
        self._count += 1
        return f"c{self._count}"

    def send(
        self,
        dialog: Dialog,
        method: str,
        now: float,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "",
        refresh: bool = False,
        name: str | None = None,
        attempt: int = 1,
    ) -> str | None:
        """Send a request within a dialog; its name, or None where there is no room for it."""
        if len(self._by_name) >= self._settings.limits.transactions:
            return None
        request, hop = dialog.request(
            method,
            branch=f"{MAGIC_COOKIE}{self._token(16)}",
            reuse_flow=self._reuses(dialog),
            headers=(*self._own(dialog, method), *headers),
            body=body,
            content_type=content_type,
        )
        fallback = None
        larger = self._by_stream(dialog, request, hop)
        if larger is not None:
            fallback, (request, hop) = (request, hop), larger
        transaction = ClientTransaction(
            name or self.new_name(),
            dialog.name,
            request,
            hop,
            self._settings.timers,
            now,
            fallback,
            refresh,
            headers,
            attempt,
        )
        dialog.asking[transaction.name] = method
        self._begin(transaction)
        return transaction.name

    def send_again(self, dialog: Dialog, outcome: Outcome, now: float) -> bool:
        """
        Send a request again with what its peer asked for by 401 or 407; False
        where that cannot be. It keeps its name, so that the answer to the last
        attempt is the answer to the request.
        """
        refused, response = outcome.transaction, outcome.response
        if response is None or self._secrets is None or refused.attempt >= MAX_ATTEMPTS:
            return False
        fields = authorized(refused.request, response, self._secrets, self._token)
        if fields is None or len(self._by_name) >= self._settings.limits.transactions:
            return False
        name = refused.name
        self._rename(refused)
        given = {kind for kind, _ in kept(refused.request)}
        self.send(
            dialog,
            refused.request.method,
            now,
            headers=(*(each for each in refused.headers if each[0] not in given), *fields),
            body=refused.request.body,
            content_type=refused.request.headers.get("Content-Type") or "",
            refresh=refused.refresh,
            name=name,
            attempt=refused.attempt + 1,
        )
        return True

    def located(self, name: str, servers: tuple[Address, ...]) -> Address:
        """The servers of the host that a request goes to; which of them it is sent to now."""
        transaction = self._by_name.get(name)
        return transaction.located(servers) if transaction is not None else servers[0]

    def cancel(self, name: str, now: float) -> None:
        """An INVITE is not wanted any more; its final response still comes."""
        transaction = self._by_name.get(name)
        if transaction is not None:
            transaction.servers = ()
            self._act(transaction, transaction.machine.step(Input.CANCEL, now), None, now)

    def acknowledge(self, dialog: Dialog, outcome: Outcome) -> None:
        """Send the ACK of a 2xx to our re-INVITE, a transaction of its own."""
        cseq = outcome.transaction.request.cseq
        ack, hop = dialog.request(
            "ACK",
            branch=f"{MAGIC_COOKIE}{self._token(16)}",
            reuse_flow=self._reuses(dialog),
            headers=kept(outcome.transaction.request),
            sequence=cseq.sequence if cseq is not None else 0,
        )
        if hop == outcome.transaction.named:
            hop = outcome.transaction.hop
        outcome.transaction.acknowledgement = (hop, bytes(ack))
        self._outbox.send(hop, outcome.transaction.name, bytes(ack))

    def receive(self, response: Response, now: float) -> tuple[bool, Outcome | None]:
        """
        A response. Whether it belongs to a request of ours, and how that ended
        if it did just now.
        """
        cseq = response.cseq
        if cseq is None:
            return False, None
        transaction = self._by_name.get(
            self._by_branch.get((response.branch or "", cseq.method), "")
        )
        if transaction is None:
            return False, None
        if response.status < 200:
            happened = Input.PROVISIONAL
        else:
            happened = Input.SUCCESS if response.status < 300 else Input.FAILURE
        return True, self._act(transaction, transaction.machine.step(happened, now), response, now)

    def failed(self, name: str, now: float) -> Outcome | None:
        """A request could not be sent: try the other transport, or tell."""
        transaction = self._by_name.get(name)
        if transaction is None:
            return None
        if transaction.fall_back(self._settings.timers, now):
            self._send(transaction)
            self._schedule(transaction)
            return None
        return self._act(transaction, transaction.machine.step(Input.UNSENT, now), None, now)

    def flow_lost(self, key: str, now: float) -> list[Outcome]:
        """A connection is gone, and with it the answers that were to come by it."""
        names = [
            transaction.name
            for transaction in self._by_name.values()
            if transaction.pending
            and transaction.hop.flow is not None
            and transaction.hop.flow.key == key
        ]
        outcomes = [self.failed(name, now) for name in names]
        return [outcome for outcome in outcomes if outcome is not None]

    def expire(self, name: str, now: float) -> Outcome | None:
        """Fire what is due."""
        transaction = self._by_name.get(name)
        outcome = None
        while transaction is not None and (timer := transaction.machine.due(now)) is not None:
            actions = transaction.machine.step(timer, now)
            outcome = self._act(transaction, actions, None, now) or outcome
        if transaction is not None:
            self._schedule(transaction)
        return outcome

    def _act(
        self,
        transaction: ClientTransaction,
        actions: tuple[Action, ...],
        response: Response | None,
        now: float,
    ) -> Outcome | None:
        outcome = None
        for action in actions:
            if action is Action.RESEND:
                self._send(transaction)
            elif action is Action.ACKNOWLEDGE:
                self._acknowledge_again(transaction, response)
            elif action is Action.CANCEL:
                self._send_cancel(transaction, now)
            elif action is Action.TELL and response is not None:
                outcome = Outcome(transaction, response.status, response)
            elif action is Action.TELL_TIMEOUT:
                outcome = Outcome(transaction, 408, None)
            elif action is Action.TELL_UNSENT:
                outcome = Outcome(transaction, 503, None)
        if outcome is not None and self._tried_elsewhere(outcome, now):
            outcome = None
        self._schedule(transaction)
        # What becomes of a CANCEL itself is nobody's news: the INVITE's response tells.
        return outcome if transaction.request.method != "CANCEL" else None

    def _tried_elsewhere(self, outcome: Outcome, now: float) -> bool:
        """
        A server that does not answer, cannot be reached or is out of service is not the
        last word while there is another (:rfc:`3263#section-4.3`).
        """
        failed = outcome.transaction
        if outcome.status != 503 and outcome.response is not None:
            return False
        again = failed.for_next_server(f"{MAGIC_COOKIE}{self._token(16)}")
        if again is None:
            return False
        name = failed.name
        self._rename(failed)
        transaction = ClientTransaction(
            name,
            failed.dialog,
            *again,
            self._settings.timers,
            now,
            refresh=failed.refresh,
            headers=failed.headers,
            attempt=failed.attempt,
        )
        transaction.named, transaction.servers = failed.named, failed.servers[1:]
        self._begin(transaction)
        return True

    def _acknowledge_again(self, transaction: ClientTransaction, response: Response | None) -> None:
        if transaction.acknowledgement is None and response is not None and response.status >= 300:
            ack = acknowledgement(transaction.request, response)
            transaction.acknowledgement = (transaction.hop, bytes(ack))
        if transaction.acknowledgement is not None:
            hop, octets = transaction.acknowledgement
            self._outbox.send(hop, transaction.name, octets)

    def _send_cancel(self, invite: ClientTransaction, now: float) -> None:
        cancel = ClientTransaction(
            self.new_name(),
            "",
            cancellation(invite.request),
            invite.hop,
            self._settings.timers,
            now,
        )
        self._begin(cancel)

    def _begin(self, transaction: ClientTransaction) -> None:
        request = transaction.request
        self._by_name[transaction.name] = transaction
        self._by_branch[(request.branch or "", request.method)] = transaction.name
        self._send(transaction)
        self._schedule(transaction)

    def _rename(self, transaction: ClientTransaction) -> None:
        """Make room for the next attempt; this one only absorbs what still comes."""
        del self._by_name[transaction.name]
        self._agenda.set(("client", transaction.name), None)
        transaction.name = self.new_name()
        if not transaction.machine.terminated:
            request = transaction.request
            self._by_name[transaction.name] = transaction
            self._by_branch[(request.branch or "", request.method)] = transaction.name
            self._schedule(transaction)

    def _reuses(self, dialog: Dialog) -> bool:
        reuse = self._settings.reuse_flow
        return reuse is Reuse.ALWAYS or (reuse is Reuse.ALIAS and dialog.aliased)

    def _send(self, transaction: ClientTransaction) -> None:
        self._outbox.send(transaction.hop, transaction.name, bytes(transaction.request))

    def _schedule(self, transaction: ClientTransaction) -> None:
        key = ("client", transaction.name)
        if not transaction.machine.terminated:
            self._agenda.set(key, transaction.machine.next_deadline())
            return
        self._agenda.set(key, None)
        self._by_name.pop(transaction.name, None)
        branch = (transaction.request.branch or "", transaction.request.method)
        self._by_branch.pop(branch, None)

    def _own(self, dialog: Dialog, method: str) -> tuple[tuple[str, str], ...]:
        """The header fields that all requests of ours have."""
        settings = self._settings
        fields = [("User-Agent", settings.server)]
        if method in ("INVITE", "UPDATE"):
            fields += [
                ("Contact", dialog.contact),
                ("Allow", ", ".join(settings.allow)),
                ("Supported", ", ".join(settings.supported)),
                ("Accept", ", ".join(settings.accept)),
            ]
        if dialog.session_id is not None:
            fields.append(("Session-ID", dialog.session_id))
        return tuple(fields)

    def _by_stream(self, dialog: Dialog, request: Request, hop: Hop) -> tuple[Request, Hop] | None:
        """
        The same by TCP, where it is too large for a datagram and the next URI
        neither insists on UDP nor lies behind a NAT.
        """
        if hop.transport is not Transport.UDP or len(bytes(request)) <= DATAGRAM_OCTETS:
            return None
        uri = dialog.next_uri()
        if uri is None or uri.host.strip("[]") != hop.host:
            return None
        if (uri_parameter(uri, "transport") or "").lower() == "udp":
            return None
        via = dialog.via(Transport.TCP, request.branch or "")
        fields = [("Via", via), *request.headers.without("Via")]
        return (
            replace(request, headers=Headers(fields)),
            Hop(Transport.TCP, hop.host, hop.port),
        )
