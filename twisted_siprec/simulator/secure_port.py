"""
A simulated stream whose RTP and RTCP are protected (SRTP, with keys by
:rfc:`4568`): what goes out goes through a key that is said in our offer.
"""

from __future__ import annotations

import secrets
from base64 import b64encode

from ..plan import SRTPKey, SRTPKeys
from ..rtp.srtp import SRTP
from ..sdp.crypto import KEY_OCTETS, Crypto
from ..sip.events import Address
from .media_port import MediaPort

SUITES = tuple(KEY_OCTETS)
"What may be asked for."
_TAG = "1"


class SecurePort:
    """Ports that protect what they send, by a fresh key of a suite."""

    def __init__(self, port: MediaPort, suite: str) -> None:
        self.port = port.port
        self._port = port
        key = SRTPKey(suite, secrets.token_bytes(KEY_OCTETS[suite]))
        self.suite = suite
        self.offered = f"{_TAG} {suite} inline:{b64encode(key.octets).decode()}"
        "The value of our a=crypto line."
        # An SRS sends no RTP, and its reports are not read: its key does not matter.
        self._srtp = SRTP(SRTPKeys((key,), key))

    def is_answered(self, lines: tuple[str, ...]) -> bool:
        """Whether the SRS said a key for what we offered (:rfc:`4568#section-5.1.3`)."""
        answered = Crypto.parse(lines[0]) if len(lines) == 1 else None
        return answered is not None and (answered.tag, answered.suite) == (_TAG, self.suite)

    def connect(self, remote: Address) -> None:
        """From now on, send there."""
        self._port.connect(remote)

    def send(self, packet: bytes | memoryview) -> object:
        """Send RTP, protected."""
        return self._port.send(self._whole(self._srtp.protect(bytes(packet))))

    def send_report(self, packet: bytes) -> object:
        """Send RTCP, protected."""
        return self._port.send_report(self._whole(self._srtp.protect_rtcp(packet)))

    def receive(self, reports: bool) -> bytes | None:
        """What came; it is not looked at."""
        return self._port.receive(reports)

    def close(self) -> None:
        """Give the ports back."""
        self._port.close()

    @staticmethod
    def _whole(protected: bytes | None) -> bytes:
        if protected is None:
            raise OSError("the packet is too long for SRTP, or its key is used up")
        return protected
