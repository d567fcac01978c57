"""
What stands in for the network and for chance in the simulator's tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.testing import MemoryReactorClock

from twisted_siprec.sip.events import Address
from twisted_siprec.sip.message import Headers, Request, Response, parse


def counting_token() -> Callable[[int], str]:
    """Hex digits that count, so that every test has the same tags and branches."""
    numbers = count(1)
    return lambda digits: f"{next(numbers):0{digits}x}"


ANSWER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 20000 RTP/AVP 0 101\r\na=label:1\r\na=recvonly\r\n"
    b"m=audio 20002 RTP/AVP 0 101\r\na=label:2\r\na=recvonly\r\n"
)
"An SRS's answer to two PCMU streams."


def response(
    request: Request,
    status: int,
    *,
    body: bytes = b"",
    tag: str = "srs",
    contact: str | None = "<sip:srs@192.0.2.9:5060>;+sip.srs",
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """What an SRS answers to a request."""
    to = request.headers.get("To") or ""
    fields = [
        ("Via", request.headers.get("Via") or ""),
        ("From", request.headers.get("From") or ""),
        ("To", to if "tag=" in to or not tag else f"{to};tag={tag}"),
        ("Call-ID", request.headers.get("Call-ID") or ""),
        ("CSeq", request.headers.get("CSeq") or ""),
    ]
    if contact is not None:
        fields.append(("Contact", contact))
    if body:
        fields.append(("Content-Type", "application/sdp"))
    return Response(Headers((*fields, *headers)), body=body, status=status, reason="Because")


def request_of_srs(
    invite: Request,
    method: str,
    *,
    branch: str = "z9hG4bKsrs",
    cseq: int = 1,
    body: bytes = b"",
    content_type: str = "application/sdp",
    tag: str = "srs",
    headers: tuple[tuple[str, str], ...] = (),
) -> Request:
    """What an SRS asks within the dialog that this INVITE began."""
    fields = [
        ("Via", f"SIP/2.0/UDP 192.0.2.9:5060;branch={branch}"),
        ("From", f"<sip:srs@192.0.2.9>;tag={tag}"),
        ("To", invite.headers.get("From") or ""),
        ("Call-ID", invite.headers.get("Call-ID") or ""),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", "<sip:srs@192.0.2.9:5062>;+sip.srs"),
    ]
    if body:
        fields.append(("Content-Type", content_type))
    return Request(
        Headers((*fields, *headers)),
        body=body,
        method=method,
        uri_text="sip:src@192.0.2.1:5070",
    )


class FakePort:
    """A pair of ports that keeps what is sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.remotes: list[Address] = []
        self.sent: list[bytes] = []
        self.reports: list[bytes] = []
        self.closed = False
        self.refusing = False

    def connect(self, remote: Address) -> None:
        """From now on, send there."""
        self.remotes.append(remote)

    def send(self, packet: bytes | memoryview) -> None:
        """Keep it, or refuse it as the kernel does."""
        if self.refusing:
            raise ConnectionRefusedError(111, "Connection refused")
        self.sent.append(bytes(packet))

    def send_report(self, packet: bytes) -> None:
        """Keep it."""
        self.reports.append(packet)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class FakeDatagramTransport:
    """A UDP port that keeps what is written, or gives it to an SRS made for the test."""

    def __init__(self, reactor: FakeReactor, protocol: DatagramProtocol, host: str) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self.host = host or "192.0.2.1"
        self.port = 5070 + len(reactor.ports)
        self.written: list[tuple[bytes, Address | None]] = []
        self.connected: Address | None = None
        self.stopped = False

    def connect(self, host: str, port: int) -> None:
        """It is connected."""
        self.connected = (host, port)

    def getHost(self) -> IPv4Address:
        """Where it is bound."""
        return IPv4Address("UDP", self.host, self.port)

    def write(self, octets: bytes, address: Address | None = None) -> None:
        """Keep a datagram, and let the SRS have it."""
        self.written.append((octets, address))
        if self.connected is None and self.reactor.srs is not None:
            for answer in self.reactor.srs(parse(octets)):
                self.reactor.callLater(
                    0.001, self.protocol.datagramReceived, bytes(answer), ("192.0.2.9", 5060)
                )

    def stopListening(self) -> None:
        """It is closed."""
        self.stopped = True
        self.protocol.doStop()


class FakeReactor(MemoryReactorClock):
    """A reactor in memory that has UDP ports as well."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[FakeDatagramTransport] = []
        self.srs: Callable[[Request | Response], Iterable[Request | Response]] | None = None
        "Answers each message with others, a millisecond later."

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> FakeDatagramTransport:
        """Open a port."""
        transport = FakeDatagramTransport(self, protocol, interface)
        self.ports.append(transport)
        protocol.makeConnection(transport)
        return transport

    def resolve(self, name: str, timeout: object = None) -> Deferred[str]:
        """Look up a host: all but one of them are addresses."""
        return fail(DNSLookupError(name)) if name == "nowhere.example" else succeed(name)
