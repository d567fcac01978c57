"""
DTLS-SRTP in SDP (:rfc:`5763`, :rfc:`8842`): no keys, but the fingerprint of the
certificate that the handshake of the media will show.

::

    m=audio 7000 UDP/TLS/RTP/SAVP 0
    a=fingerprint:sha-256 4A:AD:B9:…         the certificate             (RFC 8122)
    a=setup:actpass                          who begins the handshake    (RFC 4145)
    a=tls-id:abc3de65cddef001be82            which association           (RFC 8842)

An SRC that leaves the choice to us (``actpass``) is answered ``passive``, though
:rfc:`5763#section-5` recommends ``active``: what it sends comes to our port
wherever it comes from, while the address in its SDP is often not the one that
its media is at. For the price of half a round trip there is no handshake that
cannot begin.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..plan import DTLSPeer, Fingerprint
from .crypto import NewKey
from .description import Attribute, Media, SessionDescription

DTLS_PROFILES = frozenset({"UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"})
DIGEST_OCTETS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
"The hash functions that we trust, the weakest first; SHA-1 and MD5 can be forged."

_MAX_FINGERPRINTS = 16
_TLS_ID_OCTETS = 15
_MAX_TLS_ID = 255


class Setup(StrEnum):
    """Who begins the handshake, as seen by who says it (:rfc:`4145#section-4`)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


def fingerprint_of(value: str) -> Fingerprint | None:
    """The value of ``a=fingerprint``; None where it is none that we trust."""
    algorithm, _, text = value.partition(" ")
    algorithm = algorithm.lower()
    try:
        digest = binascii.unhexlify(text.strip().replace(":", ""))
    except (binascii.Error, ValueError):
        return None
    return Fingerprint(algorithm, digest) if len(digest) == DIGEST_OCTETS.get(algorithm) else None


def fingerprint_text(fingerprint: Fingerprint) -> str:
    """The value of ``a=fingerprint``."""
    return f"{fingerprint.algorithm} {fingerprint.digest.hex(':').upper()}"


def strongest(fingerprints: Iterable[Fingerprint]) -> tuple[Fingerprint, ...]:
    """
    Those by the best hash function of all. Several may be of several
    certificates, of which the peer shows one (:rfc:`8122#section-5.1`).
    """
    known = tuple(fingerprints)
    best = max((len(each.digest) for each in known), default=0)
    return tuple(each for each in known if len(each.digest) == best)


@dataclass(frozen=True, slots=True)
class DTLSOffer:
    """What an m-line says of the other side's end of the association."""

    fingerprints: tuple[Fingerprint, ...]
    setup: Setup
    tls_id: str | None = None

    @classmethod
    def of(cls, described: SessionDescription, media: Media) -> DTLSOffer | None:
        """
        None where there is no fingerprint that can be trusted. What the m-line does
        not say, the session may (:rfc:`8122#section-5`).
        """
        values = media.values("fingerprint") or described.values("fingerprint")
        read = filter(None, map(fingerprint_of, values[:_MAX_FINGERPRINTS]))
        fingerprints = strongest(read)
        if not fingerprints:
            return None
        said = next(iter(media.values("setup") or described.values("setup")), "").lower()
        # An offer that says nothing is active (RFC 4145 section 4.1).
        setup = Setup(said) if said in Setup._value2member_map_ else Setup.ACTIVE
        return cls(fingerprints, setup, (media.value("tls-id") or "")[:_MAX_TLS_ID] or None)


@dataclass(frozen=True, slots=True)
class DTLSAgreement:
    """What both sides said of an association."""

    offered: DTLSOffer
    own: Fingerprint
    active: bool
    "We begin the handshake."
    tls_id: str | None = None
    "Ours; an SRC that says none is said none."

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """Our lines."""
        setup = Setup.ACTIVE if self.active else Setup.PASSIVE
        lines = (
            Attribute("fingerprint", fingerprint_text(self.own)),
            Attribute("setup", setup.value),
        )
        return lines if self.tls_id is None else (*lines, Attribute("tls-id", self.tls_id))

    @property
    def peer(self) -> DTLSPeer:
        """For the media plane."""
        return DTLSPeer(self.offered.fingerprints, not self.active, self.offered.tls_id or "")


def agree_on_dtls(
    offered: DTLSOffer | None,
    previous: DTLSAgreement | None,
    own: Fingerprint | None,
    new_key: NewKey | None,
) -> DTLSAgreement | None:
    """
    Take up what an m-line says; None where there is nothing to take up. The roles
    of an association stay for as long as it does (:rfc:`8842#section-5.5`); it is
    another one where a fingerprint or the ``tls-id`` is (:rfc:`8842#section-4`).
    """
    if offered is None or own is None or new_key is None:
        return None
    same = previous is not None and (
        previous.offered.fingerprints == offered.fingerprints
        and previous.offered.tls_id == offered.tls_id
    )
    active = offered.setup is Setup.PASSIVE
    tls_id = None if offered.tls_id is None else new_key(_TLS_ID_OCTETS).hex()
    if previous is not None and same:
        tls_id = previous.tls_id
        if offered.setup in (Setup.ACTPASS, Setup.HOLDCONN):
            active = previous.active
    return DTLSAgreement(offered, own, active, tls_id)
