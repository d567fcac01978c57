"""
The dialog of a simulated call (:rfc:`3261#section-12`): what its requests bear,
where they go, and which requests of the SRS belong to it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from ..sip.authorization import kept
from ..sip.events import Address, Transport
from ..sip.message import Headers, Request, Response
from ..sip.values import parse_uri
from .agent_events import Caller

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"

_REASONS = {
    200: "OK",
    405: "Method Not Allowed",
    481: "Call/Transaction Does Not Exist",
    491: "Request Pending",
}


class Dialog:
    """
    Our half of it from the start, the peer's half from its first 2xx on.

    :param token: gives that many random hex digits.
    """

    def __init__(self, caller: Caller, token: Callable[[int], str]) -> None:
        self.caller = caller
        self.call_id = f"{token(24)}@{caller.sent_by.rsplit(':', 1)[0].strip('[]')}"
        self.target = caller.target
        "The remote target: the Contact of the peer, once there is one."
        self._token = token
        self._tag = token(12)
        self._cseq = 0
        self._established = False
        self._peer_tag = ""
        self._to = caller.to
        self._route: tuple[str, ...] = ()

    def establish(self, response: Response) -> None:
        """The state that a 2xx gives (section 12.1.2), or refreshes (section 12.2.1.2)."""
        contact = response.contact
        if contact is not None:
            self.target = contact.uri_text
        if not self._established:
            self._established = True
            self._peer_tag = response.to_tag or ""
            self._to = response.headers.get("To") or self._to
            self._route = tuple(reversed(response.headers.get_all("Record-Route")))

    def has(self, request: Request) -> bool:
        """A request of the peer is within this dialog (section 12.2.2)."""
        return (
            self._established
            and request.to_tag == self._tag
            and (request.from_tag or "") == self._peer_tag
        )

    def request(
        self,
        method: str,
        fields: tuple[tuple[str, str], ...],
        body: bytes,
        cseq: int | None = None,
    ) -> Request:
        """The next request within the dialog, or the one that begins it."""
        if cseq is None:
            self._cseq += 1
            cseq = self._cseq
        caller = self.caller
        return Request(
            Headers(
                (
                    ("Via", self._via()),
                    ("Max-Forwards", "70"),
                    *(("Route", route) for route in self._route),
                    ("From", f"{caller.from_};tag={self._tag}"),
                    ("To", self._to),
                    ("Call-ID", self.call_id),
                    ("CSeq", f"{cseq} {method}"),
                    ("User-Agent", caller.user_agent),
                    *fields,
                )
            ),
            body=body,
            method=method,
            uri_text=self.target,
        )

    def again(self, request: Request, fields: tuple[tuple[str, str], ...]) -> Request:
        """A request of its own with the same content, and with credentials (section 22.2)."""
        self._cseq += 1
        named = {name for name, _ in fields}
        same = request.headers.without("Via", "CSeq", "Content-Length", *named)
        return Request(
            Headers(
                (
                    ("Via", self._via()),
                    ("CSeq", f"{self._cseq} {request.method}"),
                    *same,
                    *fields,
                )
            ),
            body=request.body,
            method=request.method,
            uri_text=request.uri_text,
        )

    def acknowledgement(self, invite: Request, response: Response) -> Request:
        """ACK: a request of its own after a 2xx (13.2.2.4), of the transaction else (17.1.1.3)."""
        if response.status < 300:
            return self.request("ACK", kept(invite), b"", cseq=number(invite))
        fields = _copied(invite, ("Via", "Max-Forwards", "From", "Call-ID", "Route"))
        fields += [("To", response.headers.get("To") or self._to)]
        fields += [("CSeq", f"{number(invite)} ACK")]
        return Request(Headers(fields), method="ACK", uri_text=invite.uri_text)

    def cancel(self, invite: Request) -> Request:
        """CANCEL of an INVITE (section 9.1)."""
        fields = _copied(invite, ("Via", "Max-Forwards", "From", "To", "Call-ID", "Route"))
        fields += [("CSeq", f"{number(invite)} CANCEL")]
        return Request(Headers(fields), method="CANCEL", uri_text=invite.uri_text)

    def _via(self) -> str:
        caller, branch = self.caller, f"z9hG4bK{self._token(16)}"
        return f"SIP/2.0/{caller.transport.value} {caller.sent_by};rport;branch={branch}"

    def next_hop(self) -> Address | None:
        """
        Where requests within the dialog go (section 8.1.2): to the topmost
        route or the remote target, where that is an address; None for where
        the first request went.
        """
        route = self._route[0].partition("<")[2].partition(">")[0] if self._route else ""
        uri = parse_uri(route or self.target)
        if uri is None or not self._established:
            return None
        host = uri.host.strip("[]")
        try:
            ip_address(host)
        except ValueError:
            return None
        return host, uri.port or (5061 if self.caller.transport is Transport.TLS else 5060)


def number(request: Request) -> int:
    """The CSeq number; 0 where there is none to be read."""
    return request.cseq.sequence if request.cseq is not None else 0


def respond(
    request: Request,
    status: int,
    fields: tuple[tuple[str, str], ...] = (("Allow", ALLOW),),
    body: bytes = b"",
) -> Response:
    """A response to any request of the peer (:rfc:`3261#section-8.2.6`)."""
    copied = _copied(request, ("Via", "From", "To", "Call-ID", "CSeq"))
    return Response(
        Headers((*copied, *fields)),
        body=body,
        status=status,
        reason=_REASONS.get(status, ""),
    )


def _copied(request: Request, names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, value) for name in names for value in request.headers.lines(name)]
