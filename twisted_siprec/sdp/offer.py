"""
Our own offers (:rfc:`3264`): the first one where an INVITE has none, those within a
dialog, and what an SRC's answer makes of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..plan import Codec, Fingerprint
from .crypto import PLAIN_PROFILES, NewKey
from .description import Attribute, Direction, Media, SessionDescription, unusable
from .formats import Format
from .negotiation import NegotiatedStream, Negotiation, Refusal, negotiate


def intended(negotiation: Negotiation, *, paused: bool, dropped: Collection[int]) -> Negotiation:
    """
    What we offer within a dialog: what is agreed on, with no m-line more or less
    (:rfc:`7866#section-7.2`), inactive where we pause, and with port 0 for the streams
    that we drop. A stream that the SRC has paused is offered too; whether it goes on
    is the SRC's answer.
    """
    direction = Direction.INACTIVE if paused else Direction.RECVONLY
    willing = tuple(replace(stream, direction=direction) for stream in negotiation.streams)
    return restrained(replace(negotiation, streams=willing), paused=paused, dropped=dropped)


def restrained(negotiation: Negotiation, *, paused: bool, dropped: Collection[int]) -> Negotiation:
    """What is agreed on without the streams that we drop, and inactive where we pause."""
    return replace(
        negotiation,
        streams=tuple(
            replace(stream, formats=(), crypto=None, dtls=None, refusal=Refusal.DISABLED)
            if stream.index in dropped and stream.accepted
            else replace(stream, direction=Direction.INACTIVE)
            if paused
            else stream
            for stream in negotiation.streams
        ),
    )


def first_offer(supported: tuple[Codec, ...], labels: tuple[str, ...]) -> Negotiation:
    """Our offer where an INVITE has none: one stream for each label, with every codec."""
    formats = tuple(Format(codec) for codec in supported)
    words = tuple(str(codec.payload_type) for codec in supported)
    return Negotiation(
        tuple(
            NegotiatedStream(
                index,
                Media("audio", 9, "RTP/AVP", words, attributes=(Attribute("label", label),)),
                formats,
                Direction.RECVONLY,
                label=label,
            )
            for index, label in enumerate(labels)
        )
    )


def accept_answer(
    offered: Negotiation,
    answered: SessionDescription,
    supported: frozenset[str],
    *,
    profiles: frozenset[str] = PLAIN_PROFILES,
    new_key: NewKey | None = None,
    keys_in_sdp: bool = True,
    fingerprint: Fingerprint | None = None,
) -> Negotiation:
    """
    What the SRC's answer makes of our offer.

    :raises RemoteError: 488 where it refuses everything, but for what we did ourselves.
    """
    media = tuple(
        _with_maps_of(ours, theirs) if ours.accepted else replace(theirs, port=0)
        for ours, theirs in zip(offered.streams, answered.media, strict=False)
    )
    # An m-line that is left out, against :rfc:`3264#section-6`, is one that is refused.
    missing = offered.streams[len(media) :]
    media += tuple(replace(stream.offered, port=0) for stream in missing)
    answered = replace(answered, media=media)
    result = negotiate(
        answered,
        supported,
        offered,
        max_streams=len(offered.accepted),
        profiles=profiles,
        new_key=new_key,
        keys_in_sdp=keys_in_sdp,
        fingerprint=fingerprint,
    )
    if offered.accepted and not result.accepted:
        raise unusable("the answer refuses every stream")
    streams = tuple(
        replace(
            stream, label=stream.label or ours.label, rtcp_mux=stream.rtcp_mux and ours.rtcp_mux
        )
        for stream, ours in zip(result.streams, offered.streams, strict=False)
    )
    return replace(result, streams=streams)


def _with_maps_of(ours: NegotiatedStream, theirs: Media) -> Media:
    """An answer that leaves rtpmap lines out means what our offer says."""
    mapped = {value.split(None, 1)[0] for value in theirs.values("rtpmap") if value}
    missing = [
        each.attributes[0] for each in ours.formats if str(each.codec.payload_type) not in mapped
    ]
    return replace(theirs, attributes=(*theirs.attributes, *missing))
