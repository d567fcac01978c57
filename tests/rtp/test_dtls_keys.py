"""The keys that a handshake leaves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import SRTPKey
from twisted_siprec.rtp.dtls_keys import PROFILES, srtp_keys
from twisted_siprec.rtp.libsrtp import SUITES


class KeyTests(SynchronousTestCase):
    """RFC 5764 section 4.2."""

    def test_order(self) -> None:
        """First the keys of client and server, then their salts; each sends by its own."""
        exported = b"C" * 16 + b"S" * 16 + b"c" * 14 + b"s" * 14
        profile = PROFILES["SRTP_AES128_CM_SHA1_80"]
        suite = "AES_CM_128_HMAC_SHA1_80"
        client = SRTPKey(suite, b"C" * 16 + b"c" * 14)
        server = SRTPKey(suite, b"S" * 16 + b"s" * 14)
        keys = srtp_keys(profile, exported, client=True)
        self.assertEqual((keys.receive, keys.send), ((server,), client))
        keys = srtp_keys(profile, exported, client=False)
        self.assertEqual((keys.receive, keys.send), ((client,), server))

    def test_lengths(self) -> None:
        """Every profile gives keys as long as its suite wants them."""
        for name, profile in PROFILES.items():
            keys = srtp_keys(profile, bytes(range(profile.octets)), client=True)
            self.assertEqual(len(keys.send.octets), SUITES[profile.suite].key_octets, name)
            self.assertEqual(len(keys.receive[0].octets), SUITES[profile.suite].key_octets, name)

    def test_secret(self) -> None:
        """No repr shows them."""
        keys = srtp_keys(PROFILES["SRTP_AEAD_AES_128_GCM"], b"k" * 56, client=True)
        self.assertNotIn("kkk", repr(keys))
