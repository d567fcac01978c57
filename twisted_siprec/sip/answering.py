"""
All requests that we have to answer or have just answered.
"""

from __future__ import annotations

from collections.abc import Callable

from .agenda import Agenda
from .events import Flow, UserAgentSettings
from .machine import Action, Input, Timer
from .message import Request
from .outbox import Outbox
from .responses import destination_of, response_to
from .server_transaction import Key, ServerTransaction, transaction_key

AgendaKey = tuple[str, str]
"What has a deadline: a kind (server, client or dialog) and a name."


class ServerTransactions:
    """The server transactions of a user agent, by the keys that requests match."""

    def __init__(
        self,
        settings: UserAgentSettings,
        token: Callable[[int], str],
        outbox: Outbox,
        agenda: Agenda[AgendaKey],
    ) -> None:
        self._settings = settings
        self._token = token
        self._outbox = outbox
        self._agenda = agenda
        self._count = 0
        self._by_name: dict[str, ServerTransaction] = {}
        self._by_key: dict[Key, ServerTransaction] = {}
        self._invites: dict[Key, str] = {}
        "INVITEs outside of dialogs, by what a merged one has in common with them."

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def full(self) -> bool:
        """There is no room for another transaction."""
        return len(self._by_name) >= self._settings.limits.transactions

    def get(self, name: str) -> ServerTransaction | None:
        """The transaction of this name, while it lives."""
        return self._by_name.get(name)

    def matching(self, request: Request, method: str | None = None) -> ServerTransaction | None:
        """The transaction that a request belongs to, or the one that it acknowledges or cancels."""
        key = transaction_key(request, method)
        return self._by_key.get(key) if key is not None else None

    def cancelled_by(self, cancel: Request) -> ServerTransaction | None:
        """The transaction that a CANCEL means (:rfc:`3261#section-9.2`): it is an INVITE's."""
        return self.matching(cancel, "INVITE")

    def open(self, key: Key, request: Request, flow: Flow, now: float) -> ServerTransaction:
        """A request that did not come before."""
        self._count += 1
        transaction = ServerTransaction(
            f"s{self._count}",
            key,
            request,
            flow,
            destination_of(request, flow),
            self._token(16),
            self._settings.timers,
            now,
        )
        self._by_name[transaction.name] = transaction
        self._by_key[key] = transaction
        merge_key = _merge_key(request)
        if merge_key is not None:
            self._invites.setdefault(merge_key, transaction.name)
        self._schedule(transaction)
        return transaction

    def merged(self, transaction: ServerTransaction) -> bool:
        """The same INVITE came by another way (:rfc:`3261#section-8.2.2.2`)."""
        merge_key = _merge_key(transaction.request)
        return merge_key is not None and self._invites.get(merge_key) != transaction.name

    def step(self, transaction: ServerTransaction, happened: Input, now: float) -> bool:
        """An input; True where it was an ACK that is for the dialog."""
        return self._act(transaction, transaction.machine.step(happened, now))

    def answer(
        self,
        transaction: ServerTransaction,
        now: float,
        status: int,
        reason: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> None:
        """Give the final response. A second one is ignored, as the machine has it."""
        if not transaction.unanswered:
            return
        response = response_to(
            transaction.request,
            transaction.flow,
            status,
            reason,
            local_tag=transaction.local_tag,
            headers=headers,
            body=body,
            content_type=content_type,
        )
        transaction.response = bytes(response)
        if status == 401:
            # The same with credentials is no copy, even where its peer forgot to count.
            self._forget_merge(transaction)
        happened = Input.SUCCESS if status < 300 else Input.FAILURE
        self._act(transaction, transaction.machine.step(happened, now))

    def repeat(self, transaction: ServerTransaction) -> None:
        """Send the last response again."""
        if transaction.response is not None:
            self._outbox.respond(transaction.flow, transaction.destination, transaction.response)

    def expire(self, name: str, now: float) -> ServerTransaction | None:
        """Fire what is due; the transaction where it is an INVITE that waited too long."""
        transaction = self._by_name.get(name)
        if transaction is None:
            return None
        expired = False
        while (timer := transaction.machine.due(now)) is not None:
            expired = expired or timer is Timer.EXPIRES
            self._act(transaction, transaction.machine.step(timer, now))
        self._schedule(transaction)
        return transaction if expired else None

    def _act(self, transaction: ServerTransaction, actions: tuple[Action, ...]) -> bool:
        for action in actions:
            if action in (Action.SEND, Action.RESEND):
                self.repeat(transaction)
            elif action is Action.SEND_TRYING:
                trying = response_to(
                    transaction.request, transaction.flow, 100, "Trying", local_tag=None
                )
                transaction.response = bytes(trying)
                self.repeat(transaction)
        self._schedule(transaction)
        return Action.PASS_ACK in actions

    def _schedule(self, transaction: ServerTransaction) -> None:
        if not transaction.machine.terminated:
            self._agenda.set(("server", transaction.name), transaction.machine.next_deadline())
            return
        self._agenda.set(("server", transaction.name), None)
        self._by_name.pop(transaction.name, None)
        if self._by_key.get(transaction.key) is transaction:
            del self._by_key[transaction.key]
        self._forget_merge(transaction)

    def _forget_merge(self, transaction: ServerTransaction) -> None:
        merge_key = _merge_key(transaction.request)
        if merge_key is not None and self._invites.get(merge_key) == transaction.name:
            del self._invites[merge_key]


def _merge_key(request: Request) -> Key | None:
    """
    What copies of one INVITE have in common. Other requests are not checked: a
    ping that comes twice does no harm, and some peers never count theirs.
    """
    cseq = request.cseq
    if request.method != "INVITE" or request.to_tag is not None or cseq is None:
        return None
    return (request.call_id or "", request.from_tag or "", str(cseq.sequence))
