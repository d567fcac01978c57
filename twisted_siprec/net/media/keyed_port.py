"""
One port whose keys come by DTLS: the association that they are of, and the one
that is to take its place.

A peer may shake hands again at any time, with another certificate after a
re-INVITE (:rfc:`8842#section-5.5`), or because it knows nothing of the first time.
What is in use stays in use until the new one is genuine and complete.
"""

from __future__ import annotations

from collections.abc import Callable

from ...plan import Address, DTLSPeer, SRTPKeys
from ...rtp.dtls_records import is_client_hello
from ...rtp.srtp import SRTP
from .association import Association, DTLSContext, Send, Stage

_LISTEN_S = 2.0
"How long a ClientHello with our cookie is waited for: longer than until one is sent again."

MayBegin = Callable[[], bool]
"Whether one more handshake may be under way."


class KeyedPort:
    """
    The associations of a port.

    :param timeout_s: how long a handshake may take.
    """

    def __init__(
        self, context: DTLSContext, send: Send, may_begin: MayBegin, timeout_s: float
    ) -> None:
        self.srtp: SRTP | None = None
        "What protects RTCP here; None until there are keys."
        self.failure = ""
        "Why the newest handshake failed; empty where it did not."
        self._context = context
        self._send = send
        self._may_begin = may_begin
        self._timeout_s = timeout_s
        self._peer = DTLSPeer(())
        self._current: Association | None = None
        self._next: Association | None = None
        self._expected: Address | None = None
        "Where the SDP says that the peer is."
        self._until = 0.0
        self._stale = False
        "The SDP speaks of another association than the one in use."

    @property
    def shaking(self) -> bool:
        """A handshake is under way."""
        return self._next is not None and self._next.stage is Stage.SHAKING

    @property
    def pending(self) -> bool:
        """Somebody shakes hands, or was sent a cookie just now."""
        return self._next is not None

    @property
    def keyed(self) -> bool:
        """It has the keys that the SDP speaks of."""
        return self._current is not None and not self._stale

    @property
    def keys(self) -> SRTPKeys | None:
        """Those in use; None until there are some."""
        return self._current.keys if self._current is not None else None

    def expect(self, peer: DTLSPeer, remote: Address | None, now: float) -> None:
        """From now on the keys are made with this peer; where it does not begin, we do."""
        self._peer, self._next, self.failure = peer, None, ""
        self._expected = remote
        self._stale = self._current is not None
        if peer.begins:
            return
        if remote is None:
            self._give_up("the SDP does not say where to begin the handshake")
            return
        self._until = now + self._timeout_s
        self._next = Association(
            self._context, peer.fingerprints, self._send, begins=False, remote=remote
        )
        self._next.begin()

    def receive(self, datagram: bytes, source: Address, now: float) -> None:
        """DTLS came."""
        hello = is_client_hello(datagram)
        if hello and self._goes_first(source):
            self._next = None
        following = self._next
        if following is None and hello and self._peer.begins:
            following = self._next = Association(self._context, self._peer.fingerprints, self._send)
            self._until = now + _LISTEN_S
        if following is not None and following.stage is Stage.LISTENING and hello:
            if not self._may_begin():
                # It comes again in a second.
                return
            following.receive(datagram, source)
            if following.stage is not Stage.LISTENING:
                self._until = now + self._timeout_s
        elif following is not None and following.stage is Stage.SHAKING:
            following.receive(datagram, source)
        elif self._current is not None:
            self._current.receive(datagram, source)
        self._settle()

    def _goes_first(self, source: Address) -> bool:
        """
        It comes from the host of the SDP while another one shakes hands: nobody can
        keep the SRC out by beginning before it and never coming to an end.
        """
        following, expected = self._next, self._expected
        if following is None or expected is None or following.stage is not Stage.SHAKING:
            return False
        return following.remote[0] != expected[0] == source[0]

    def expire(self, now: float) -> None:
        """Send again what is due, and give up what takes too long."""
        following = self._next
        if following is None:
            return
        if following.stage is Stage.LISTENING:
            self._next = None if now >= self._until else following
        elif now >= self._until:
            following.fail(f"no end of the handshake within {self._timeout_s:g} s")
        else:
            following.expire()
        self._settle()

    def missing(self) -> None:
        """The time is over in which a handshake should have come."""
        if not self.keyed and self._next is None and not self.failure:
            self._give_up("no handshake came")

    def close(self) -> None:
        """Say so to the peer."""
        for association in (self._next, self._current):
            if association is not None:
                association.close()
        self._next = self._current = self.srtp = None

    def _settle(self) -> None:
        following = self._next
        if following is None:
            return
        if following.stage is Stage.FAILED:
            self._next = None
            if not self.keyed:
                self._give_up(following.failure)
        elif following.stage is Stage.KEYED and following.keys is not None:
            self._current, self._next = following, None
            self._stale, self.failure = False, ""
            if self.srtp is None:
                self.srtp = SRTP(following.keys)
            else:
                self.srtp.update(following.keys)

    def _give_up(self, reason: str) -> None:
        """Without the keys that the SDP speaks of, nothing is heard."""
        self.failure = reason
        self._current = self.srtp = None
        self._stale = False
