"""
SRTP and SRTCP of one stream (:rfc:`3711`), by libsrtp: what comes is
authenticated and decrypted, what goes is protected with a key of our own.

libsrtp keeps the rollover counter and the replay window of each SSRC, a new one
beginning at zero when its first packet proves to be genuine
(:rfc:`4568#section-6.4.1`). A packet that does not is dropped, and changes
nothing.

A master key identifier, where there is one, says which of several keys a packet
is by; it lies between what is encrypted and the tag::

    SRTP    header | encrypted            | MKI | tag
    SRTCP   header | encrypted | E, index | MKI | tag

With AEAD ciphers the tag is part of what is encrypted, and the MKI the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pylibsrtp import Error, Session

from ..plan import SRTPKey, SRTPKeys
from .libsrtp import SUITES, inbound, outbound

MAX_SSRCS = 64
"Of one key that are remembered; the oldest is forgotten for another one."

_Unprotect = Callable[[Session, bytes], bytes]


class Unprotection(NamedTuple):
    """What all packets of a stream are unprotected by, for as long as its keys stay."""

    session: Session
    growth_octets: int
    "By how much a packet is longer than it was."


@dataclass(slots=True)
class _Context:
    """What is received by one set of keys, all of the same suite."""

    sessions: dict[bytes, Session]
    "By MKI; of a single key without one, by nothing."
    mki_octets: int
    tag_octets: int
    control_tag_octets: int
    ssrcs: dict[bytes, None]
    "In the order in which they were heard first."

    @classmethod
    def of(cls, keys: tuple[SRTPKey, ...]) -> _Context:
        suite = SUITES[keys[0].suite]
        return cls(
            {key.mki: Session(inbound(key)) for key in keys},
            len(keys[0].mki),
            suite.tag_octets,
            suite.control_tag_octets,
            {},
        )

    def open(self, packet: bytes, tag_octets: int, unprotect: _Unprotect) -> bytes | None:
        """The packet as it was before it was protected; None where it is not genuine."""
        mki = b""
        if self.mki_octets:
            end = len(packet) - tag_octets
            start = max(end - self.mki_octets, 0)
            mki, packet = packet[start:end], packet[:start] + packet[end:]
        session = self.sessions.get(mki)
        if session is None:
            return None
        try:
            return unprotect(session, packet)
        except (Error, ValueError):
            # A replay, a forgery, or longer than any packet of a network.
            return None

    def note(self, ssrc: bytes) -> None:
        """A genuine packet of a source came: bound how many of them are remembered."""
        if ssrc in self.ssrcs:
            return
        self.ssrcs[ssrc] = None
        if len(self.ssrcs) > MAX_SSRCS:
            oldest = next(iter(self.ssrcs))
            del self.ssrcs[oldest]
            for session in self.sessions.values():
                try:
                    session.remove_stream(int.from_bytes(oldest, "big"))
                except Error:
                    # It was heard by another key.
                    continue


class SRTP:
    """The keys of one stream, in use."""

    def __init__(self, keys: SRTPKeys) -> None:
        self._keys = keys
        self._context = _Context.of(keys.receive)
        self._earlier: _Context | None = None
        self._sender = Session(outbound(keys.send))

    def update(self, keys: SRTPKeys) -> None:
        """
        The keys are these from now on. The same key goes on where it is, its
        rollover counters and all; what still comes by an earlier one is taken
        until the first packet by the new one (:rfc:`4568#section-7.1.4`).
        """
        if keys.receive != self._keys.receive:
            self._earlier, self._context = self._context, _Context.of(keys.receive)
        if keys.send != self._keys.send:
            self._sender = Session(outbound(keys.send))
        self._keys = keys

    @property
    def unprotection(self) -> Unprotection | None:
        """What packets are unprotected by; None where that is to be found out for each."""
        session = self._context.sessions.get(b"")
        if session is None or self._earlier is not None:
            return None
        return Unprotection(session, SUITES[self._keys.receive[0].suite].growth_octets)

    def unprotect(self, packet: bytes) -> bytes | None:
        """An RTP packet of a datagram; None where it is not genuine, or came before."""
        opened = self._context.open(packet, self._context.tag_octets, Session.unprotect)
        if opened is not None:
            self._context.note(packet[8:12])
            self._earlier = None
            return opened
        if self._earlier is None:
            return None
        return self._earlier.open(packet, self._earlier.tag_octets, Session.unprotect)

    def unprotect_rtcp(self, packet: bytes) -> bytes | None:
        """The RTCP packets of a datagram; None where they are not genuine."""
        for context in (self._context, self._earlier):
            if context is not None:
                tag = context.control_tag_octets
                opened = context.open(packet, tag, Session.unprotect_rtcp)
                if opened is not None:
                    context.note(packet[4:8])
                    return opened
        return None

    def protect(self, packet: bytes) -> bytes | None:
        """An RTP packet as it goes out; None where it may not (:rfc:`3711#section-9.2`)."""
        return self._protected(Session.protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """RTCP packets as they go out; None where they may not."""
        return self._protected(Session.protect_rtcp, packet)

    def _protected(self, protect: _Unprotect, packet: bytes) -> bytes | None:
        try:
            protected = protect(self._sender, packet)
        except (Error, ValueError):
            # The key is used up after 2**48 packets, or 2**31 of RTCP.
            return None
        return protected if not self._keys.send.mki else self._with_mki(protected, protect)

    def _with_mki(self, protected: bytes, protect: _Unprotect) -> bytes:
        suite = SUITES[self._keys.send.suite]
        rtcp = protect is Session.protect_rtcp
        end = len(protected) - (suite.control_tag_octets if rtcp else suite.tag_octets)
        return protected[:end] + self._keys.send.mki + protected[end:]
