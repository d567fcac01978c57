"""Recording sessions whose media is protected."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.siprec.support import POLICY, offer, offered, recording_of, request, with_sdp
from twisted_siprec.plan import SRTPKey
from twisted_siprec.sdp.crypto import Secrecy
from twisted_siprec.sdp.protection import Protection
from twisted_siprec.siprec.session import Accept, OpenBridge, Refuse, SessionPolicy, UpdateBridge

CM_80 = "AES_CM_128_HMAC_SHA1_80"
FIRST, SECOND = "A" * 40, "B" * 40
OURS = SRTPKey(CM_80, b"\xaa" * 30)


def policy(srtp: Secrecy, private: bool = True) -> SessionPolicy:
    """What applies, with keys that are no secret."""
    return replace(
        POLICY,
        protection=Protection(srtp),
        new_key=lambda octets: b"\xaa" * octets,
        signalling_is_private=private,
    )


def protected(key: str, *directions: str) -> bytes:
    """An offer of RTP/SAVP m-lines with one key."""
    line = f"a=crypto:3 {CM_80} inline:{key}|2^20\r\na=label".encode()
    return offer(*directions).replace(b"RTP/AVP", b"RTP/SAVP").replace(b"a=label", line)


class ProtectedTests(SynchronousTestCase):
    """RTP/SAVP."""

    def test_accepted(self) -> None:
        """The plan has their key and ours; the answer has their tag and our key."""
        invite = with_sdp(protected(FIRST, "sendonly"))
        _, outputs = offered(invite, policy(Secrecy.ALLOW))
        plan = next(each.plan for each in outputs if isinstance(each, OpenBridge))
        crypto = plan.streams[0].crypto
        assert crypto is not None
        self.assertEqual((crypto.send, crypto.receive[0].octets), (OURS, bytes(30)))
        _, outputs = recording_of(invite, policy(Secrecy.ALLOW))
        body = next(each.body for each in outputs if isinstance(each, Accept)).decode()
        self.assertIn(f"a=crypto:3 {CM_80} inline:{'qqqq' * 10}\r\n", body)
        self.assertNotIn(FIRST, body)

    def test_new_key(self) -> None:
        """A re-INVITE with another key changes what is received by, and needs no ports."""
        recording, _ = recording_of(with_sdp(protected(FIRST, "sendonly")), policy(Secrecy.REQUIRE))
        recording.reoffered("t2", with_sdp(protected(SECOND, "sendonly")), 1.0, 1.0)
        update = next(each.update for each in recording.outputs() if isinstance(each, UpdateBridge))
        crypto = update.streams[0].crypto
        assert crypto is not None
        self.assertEqual(crypto.receive[0].octets, bytes.fromhex("041041" * 10))
        self.assertEqual(crypto.send, OURS)

    def test_refused(self) -> None:
        """Off refuses keys; require refuses a plain offer, and to make one."""
        for invite, srtp in (
            (with_sdp(protected(FIRST, "sendonly")), Secrecy.OFF),
            (with_sdp(offer("sendonly")), Secrecy.REQUIRE),
            (request(), Secrecy.REQUIRE),
        ):
            _, outputs = offered(invite, policy(srtp))
            refused = next(each for each in outputs if isinstance(each, Refuse))
            self.assertEqual(refused.status, 488)

    def test_readable(self) -> None:
        """Keys over signalling that is not private are told of once; plain media is not."""
        for body, private, warned in (
            (protected(FIRST, "sendonly"), False, 1),
            (protected(FIRST, "sendonly"), True, 0),
            (offer("sendonly"), False, 0),
        ):
            recording, _ = recording_of(with_sdp(body), policy(Secrecy.ALLOW, private))
            codes = [code for code, _ in recording.warnings]
            self.assertEqual(codes.count("sdp-keys-readable"), warned)
