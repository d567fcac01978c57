"""
Client transactions: a request of ours that is sent until it is answered
(:rfc:`3261#section-17.1`, with the Accepted state of :rfc:`6026#section-7.2`).

The INVITE machine::

    Calling ──1xx──► Proceeding ──2xx──► Accepted ──M──► Terminated
      │ A: again, B: give up │ 3xx-6xx: ACK
      └──────────────────────┴─────────► Completed ──D──► Terminated

It is cancelled when it is not wanted any more, or by timer C, but not before a
1xx came (:rfc:`3261#section-9.1`): from Calling it goes to Abandoned and waits
for that, from Proceeding to Cancelling, where the end is waited for 64 T1 long.

and the other one::

    Trying ──1xx──► Proceeding ──final──► Completed ──K──► Terminated
      └ E: again, F: give up, in both
"""

from __future__ import annotations

from dataclasses import replace

from .events import Address, Hop, Timers
from .machine import Action, Input, Machine, Start, State, Stop, Table, Timer
from .message import Headers, Request, Response

_RUNNING = (Timer.A, Timer.B, Timer.C, Timer.CANCELLED)

_INVITE_ENDS: dict[Timer | Input, tuple[State, tuple[Action | Start | Stop, ...]]] = {
    Input.SUCCESS: (
        State.ACCEPTED,
        (Action.TELL, Stop(_RUNNING), Start(Timer.M)),
    ),
    Input.FAILURE: (
        State.COMPLETED,
        (Action.ACKNOWLEDGE, Action.TELL, Stop(_RUNNING), Start(Timer.D)),
    ),
    Input.UNSENT: (State.TERMINATED, (Action.TELL_UNSENT,)),
}
_CANCEL: tuple[State, tuple[Action | Start | Stop, ...]] = (
    State.CANCELLING,
    (Action.CANCEL, Stop((Timer.A, Timer.B, Timer.C)), Start(Timer.CANCELLED)),
)

INVITE: Table = {
    (State.CALLING, Timer.A): (State.CALLING, (Action.RESEND, Start(Timer.A))),
    (State.CALLING, Timer.B): (State.TERMINATED, (Action.TELL_TIMEOUT,)),
    (State.CALLING, Input.PROVISIONAL): (
        State.PROCEEDING,
        (Stop((Timer.A, Timer.B)), Start(Timer.C)),
    ),
    (State.CALLING, Input.SUCCESS): _INVITE_ENDS[Input.SUCCESS],
    (State.CALLING, Input.FAILURE): _INVITE_ENDS[Input.FAILURE],
    (State.CALLING, Input.UNSENT): _INVITE_ENDS[Input.UNSENT],
    (State.CALLING, Input.CANCEL): (State.ABANDONED, ()),
    (State.ABANDONED, Timer.A): (State.ABANDONED, (Action.RESEND, Start(Timer.A))),
    (State.ABANDONED, Timer.B): (State.TERMINATED, (Action.TELL_TIMEOUT,)),
    (State.ABANDONED, Input.PROVISIONAL): _CANCEL,
    (State.ABANDONED, Input.SUCCESS): _INVITE_ENDS[Input.SUCCESS],
    (State.ABANDONED, Input.FAILURE): _INVITE_ENDS[Input.FAILURE],
    (State.ABANDONED, Input.UNSENT): _INVITE_ENDS[Input.UNSENT],
    (State.PROCEEDING, Timer.C): _CANCEL,
    (State.PROCEEDING, Input.CANCEL): _CANCEL,
    (State.PROCEEDING, Input.SUCCESS): _INVITE_ENDS[Input.SUCCESS],
    (State.PROCEEDING, Input.FAILURE): _INVITE_ENDS[Input.FAILURE],
    (State.PROCEEDING, Input.UNSENT): _INVITE_ENDS[Input.UNSENT],
    (State.CANCELLING, Timer.CANCELLED): (State.TERMINATED, (Action.TELL_TIMEOUT,)),
    (State.CANCELLING, Input.SUCCESS): _INVITE_ENDS[Input.SUCCESS],
    (State.CANCELLING, Input.FAILURE): _INVITE_ENDS[Input.FAILURE],
    (State.CANCELLING, Input.UNSENT): _INVITE_ENDS[Input.UNSENT],
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, (Action.ACKNOWLEDGE,)),
    (State.ACCEPTED, Timer.M): (State.TERMINATED, ()),
    (State.COMPLETED, Input.FAILURE): (State.COMPLETED, (Action.ACKNOWLEDGE,)),
    (State.COMPLETED, Timer.D): (State.TERMINATED, ()),
}

_FINAL: tuple[State, tuple[Action | Start | Stop, ...]] = (
    State.COMPLETED,
    (Action.TELL, Stop((Timer.E, Timer.F)), Start(Timer.K)),
)

NON_INVITE: Table = {
    (State.TRYING, Timer.E): (State.TRYING, (Action.RESEND, Start(Timer.E))),
    (State.TRYING, Timer.F): (State.TERMINATED, (Action.TELL_TIMEOUT,)),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, ()),
    (State.TRYING, Input.SUCCESS): _FINAL,
    (State.TRYING, Input.FAILURE): _FINAL,
    (State.TRYING, Input.UNSENT): (State.TERMINATED, (Action.TELL_UNSENT,)),
    (State.PROCEEDING, Timer.E): (State.PROCEEDING, (Action.RESEND, Start(Timer.E))),
    (State.PROCEEDING, Timer.F): (State.TERMINATED, (Action.TELL_TIMEOUT,)),
    (State.PROCEEDING, Input.SUCCESS): _FINAL,
    (State.PROCEEDING, Input.FAILURE): _FINAL,
    (State.PROCEEDING, Input.UNSENT): (State.TERMINATED, (Action.TELL_UNSENT,)),
    (State.COMPLETED, Timer.K): (State.TERMINATED, ()),
}


_PENDING = frozenset(
    {State.CALLING, State.ABANDONED, State.TRYING, State.PROCEEDING, State.CANCELLING}
)


class ClientTransaction:
    """One request of ours, and where it went."""

    __slots__ = (
        "acknowledgement",
        "attempt",
        "dialog",
        "fallback",
        "headers",
        "hop",
        "machine",
        "name",
        "named",
        "refresh",
        "request",
        "servers",
    )

    def __init__(
        self,
        name: str,
        dialog: str,
        request: Request,
        hop: Hop,
        timers: Timers,
        now: float,
        fallback: tuple[Request, Hop] | None = None,
        refresh: bool = False,
        headers: tuple[tuple[str, str], ...] = (),
        attempt: int = 1,
    ) -> None:
        self.name = name
        self.dialog = dialog
        self.request = request
        self.hop = hop
        self.fallback = fallback
        "What to send where this cannot be: the same by UDP."
        self.refresh = refresh
        "It refreshes the session timer."
        self.headers = headers
        "What it was given besides what all requests have, to be sent again with credentials."
        self.attempt = attempt
        "Which one it is of those that credentials were asked for."
        self.acknowledgement: tuple[Hop, bytes] | None = None
        "The ACK and its way, to send again for each retransmission of the response."
        self.named: Hop | None = None
        "Where it goes as the URI has it, once the servers of that are known."
        self.servers: tuple[Address, ...] = ()
        "Further ones, to be tried in this order."
        self.machine = self._machine(timers, now)

    def _machine(self, timers: Timers, now: float) -> Machine:
        reliable = self.hop.transport.reliable
        if self.request.method == "INVITE":
            machine = Machine(INVITE, State.CALLING, timers, reliable)
            started = (Timer.A, Timer.B)
        else:
            machine = Machine(NON_INVITE, State.TRYING, timers, reliable)
            started = (Timer.E, Timer.F)
        for timer in started:
            machine.start(timer, now)
        return machine

    @property
    def pending(self) -> bool:
        """No final response has come."""
        return self.machine.state in _PENDING

    def located(self, servers: tuple[Address, ...]) -> Address:
        """
        Where it goes of the servers of its next hop, the best first: always the same
        one, until that fails (:rfc:`3263#section-4.3`).
        """
        if self.named is None:
            host, port = servers[0]
            self.named, self.servers = self.hop, servers[1:]
            self.hop = replace(self.hop, host=host, port=port)
        return self.hop.host, self.hop.port or servers[0][1]

    def for_next_server(self, branch: str) -> tuple[Request, Hop] | None:
        """The same request to the next server, in a transaction of its own; None for no more."""
        if not self.servers:
            return None
        host, port = self.servers[0]
        fields = self.request.headers
        via = (fields.first("Via") or "").replace(self.request.branch or "", branch)
        request = replace(self.request, headers=Headers([("Via", via), *fields.without("Via")]))
        return request, replace(self.hop, host=host, port=port)

    def fall_back(self, timers: Timers, now: float) -> bool:
        """Go over to the other transport, if there is one: True where it is to be sent again."""
        if self.fallback is None or not self.pending:
            return False
        (self.request, self.hop), self.fallback = self.fallback, None
        self.machine = self._machine(timers, now)
        return True


def acknowledgement(request: Request, response: Response) -> Request:
    """
    The ACK of a response that is no 2xx: in the INVITE's transaction, to where
    the INVITE went (:rfc:`3261#section-17.1.1.3`).
    """
    cseq = request.cseq
    fields = [
        ("Via", request.headers.first("Via") or ""),
        *(("Route", value) for value in request.headers.get_all("Route")),
        ("Max-Forwards", "70"),
        ("From", request.headers.get("From") or ""),
        ("To", response.headers.get("To") or request.headers.get("To") or ""),
        ("Call-ID", request.call_id or ""),
        ("CSeq", f"{cseq.sequence if cseq is not None else 0} ACK"),
    ]
    return Request(
        Headers(fields), charset=request.charset, method="ACK", uri_text=request.uri_text
    )


def cancellation(request: Request) -> Request:
    """The CANCEL of an INVITE (:rfc:`3261#section-9.1`): its branch, its way, its numbers."""
    cseq = request.cseq
    fields = [
        ("Via", request.headers.first("Via") or ""),
        *(("Route", value) for value in request.headers.get_all("Route")),
        ("Max-Forwards", "70"),
        ("From", request.headers.get("From") or ""),
        ("To", request.headers.get("To") or ""),
        ("Call-ID", request.call_id or ""),
        ("CSeq", f"{cseq.sequence if cseq is not None else 0} CANCEL"),
    ]
    return Request(
        Headers(fields), charset=request.charset, method="CANCEL", uri_text=request.uri_text
    )
