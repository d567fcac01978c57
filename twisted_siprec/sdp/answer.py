"""
Our SDP: the answer to an SRC's offer, and what has the form of one.

Every m-line is answered, in the offer's order, and bears the offer's label: some SRCs
send no media otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..report import StreamPorts
from .description import Attribute, Connection, Direction, Media, Origin, SessionDescription
from .negotiation import NegotiatedStream, Negotiation
from .transport import packet_ms_of


def answer(
    negotiation: Negotiation, ports: Iterable[StreamPorts], address: str, origin: Origin
) -> SessionDescription:
    """Our answer. Every accepted stream must have its ports among ``ports``."""
    by_index = {each.index: each for each in ports}
    return SessionDescription(
        media=tuple(
            _answered(stream, by_index[stream.index], stream.direction)
            if stream.accepted
            else _refused(stream)
            for stream in negotiation.streams
        ),
        origin=origin,
        connection=Connection.to(address),
        times=negotiation.times,
    )


def versioned(fresh: SessionDescription, last: SessionDescription | None) -> SessionDescription:
    """
    ``fresh`` with the version that it must bear after ``last``: the same while
    nothing changed, one more where anything did (:rfc:`3264#section-8`).
    """
    if last is None or last.origin is None or fresh.origin is None:
        return fresh
    unchanged = replace(fresh, origin=last.origin)
    if unchanged == last:
        return unchanged
    version = str(int(last.origin.version) + 1)
    return replace(fresh, origin=replace(fresh.origin, version=version))


def _answered(stream: NegotiatedStream, ports: StreamPorts, direction: Direction) -> Media:
    attributes: list[Attribute] = []
    for each in stream.formats:
        attributes += each.attributes
    packet_ms = packet_ms_of(stream.offered)
    if packet_ms is not None:
        attributes.append(Attribute("ptime", str(packet_ms)))
    if stream.rtcp_mux:
        attributes.append(Attribute("rtcp-mux"))
    elif ports.rtcp != ports.rtp + 1:
        attributes.append(Attribute("rtcp", str(ports.rtcp)))
    if stream.crypto is not None:
        attributes.append(stream.crypto.attribute)
    if stream.dtls is not None:
        attributes += stream.dtls.attributes
    if stream.label is not None:
        attributes.append(Attribute("label", stream.label))
    attributes.append(Attribute(direction.value))
    return Media(
        stream.offered.kind,
        ports.rtp,
        stream.offered.protocol,
        tuple(str(each.codec.payload_type) for each in stream.formats),
        attributes=tuple(attributes),
    )


def _refused(stream: NegotiatedStream) -> Media:
    """Port 0, with the formats offered (:rfc:`3264#section-6`) and the label."""
    label = (Attribute("label", stream.label),) if stream.label is not None else ()
    return Media(
        stream.offered.kind, 0, stream.offered.protocol, stream.offered.formats, attributes=label
    )
