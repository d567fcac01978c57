"""
What a simulated SRC offers: the SDP of the recorded streams, in one body with
the metadata of the call (:rfc:`7866#section-7.1.1`), and what it is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import RemoteError
from ..plan import Codec
from ..sdp.description import Direction, SessionDescription
from ..sdp.dtls import DTLSOffer

TELEPHONE_EVENT = 101
"Our payload type for key presses (:rfc:`4733`)."


@dataclass(frozen=True, slots=True)
class StreamOffer:
    """One m-line that we send."""

    label: str
    port: int
    formats: tuple[Codec, ...]
    "The first one is what is sent first."
    packet_ms: int = 20
    rtcp_port: int | None = None
    crypto: str | None = field(default=None, repr=False)
    "The value of a=crypto, where the stream is protected by a key in it."
    dtls: tuple[str, ...] = ()
    "The attributes of DTLS, where it is protected by a handshake."

    def lines(self, direction: str) -> list[str]:
        """The m-line and its attributes."""
        profile = "RTP/AVP" if self.crypto is None else "RTP/SAVP"
        if self.dtls:
            profile = "UDP/TLS/RTP/SAVP"
        clock_rate = self.formats[0].clock_rate
        events = Codec(TELEPHONE_EVENT, "telephone-event", clock_rate, 1, "0-15")
        known = (*self.formats, events)
        types = " ".join(str(each.payload_type) for each in known)
        lines = [f"m=audio {self.port} {profile} {types}"]
        for each in known:
            channels = f"/{each.channels}" if each.channels > 1 else ""
            what = f"{each.name}/{each.clock_rate}{channels}"
            lines.append(f"a=rtpmap:{each.payload_type} {what}")
            if each.parameters:
                lines.append(f"a=fmtp:{each.payload_type} {each.parameters}")
        lines += [f"a=ptime:{self.packet_ms}", f"a=label:{self.label}", f"a={direction}"]
        if self.rtcp_port is not None:
            lines.insert(-1, f"a=rtcp:{self.rtcp_port}")
        if self.crypto is not None:
            lines.insert(-1, f"a=crypto:{self.crypto}")
        lines[-1:-1] = [f"a={attribute}" for attribute in self.dtls]
        return lines


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """Our side of the recording session's SDP, as it is at the moment."""

    address: str
    origin: int
    streams: tuple[StreamOffer, ...]
    version: int = 1
    direction: str = "sendonly"

    def changed(self, direction: str) -> SessionOffer:
        """The next version of it, in another direction (:rfc:`3264#section-8`)."""
        return replace(self, version=self.version + 1, direction=direction)

    def __bytes__(self) -> bytes:
        family = "IP6" if ":" in self.address else "IP4"
        lines = [
            "v=0",
            f"o=- {self.origin} {self.version} IN {family} {self.address}",
            "s=recorded call",
            f"c=IN {family} {self.address}",
            "t=0 0",
        ]
        for stream in self.streams:
            lines += stream.lines(self.direction)
        return "".join(line + "\r\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class AnsweredStream:
    """What the SRS said of one m-line."""

    address: str
    port: int
    "0 where it refused the stream."
    payload_types: tuple[str, ...]
    direction: Direction
    label: str | None
    crypto: tuple[str, ...] = field(default=(), repr=False)
    "The values of its a=crypto lines."
    dtls: DTLSOffer | None = None
    "What it says of the SRS's end of a handshake."

    @property
    def wanted(self) -> bool:
        """The SRS wants to receive it now."""
        return self.port != 0 and self.direction in (
            Direction.RECVONLY,
            Direction.SENDRECV,
        )


class AnswerError(Exception):
    """What the SRS answered to our offer is not an SDP answer to it."""


def parse_answer(body: bytes, expected: int) -> tuple[AnsweredStream, ...]:
    """
    The m-lines of an SDP answer, in order, as many as were offered.

    Raises :exc:`AnswerError`.
    """
    if not body:
        raise AnswerError("it has no body")
    try:
        description = SessionDescription.parse(body)
    except RemoteError as error:
        raise AnswerError(error.reason) from error
    if len(description.media) != expected:
        raise AnswerError(f"{expected} m-lines were offered, {len(description.media)} are answered")
    streams = []
    for media in description.media:
        connection = description.connection_of(media)
        streams.append(
            AnsweredStream(
                connection.host if connection is not None else "",
                media.port,
                media.formats,
                description.direction_of(media),
                media.label,
                media.values("crypto"),
                DTLSOffer.of(description, media),
            )
        )
    return tuple(streams)


def answered_direction(offer: bytes) -> str:
    """Which way our streams flow when the SRS offers this: never towards us."""
    try:
        description = SessionDescription.parse(offer)
    except RemoteError:
        return "sendonly"
    wanted = any(
        description.direction_of(media) in (Direction.RECVONLY, Direction.SENDRECV)
        for media in description.media
        if media.port
    )
    return "sendonly" if wanted else "inactive"


def multipart(sdp: bytes, recording_metadata: bytes | None, boundary: str) -> tuple[bytes, str]:
    """
    The body of the INVITE and its Content-Type: SDP and metadata in two parts,
    SDP alone where there is no metadata.
    """
    if recording_metadata is None:
        return sdp, "application/sdp"
    parts = (
        ("application/sdp", "session;handling=required", sdp),
        ("application/rs-metadata+xml", "recording-session", recording_metadata),
    )
    body = b"".join(
        (
            f"--{boundary}\r\nContent-Type: {content_type}\r\n"
            f"Content-Disposition: {disposition}\r\n\r\n"
        ).encode()
        + content
        + b"\r\n"
        for content_type, disposition, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f'multipart/mixed;boundary="{boundary}"'
