"""
Responses as a user agent server makes them (:rfc:`3261#section-8.2.6`), and
where they go (:rfc:`3261#section-18.2`, :rfc:`3581`).
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from .events import Address, Flow, Transport, UserAgentSettings
from .message import Headers, Request, Response
from .values import bracketed, parse_via, scheme_of, split

_RPORT = re.compile(r";\s*rport\s*(?:=\s*\d*)?\s*(?=;|$)", re.IGNORECASE)
_RECEIVED = re.compile(r";\s*received\s*=\s*[^;]*", re.IGNORECASE)

REASONS = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    420: "Bad Extension",
    422: "Session Interval Too Small",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    513: "Message Too Large",
}
"Reason phrases for where no better one is at hand."


def response_to(
    request: Request,
    flow: Flow,
    status: int,
    reason: str,
    *,
    local_tag: str | None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> Response:
    """
    A response that repeats what it has to: every Via in order, From, To with
    our tag, Call-ID and CSeq.

    :param local_tag: the tag for To; None for a 100, which needs none.
    """
    fields = [("Via", value) for value in _vias(request, flow)]
    for name in ("From", "To", "Call-ID", "CSeq"):
        value = request.headers.get(name)
        if value is not None:
            if name == "To" and local_tag is not None and request.to_tag is None:
                value = f"{value.strip()};tag={local_tag}"
            fields.append((name, value))
    if status == 100 and (timestamp := request.headers.get("Timestamp")) is not None:
        fields.append(("Timestamp", timestamp))
    fields += headers
    if body:
        fields.append(("Content-Type", content_type))
    return Response(
        Headers(fields),
        body=body,
        charset=request.charset,
        status=status,
        reason=reason or REASONS.get(status, "Error"),
    )


def _vias(request: Request, flow: Flow) -> list[str]:
    """The Via fields of a request, the topmost with where the request came from."""
    lines = [line for line in request.headers.lines("Via") if split(line, ",")]
    top, *others = split(lines[0], ",") if lines else [""]
    marked, asked = _RPORT.subn(f";rport={flow.remote[1]}", top)
    via = parse_via(top)
    # Always added, as :rfc:`3261#section-18.2.1` allows, but where it says nothing new.
    if asked or via is None or via.host.strip("[]").lower() != flow.remote[0].lower():
        marked = f"{_RECEIVED.sub('', marked).rstrip(' ;')};received={flow.remote[0]}"
    return [", ".join([marked, *others]), *lines[1:]]


def destination_of(request: Request, flow: Flow) -> Address:
    """
    Where the response to a request goes. On a stream this is where a new
    connection is made to, should the old one be gone.
    """
    via = request.top_via
    if via is None:
        return flow.remote
    port = via.port or (5061 if flow.transport is Transport.TLS else 5060)
    if flow.transport.reliable:
        return (flow.remote[0], port)
    if "rport" in via.parameters:
        return flow.remote
    return (_unicast(via.parameters.get("maddr")) or flow.remote[0], port)


def _unicast(host: str | None) -> str | None:
    """An address that a response may be diverted to by maddr; names and groups are not."""
    try:
        address = ip_address((host or "").strip("[]"))
    except ValueError:
        return None
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return None
    return str(address)


def contact(request: Request | None, flow: Flow, user: str) -> str:
    """
    Our Contact: an address that reaches us by the way the request came, and the
    feature tag that says what we are (:rfc:`7866#section-6.2`).
    """
    host = f"{bracketed(flow.advertised[0])}:{flow.advertised[1]}"
    if flow.transport is Transport.TLS and request is not None and is_secure(request):
        return f"<sips:{user}@{host}>;+sip.srs"
    return f"<sip:{user}@{host};transport={flow.transport.value.lower()}>;+sip.srs"


def is_secure(request: Request) -> bool:
    """The request asks for a ``sips:`` Contact (:rfc:`3261#section-12.1.1`)."""
    if scheme_of(request.uri_text) == "sips":
        return True
    top = request.headers.first("Record-Route")
    if top is not None:
        return "<sips:" in top.lower()
    address = request.contact
    return address is not None and scheme_of(address.uri_text) == "sips"


def capabilities(settings: UserAgentSettings) -> tuple[tuple[str, str], ...]:
    """What we can do, for 2xx and OPTIONS."""
    return (
        ("Allow", ", ".join(settings.allow)),
        ("Supported", ", ".join(settings.supported)),
        ("Accept", ", ".join(settings.accept)),
    )
