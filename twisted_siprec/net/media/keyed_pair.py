"""
The ports of a stream whose keys come by DTLS (:rfc:`5764`): a
:class:`~.rtp_port.PortPair` that takes the handshakes out of what comes.

RTP and RTCP on ports of their own have associations of their own; on one port they
share one (:rfc:`5764#section-3`). The keys of RTP are given to the stream, which
uses them as it uses those that the SDP says; reports are protected here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from ...plan import Address, DTLSPeer, SRTPKeys, StreamPlan
from ...report import HandshakeDone, HandshakeFailed
from ...rtp.datagram import Datagram
from ...rtp.dtls_records import is_dtls
from .handshakes import Handshakes
from .keyed_port import KeyedPort
from .rtp_port import PortPair, TakeRTCP

Report = Callable[[HandshakeDone | HandshakeFailed], None]
TakeKeys = Callable[[SRTPKeys | None], None]
"Uses these from now on; None where what comes cannot be read (any more)."


class KeyedPair:
    """
    Two ports and their associations.

    :param take_keys: takes the keys of RTP each time that they are others.
    :param step_alone: sees to it that the ports are read by :meth:`drain` alone.
    """

    def __init__(
        self,
        pair: PortPair,
        plan: StreamPlan,
        bridge: str,
        handshakes: Handshakes,
        report: Report,
        take_keys: TakeKeys,
        step_alone: Callable[[], None],
    ) -> None:
        self.rtp, self.rtcp = pair.rtp, pair.rtcp
        self._pair = pair
        self._bridge = bridge
        self._index = plan.index
        self._handshakes = handshakes
        self._report = report
        self._take_keys = take_keys
        self._step_alone = step_alone
        self._settings = handshakes.settings
        self._taker: TakeRTCP | None = None
        self._kept: list[Datagram] = []
        "Read while shaking hands, until it is asked for."
        self._keys: SRTPKeys | None = None
        self._plan = replace(plan, dtls=None)
        self._media = self._port(mux=True)
        self._control = self._port(mux=False)
        self._told: dict[KeyedPort, str] = {}
        self._timer: IDelayedCall | None = None
        pair.take_rtcp(self._take_rtcp)
        self.update(plan)

    def _port(self, mux: bool) -> KeyedPort:
        def send(octets: bytes, destination: Address) -> None:
            self._pair.send_rtcp(octets, destination, mux)

        def may_begin() -> bool:
            return self._handshakes.has_room(self)

        handshakes = self._handshakes
        timeout_s = self._settings.handshake_timeout_s
        return KeyedPort(handshakes.context, send, may_begin, timeout_s)

    @property
    def shaking(self) -> bool:
        """A handshake is under way on one of its ports."""
        return self._media.shaking or self._control.shaking

    @property
    def pending(self) -> bool:
        """A handshake is under way, or may be in a moment."""
        return self._media.pending or self._control.pending

    def update(self, plan: StreamPlan) -> None:
        """The stream is this from now on; without DTLS, all passes as it is."""
        before, self._plan = self._plan, plan
        if plan.dtls is None:
            self._stop_timer()
            self._media.close()
            self._control.close()
            self._keys = None
        elif plan.dtls != before.dtls:
            self._expect(self._media, plan.dtls, plan.source)
            self._stop_timer()
            self._timer = self._handshakes.clock.callLater(
                self._settings.handshake_timeout_s, self._overdue
            )
        shared = (plan.dtls, plan.rtcp_mux) == (before.dtls, before.rtcp_mux)
        if plan.dtls is not None and not plan.rtcp_mux and not shared:
            self._expect(self._control, plan.dtls, plan.rtcp)
        self._settle()
        self._look_after()

    def _expect(self, port: KeyedPort, peer: DTLSPeer, remote: Address | None) -> None:
        self._told.pop(port, None)
        port.expect(peer, remote, self._handshakes.monotonic())

    # --- of a pair of ports ---

    def fileno(self) -> int:
        """See :meth:`.rtp_port.PortPair.fileno`."""
        return self._pair.fileno()

    def drain(self, limit: int) -> list[Datagram]:
        """See :meth:`.rtp_port.PortPair.drain`."""
        kept, self._kept = self._kept, []
        return kept + self._without_handshakes(self._pair.drain(limit))

    def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
        """See :meth:`.rtp_port.PortPair.sort`."""
        return self._without_handshakes(self._pair.sort(datagrams))

    def take_rtcp(self, taker: TakeRTCP) -> None:
        """See :meth:`.rtp_port.PortPair.take_rtcp`."""
        self._taker = taker

    def send_rtcp(self, octets: bytes, destination: Address, mux: bool) -> None:
        """See :meth:`.rtp_port.PortPair.send_rtcp`. Without keys nothing is sent."""
        protected: bytes | None = octets
        if self._plan.dtls is not None:
            srtp = (self._media if mux else self._control).srtp
            protected = srtp.protect_rtcp(octets) if srtp is not None else None
        if protected is not None:
            self._pair.send_rtcp(protected, destination, mux)

    def close(self) -> Deferred[None]:
        """See :meth:`.rtp_port.PortPair.close`."""
        self._stop_timer()
        self._handshakes.leave(self)
        self._taker = None
        self._media.close()
        self._control.close()
        return self._pair.close()

    # --- the handshake ---

    def look(self) -> None:
        """Read the ports, and send again what is due."""
        self._step_alone()
        room = self._settings.max_drain - len(self._kept)
        if room > 0:
            self._kept += self._without_handshakes(self._pair.drain(room))
        now = self._handshakes.monotonic()
        self._media.expire(now)
        self._control.expire(now)
        self._settle()

    def _without_handshakes(self, datagrams: list[Datagram]) -> list[Datagram]:
        if self._plan.dtls is None or not any(is_dtls(each.octets) for each in datagrams):
            return datagrams
        left: list[Datagram] = []
        for datagram in datagrams:
            if is_dtls(datagram.octets):
                self._receive(self._media, datagram.octets, datagram.source)
            else:
                left.append(datagram)
        return left

    def _take_rtcp(self, octets: bytes, source: Address) -> None:
        """From either port; DTLS that comes by this way came on the port of RTCP."""
        if self._plan.dtls is None:
            self._give_rtcp(octets, source)
        elif is_dtls(octets):
            if not self._plan.rtcp_mux:
                self._receive(self._control, octets, source)
        else:
            srtp = (self._media if self._plan.rtcp_mux else self._control).srtp
            plain = srtp.unprotect_rtcp(octets) if srtp is not None else None
            if plain is not None:
                self._give_rtcp(plain, source)

    def _give_rtcp(self, octets: bytes, source: Address) -> None:
        if self._taker is not None:
            self._taker(octets, source)

    def _receive(self, port: KeyedPort, octets: bytes, source: Address) -> None:
        signalled = self._plan.source
        strict = self._settings.expect_signalled_source and signalled is not None
        if strict and signalled is not None and source[0] != signalled[0]:
            return
        port.receive(octets, source, self._handshakes.monotonic())
        self._settle()
        self._look_after()

    def _look_after(self) -> None:
        if self.pending:
            self._handshakes.follow(self)

    def _overdue(self) -> None:
        self._timer = None
        self._media.missing()
        self._settle()

    def _settle(self) -> None:
        """Use the keys that there are, and report what became of it, each thing once."""
        keys = self._media.keys
        if keys is not self._keys:
            self._keys = keys
            self._step_alone()
            self._take_keys(keys)
        if self._media.keyed:
            self._stop_timer()
        for port, name in ((self._media, "RTP"), (self._control, "RTCP")):
            keys = port.keys if port.keyed else None
            outcome = keys.send.suite if keys is not None else port.failure
            if outcome in ("", self._told.get(port)):
                continue
            self._told[port] = outcome
            if not port.keyed:
                self._say(HandshakeFailed(self._bridge, self._index, f"{name}: {outcome}"))
            elif port is self._media:
                self._say(HandshakeDone(self._bridge, self._index, outcome))

    def _say(self, report: HandshakeDone | HandshakeFailed) -> None:
        """In a moment: who hears it may want another bridge than the one that is stepping."""
        self._handshakes.clock.callLater(0, self._report, report)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
