"""
The keys of SRTP that a DTLS handshake leaves (:rfc:`5764#section-4.2`).

Both sides export the same octets::

    client's master key | server's master key | client's master salt | server's master salt

Each sends by what is its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..plan import SRTPKey, SRTPKeys

EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"


@dataclass(frozen=True, slots=True)
class ProtectionProfile:
    """A protection profile of ``use_srtp``."""

    suite: str
    "What the same is called in SDP (:rfc:`4568`)."
    key_octets: int
    salt_octets: int

    @property
    def octets(self) -> int:
        """How many octets to export."""
        return 2 * (self.key_octets + self.salt_octets)


PROFILES = {
    "SRTP_AEAD_AES_256_GCM": ProtectionProfile("AEAD_AES_256_GCM", 32, 12),
    "SRTP_AEAD_AES_128_GCM": ProtectionProfile("AEAD_AES_128_GCM", 16, 12),
    "SRTP_AES128_CM_SHA1_80": ProtectionProfile("AES_CM_128_HMAC_SHA1_80", 16, 14),
}
"Those that we can do, the best first (:rfc:`5764#section-4.1.2`, :rfc:`7714#section-14.2`)."


def srtp_keys(profile: ProtectionProfile, exported: bytes, client: bool) -> SRTPKeys:
    """
    The keys of one stream.

    :param client: we began the handshake.
    """
    key, salt = profile.key_octets, profile.salt_octets
    salts = exported[2 * key :]
    of_client = SRTPKey(profile.suite, exported[:key] + salts[:salt])
    of_server = SRTPKey(profile.suite, exported[key : 2 * key] + salts[salt : 2 * salt])
    ours, theirs = (of_client, of_server) if client else (of_server, of_client)
    return SRTPKeys((theirs,), ours)
