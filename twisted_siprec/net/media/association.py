"""
One DTLS association (:rfc:`6347`), by OpenSSL: what it makes is the keys of SRTP.

::

    Listening ──ClientHello with our cookie──► Shaking ──Finished──► Keyed ──alert──► Closed
        we begin ───────────────────────────────►│
                                                 └──mismatch, alert, too late──► Failed

A ClientHello gets a cookie and nothing else until it comes again with that cookie
from the same address: nobody is sent more than he sends, and no memory or
computation is spent on an address that does not answer
(:rfc:`6347#section-4.2.1`). The certificate of the other side is judged by its
fingerprint alone, while the handshake still goes on, so that it ends with an alert.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from enum import Enum, auto
from struct import pack
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from ...errors import LocalError
from ...plan import Address, Fingerprint, SRTPKeys
from ...rtp.dtls_keys import EXPORTER_LABEL, PROFILES, srtp_keys
from ...rtp.dtls_records import admissible, datagrams
from .dtls_identity import DTLSIdentity, use_identity

_DTLS_1_2 = 0xFEFD
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL"
_MTU = 1200
"Octets of a datagram: fits in every network that carries RTP."
_READ_OCTETS = 65_536
_COOKIE_OCTETS = 16
_MAX_APPLICATION_RECORDS = 16
"Of one datagram; whatever they hold is nothing to us (:rfc:`5764#section-3`)."

Send = Callable[[bytes, Address], None]


class Stage(Enum):
    """How far an association is."""

    LISTENING = auto()
    SHAKING = auto()
    KEYED = auto()
    FAILED = auto()
    CLOSED = auto()


class DTLSContext:
    """What all associations of a process have in common."""

    def __init__(self, identity: DTLSIdentity) -> None:
        self._secret = secrets.token_bytes(32)
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS_1_2)
        context.set_max_proto_version(_DTLS_1_2)
        context.set_options(SSL.OP_NO_QUERY_MTU | SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(_CIPHERS)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
        context.set_cookie_generate_callback(self._cookie)
        context.set_cookie_verify_callback(self._is_cookie)
        context.set_tlsext_use_srtp(":".join(PROFILES).encode())
        use_identity(context, identity)
        self._context = context

    def connection(self, association: Association) -> SSL.Connection:
        """The machine of an association, fed by hand."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(association)
        connection.set_ciphertext_mtu(_MTU)
        return connection

    def _cookie(self, connection: SSL.Connection) -> bytes:
        """Bound to the address that it is sent to, and kept nowhere."""
        host, port = connection.get_app_data().remote
        address = pack(">H", port) + host.encode()
        return hmac.digest(self._secret, address, "sha256")[:_COOKIE_OCTETS]

    def _is_cookie(self, connection: SSL.Connection, cookie: bytes) -> bool:
        return hmac.compare_digest(cookie, self._cookie(connection))


def _verify(
    connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
) -> bool:
    """Who signed a certificate does not matter, only which one it is."""
    association: Association = connection.get_app_data()
    return depth > 0 or association.accepts(certificate)


class Association:
    """
    One, between a port of ours and one address.

    :param begins: the peer begins the handshake.
    :param send: sends a datagram from our port.
    :param remote: whom we begin with, where the peer does not.
    """

    def __init__(
        self,
        context: DTLSContext,
        fingerprints: tuple[Fingerprint, ...],
        send: Send,
        begins: bool = True,
        remote: Address = ("", 0),
    ) -> None:
        self.stage = Stage.LISTENING if begins else Stage.SHAKING
        self.remote = remote
        self.keys: SRTPKeys | None = None
        self.failure = ""
        "Why it failed, or why the peer closed it."
        self._fingerprints = fingerprints
        self._send = send
        self._begins = begins
        self._context = context
        self._connection = context.connection(self)
        if begins:
            self._connection.set_accept_state()
        else:
            self._connection.set_connect_state()

    def accepts(self, certificate: crypto.X509) -> bool:
        """Whether it is the one that the SDP spoke of (:rfc:`5763#section-5`)."""
        octets = certificate.to_cryptography().public_bytes(Encoding.DER)
        for fingerprint in self._fingerprints:
            digest = hashlib.new(fingerprint.algorithm.replace("-", ""), octets).digest()
            if hmac.compare_digest(digest, fingerprint.digest):
                return True
        self.failure = "the certificate is not the one whose fingerprint the SDP has"
        return False

    def begin(self) -> None:
        """Send our ClientHello."""
        self._shake()

    def receive(self, datagram: bytes, source: Address) -> None:
        """A datagram came; never raises."""
        datagram = admissible(datagram)
        if not datagram:
            return
        if self.stage is Stage.LISTENING:
            self.remote = source
            self._listen(datagram)
        elif source == self.remote and self.stage in (Stage.SHAKING, Stage.KEYED):
            self._connection.bio_write(datagram)
            if self.stage is Stage.SHAKING:
                self._shake()
            else:
                self._read()

    def expire(self) -> None:
        """Send again what was not answered in time (:rfc:`6347#section-4.2.4`)."""
        if self.stage is Stage.SHAKING and self._connection.DTLSv1_get_timeout() == 0:
            try:
                self._connection.DTLSv1_handle_timeout()
            except SSL.Error as error:
                self._fail(_reason(error))
            self._flush()

    def fail(self, reason: str) -> None:
        """Give it up."""
        self._fail(reason)

    def close(self) -> None:
        """Say so to the peer. May be called again."""
        if self.stage is Stage.KEYED:
            try:
                self._connection.shutdown()
            except SSL.Error:
                """It is closed all the same."""
            self._flush()
        self.stage = Stage.CLOSED

    # --- the machine -----------------------------------------------------------------

    def _listen(self, datagram: bytes) -> None:
        connection = self._connection
        connection.bio_write(datagram)
        try:
            connection.DTLSv1_listen()
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:
            # No ClientHello; the next datagram may be one, and meets a clean machine.
            self._connection = self._context.connection(self)
            self._connection.set_accept_state()
        else:
            self.stage = Stage.SHAKING
            self._shake()

    def _shake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
        except SSL.Error as error:
            self._flush()
            self._fail(self.failure or _reason(error))
        else:
            self._flush()
            self._settle()

    def _settle(self) -> None:
        """The handshake is over: is it with whom it should be, and are there keys?"""
        connection = self._connection
        certificate = connection.get_peer_certificate()
        profile = PROFILES.get(connection.get_selected_srtp_profile().decode())
        if certificate is None or not self.accepts(certificate):
            self._fail(self.failure or "no certificate")
        elif profile is None:
            self._fail("no profile of use_srtp in common")
        else:
            exported = connection.export_keying_material(EXPORTER_LABEL, profile.octets, None)
            self.keys = srtp_keys(profile, exported, client=not self._begins)
            self.stage = Stage.KEYED

    def _read(self) -> None:
        """Retransmissions are answered in passing; an alert may end it."""
        for _ in range(_MAX_APPLICATION_RECORDS):
            try:
                self._connection.recv(_READ_OCTETS)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self.stage = Stage.CLOSED
                break
            except SSL.Error:
                # What is not genuine is passed over (RFC 6347 section 4.1.2.7).
                break
        self._flush()

    def _flush(self) -> None:
        flight = bytearray()
        while True:
            try:
                flight += self._connection.bio_read(_READ_OCTETS)
            except SSL.WantReadError:
                break
        for datagram in datagrams(bytes(flight), _MTU):
            self._send(datagram, self.remote)

    def _fail(self, reason: str) -> None:
        if self.stage in (Stage.LISTENING, Stage.SHAKING):
            self.stage, self.failure = Stage.FAILED, reason


def _reason(error: SSL.Error) -> str:
    """The words of OpenSSL for it."""
    queue: Any = error.args[0] if error.args else ()
    words = [each[-1] for each in queue] if isinstance(queue, list) else []
    return "; ".join(words) or type(error).__name__


def context_of(identity: DTLSIdentity | None) -> DTLSContext:
    """:exc:`.errors.LocalError` where there is no identity: no plan asks for DTLS then."""
    if identity is None:
        raise LocalError("a stream is to be protected by DTLS, and there is no certificate")
    return DTLSContext(identity)
