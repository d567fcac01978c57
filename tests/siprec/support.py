"""
Requests and policies for the tests of recording sessions.
"""

from __future__ import annotations

from pathlib import Path

from twisted_siprec.report import BridgeOpened, StreamPorts
from twisted_siprec.sip.message import Headers, Request
from twisted_siprec.siprec.session import OpenBridge, Output, RecordingSession, SessionPolicy

BODIES = Path(__file__).parent / "bodies"

WALL = 1_767_366_000.0
NOW_TEXT = "2026-01-02T15:00:00.000Z"

POLICY = SessionPolicy(media_address="198.51.100.1", local_address="10.0.0.1")

RECORDING_HEADERS = (
    ("From", "<sip:src@192.0.2.1>;tag=a"),
    ("To", "<sip:srs@198.51.100.1>"),
    ("Call-ID", "call-1"),
    ("CSeq", "1 INVITE"),
    ("Contact", "<sip:src@192.0.2.1>;+sip.src"),
    ("Require", "siprec"),
)

SDP = b"application/sdp"
METADATA = b"application/rs-metadata+xml"


def request(
    method: str = "INVITE",
    body: bytes = b"",
    content_type: str | None = None,
    headers: tuple[tuple[str, str], ...] = RECORDING_HEADERS,
) -> Request:
    """A request of an SRC."""
    if content_type is not None:
        headers = (*headers, ("Content-Type", content_type))
    return Request(Headers(headers), method=method, uri_text="sip:srs@198.51.100.1", body=body)


def with_sdp(body: bytes, method: str = "INVITE", **more: tuple[tuple[str, str], ...]) -> Request:
    """A request with an offer alone."""
    return request(method, body, "application/sdp", **more)


def with_metadata(body: bytes, method: str = "UPDATE") -> Request:
    """A request with metadata alone."""
    return request(method, body, "application/rs-metadata+xml")


def with_both(sdp: bytes, metadata: bytes, method: str = "INVITE") -> Request:
    """A request with an offer and metadata."""
    body = b"".join(
        b"--b\r\nContent-Type: " + kind + b"\r\n\r\n" + part + b"\r\n"
        for kind, part in ((SDP, sdp), (METADATA, metadata))
    )
    return request(method, body + b"--b--\r\n", "multipart/mixed;boundary=b")


def offer(*directions: str, port: int = 4000, codecs: str = "0") -> bytes:
    """An offer of one audio m-line for each direction, labelled from 1."""
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"]
    for number, direction in enumerate(directions):
        lines += [
            f"m=audio {port + 2 * number} RTP/AVP {codecs}",
            f"a=label:{number + 1}",
            f"a={direction}",
        ]
    return "".join(line + "\r\n" for line in lines).encode()


def invite_from(name: str) -> Request:
    """The INVITE of a vendor's file; its header has one field a line, its body is kept."""
    head, _, body = (BODIES / name).read_bytes().partition(b"\n\n")
    first, *lines = head.decode().split("\n")
    fields = [line.partition(":") for line in lines]
    return Request(
        Headers((field, value.strip()) for field, _, value in fields),
        method=first.split()[0],
        uri_text=first.split()[1],
        body=body,
    )


def ports(*indexes: int, identity: str = "rec-1") -> BridgeOpened:
    """Ports from 30000 on, ten apart."""
    return BridgeOpened(
        identity,
        tuple(StreamPorts(index, 30000 + 10 * index, 30001 + 10 * index) for index in indexes),
    )


def offered(
    invite: Request, policy: SessionPolicy = POLICY
) -> tuple[RecordingSession, list[Output]]:
    """A recording session to which an INVITE came, and what it asks for."""
    recording = RecordingSession("rec-1", "dialog-1", policy, lambda description: ())
    recording.offered("t1", invite, 0.0, WALL)
    return recording, recording.outputs()


def recording_of(
    invite: Request, policy: SessionPolicy = POLICY
) -> tuple[RecordingSession, list[Output]]:
    """A recording session whose ports are bound, and what it asks for then."""
    recording, outputs = offered(invite, policy)
    plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
    recording.bridge_opened(ports(*(stream.index for stream in plan.streams)), 0.1)
    return recording, recording.outputs()
