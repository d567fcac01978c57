"""
Keys of SRTP in SDP: the ``a=crypto`` line (:rfc:`4568`).

::

    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31|1:4;inline:KEY|2^31|2:4 WSH=64
             |  suite                  keys: base64, lifetime, MKI:octets      session parameters
             tag

Each side says the key that it sends by. Of several lines the first that we can do
is answered, with its tag and suite and a fresh key of our own. A line is
unacceptable as a whole where anything about it is not understood, but for a
parameter that begins with a minus sign (section 6.3.7).
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..plan import SRTPKey, SRTPKeys
from .description import Attribute

NewKey = Callable[[int], bytes]
"So many random octets."

PLAIN_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF"})
SECURE_PROFILES = frozenset({"RTP/SAVP", "RTP/SAVPF"})

KEY_OCTETS = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
"The suites that we can do, with the octets of master key and salt together."

_OTHER_NAMES = {
    "AES_CM_256_HMAC_SHA1_80": "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_256_HMAC_SHA1_32": "AES_256_CM_HMAC_SHA1_32",
}
"As they were called before :rfc:`6188`; some still do."

_TAG = re.compile(r"0|[1-9]\d{0,8}")
_LIFETIME = re.compile(r"2\^(\d{1,2})|[1-9]\d{0,15}")
_MKI = re.compile(r"(\d{1,310}):(\d{1,3})")
_MAX_MKI_OCTETS = 128
_MAX_KEYS = 8
_MAX_LIFETIME_BITS = 48
_KEY = re.compile(rb"(inline:)[^\s|;]+", re.IGNORECASE)


class Secrecy(Enum):
    """Whether the media of an SRC must be protected."""

    OFF = "off"
    "m-lines with keys are refused."
    ALLOW = "allow"
    "Each m-line as it is offered."
    REQUIRE = "require"
    "m-lines without keys are refused."


@dataclass(frozen=True, slots=True)
class Crypto:
    """An ``a=crypto`` line that we can do."""

    tag: str
    name: str
    "The suite, as it is called in the line."
    keys: tuple[SRTPKey, ...]
    parameters: tuple[str, ...] = ()
    "The session parameters that hold for both sides, to be said again."

    @property
    def suite(self) -> str:
        """The suite, as its RFC calls it."""
        return self.keys[0].suite

    @classmethod
    def parse(cls, value: str) -> Crypto | None:
        """None where the line is unacceptable."""
        words = value.split()
        tag, name, inline, *parameters = words if len(words) > 2 else ("", "", "")
        suite = _OTHER_NAMES.get(name.upper(), name.upper())
        if _TAG.fullmatch(tag) is None or suite not in KEY_OCTETS or not inline:
            return None
        agreed = _agreed_parameters(parameters, aead=suite.startswith("AEAD"))
        if agreed is None:
            return None
        keys = tuple(_key(suite, word, agreed) for word in inline.split(";")[: _MAX_KEYS + 1])
        whole = tuple(key for key in keys if key is not None)
        if len(whole) != len(keys) or len(keys) > _MAX_KEYS or not _distinguishable(whole):
            return None
        return cls(tag, name, whole, agreed)


@dataclass(frozen=True, slots=True)
class KeyAgreement:
    """A line of the other side's, and the key that we answer it with."""

    offered: Crypto
    own: bytes = field(repr=False)

    @property
    def attribute(self) -> Attribute:
        """Our line."""
        words = (self.offered.tag, self.offered.name, f"inline:{b64encode(self.own).decode()}")
        return Attribute("crypto", " ".join((*words, *self.offered.parameters)))

    @property
    def keys(self) -> SRTPKeys:
        """For the media plane."""
        theirs = self.offered.keys[0]
        send = SRTPKey(
            theirs.suite,
            self.own,
            encrypts_rtp=theirs.encrypts_rtp,
            encrypts_rtcp=theirs.encrypts_rtcp,
        )
        return SRTPKeys(self.offered.keys, send)


def agree(
    values: Iterable[str], previous: KeyAgreement | None, new_key: NewKey | None
) -> KeyAgreement | None:
    """
    Choose among the lines of an m-line, which are in the offerer's order of
    preference. Our own key stays for as long as the suite does
    (:rfc:`4568#section-7.1.4`); None where no line can be answered.
    """
    chosen = next(filter(None, map(Crypto.parse, values)), None)
    if chosen is None or new_key is None:
        return None
    if previous is not None and previous.offered.suite == chosen.suite:
        return KeyAgreement(chosen, previous.own)
    return KeyAgreement(chosen, new_key(KEY_OCTETS[chosen.suite]))


def without_keys(octets: bytes) -> bytes:
    """A message as it may be logged."""
    return _KEY.sub(rb"\1(not shown)", octets)


def _agreed_parameters(parameters: list[str], aead: bool) -> tuple[str, ...] | None:
    """Those to be said again; None where one is neither known nor optional."""
    agreed: list[str] = []
    for parameter in parameters:
        name, _, value = parameter.upper().partition("=")
        if name in ("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP") and not aead:
            agreed.append(name)
        elif name == "WSH" or (name == "KDR" and value == "0") or name.startswith("-"):
            # A hint about replays; what is so by itself; what may be passed over.
            continue
        else:
            return None
    return tuple(agreed)


def _key(suite: str, word: str, parameters: tuple[str, ...]) -> SRTPKey | None:
    """One key; lifetime and MKI are taken in either order."""
    method, _, rest = word.partition(":")
    text, *others = rest.split("|")
    if method.lower() != "inline" or len(others) > 2:
        return None
    mki = b""
    for other in others:
        if ":" in other:
            found = _identifier(other)
            if found is None or mki:
                return None
            mki = found
        elif not _is_lifetime(other):
            return None
    try:
        octets = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(octets) != KEY_OCTETS[suite]:
        return None
    return SRTPKey(
        suite, octets, mki, "UNENCRYPTED_SRTP" not in parameters,
        "UNENCRYPTED_SRTCP" not in parameters,
    )  # fmt: skip


def _is_lifetime(text: str) -> bool:
    """
    A number of packets, or a power of two. libsrtp holds to the most that there
    may be; a recording does not end because its sender goes on past what it said.
    """
    match = _LIFETIME.fullmatch(text)
    return match is not None and int(match[1] or 0) <= _MAX_LIFETIME_BITS


def _identifier(text: str) -> bytes | None:
    """``1:4`` is the number 1 in 4 octets."""
    match = _MKI.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= _MAX_MKI_OCTETS:
        return None
    try:
        return int(match[1]).to_bytes(int(match[2]), "big")
    except OverflowError:
        return None


def _distinguishable(keys: tuple[SRTPKey, ...]) -> bool:
    """Several keys need MKIs of one length, all different (:rfc:`4568#section-6.1`)."""
    if len(keys) == 1:
        return True
    return len({len(key.mki) for key in keys}) == 1 and len({key.mki for key in keys}) == len(keys)
