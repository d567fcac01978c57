"""The crypto lines of SDP, and the keys that come of them."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.plan import SRTPKey
from twisted_siprec.report import StreamPorts
from twisted_siprec.sdp.answer import answer
from twisted_siprec.sdp.crypto import (
    KEY_OCTETS,
    Crypto,
    KeyAgreement,
    Secrecy,
    agree,
    without_keys,
)
from twisted_siprec.sdp.description import Origin, SessionDescription
from twisted_siprec.sdp.negotiation import Negotiation, Refusal, negotiate
from twisted_siprec.sdp.offer import intended
from twisted_siprec.sdp.protection import Protection

CM_80 = "AES_CM_128_HMAC_SHA1_80"
KEY = bytes(range(30))
TEXT = b64encode(KEY).decode()
OTHER = bytes(range(100, 130))
OTHER_TEXT = b64encode(OTHER).decode()
SUPPORTED = frozenset({"PCMU", "PCMA"})


def new_key(octets: int) -> bytes:
    """What is no chance at all."""
    return b"\xaa" * octets


def parsed(value: str) -> Crypto:
    """A line that is acceptable."""
    crypto = Crypto.parse(value)
    assert crypto is not None, value
    return crypto


def offer(*lines: str) -> SessionDescription:
    """An offer from 192.0.2.1."""
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0")
    return SessionDescription.parse("\r\n".join((*head, *lines, "")).encode())


def taken(
    described: SessionDescription,
    secrecy: Secrecy = Secrecy.ALLOW,
    previous: Negotiation | None = None,
) -> Negotiation:
    """What is made of an offer."""
    return negotiate(
        described, SUPPORTED, previous, profiles=Protection(secrecy).profiles, new_key=new_key
    )


def answered(negotiation: Negotiation) -> list[str]:
    """The m-lines and the crypto lines of the answer."""
    ports = [StreamPorts(index, 20000 + 2 * index, 20001 + 2 * index) for index in range(8)]
    text = bytes(answer(negotiation, ports, "198.51.100.1", Origin("1", "1", "198.51.100.1")))
    return [line for line in text.decode().splitlines() if line.startswith(("m=", "a=crypto"))]


class LineTests(SynchronousTestCase):
    """RFC 4568 section 9.2."""

    def test_suites(self) -> None:
        """Every suite with a key of its length, in any case, and by its older name."""
        for suite, octets in KEY_OCTETS.items():
            text = b64encode(bytes(octets)).decode()
            self.assertEqual(
                parsed(f"1 {suite.lower()} inline:{text}").keys, (SRTPKey(suite, bytes(octets)),)
            )
            short = b64encode(bytes(octets - 1)).decode()
            self.assertIsNone(Crypto.parse(f"1 {suite} inline:{short}"))
        old = parsed("7 AES_CM_256_HMAC_SHA1_80 inline:" + b64encode(bytes(46)).decode())
        self.assertEqual((old.suite, old.tag), ("AES_256_CM_HMAC_SHA1_80", "7"))

    def test_lifetime_and_identifier(self) -> None:
        """Lifetime and MKI, either alone, both, and in the wrong order."""
        for rest, mki in (
            ("", b""),
            ("|2^20", b""),
            ("|1048576", b""),
            ("|2^20|1:4", b"\0\0\0\1"),
            ("|66051:3", b"\1\2\3"),
            ("|1:4|2^48", b"\0\0\0\1"),
            ("|0:128", bytes(128)),
        ):
            keys = parsed(f"1 {CM_80} inline:{TEXT}{rest}").keys
            self.assertEqual(keys, (SRTPKey(CM_80, KEY, mki),), rest)

    def test_several(self) -> None:
        """Several keys have MKIs of one length, all different."""
        line = f"1 {CM_80} inline:{TEXT}|2^20|1:2;inline:{OTHER_TEXT}|2^20|2:2"
        self.assertEqual(
            parsed(line).keys, (SRTPKey(CM_80, KEY, b"\0\1"), SRTPKey(CM_80, OTHER, b"\0\2"))
        )
        for first, second in (("", ""), ("|1:2", ""), ("|1:2", "|1:2"), ("|1:2", "|2:3")):
            line = f"1 {CM_80} inline:{TEXT}{first};inline:{OTHER_TEXT}{second}"
            self.assertIsNone(Crypto.parse(line), line)
        many = ";".join(f"inline:{TEXT}|{n}:1" for n in range(9))
        self.assertIsNone(Crypto.parse(f"1 {CM_80} {many}"))

    def test_parameters(self) -> None:
        """What both sides must do is answered; what is not known refuses the line."""
        base = f"1 {CM_80} inline:{TEXT} "
        plain = parsed(base + "UNENCRYPTED_SRTCP UNENCRYPTED_SRTP WSH=64 KDR=0 -SOMETHING=3")
        self.assertEqual(plain.parameters, ("UNENCRYPTED_SRTCP", "UNENCRYPTED_SRTP"))
        self.assertEqual(
            plain.keys, (SRTPKey(CM_80, KEY, encrypts_rtp=False, encrypts_rtcp=False),)
        )
        for parameter in ("UNAUTHENTICATED_SRTP", "KDR=10", "FEC_ORDER=FEC_SRTP", "SOMETHING"):
            self.assertIsNone(Crypto.parse(base + parameter), parameter)
        aead = "1 AEAD_AES_128_GCM inline:" + b64encode(bytes(28)).decode()
        self.assertIsNone(Crypto.parse(aead + " UNENCRYPTED_SRTP"))

    def test_unacceptable(self) -> None:
        """Anything that is not understood makes the line unacceptable."""
        for line in (
            "",
            "1",
            f"1 {CM_80}",
            f"01 {CM_80} inline:{TEXT}",
            f"1234567890 {CM_80} inline:{TEXT}",
            f"x {CM_80} inline:{TEXT}",
            f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
            f"1 {CM_80} outline:{TEXT}",
            f"1 {CM_80} inline:",
            f"1 {CM_80} inline:!{TEXT[1:]}",
            f"1 {CM_80} inline:{TEXT}|",
            f"1 {CM_80} inline:{TEXT}|2^49",
            f"1 {CM_80} inline:{TEXT}|0",
            f"1 {CM_80} inline:{TEXT}|1:0",
            f"1 {CM_80} inline:{TEXT}|1:129",
            f"1 {CM_80} inline:{TEXT}|256:1",
            f"1 {CM_80} inline:{TEXT}|1:1|2:1",
            f"1 {CM_80} inline:{TEXT}|2^20|1:1|2^20",
        ):
            self.assertIsNone(Crypto.parse(line), line)

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=60), st.sampled_from(["", f"1 {CM_80} ", f"1 {CM_80} inline:{TEXT}|"]))
    def test_anything(self, text: str, before: str) -> None:
        """Whatever a line holds, it is a line or it is not."""
        crypto = Crypto.parse(before + text)
        self.assertTrue(crypto is None or crypto.keys)


class AgreementTests(SynchronousTestCase):
    """Which line is answered, and with what."""

    LINES = (
        f"1 F8_128_HMAC_SHA1_80 inline:{TEXT}",
        f"4 AES_CM_128_HMAC_SHA1_32 inline:{OTHER_TEXT}|2^20",
        f"2 {CM_80} inline:{TEXT} UNENCRYPTED_SRTCP",
    )

    def test_first(self) -> None:
        """The first that we can do, with its tag and a key of our own."""
        agreement = agree(self.LINES, None, new_key)
        assert agreement is not None
        ours = b64encode(b"\xaa" * 30).decode()
        self.assertEqual(
            str(agreement.attribute), f"crypto:4 AES_CM_128_HMAC_SHA1_32 inline:{ours}"
        )
        keys = agreement.keys
        self.assertEqual(keys.receive[0].octets, OTHER)
        self.assertEqual(keys.send, SRTPKey("AES_CM_128_HMAC_SHA1_32", b"\xaa" * 30))

    def test_parameters(self) -> None:
        """What holds for both sides is said again, and holds for ours."""
        agreement = agree(self.LINES[2:], None, new_key)
        assert agreement is not None
        self.assertTrue(str(agreement.attribute).endswith(" UNENCRYPTED_SRTCP"))
        self.assertFalse(agreement.keys.send.encrypts_rtcp)
        self.assertTrue(agreement.keys.send.encrypts_rtp)

    def test_again(self) -> None:
        """Our key stays while the suite does, and is fresh with another one."""
        first = agree(self.LINES[2:], None, lambda octets: b"\xbb" * octets)
        changed = (f"9 {CM_80} inline:{OTHER_TEXT}",)
        again = agree(changed, first, new_key)
        other = agree(self.LINES[1:2], first, new_key)
        assert again is not None and other is not None
        self.assertEqual((again.own, again.keys.receive[0].octets), (b"\xbb" * 30, OTHER))
        self.assertEqual(other.own, b"\xaa" * 30)

    def test_none(self) -> None:
        """Without an acceptable line, or without a way to make keys, there is no agreement."""
        self.assertIsNone(agree(self.LINES[:1], None, new_key))
        self.assertIsNone(agree(self.LINES, None, None))

    def test_secret(self) -> None:
        """Neither the agreement nor the description shows a key, nor what is logged of SIP."""
        agreement = KeyAgreement(parsed(self.LINES[2]), OTHER)
        described = offer("m=audio 2 RTP/SAVP 0", f"a=crypto:{self.LINES[2]}")
        for text in (repr(agreement), repr(taken(described)), repr(agreement.attribute)):
            for secret in (TEXT, OTHER_TEXT, repr(KEY), repr(OTHER)):
                self.assertNotIn(secret, text)
        self.assertEqual(
            without_keys(b"a=crypto:1 X inline:abc+/=|2^20|1:4;inline:def WSH=3\r\na=x"),
            b"a=crypto:1 X inline:(not shown)|2^20|1:4;inline:(not shown) WSH=3\r\na=x",
        )


class PolicyTests(SynchronousTestCase):
    """Off, allow and require, m-line by m-line."""

    MIXED = (
        "m=audio 4000 RTP/SAVP 0",
        f"a=crypto:1 {CM_80} inline:{TEXT}",
        "m=audio 4002 RTP/AVP 0",
        f"a=crypto:1 {CM_80} inline:{TEXT}",
        "m=audio 4004 RTP/SAVPF 0",
        "a=crypto:1 UNKNOWN inline:x",
    )

    def test_allow(self) -> None:
        """Each m-line as it is offered; keys of one that is not protected mean nothing."""
        negotiation = taken(offer(*self.MIXED))
        ours = b64encode(b"\xaa" * 30).decode()
        self.assertEqual(
            answered(negotiation),
            [
                "m=audio 20000 RTP/SAVP 0",
                f"a=crypto:1 {CM_80} inline:{ours}",
                "m=audio 20002 RTP/AVP 0",
                "m=audio 0 RTP/SAVPF 0",
            ],
        )
        self.assertEqual(negotiation.streams[2].refusal, Refusal.KEYS)
        plans = [stream.plan for stream in negotiation.accepted]
        self.assertEqual([plan.crypto is not None for plan in plans], [True, False])

    def test_off(self) -> None:
        """Protected m-lines are refused."""
        refusals = [each.refusal for each in taken(offer(*self.MIXED), Secrecy.OFF).streams]
        self.assertEqual(refusals, [Refusal.PROFILE, None, Refusal.PROFILE])

    def test_require(self) -> None:
        """Plain m-lines are refused, and an offer of nothing else gets 488."""
        refusals = [each.refusal for each in taken(offer(*self.MIXED), Secrecy.REQUIRE).streams]
        self.assertEqual(refusals, [None, Refusal.PROFILE, Refusal.KEYS])
        error = self.assertRaises(RemoteError, taken, offer("m=audio 2 RTP/AVP 0"), Secrecy.REQUIRE)
        self.assertEqual(error.status, 488)
        keyless = offer("m=audio 2 RTP/SAVP 0")
        error = self.assertRaises(RemoteError, taken, keyless)
        self.assertEqual((error.status, error.reason), (488, "No usable key for SRTP"))

    def test_session_level(self) -> None:
        """A crypto line before the first m-line is none (RFC 4568 section 4)."""
        described = offer(f"a=crypto:1 {CM_80} inline:{TEXT}", "m=audio 2 RTP/SAVP 0")
        self.assertRaises(RemoteError, taken, described)

    def test_again(self) -> None:
        """The next offer's key is received by; ours stays, and is in our own offer too."""
        first = taken(offer(*self.MIXED))
        rekeyed = [line.replace(TEXT, OTHER_TEXT) for line in self.MIXED]
        second = taken(offer(*rekeyed), previous=first)
        before, after = first.streams[0].plan.crypto, second.streams[0].plan.crypto
        assert before is not None and after is not None
        self.assertEqual((before.send, before.receive[0].octets), (after.send, KEY))
        self.assertEqual(after.receive[0].octets, OTHER)
        ports = [StreamPorts(index, 20000 + 2 * index, 20001 + 2 * index) for index in range(3)]
        wanted = intended(second, paused=False, dropped=())
        again = bytes(answer(wanted, ports, "198.51.100.1", Origin("1", "1", "0.0.0.0")))
        self.assertIn(b64encode(b"\xaa" * 30), again)
        self.assertNotIn(OTHER_TEXT.encode(), again)
