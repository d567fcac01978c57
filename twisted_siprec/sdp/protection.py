"""
By what the media of an SRC may be protected, and whether it must be.
"""

from __future__ import annotations

from dataclasses import dataclass

from .crypto import PLAIN_PROFILES, SECURE_PROFILES, Secrecy
from .dtls import DTLS_PROFILES


@dataclass(frozen=True, slots=True)
class Protection:
    """What is configured, as it concerns m-lines."""

    srtp: Secrecy = Secrecy.OFF
    "Of all SRTP, however its keys come."
    dtls: Secrecy = Secrecy.OFF
    "Of keys that a handshake of the media makes; ``require`` takes no others, and nothing plain."

    @property
    def plain(self) -> bool:
        """Media without protection is taken."""
        return Secrecy.REQUIRE not in (self.srtp, self.dtls)

    @property
    def keys_in_sdp(self) -> bool:
        """Keys are taken that the SDP says (:rfc:`4568`)."""
        return self.srtp is not Secrecy.OFF and self.dtls is not Secrecy.REQUIRE

    @property
    def handshakes(self) -> bool:
        """Keys are taken that DTLS makes (:rfc:`5763`)."""
        allowed = self.dtls is Secrecy.ALLOW and self.srtp is not Secrecy.OFF
        return allowed or self.dtls is Secrecy.REQUIRE

    @property
    def profiles(self) -> frozenset[str]:
        """The profiles of m-lines that are taken."""
        taken = PLAIN_PROFILES if self.plain else frozenset[str]()
        if self.keys_in_sdp or self.handshakes:
            taken |= SECURE_PROFILES
        return taken | DTLS_PROFILES if self.handshakes else taken
