"""
The crypto suites, as libsrtp is to be told of them.

pylibsrtp knows four of the six suites. The two with AES-256 in counter mode
(:rfc:`6188`), and plain SRTCP or SRTP (:rfc:`4568#section-6.3.2`), are the same
library's, but have no name in its Python interface: for them the six numbers of
its ``srtp_crypto_policy_t`` are written here, which have had this order since
libsrtp 1. That they still have is checked before anything is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # a binary module

from ..errors import LocalError
from ..plan import SRTPKey

_NUMBERS = Struct("=6i")
"Cipher, key and salt octets, authentication, its key octets, its tag octets, services."
_AES_CM_128 = (1, 30, 3, 20, 10, 3)
_AES_256_CM = 5
_CONFIDENTIALITY = 1
_AEAD_TAG_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Suite:
    """One crypto suite."""

    profile: int
    "libsrtp's; of AES-256 in counter mode, that of AES-128 with the same tag."
    key_octets: int
    "Of the master key and the master salt together."
    tag_octets: int
    "Of the authentication tag of SRTP that is not part of the cipher's output."
    control_tag_octets: int
    "The same of SRTCP: never shortened (:rfc:`4568#section-6.2`)."

    @property
    def growth_octets(self) -> int:
        """By how much a protected packet is longer, without an MKI."""
        return self.tag_octets or _AEAD_TAG_OCTETS


_CM_80, _CM_32 = Policy.SRTP_PROFILE_AES128_CM_SHA1_80, Policy.SRTP_PROFILE_AES128_CM_SHA1_32

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": Suite(_CM_80, 30, 10, 10),
    "AES_CM_128_HMAC_SHA1_32": Suite(_CM_32, 30, 4, 10),
    "AES_256_CM_HMAC_SHA1_80": Suite(_CM_80, 46, 10, 10),
    "AES_256_CM_HMAC_SHA1_32": Suite(_CM_32, 46, 4, 10),
    # The tag of GCM is part of its output, before the MKI (RFC 7714 section 8).
    "AEAD_AES_128_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 0, 0),
    "AEAD_AES_256_GCM": Suite(Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44, 0, 0),
}
":rfc:`4568#section-6.2`, :rfc:`6188#section-2`, :rfc:`7714#section-12`."


def inbound(key: SRTPKey) -> Policy:
    """What any source is heard by that has a key."""
    return _policy(key, Policy.SSRC_ANY_INBOUND)


def outbound(key: SRTPKey) -> Policy:
    """What any source of ours sends by."""
    policy = _policy(key, Policy.SSRC_ANY_OUTBOUND)
    # Nobody but the simulator sends a packet twice, and that is its purpose.
    policy.allow_repeat_tx = True
    return policy


def _policy(key: SRTPKey, sources: int) -> Policy:
    """A policy, whose window for replays is libsrtp's own of 128 packets."""
    suite = SUITES[key.suite]
    policy = Policy(srtp_profile=suite.profile)
    _adapt(policy._policy.rtp, key.suite, key.encrypts_rtp)
    _adapt(policy._policy.rtcp, key.suite, key.encrypts_rtcp)
    policy.key = key.octets
    policy.ssrc_type = sources
    return policy


class PacketRows:
    """
    Packets in memory that is prepared once, row by row, which are unprotected
    where they lie: nothing is made for a packet but a pointer.
    """

    def __init__(self, octets: NDArray[np.uint8], lengths: NDArray[np.uint32]) -> None:
        self._width = octets.shape[1]
        self._octets = ffi.from_buffer("char[]", octets, require_writable=True)
        self._lengths = ffi.from_buffer("int[]", lengths, require_writable=True)

    def unprotect(self, session: Session, first: int, count: int) -> int:
        """
        Unprotect so many rows from one on, and shorten their lengths, up to the
        first that is not genuine. Gives how many are.
        """
        context, width = session._srtp[0], self._width
        octets, lengths = self._octets, self._lengths
        unprotect = lib.srtp_unprotect
        for row in range(first, first + count):
            if unprotect(context, octets + row * width, lengths + row):
                return row - first
        return count


def _adapt(structure: object, suite: str, encrypts: bool) -> None:
    """Write what the Python interface has no words for."""
    wide = suite.startswith("AES_256_CM")
    if encrypts and not wide:
        return
    memory = ffi.buffer(ffi.addressof(structure))
    check = ffi.buffer(ffi.addressof(Policy()._policy.rtp))
    if len(check) < _NUMBERS.size or _NUMBERS.unpack_from(check) != _AES_CM_128:
        raise LocalError("this pylibsrtp has another srtp_crypto_policy_t")
    cipher, key_octets, authentication, octets, tag, services = _NUMBERS.unpack_from(memory)
    if wide:
        cipher, key_octets = _AES_256_CM, SUITES[suite].key_octets
    if not encrypts:
        services &= ~_CONFIDENTIALITY
    _NUMBERS.pack_into(memory, 0, cipher, key_octets, authentication, octets, tag, services)
