"""
What a request has to be before anybody looks at what it wants
(:rfc:`3261#section-8.2`): the checks of a user agent server in their order.

Each check raises :class:`~twisted_siprec.errors.RemoteError` with the response
that the standard asks for. What is wrong in a header field that we can do
without is no reason to refuse a recording.
"""

from __future__ import annotations

from ..errors import RemoteError
from .events import Flow, Limits, UserAgentSettings
from .message import VERSION, Request
from .server_transaction import MAGIC_COOKIE
from .values import Address, parse_uri, scheme_of

KNOWN_METHODS = frozenset(
    {
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    }
)
"Methods with a standard: those that we do not serve get 405, all others 501."

SERVED_SCHEMES = frozenset({"sip", "sips", "tel"})
SINGLE = ("To", "From", "CSeq", "Call-ID", "Max-Forwards")
"Header fields that a request has to have exactly once."

UNDERSTOOD_TYPES = frozenset(
    {"application/sdp", "application/rs-metadata", "application/rs-metadata+xml"}
)
BODY_METHODS = frozenset({"INVITE", "UPDATE"})
"Methods whose body we have to understand."


def check_syntax(request: Request, limits: Limits, octets: int, *, stream: bool) -> None:
    """
    The request is SIP 2.0, within the limits, and has what every request must have.

    :param octets: the length of the message as it came.
    :param stream: it came by a stream, where Content-Length is mandatory.
    """
    if request.version != VERSION:
        raise RemoteError(505, "Version Not Supported")
    if octets > limits.message_octets or octets - len(request.body) > limits.header_octets:
        raise RemoteError(513, "Message Too Large")
    if len(request.headers) > limits.header_count:
        raise RemoteError(513, "Too many header fields")
    length = request.content_length
    if length is None and stream:
        raise RemoteError(400, "Content-Length is missing")
    if max(length or 0, len(request.body)) > limits.body_octets:
        raise RemoteError(413, "Request Entity Too Large")
    if length is not None and length > len(request.body):
        raise RemoteError(400, "Body is shorter than its Content-Length")
    if len(request.uri_text) > limits.uri_octets:
        raise RemoteError(414, "Request-URI Too Long")
    _check_fields(request)


def _check_fields(request: Request) -> None:
    for name in SINGLE:
        count = len(request.headers.lines(name))
        if count > 1:
            raise RemoteError(400, f"{name} more than once")
        if count == 0 and not (name == "Max-Forwards" and _is_rfc2543(request)):
            raise RemoteError(400, f"{name} is missing")
    for name, address in (("To", request.to), ("From", request.from_)):
        if not _is_address(address):
            raise RemoteError(400, f"{name} is malformed")
    cseq = request.cseq
    if cseq is None or cseq.sequence >= 2**32:
        raise RemoteError(400, "CSeq is malformed")
    if cseq.method != request.method:
        raise RemoteError(400, "CSeq names another method")
    hops = request.headers.get("Max-Forwards")
    # 0 is served: only who forwards answers 483.
    if hops is not None and not (hops.isascii() and hops.isdigit() and int(hops[:9]) <= 255):
        raise RemoteError(400, "Max-Forwards is malformed")
    if not (request.call_id or "").strip():
        raise RemoteError(400, "Call-ID is empty")


def _is_rfc2543(request: Request) -> bool:
    """The peer is older than Max-Forwards was mandatory."""
    return not (request.branch or "").lower().startswith(MAGIC_COOKIE.lower())


def _is_address(address: Address | None) -> bool:
    return address is not None and scheme_of(address.uri_text) is not None


def check_method(request: Request, settings: UserAgentSettings) -> None:
    """We serve the method. PRACK is let through: it is for its own check (:rfc:`3262`)."""
    if request.method in settings.allow or request.method == "PRACK":
        return
    if request.method in KNOWN_METHODS:
        raise RemoteError(405, "Method Not Allowed", (("Allow", ", ".join(settings.allow)),))
    raise RemoteError(501, "Not Implemented")


def check_uri(request: Request) -> None:
    """The Request-URI is one that we can be reached by (:rfc:`3261#section-8.2.2.1`)."""
    scheme = scheme_of(request.uri_text)
    if scheme is None or any(char in request.uri_text for char in '<> "'):
        raise RemoteError(400, "Request-URI is malformed")
    if scheme not in SERVED_SCHEMES:
        raise RemoteError(416, "Unsupported URI Scheme")
    if parse_uri(request.uri_text) is None:
        raise RemoteError(400, "Request-URI is malformed")


def check_served(uri_text: str, method: str, settings: UserAgentSettings, flow: Flow) -> None:
    """
    The URI is of a domain and of a user that we serve, where the settings name
    any (:rfc:`3261#section-8.2.2.1`). Our own addresses always are; OPTIONS may
    name no user.
    """
    uri = parse_uri(uri_text)
    if uri is None:
        raise RemoteError(400, "A URI is malformed")
    user, host = uri.user or "", uri.host.strip("[]").lower()
    # A tel: URI has no host.
    ours = {flow.local[0].lower(), flow.advertised[0].lower(), ""}
    if settings.domains and host not in settings.domains and host not in ours:
        raise RemoteError(404, "Not Found")
    served = {*settings.users, settings.contact_user}
    if settings.users and user not in served and (user or method != "OPTIONS"):
        raise RemoteError(404, "Not Found")


def check_extensions(request: Request, settings: UserAgentSettings) -> None:
    """We understand all that the request requires (:rfc:`3261#section-8.2.2.3`)."""
    if request.method in ("ACK", "CANCEL"):
        return
    # No 18x is ever sent, so nothing has to be made reliable for 100rel.
    understood = {option.lower() for option in settings.supported} | {"100rel"}
    unknown = [tag for tag in request.headers.get_all("Require") if tag.lower() not in understood]
    if unknown:
        raise RemoteError(420, "Bad Extension", (("Unsupported", ", ".join(unknown)),))


def check_content(request: Request, settings: UserAgentSettings) -> None:
    """We understand the body, and the peer what we answer (:rfc:`3261#section-8.2.3`)."""
    if request.method not in BODY_METHODS:
        return
    if request.method == "INVITE" and not accepts(request, "application/sdp"):
        raise RemoteError(406, "Not Acceptable")
    if not request.body:
        return
    encodings = request.headers.tokens("Content-Encoding") - {"identity"}
    if encodings:
        raise RemoteError(
            415,
            "Unsupported Media Type",
            (*accept_field(settings), ("Accept-Encoding", "identity")),
        )
    kind = request.content_type
    if kind is None or understands(kind.mime_type, settings):
        return
    disposition = (request.headers.get("Content-Disposition") or "").lower().replace(" ", "")
    if "handling=optional" not in disposition:
        raise RemoteError(415, "Unsupported Media Type", accept_field(settings))


def understands(mime_type: str, settings: UserAgentSettings) -> bool:
    """We can read a body of this type, or take it apart."""
    return (
        mime_type in UNDERSTOOD_TYPES
        or mime_type in settings.accept
        or mime_type.startswith("multipart/")
    )


def accepts(request: Request, mime_type: str) -> bool:
    """The sender of the request takes a body of this type in the response."""
    values = request.headers.get_all("Accept")
    kind = mime_type.partition("/")[0]
    wanted = {value.partition(";")[0].replace(" ", "").lower() for value in values}
    return not wanted or bool(wanted & {mime_type, f"{kind}/*", "*/*"})


def accept_field(settings: UserAgentSettings) -> tuple[tuple[str, str], ...]:
    """Our Accept header field."""
    return (("Accept", ", ".join(settings.accept)),)


def has_offer(request: Request) -> bool:
    """The body has a session description in it, alone or as a part."""
    kind = request.content_type
    if not request.body or kind is None:
        return False
    if kind.mime_type.startswith("multipart/"):
        return b"application/sdp" in request.body.lower()
    return kind.mime_type == "application/sdp"
