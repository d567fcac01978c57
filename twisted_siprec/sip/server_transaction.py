"""
Server transactions: what makes a request that comes several times one request
(:rfc:`3261#section-17.2`, with the Accepted state of :rfc:`6026#section-7.1`).

The INVITE machine::

    INVITE ──► Proceeding ──2xx──► Accepted ──L──► Terminated
                   │ 3xx-6xx          └─ absorbs INVITE, passes ACK on
                   ▼
               Completed ──ACK──► Confirmed ──I──► Terminated
                   │ G: again, H: give up

and the other one, for all other methods but ACK::

    request ──► Trying ──final──► Completed ──J──► Terminated

A 2xx of an INVITE is retransmitted by the dialog, not here
(:rfc:`3261#section-13.3.1.4`). Nothing but a late 100 precedes a final
response, and no 408 is ever sent to a non-INVITE (:rfc:`4320`).
"""

from __future__ import annotations

from .events import Address, Flow, Timers
from .machine import Action, Input, Machine, Start, State, Stop, Table, Timer
from .message import Request

INVITE: Table = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.RESEND,)),
    (State.PROCEEDING, Timer.TRYING): (State.PROCEEDING, (Action.SEND_TRYING,)),
    (State.PROCEEDING, Timer.EXPIRES): (State.PROCEEDING, (Action.TELL_EXPIRED,)),
    (State.PROCEEDING, Input.SUCCESS): (
        State.ACCEPTED,
        (Action.SEND, Stop((Timer.TRYING, Timer.EXPIRES)), Start(Timer.L)),
    ),
    (State.PROCEEDING, Input.FAILURE): (
        State.COMPLETED,
        (Action.SEND, Stop((Timer.TRYING, Timer.EXPIRES)), Start(Timer.G), Start(Timer.H)),
    ),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    (State.COMPLETED, Timer.G): (State.COMPLETED, (Action.RESEND, Start(Timer.G))),
    (State.COMPLETED, Timer.H): (State.TERMINATED, ()),
    (State.COMPLETED, Input.ACK): (
        State.CONFIRMED,
        (Stop((Timer.G, Timer.H)), Start(Timer.I)),
    ),
    (State.CONFIRMED, Timer.I): (State.TERMINATED, ()),
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, ()),
    (State.ACCEPTED, Input.ACK): (State.ACCEPTED, (Action.PASS_ACK,)),
    (State.ACCEPTED, Timer.L): (State.TERMINATED, ()),
}

NON_INVITE: Table = {
    (State.TRYING, Input.REQUEST): (State.TRYING, ()),
    (State.TRYING, Timer.ABANDON): (State.TERMINATED, ()),
    (State.TRYING, Input.SUCCESS): (
        State.COMPLETED,
        (Action.SEND, Stop((Timer.ABANDON,)), Start(Timer.J)),
    ),
    (State.TRYING, Input.FAILURE): (
        State.COMPLETED,
        (Action.SEND, Stop((Timer.ABANDON,)), Start(Timer.J)),
    ),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.RESEND,)),
    (State.COMPLETED, Timer.J): (State.TERMINATED, ()),
}

MAGIC_COOKIE = "z9hG4bK"
"What a branch begins with that is unique as :rfc:`3261#section-8.1.1.7` has it."

Key = tuple[str, ...]


def transaction_key(request: Request, method: str | None = None) -> Key | None:
    """
    What makes two requests one transaction (:rfc:`3261#section-17.2.3`): branch,
    sent-by and method; for peers without the cookie in their branches the rules
    of :rfc:`2543`. None for a request without a usable Via.

    :param method: the method to look for instead of the request's own: INVITE
        for its ACK and CANCEL.
    """
    via = request.top_via
    if via is None:
        return None
    method = method or request.method
    branch = via.parameters.get("branch") or ""
    # The cookie is compared without regard to case: all tokens are.
    if branch.lower().startswith(MAGIC_COOKIE.lower()) and len(branch) > len(MAGIC_COOKIE):
        return (branch.lower(), via.host.lower(), str(via.port or 5060), method)
    cseq = request.cseq
    return (
        request.uri_text,
        request.from_tag or "",
        request.call_id or "",
        str(cseq.sequence) if cseq is not None else "",
        request.headers.first("Via") or "",
        method,
    )


class ServerTransaction:
    """One request that we have to answer, and the answer."""

    __slots__ = (
        "destination",
        "dialog",
        "flow",
        "key",
        "local_tag",
        "machine",
        "name",
        "request",
        "response",
    )

    def __init__(
        self,
        name: str,
        key: Key,
        request: Request,
        flow: Flow,
        destination: Address,
        local_tag: str,
        timers: Timers,
        now: float,
    ) -> None:
        self.name = name
        self.key = key
        self.request = request
        self.flow = flow
        self.destination = destination
        self.local_tag = local_tag
        "Our tag in the To of every response, unless the request has one already."
        self.dialog: str | None = None
        self.response: bytes | None = None
        "The last response, to send again."
        if request.method == "INVITE":
            table, state = INVITE, State.PROCEEDING
        else:
            table, state = NON_INVITE, State.TRYING
        self.machine = Machine(table, state, timers, flow.transport.reliable)
        if self.is_invite:
            self.machine.start(Timer.TRYING, now)
            self.machine.start(Timer.EXPIRES, now, _expires(request, timers))
        else:
            self.machine.start(Timer.ABANDON, now)

    @property
    def is_invite(self) -> bool:
        """It is an INVITE's."""
        return self.request.method == "INVITE"

    @property
    def unanswered(self) -> bool:
        """No final response was given."""
        return self.machine.state in (State.TRYING, State.PROCEEDING)


def _expires(request: Request, timers: Timers) -> float:
    """How long an INVITE may wait for its answer: its Expires, and never above timer C."""
    value = (request.headers.get("Expires") or "").strip()
    if value.isascii() and value.isdigit() and len(value) <= 9 and int(value) > 0:
        return min(float(value), timers.c)
    return timers.c
