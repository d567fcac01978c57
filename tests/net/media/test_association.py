"""One DTLS association, between two ends in memory."""

from __future__ import annotations

import hashlib
import os

from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from tests.dtls_peer import SRC, SRS, Peer, context, identity, shake
from twisted_siprec.errors import LocalError
from twisted_siprec.net.media.association import Stage, context_of
from twisted_siprec.net.media.dtls_identity import (
    DTLSIdentity,
    IdentityError,
    make_identity,
    read_identity,
    use_identity,
)
from twisted_siprec.plan import Fingerprint
from twisted_siprec.rtp.dtls_records import is_dtls, records
from twisted_siprec.rtp.srtp import SRTP

REPORT = bytes.fromhex("80c90001 00000009") + bytes.fromhex("81ca0002 00000009 01016100")


def both() -> tuple[Peer, Peer]:
    """An SRC that begins, and an SRS; they expect one another."""
    return Peer("src", "srs", begins=True, remote=SRS), Peer("srs", "src", begins=False)


class HandshakeTests(SynchronousTestCase):
    """From the ClientHello to the keys."""

    def test_keys(self) -> None:
        """Both ends have the same keys, of the best profile; what one protects the other reads."""
        client, server = both()
        shake(client, server)
        ours, theirs = server.association.keys, client.association.keys
        assert ours is not None and theirs is not None
        self.assertEqual((ours.receive, ours.send), ((theirs.send,), theirs.receive[0]))
        self.assertEqual(ours.send.suite, "AEAD_AES_256_GCM")
        protected = SRTP(theirs).protect_rtcp(REPORT)
        self.assertEqual(SRTP(ours).unprotect_rtcp(protected or b""), REPORT)

    def test_cookie(self) -> None:
        """The first ClientHello gets less than it is, and costs nothing that is kept."""
        client, server = both()
        (hello,) = client.take()
        server.association.receive(hello, SRC)
        (answer,) = server.take()
        self.assertLess(len(answer), len(hello))
        self.assertIs(server.association.stage, Stage.LISTENING)

    def test_cookie_of_another(self) -> None:
        """A cookie is worth nothing from another address than it was sent to."""
        client, server = both()
        server.association.receive(client.take()[0], SRC)
        client.association.receive(server.take()[0], SRS)
        (hello,) = client.take()
        for address in (("192.0.2.9", SRC[1]), (SRC[0], 4001)):
            server.association.receive(hello, address)
            self.assertIs(server.association.stage, Stage.LISTENING)
            self.assertEqual(len(records(server.take()[0])), 1)
        server.association.receive(hello, SRC)
        self.assertIs(server.association.stage, Stage.SHAKING)

    def test_garbage_before(self) -> None:
        """What is no ClientHello is passed over, and one that follows is heard."""
        client, server = both()
        for octets in (b"", b"\x16", b"\x16\xfe\xfd" + bytes(60), os.urandom(200), REPORT):
            server.association.receive(octets, SRC)
        shake(client, server)
        self.assertIs(server.association.stage, Stage.KEYED)

    def test_garbage_between(self) -> None:
        """Records that are not genuine do no harm at any time (RFC 6347 section 4.1.2.7)."""
        client, server = both()
        junk = b"\x17\xfe\xfd" + bytes(8) + b"\0\x10" + bytes(16)
        for _ in range(4):
            for octets in client.take():
                server.association.receive(junk, SRC)
                server.association.receive(octets, SRC)
            for octets in server.take():
                client.association.receive(octets, SRS)
        server.association.receive(junk, SRC)
        self.assertIs(server.association.stage, Stage.KEYED)

    def test_others(self) -> None:
        """Once a cookie has come again, only its address is heard."""
        client, server = both()
        server.association.receive(client.take()[0], SRC)
        client.association.receive(server.take()[0], SRS)
        server.association.receive(client.take()[0], SRC)
        for octets in server.take():
            client.association.receive(octets, SRS)
        for octets in client.take():
            server.association.receive(octets, ("203.0.113.1", 9))
        self.assertIs(server.association.stage, Stage.SHAKING)

    def test_flights(self) -> None:
        """No datagram is longer than networks carry, and all are whole records."""
        client, server = both()
        for _ in range(4):
            for octets in client.take():
                self.assertLessEqual(len(octets), 1200)
                self.assertEqual(b"".join(records(octets)), octets)
                self.assertTrue(is_dtls(octets))
                server.association.receive(octets, SRC)
            for octets in server.take():
                self.assertLessEqual(len(octets), 1200)
                self.assertEqual(b"".join(records(octets)), octets)
                client.association.receive(octets, SRS)


class FingerprintTests(SynchronousTestCase):
    """RFC 5763 section 5: the certificate must be the one that the SDP spoke of."""

    def test_another_certificate(self) -> None:
        """Both ends fail, with an alert and before any keys, and say why."""
        server = Peer("srs", "src", begins=False)
        client = Peer("stranger", "srs", begins=True, remote=SRS)
        shake(client, server)
        self.assertEqual((server.association.stage, server.association.keys), (Stage.FAILED, None))
        self.assertIn("not the one whose fingerprint", server.association.failure)
        self.assertIs(client.association.stage, Stage.FAILED)
        self.assertIn("alert", client.association.failure)

    def test_client_looks_too(self) -> None:
        """Where we begin, the peer's certificate is judged the same way."""
        client = Peer("srs", "src", begins=True, remote=SRS)
        server = Peer("stranger", "srs", begins=False)
        shake(client, server)
        self.assertIs(client.association.stage, Stage.FAILED)
        self.assertIsNone(client.association.keys)

    def test_one_of_several(self) -> None:
        """One fingerprint that is right is enough, by any function that we trust."""
        certificate = crypto.load_certificate(crypto.FILETYPE_PEM, identity("src").certificate)
        octets = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        for name in ("sha384", "sha512"):
            digest = hashlib.new(name, octets).digest()
            algorithm = f"{name[:3]}-{name[3:]}"
            known = (Fingerprint(algorithm, bytes(len(digest))), Fingerprint(algorithm, digest))
            server = Peer("srs", "", begins=False, fingerprints=known)
            shake(Peer("src", "srs", begins=True, remote=SRS), server)
            self.assertIs(server.association.stage, Stage.KEYED)

    def test_no_certificate(self) -> None:
        """A client that shows none has no keys."""
        bare = SSL.Context(SSL.DTLS_METHOD)
        bare.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
        server = Peer("srs", "src", begins=False)
        _converse(SSL.Connection(bare, None), server)
        self.assertIs(server.association.stage, Stage.FAILED)

    def test_no_profile(self) -> None:
        """A client without use_srtp, or with a profile that we cannot do, has no keys."""
        for profile in (None, b"SRTP_AES128_CM_SHA1_32"):
            plain = SSL.Context(SSL.DTLS_METHOD)
            use_identity(plain, identity("src"))
            if profile is not None:
                plain.set_tlsext_use_srtp(profile)
            server = Peer("srs", "src", begins=False)
            _converse(SSL.Connection(plain, None), server)
            self.assertEqual(
                (server.association.stage, server.association.failure),
                (Stage.FAILED, "no profile of use_srtp in common"),
            )


class EndTests(SynchronousTestCase):
    """How an association ends."""

    def test_close(self) -> None:
        """The peer is told once; it keeps the keys, for what is still under way."""
        client, server = both()
        shake(client, server)
        server.association.close()
        server.association.close()
        (alert,) = server.take()
        client.association.receive(alert, SRS)
        self.assertIs(client.association.stage, Stage.CLOSED)
        self.assertIsNotNone(client.association.keys)

    def test_given_up(self) -> None:
        """One that is keyed does not fail any more; one under way says why."""
        client, server = both()
        server.association.fail("too late")
        self.assertEqual(server.association.failure, "too late")
        server.association.receive(client.take()[0], SRC)
        self.assertEqual(server.take(), [])
        client, server = both()
        shake(client, server)
        server.association.fail("too late")
        self.assertIs(server.association.stage, Stage.KEYED)

    def test_nothing_due(self) -> None:
        """Nothing is sent again before its time."""
        client, _ = both()
        client.take()
        client.association.expire()
        self.assertEqual(client.take(), [])


class IdentityTests(SynchronousTestCase):
    """Our certificate and its key."""

    def test_secret(self) -> None:
        """Each is another one; no repr shows a key."""
        first, second = make_identity(), make_identity()
        self.assertNotEqual(first.fingerprint, second.fingerprint)
        self.assertIn("BEGIN CERTIFICATE", repr(first))
        self.assertNotIn("PRIVATE KEY", repr(first))

    def test_files(self) -> None:
        """One of files has the fingerprint that others compute of it."""
        made = make_identity()
        names = []
        for text in (made.certificate, made.key, make_identity().key):
            name = self.mktemp()
            with open(name, "wb") as file:
                file.write(text)
            names.append(name)
        self.assertEqual(read_identity(names[0], names[1]), made)
        for certificate, key in ((names[0], names[2]), (names[1], names[1]), ("/none", "/none")):
            error = self.assertRaises(IdentityError, read_identity, certificate, key)
            self.assertIn(certificate, str(error))

    def test_none(self) -> None:
        """Without one there is no context: a plan that asks for DTLS is a mistake of ours."""
        self.assertRaises(LocalError, context_of, None)
        self.assertIsInstance(identity("srs"), DTLSIdentity)
        self.assertIs(context("srs"), context("srs"))


def _converse(client: SSL.Connection, server: Peer) -> None:
    """A client of OpenSSL alone."""
    client.set_connect_state()
    for _ in range(6):
        try:
            client.do_handshake()
        except SSL.Error:
            """It waits, or it was refused."""
        try:
            server.association.receive(client.bio_read(65_536), SRC)
        except SSL.WantReadError:
            """It has nothing to say."""
        for octets in server.take():
            client.bio_write(octets)
