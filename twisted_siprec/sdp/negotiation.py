"""
What comes of an SRC's offer, m-line by m-line (:rfc:`3264`).

We only listen, so every stream that is taken is received or, while the SRC does not
send it, ``inactive``. Every format that we can take is taken, since some SRCs hang up
where one of theirs is missing, and any of them may come at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from ..plan import Address, Fingerprint, StreamPlan
from .crypto import PLAIN_PROFILES, SECURE_PROFILES, KeyAgreement, NewKey, agree
from .description import Direction, Media, SessionDescription, unusable
from .dtls import DTLS_PROFILES, DTLSAgreement, DTLSOffer, agree_on_dtls
from .formats import AUXILIARY, Format, Remark, read, takes
from .transport import address_of, packet_ms_of, rtcp_of

_ANSWERED = {
    Direction.SENDONLY: Direction.RECVONLY,
    Direction.SENDRECV: Direction.RECVONLY,
    Direction.RECVONLY: Direction.INACTIVE,
    Direction.INACTIVE: Direction.INACTIVE,
}
":rfc:`3264#section-6.1`, for one who has nothing to send."


class Refusal(IntEnum):
    """Why an m-line is answered with port 0: the warn-code of :rfc:`3261#section-20.43`."""

    DISABLED = 0
    "The offer itself has port 0; or it is a stream that we drop."
    PROFILE = 302
    MEDIA = 304
    FORMATS = 305
    KEYS = 306
    "None of its keys can be used, and it is not recorded without (:rfc:`4568#section-5.1.2`)."
    LIMIT = 399


@dataclass(frozen=True, slots=True)
class NegotiatedStream:
    """One m-line, and what we say to it."""

    index: int
    offered: Media
    formats: tuple[Format, ...] = ()
    "All that we take of it; empty where it is refused."
    direction: Direction = Direction.INACTIVE
    "Ours: recvonly or inactive."
    source: Address | None = None
    rtcp: Address | None = None
    rtcp_mux: bool = False
    refusal: Refusal | None = None
    label: str | None = None
    crypto: KeyAgreement | None = None
    dtls: DTLSAgreement | None = None

    @property
    def accepted(self) -> bool:
        """It has a port of ours."""
        return self.refusal is None

    @property
    def plan(self) -> StreamPlan:
        """The stream as the media plane is asked for it."""
        return StreamPlan(
            index=self.index,
            codecs=tuple(each.codec for each in self.formats),
            source=self.source,
            label=self.label,
            active=self.direction is Direction.RECVONLY,
            packet_ms=packet_ms_of(self.offered) or 20,
            rtcp=self.rtcp,
            rtcp_mux=self.rtcp_mux,
            crypto=self.crypto.keys if self.crypto is not None else None,
            dtls=self.dtls.peer if self.dtls is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Negotiation:
    """What offer and answer agree on."""

    streams: tuple[NegotiatedStream, ...]
    times: tuple[str, ...] = ("0 0",)
    remarks: tuple[Remark, ...] = ()

    @property
    def accepted(self) -> tuple[NegotiatedStream, ...]:
        """The streams that have ports."""
        return tuple(stream for stream in self.streams if stream.accepted)

    @property
    def paused(self) -> bool:
        """There are streams, and the SRC sends none of them."""
        taken = self.accepted
        return bool(taken) and all(each.direction is Direction.INACTIVE for each in taken)


def negotiate(
    offer: SessionDescription,
    supported: frozenset[str],
    previous: Negotiation | None = None,
    *,
    max_streams: int = 8,
    profiles: frozenset[str] = PLAIN_PROFILES,
    new_key: NewKey | None = None,
    keys_in_sdp: bool = True,
    fingerprint: Fingerprint | None = None,
) -> Negotiation:
    """
    Decide on every m-line of an offer.

    :param supported: encoding names that we can decode, in upper case.
    :param previous: what was agreed on before, where it is not the first offer.
    :param profiles: the profiles that are taken, with keys and without.
    :param new_key: random octets for our keys; without it, no m-line with keys is taken.
    :param keys_in_sdp: keys are taken that the SDP says.
    :param fingerprint: of our certificate; without it, no m-line is taken by DTLS.
    :raises RemoteError: 488 with a Warning where nothing that is offered can be
        taken, or where m-lines went missing (:rfc:`3264#section-8`).
    """
    if previous is not None and len(offer.media) < len(previous.streams):
        raise unusable("fewer m-lines than before")
    streams: list[NegotiatedStream] = []
    remarks: list[Remark] = []
    free = max_streams
    for index, media in enumerate(offer.media):
        stream, odd = _consider(offer, index, media, supported, profiles)
        if stream.accepted:
            before = previous.streams[index] if previous and index < len(previous.streams) else None
            stream = _by_handshake(offer, stream, before, new_key, fingerprint)
            if stream.dtls is None:
                stream = _with_keys(stream, before, new_key if keys_in_sdp else None)
        if stream.accepted and free == 0:
            stream = replace(stream, formats=(), refusal=Refusal.LIMIT)
            odd = (("sdp-too-many-streams", str(index)),)
        free -= stream.accepted
        streams.append(stream)
        remarks += odd
    _check_any(streams, first=previous is None)
    remarks += _labels_odd(streams)
    if previous is not None:
        remarks += _remapped(previous, streams)
    return Negotiation(tuple(streams), offer.times or ("0 0",), tuple(remarks))


def _consider(
    offer: SessionDescription,
    index: int,
    media: Media,
    supported: frozenset[str],
    profiles: frozenset[str],
) -> tuple[NegotiatedStream, tuple[Remark, ...]]:
    refused = NegotiatedStream(index, media, label=media.label)
    if media.port == 0:
        return replace(refused, refusal=Refusal.DISABLED), ()
    if media.kind != "audio":
        return replace(refused, refusal=Refusal.MEDIA), ()
    if media.protocol.upper() not in profiles:
        return replace(refused, refusal=Refusal.PROFILE), ()
    formats, remarks = read(media)
    taken = tuple(each for each in formats if takes(supported, each.codec))
    if all(each.codec.name in AUXILIARY for each in taken):
        return replace(refused, refusal=Refusal.FORMATS), ()
    connection = offer.connection_of(media)
    if connection is None:
        remarks += (("sdp-no-connection", str(index)),)
    held = connection is not None and connection.holds
    direction = Direction.INACTIVE if held else offer.direction_of(media)
    source = address_of(connection, media.port)
    rtcp_mux = media.value("rtcp-mux") is not None
    stream = replace(
        refused,
        formats=taken,
        direction=_ANSWERED[direction],
        source=source,
        rtcp=source if rtcp_mux else rtcp_of(media, source),
        rtcp_mux=rtcp_mux,
    )
    return stream, remarks


def _by_handshake(
    offer: SessionDescription,
    stream: NegotiatedStream,
    before: NegotiatedStream | None,
    new_key: NewKey | None,
    fingerprint: Fingerprint | None,
) -> NegotiatedStream:
    """
    The stream with what DTLS needs, where its m-line offers that. It goes before
    keys in the same m-line: those are as secret as the signalling, and the same for
    whoever reads it later; the handshake's are known to its two ends only.
    """
    media = stream.offered
    if media.protocol.upper() not in SECURE_PROFILES | DTLS_PROFILES:
        return stream
    previous = before.dtls if before else None
    offered = DTLSOffer.of(offer, media)
    return replace(stream, dtls=agree_on_dtls(offered, previous, fingerprint, new_key))


def _with_keys(
    stream: NegotiatedStream, before: NegotiatedStream | None, new_key: NewKey | None
) -> NegotiatedStream:
    """The stream with the keys that its profile needs, or refused for the lack of them."""
    media = stream.offered
    if media.protocol.upper() in PLAIN_PROFILES:
        # Keys in an m-line that is not protected mean nothing (RFC 4568 section 4).
        return stream
    if media.protocol.upper() in DTLS_PROFILES:
        return replace(stream, formats=(), refusal=Refusal.KEYS)
    crypto = agree(media.values("crypto"), before.crypto if before else None, new_key)
    if crypto is None:
        return replace(stream, formats=(), refusal=Refusal.KEYS)
    return replace(stream, crypto=crypto)


def _check_any(streams: list[NegotiatedStream], first: bool) -> None:
    """Refuse an offer of which we can take nothing, saying why by its first m-line."""
    if any(stream.accepted for stream in streams):
        return
    wanted = [each for each in streams if each.refusal != Refusal.DISABLED]
    if not first:
        # A re-offer may well close the last audio stream beside a video one.
        wanted = [each for each in wanted if each.refusal != Refusal.MEDIA]
    if not wanted:
        return
    code = next((e.refusal for e in wanted if e.offered.kind == "audio"), wanted[0].refusal)
    reasons = {
        Refusal.PROFILE: "Incompatible transport protocol",
        Refusal.MEDIA: "Media type not available",
        Refusal.FORMATS: "Incompatible media format",
        Refusal.KEYS: "No usable key for SRTP",
        Refusal.LIMIT: "No streams are taken",
    }
    code = code or Refusal.LIMIT
    raise unusable(reasons[code], code)


def _labels_odd(streams: list[NegotiatedStream]) -> list[Remark]:
    labels = [stream.label for stream in streams if stream.accepted]
    twice = {label for label in labels if label is not None and labels.count(label) > 1}
    return [("sdp-label-twice", label) for label in sorted(twice)]


def _remapped(previous: Negotiation, streams: list[NegotiatedStream]) -> list[Remark]:
    """A payload type keeps its meaning for the life of a stream (:rfc:`3264#section-8.3.2`)."""
    remarks: list[Remark] = []
    for before, now in zip(previous.streams, streams, strict=False):
        meant = {each.codec.payload_type: each.codec for each in before.formats}
        for each in now.formats:
            old = meant.get(each.codec.payload_type, each.codec)
            if (old.name, old.clock_rate) != (each.codec.name, each.codec.clock_rate):
                remarks.append(("sdp-payload-type-remapped", str(each.codec.payload_type)))
    return remarks
