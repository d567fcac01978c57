"""
Dialogs: what two user agents know of each other between a 200 and a BYE
(:rfc:`3261#section-12`). We are the callee of all of ours.
"""

from __future__ import annotations

from enum import Enum

from sipmessage import URI

from ..errors import RemoteError
from .acceptance import Acceptance
from .events import Flow, Hop, Transport
from .message import Headers, Request, Response
from .session_timer import SessionTimer
from .values import Address, bracketed, parse_uri, uri_parameter

BASE_METHODS = frozenset({"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"})
"What a peer without an Allow is taken to serve."


class DialogState(Enum):
    """How far a dialog is."""

    EARLY = "not answered yet"
    CONFIRMED = "answered 2xx"
    ENDED = "over; kept while our BYE is on its way"


class Dialog:
    """One dialog, from the callee's side."""

    __slots__ = (
        "acceptance",
        "aliased",
        "asked",
        "asking",
        "call_id",
        "charset",
        "contact",
        "flow",
        "local",
        "local_sequence",
        "name",
        "peer_allows",
        "remote",
        "remote_method",
        "remote_sequence",
        "remote_tag",
        "route_set",
        "sdp",
        "session_id",
        "session_timer",
        "state",
        "target",
        "transport",
        "via_host",
        "waiting_bye",
    )

    def __init__(self, name: str, request: Request, flow: Flow, session_id: str | None) -> None:
        """
        :param name: our tag, which names the dialog to all who deal with it.
        :param request: the INVITE that makes it.
        :param session_id: our half of the Session-ID (:rfc:`7989`); None where
            the peer sends none.
        """
        cseq = request.cseq
        self.name = name
        self.state = DialogState.EARLY
        self.call_id = request.call_id or ""
        self.remote_tag = request.from_tag or ""
        self.local = f"{(request.headers.get('To') or '').strip()};tag={name}"
        self.remote = request.headers.get("From") or ""
        self.charset = request.charset
        self.route_set = request.headers.get_all("Record-Route")
        self.target = _source_uri(flow)
        self.local_sequence = 0
        self.remote_sequence = cseq.sequence if cseq is not None else 0
        self.remote_method = "INVITE"
        self.session_id = session_id
        self.peer_allows: frozenset[str] = BASE_METHODS
        self.acceptance: Acceptance | None = None
        self.session_timer: SessionTimer | None = None
        self.sdp: bytes | None = None
        "The last session description of ours, for refreshes by re-INVITE."
        self.waiting_bye: tuple[str, str] | None = None
        "The transaction and the Reason of a BYE that waits for the ACK (section 15)."
        self.flow: Flow | None = flow
        self.aliased = False
        "The peer wants its connection used for our requests, and has proved who it is."
        self.via_host = flow.advertised
        self.transport = flow.transport
        self.contact = ""
        "Our Contact, as the last message of ours within the dialog names it."
        self.asked: dict[str, str] = {}
        "The peer's requests that our transaction user has not answered: name and method."
        self.asking: dict[str, str] = {}
        "Our requests that the peer has not answered: name and method."
        self.heard(request, flow)
        self.refresh_target(request)

    def heard(self, request: Request, flow: Flow) -> None:
        """A request came within the dialog."""
        self.flow = flow
        self.transport = flow.transport
        self.via_host = flow.advertised
        self.aliased = _is_alias(request, flow)
        allow = request.headers.get_all("Allow")
        if allow:
            self.peer_allows = frozenset(method.upper() for method in allow)

    def refresh_target(self, message: Request | Response) -> None:
        """Take the peer's Contact as its new address (:rfc:`3261#section-12.2.2`)."""
        address = message.contact
        if address is not None and address.uri is not None:
            self.target = address.uri_text

    def check_sequence(self, request: Request) -> None:
        """
        The request is not older than the last one (:rfc:`3261#section-12.2.2`).
        A number that came already is a merged request, but with another method
        it is only a careless peer.
        """
        cseq = request.cseq
        if cseq is None:
            return
        if cseq.sequence < self.remote_sequence:
            raise RemoteError(500, "CSeq is out of order")
        if cseq.sequence == self.remote_sequence and request.method == self.remote_method:
            raise RemoteError(482, "Loop Detected")
        self.remote_sequence = cseq.sequence
        self.remote_method = request.method

    def request(
        self,
        method: str,
        *,
        branch: str,
        reuse_flow: bool,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        content_type: str = "",
        sequence: int | None = None,
    ) -> tuple[Request, Hop]:
        """
        A request of ours, and where it goes next (:rfc:`3261#section-12.2.1.1`).

        :param sequence: the CSeq number of the INVITE, for its ACK; all other
            requests take the next one.
        """
        if sequence is None:
            self.local_sequence += 1
            sequence = self.local_sequence
        uri, route = self._routed()
        hop = self.next_hop(reuse_flow)
        fields = [
            ("Via", self.via(hop.transport, branch)),
            *(("Route", value) for value in route),
            ("Max-Forwards", "70"),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{sequence} {method}"),
            *headers,
        ]
        if content_type:
            fields.append(("Content-Type", content_type))
        made = Request(
            Headers(fields), body=body, charset=self.charset, method=method, uri_text=uri
        )
        return made, hop

    def via(self, transport: Transport, branch: str) -> str:
        """Our Via. rport is asked for in any case: it costs nothing (:rfc:`3581`)."""
        host, port = self.via_host
        return f"SIP/2.0/{transport.value} {bracketed(host)}:{port};branch={branch};rport"

    def _routed(self) -> tuple[str, tuple[str, ...]]:
        """The Request-URI and the Route, by loose or by strict routing."""
        if not self.route_set:
            return self.target, ()
        first = Address.parse(self.route_set[0])
        if first is None or first.uri is None or uri_parameter(first.uri, "lr") is not None:
            return self.target, self.route_set
        return first.uri_text, (*self.route_set[1:], f"<{self.target}>")

    def next_uri(self) -> URI | None:
        """
        The URI that leads to the next hop: the topmost Route by loose routing,
        which is the Request-URI by strict routing, and else the target.
        """
        if not self.route_set:
            return parse_uri(self.target)
        first = Address.parse(self.route_set[0])
        return first.uri if first is not None else None

    def next_hop(self, reuse_flow: bool) -> Hop:
        """
        Where the next request goes. A connection that the peer opened is used again, if
        that is wished; toward UDP the source of the last request is taken where
        the URI does not name it, for then there is a NAT on the way.
        """
        uri = self.next_uri()
        flow = self.flow
        if uri is None or not uri.host:
            host, port = flow.remote if flow is not None else ("", 0)
            return Hop(self.transport, host, port, flow)
        transport = _transport_of(uri_parameter(uri, "transport"), uri.scheme) or self.transport
        host = (uri_parameter(uri, "maddr") or uri.host).strip("[]")
        if not reuse_flow or flow is None:
            usable = flow if flow is not None and _same_listener(transport, flow) else None
            return Hop(transport, host, uri.port, usable)
        if flow.transport.reliable:
            return Hop(flow.transport, host, uri.port, flow)
        if transport.reliable:
            return Hop(transport, host, uri.port)
        if host == flow.remote[0]:
            return Hop(transport, host, uri.port, flow)
        return Hop(transport, *flow.remote, flow)

    def next_deadline(self) -> float | None:
        """When the dialog wants attention: a 2xx again, a refresh, or its end."""
        deadlines = [self.acceptance.next_deadline()] if self.acceptance is not None else []
        if self.session_timer is not None and self.state is DialogState.CONFIRMED:
            deadlines.append(self.session_timer.expires_at)
            if self.session_timer.ours:
                deadlines.append(self.session_timer.refresh_at)
        return min(deadlines, default=None)


def _source_uri(flow: Flow) -> str:
    """What stands in for the Contact that a peer did not send."""
    host = f"{bracketed(flow.remote[0])}:{flow.remote[1]}"
    return f"sip:{host};transport={flow.transport.value.lower()}"


def _is_alias(request: Request, flow: Flow) -> bool:
    """Only who was authenticated by TLS may have a connection reused (:rfc:`5923#section-9`)."""
    via = request.top_via
    asked = via is not None and "alias" in via.parameters
    return asked and flow.transport is Transport.TLS and bool(flow.identities)


def _same_listener(transport: Transport, flow: Flow) -> bool:
    """A UDP flow names the socket to send from."""
    return transport is Transport.UDP and flow.transport is Transport.UDP


def _transport_of(parameter: str | None, scheme: str) -> Transport | None:
    """What a URI says of its transport; None where it says nothing (:rfc:`3263#section-4.1`)."""
    named = (parameter or "").upper()
    if scheme == "sips" or named == "TLS":
        return Transport.TLS
    return {"UDP": Transport.UDP, "TCP": Transport.TCP}.get(named)
