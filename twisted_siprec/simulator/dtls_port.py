"""
A simulated stream whose keys come by DTLS (:rfc:`5764`): the offer has the
fingerprint of a certificate, and audio is sent when the handshake is over.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..net.media.association import Association, DTLSContext, Stage
from ..net.media.dtls_identity import DTLSIdentity, make_identity
from ..rtp.srtp import SRTP
from ..sdp.dtls import DTLSOffer, Setup, fingerprint_text
from ..sip.events import Address
from .media_port import MediaPort
from .offer import AnswerError

DTLS = "DTLS"
"What is asked for in place of a suite."
_LOOK_S = 0.005
_LOOK_LATER_S = 0.1
"Once there are keys: the SRS may not have had our last words."
_TIMEOUT_S = 10.0
_AT_A_TIME = 8


@cache
def _identity() -> DTLSIdentity:
    """One certificate for all calls of a process, as a gateway has it."""
    return make_identity()


@cache
def _context() -> DTLSContext:
    return DTLSContext(_identity())


class DTLSPort:
    """
    Ports that shake hands before they send.

    :param reports: RTCP is sent too, and needs an association of its own.
    """

    def __init__(self, port: MediaPort, clock: IReactorTime, reports: bool) -> None:
        self.port = port.port
        self.offered = (
            f"fingerprint:{fingerprint_text(_identity().fingerprint)}",
            f"setup:{Setup.ACTPASS.value}",
        )
        "The attributes of our m-line."
        self._port = port
        self._clock = clock
        self._reports = reports
        self._peer: DTLSOffer | None = None
        self._associations: dict[bool, Association] = {}
        "By whether it is of RTCP."
        self._protection: dict[bool, SRTP] = {}
        self._remotes: dict[bool, Address] = {}
        self._waiting: Deferred[None] | None = None
        self._began_at = 0.0
        self._timer: IDelayedCall | None = None

    def is_answered(self, answered: DTLSOffer | None) -> bool:
        """Whether the SRS said a certificate, and who begins."""
        self._peer = answered
        return answered is not None and answered.setup in (Setup.ACTIVE, Setup.PASSIVE)

    def connect(self, remote: Address) -> None:
        """From now on, send there; another place is another handshake."""
        self._port.connect(remote)
        if self._remotes.get(False) == remote or self._peer is None:
            return
        self._began_at = self._clock.seconds()
        self._shake(False, remote)
        if self._reports:
            self._shake(True, (remote[0], remote[1] + 1))
        self._arm(_LOOK_S)

    def ready(self) -> Deferred[None]:
        """Fires when there are keys. Fails with :exc:`.offer.AnswerError`."""
        waiting = self._waiting = Deferred()
        self._settle()
        return waiting

    def send(self, packet: bytes | memoryview) -> object:
        """Send RTP, protected."""
        return self._port.send(self._whole(False, bytes(packet)))

    def send_report(self, packet: bytes) -> object:
        """Send RTCP, protected."""
        return self._port.send_report(self._whole(True, packet))

    def receive(self, reports: bool) -> bytes | None:
        """Nothing that anybody else waits for."""
        return None

    def close(self) -> None:
        """Say so to the SRS, and give the ports back."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        for association in self._associations.values():
            association.close()
        self._port.close()

    # --- the handshake ---

    def _shake(self, reports: bool, remote: Address) -> None:
        peer = self._peer
        if peer is None:
            return
        begins = peer.setup is Setup.ACTIVE
        self._remotes[reports] = remote
        self._protection.pop(reports, None)

        def send(octets: bytes, _: Address) -> None:
            # A full buffer or a refusal (ICMP): it is sent again.
            with suppress(OSError):
                (self._port.send_report if reports else self._port.send)(octets)

        association = Association(_context(), peer.fingerprints, send, begins, remote)
        self._associations[reports] = association
        if not begins:
            association.begin()

    def _arm(self, wait_s: float) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(wait_s, self._look)

    def _look(self) -> None:
        for reports, association in self._associations.items():
            for _ in range(_AT_A_TIME):
                came = self._port.receive(reports)
                if came is None:
                    break
                association.receive(came, self._remotes[reports])
            association.expire()
            if association.keys is not None and reports not in self._protection:
                self._protection[reports] = SRTP(association.keys)
        self._settle()
        self._arm(_LOOK_S if self._shaking else _LOOK_LATER_S)

    @property
    def _shaking(self) -> bool:
        return len(self._protection) < len(self._associations)

    def _settle(self) -> None:
        waiting, failure = self._waiting, ""
        if waiting is None:
            return
        for association in self._associations.values():
            if association.stage is Stage.FAILED:
                failure = association.failure
        if self._shaking and self._clock.seconds() - self._began_at > _TIMEOUT_S:
            failure = failure or "no end of it in time"
        if failure:
            self._waiting = None
            waiting.errback(AnswerError(f"the DTLS handshake failed: {failure}"))
        elif not self._shaking:
            self._waiting = None
            waiting.callback(None)

    def _whole(self, reports: bool, packet: bytes) -> bytes:
        srtp = self._protection.get(reports)
        if srtp is None:
            raise OSError("there are no keys yet")
        protected = srtp.protect_rtcp(packet) if reports else srtp.protect(packet)
        if protected is None:
            raise OSError("the packet is too long for SRTP, or its key is used up")
        return protected
