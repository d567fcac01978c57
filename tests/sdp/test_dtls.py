"""What SDP says of a DTLS handshake, and what we answer."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.plan import DTLSPeer, Fingerprint
from twisted_siprec.report import StreamPorts
from twisted_siprec.sdp.answer import answer
from twisted_siprec.sdp.crypto import Secrecy
from twisted_siprec.sdp.description import Origin, SessionDescription
from twisted_siprec.sdp.dtls import (
    DTLSOffer,
    Setup,
    fingerprint_of,
    fingerprint_text,
    strongest,
)
from twisted_siprec.sdp.negotiation import Negotiation, Refusal, negotiate
from twisted_siprec.sdp.protection import Protection

OWN = Fingerprint("sha-256", bytes(range(32)))
THEIRS = Fingerprint("sha-256", b"\xab" * 32)
LINE = "sha-256 " + ":".join(["AB"] * 32)
OTHER = "sha-256 " + ":".join(["CD"] * 32)
KEY = "1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
DTLS = "UDP/TLS/RTP/SAVP"


def offer(*attributes: str, profile: str = DTLS, session: tuple[str, ...] = ()) -> bytes:
    """One stream."""
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"]
    lines += [f"a={each}" for each in session]
    lines += [f"m=audio 4000 {profile} 0", "a=label:1"]
    return "".join(f"{line}\r\n" for line in lines + [f"a={each}" for each in attributes]).encode()


def agreed(
    octets: bytes,
    previous: Negotiation | None = None,
    srtp: Secrecy = Secrecy.ALLOW,
    dtls: Secrecy = Secrecy.ALLOW,
    token: bytes = b"\x11",
) -> Negotiation:
    """What comes of an offer."""
    protection = Protection(srtp, dtls)
    return negotiate(
        SessionDescription.parse(octets),
        frozenset({"PCMU"}),
        previous,
        profiles=protection.profiles,
        new_key=lambda count: token * count,
        keys_in_sdp=protection.keys_in_sdp,
        fingerprint=OWN if protection.handshakes else None,
    )


def answered(negotiation: Negotiation) -> list[str]:
    """The lines of our answer that concern DTLS and keys, and the m-line."""
    sdp = answer(negotiation, [StreamPorts(0, 6000, 6001)], "198.51.100.1", Origin("1", "1", "x"))
    names = ("m=", "a=fingerprint", "a=setup", "a=tls-id", "a=crypto")
    return [line for line in bytes(sdp).decode().split("\r\n") if line.startswith(names)]


class FingerprintTests(SynchronousTestCase):
    """The value of a=fingerprint."""

    def test_read(self) -> None:
        """Any case, of the hash functions that we trust."""
        self.assertEqual(fingerprint_of(LINE), THEIRS)
        self.assertEqual(fingerprint_of("SHA-256 " + LINE[8:].lower()), THEIRS)
        found = fingerprint_of("sha-512 " + ":".join(["01"] * 64))
        self.assertEqual(found, Fingerprint("sha-512", b"\1" * 64))

    def test_not_trusted(self) -> None:
        """SHA-1, MD5, lengths that are wrong, and what is no digest."""
        for value in (
            "sha-1 " + ":".join(["AB"] * 20),
            "md5 " + ":".join(["AB"] * 16),
            LINE[:-3],
            "sha-256",
            "sha-256 xyz",
            "",
        ):
            self.assertIsNone(fingerprint_of(value), value)

    def test_written(self) -> None:
        """As RFC 8122 has it, in upper case."""
        self.assertEqual(fingerprint_text(THEIRS), LINE)

    def test_strongest(self) -> None:
        """Those by the best hash function alone are believed."""
        best = Fingerprint("sha-384", bytes(48))
        self.assertEqual(strongest((THEIRS, best, OWN)), (best,))
        self.assertEqual(strongest((THEIRS, OWN)), (THEIRS, OWN))
        self.assertEqual(strongest(()), ())

    @given(st.text(max_size=120))
    @settings(max_examples=100, deadline=None)
    def test_anything(self, value: str) -> None:
        """Whatever it is, it is read or it is not."""
        found = fingerprint_of(value)
        if found is not None:
            self.assertEqual(fingerprint_of(fingerprint_text(found)), found)


class AnswerTests(SynchronousTestCase):
    """RFC 5763 section 5, RFC 8842."""

    def test_actpass(self) -> None:
        """Where the choice is ours, the SRC begins; our fingerprint is said, and no key."""
        negotiation = agreed(offer(f"fingerprint:{LINE}", "setup:actpass"))
        self.assertEqual(
            answered(negotiation),
            [
                "m=audio 6000 UDP/TLS/RTP/SAVP 0",
                f"a=fingerprint:{fingerprint_text(OWN)}",
                "a=setup:passive",
            ],
        )
        self.assertEqual(negotiation.streams[0].plan.dtls, DTLSPeer((THEIRS,), begins=True))
        self.assertIsNone(negotiation.streams[0].plan.crypto)

    def test_roles(self) -> None:
        """Who is passive is answered active; who is active, or says nothing, passive."""
        for said, ours in (
            (("setup:passive",), "active"),
            (("setup:active",), "passive"),
            (("setup:Active",), "passive"),
            (("setup:holdconn",), "passive"),
            (("setup:nonsense",), "passive"),
            ((), "passive"),
        ):
            negotiation = agreed(offer(f"fingerprint:{LINE}", *said))
            self.assertEqual(answered(negotiation)[2], f"a=setup:{ours}", said)
            peer = negotiation.streams[0].plan.dtls
            self.assertEqual(peer and peer.begins, ours == "passive")

    def test_of_the_session(self) -> None:
        """What the session says holds for an m-line that says nothing else."""
        session = (f"fingerprint:{LINE}", "setup:passive")
        peer = agreed(offer(session=session)).streams[0].plan.dtls
        self.assertEqual(peer, DTLSPeer((THEIRS,), begins=False))
        peer = agreed(offer(f"fingerprint:{OTHER}", "setup:active", session=session))
        digest = peer.streams[0].plan.dtls
        self.assertEqual(digest, DTLSPeer((Fingerprint("sha-256", b"\xcd" * 32),)))

    def test_tls_id(self) -> None:
        """Whoever says a tls-id is said one, the same for as long as theirs is."""
        first = agreed(offer(f"fingerprint:{LINE}", "setup:actpass", "tls-id:abc"))
        self.assertEqual(answered(first)[3], f"a=tls-id:{'11' * 15}")
        peer = first.streams[0].plan.dtls
        self.assertEqual(peer and peer.association, "abc")
        again = agreed(offer(f"fingerprint:{LINE}", "setup:actpass", "tls-id:abc"), first,
                       token=b"\x22")  # fmt: skip
        self.assertEqual(answered(again)[3], f"a=tls-id:{'11' * 15}")
        other = agreed(offer(f"fingerprint:{LINE}", "setup:actpass", "tls-id:def"), first,
                       token=b"\x22")  # fmt: skip
        self.assertEqual(answered(other)[3], f"a=tls-id:{'22' * 15}")
        self.assertNotEqual(other.streams[0].plan.dtls, peer)

    def test_again(self) -> None:
        """The roles of an association stay; another fingerprint is another association."""
        first = agreed(offer(f"fingerprint:{LINE}", "setup:passive"))
        again = agreed(offer(f"fingerprint:{LINE}", "setup:actpass"), first)
        self.assertEqual(answered(again)[2], "a=setup:active")
        self.assertEqual(again.streams[0].plan.dtls, first.streams[0].plan.dtls)
        other = agreed(offer(f"fingerprint:{OTHER}", "setup:actpass"), first)
        self.assertEqual(answered(other)[2], "a=setup:passive")

    def test_no_fingerprint(self) -> None:
        """Without one that can be trusted the stream is refused; a key in the SDP is no help."""
        weak = "fingerprint:sha-1 " + ":".join(["AB"] * 20)
        for attributes in ((), (weak, "setup:actpass"), (f"crypto:{KEY}",)):
            error = self.assertRaises(RemoteError, agreed, offer(*attributes))
            self.assertEqual((error.status, error.reason), (488, "No usable key for SRTP"))

    def test_feedback_profile(self) -> None:
        """UDP/TLS/RTP/SAVPF is as good, in any case."""
        for profile in (f"{DTLS}F", "udp/tls/rtp/savpf"):
            described = offer(f"fingerprint:{LINE}", profile=profile)
            self.assertIsNotNone(agreed(described).streams[0].dtls)


class BesideKeysTests(SynchronousTestCase):
    """RTP/SAVP, with a fingerprint, a key, or both."""

    def lines(self, *attributes: str, **changes: Secrecy) -> list[str]:
        described = offer(*attributes, profile="RTP/SAVP")
        return [line.partition(":")[0] for line in answered(agreed(described, **changes))[1:]]

    def test_preference(self) -> None:
        """The handshake goes before the key; each alone is taken."""
        both = (f"crypto:{KEY}", f"fingerprint:{LINE}", "setup:actpass")
        self.assertEqual(self.lines(*both), ["a=fingerprint", "a=setup"])
        self.assertEqual(self.lines(both[1]), ["a=fingerprint", "a=setup"])
        self.assertEqual(self.lines(both[0]), ["a=crypto"])

    def test_policy(self) -> None:
        """Where handshakes are off, the key; where they are required, no key alone."""
        both = (f"crypto:{KEY}", f"fingerprint:{LINE}")
        self.assertEqual(self.lines(*both, dtls=Secrecy.OFF), ["a=crypto"])
        self.assertEqual(self.lines(*both, dtls=Secrecy.REQUIRE), ["a=fingerprint", "a=setup"])
        self.assertRaises(RemoteError, self.lines, both[0], dtls=Secrecy.REQUIRE)

    def test_plain(self) -> None:
        """A fingerprint in an m-line that is not protected means nothing."""
        stream = agreed(offer(f"fingerprint:{LINE}", profile="RTP/AVP")).streams[0]
        self.assertEqual((stream.dtls, stream.crypto, stream.accepted), (None, None, True))

    def test_off(self) -> None:
        """The profile of DTLS is none that we know."""
        first = agreed(offer(profile="RTP/AVP"))
        streams = agreed(
            offer(f"fingerprint:{LINE}", profile="RTP/AVP")
            + f"m=audio 4002 {DTLS} 0\r\na=fingerprint:{LINE}\r\n".encode(),
            first,
            dtls=Secrecy.OFF,
        ).streams
        self.assertEqual([each.refusal for each in streams], [None, Refusal.PROFILE])


class ProtectionTests(SynchronousTestCase):
    """What the two settings mean together."""

    def test_table(self) -> None:
        """Plain, keys in the SDP, handshakes: what is taken."""
        off, allow, require = Secrecy.OFF, Secrecy.ALLOW, Secrecy.REQUIRE
        for srtp, dtls, expected in (
            (off, off, (True, False, False)),
            (off, allow, (True, False, False)),
            (off, require, (False, False, True)),
            (allow, off, (True, True, False)),
            (allow, allow, (True, True, True)),
            (allow, require, (False, False, True)),
            (require, off, (False, True, False)),
            (require, allow, (False, True, True)),
            (require, require, (False, False, True)),
        ):
            found = Protection(srtp, dtls)
            self.assertEqual(
                (found.plain, found.keys_in_sdp, found.handshakes), expected, (srtp, dtls)
            )

    def test_profiles(self) -> None:
        """The m-lines that are taken."""
        allow, require = Secrecy.ALLOW, Secrecy.REQUIRE
        self.assertEqual(Protection().profiles, {"RTP/AVP", "RTP/AVPF"})
        self.assertEqual(
            Protection(allow, require).profiles,
            {"RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"},
        )
        self.assertEqual(Protection(require).profiles, {"RTP/SAVP", "RTP/SAVPF"})


class OfferTests(SynchronousTestCase):
    """What is read of an m-line."""

    def test_bounds(self) -> None:
        """Of very many fingerprints the first are read; a tls-id is cut off."""
        lines = [f"fingerprint:sha-256 {n:02X}" + ":00" * 31 for n in range(40)]
        described = SessionDescription.parse(offer(*lines, "tls-id:" + "x" * 300))
        found = DTLSOffer.of(described, described.media[0])
        assert found is not None
        self.assertEqual((len(found.fingerprints), found.setup), (16, Setup.ACTIVE))
        self.assertEqual(len(found.tls_id or ""), 255)
        self.assertEqual(replace(found, tls_id=None).tls_id, None)
