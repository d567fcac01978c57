"""
SRTP and SRTCP, against a second implementation written from the RFCs: AES and
HMAC of the cryptography package, one packet at a time.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import SRTPKey, SRTPKeys
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.rtp.libsrtp import SUITES, PacketRows
from twisted_siprec.rtp.srtp import MAX_SSRCS, SRTP

CM_80 = "AES_CM_128_HMAC_SHA1_80"
REPORT = bytes.fromhex("80c90001 00000009") + bytes.fromhex("81ca0002 00000009 01016100")


def key(suite: str, first: int = 1, **changes: object) -> SRTPKey:
    """A key that counts from a number."""
    made = SRTPKey(suite, bytes((first + n) & 255 for n in range(SUITES[suite].key_octets)))
    return replace(made, **changes)  # type: ignore[arg-type]  # by name


def packet(sequence: int, ssrc: int = 7) -> bytes:
    """160 octets of speech."""
    return bytes(RTPPacket(0, False, sequence, 160 * sequence, ssrc, bytes(range(160))))


def srtp(*receive: SRTPKey, send: SRTPKey | None = None) -> SRTP:
    """A stream with these keys."""
    return SRTP(SRTPKeys(receive, send or receive[0]))


class Reference:
    """What RFC 3711 (sections 4.1 and 4.3), 6188 and 7714 say, for those that send."""

    def __init__(self, key: SRTPKey) -> None:
        self.key = key
        self.aead = key.suite.startswith("AEAD")
        salt_octets = 12 if self.aead else 14
        self.master = key.octets[:-salt_octets]
        self.salt = key.octets[-salt_octets:]

    def derived(self, label: int, octets: int) -> bytes:
        """A session key."""
        start = int.from_bytes(self.salt.ljust(14, b"\0"), "big") ^ (label << 48)
        return self.stream(self.master, start << 16, bytes(octets))

    @staticmethod
    def stream(key: bytes, start: int, text: bytes) -> bytes:
        cipher = Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(16, "big")))
        return cipher.encryptor().update(text)

    def rtp(self, packet: bytes, roc: int = 0) -> bytes:
        """A packet without CSRCs and extensions, as it is sent."""
        header, text = packet[:12], packet[12:]
        if self.aead:
            salt = self.derived(2, 12)
            iv = bytes(2) + packet[8:12] + roc.to_bytes(4, "big") + packet[2:4]
            nonce = bytes(a ^ b for a, b in zip(iv, salt, strict=True))
            return header + AESGCM(self.derived(0, len(self.master))).encrypt(nonce, text, header)
        index = roc << 16 | int.from_bytes(packet[2:4], "big")
        start = int.from_bytes(self.derived(2, 14), "big") << 16
        start ^= int.from_bytes(packet[8:12], "big") << 64 ^ index << 16
        if self.key.encrypts_rtp:
            text = self.stream(self.derived(0, len(self.master)), start, text)
        signed = header + text
        tag = hmac.new(self.derived(1, 20), signed + roc.to_bytes(4, "big"), hashlib.sha1)
        return signed + self.key.mki + tag.digest()[: 10 if self.key.suite[-2:] == "80" else 4]

    def rtcp(self, report: bytes, index: int) -> bytes:
        """Reports, as they are sent."""
        header, text = report[:8], report[8:]
        word = (index | 1 << 31).to_bytes(4, "big")
        if self.aead:
            salt = self.derived(5, 12)
            iv = bytes(2) + report[4:8] + bytes(2) + index.to_bytes(4, "big")
            nonce = bytes(a ^ b for a, b in zip(iv, salt, strict=True))
            cipher = AESGCM(self.derived(3, len(self.master)))
            return header + cipher.encrypt(nonce, text, header + word) + word
        start = int.from_bytes(self.derived(5, 14), "big") << 16
        start ^= int.from_bytes(report[4:8], "big") << 64 ^ index << 16
        if self.key.encrypts_rtcp:
            text = self.stream(self.derived(3, len(self.master)), start, text)
        else:
            word = index.to_bytes(4, "big")
        signed = header + text + word
        return signed + self.key.mki + hmac.digest(self.derived(4, 20), signed, "sha1")[:10]


class ReferenceTests(SynchronousTestCase):
    """The reference itself."""

    def test_derivation(self) -> None:
        """RFC 3711 appendix B.3 and RFC 6188 section 7.3: keys derived from a master key."""
        master = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6"
        reference = Reference(SRTPKey(CM_80, bytes.fromhex(master)))
        self.assertEqual(reference.derived(0, 16).hex(), "c61e7a93744f39ee10734afe3ff7a087")
        self.assertEqual(reference.derived(2, 14).hex(), "30cbbc08863d8c85d49db34a9ae1")
        self.assertEqual(reference.derived(1, 20).hex(), "cebe321f6ff7716b6fd4ab49af256a156d38baa4")


class SuiteTests(SynchronousTestCase):
    """Every suite, both ways."""

    def each(self) -> list[SRTPKey]:
        """All suites; those without AEAD also with plain SRTP, plain SRTCP and an MKI."""
        keys = [key(suite) for suite in SUITES]
        for plain in [each for each in keys if not each.suite.startswith("AEAD")]:
            keys.append(replace(plain, encrypts_rtp=False))
            keys.append(replace(plain, encrypts_rtcp=False))
            keys.append(replace(plain, mki=b"\x00\x00\x01"))
        return keys

    def test_receive(self) -> None:
        """What the reference sends is what was meant."""
        for each in self.each():
            reference, stream = Reference(each), srtp(each)
            for sequence in (65534, 65535):
                wire = reference.rtp(packet(sequence))
                self.assertEqual(stream.unprotect(wire), packet(sequence), each)
            wire = reference.rtp(packet(0), roc=1)
            self.assertEqual(stream.unprotect(wire), packet(0), each)
            for index in (1, 2):
                self.assertEqual(stream.unprotect_rtcp(reference.rtcp(REPORT, index)), REPORT, each)

    def test_send(self) -> None:
        """What is sent is what the reference would send, its index counting from 1."""
        for each in self.each():
            reference, stream = Reference(each), srtp(each)
            self.assertEqual(stream.protect(packet(5)), reference.rtp(packet(5)), each)
            for index in (1, 2):
                self.assertEqual(stream.protect_rtcp(REPORT), reference.rtcp(REPORT, index), each)

    def test_keys_differ(self) -> None:
        """We send by our own key, never by the other side's."""
        theirs, ours = key(CM_80), key(CM_80, 100)
        stream = srtp(theirs, send=ours)
        self.assertEqual(stream.protect_rtcp(REPORT), Reference(ours).rtcp(REPORT, 1))
        self.assertIsNone(stream.unprotect(Reference(ours).rtp(packet(1))))


class ReceptionTests(SynchronousTestCase):
    """What is taken, and what changes nothing."""

    def setUp(self) -> None:
        self.reference = Reference(key(CM_80))
        self.stream = srtp(key(CM_80))

    def takes(self, sequence: int, roc: int = 0, ssrc: int = 7) -> bool:
        """Whether a packet of the reference is taken."""
        wire = self.reference.rtp(packet(sequence, ssrc), roc)
        return self.stream.unprotect(wire) == packet(sequence, ssrc)

    def test_forged(self) -> None:
        """A bit that is turned, anywhere, is noticed, and the genuine packet is taken after it."""
        wire = self.reference.rtp(packet(3))
        for at in (1, 3, 8, 12, 100, len(wire) - 1):
            turned = wire[:at] + bytes((wire[at] ^ 1,)) + wire[at + 1 :]
            self.assertIsNone(self.stream.unprotect(turned))
        self.assertEqual(self.stream.unprotect(wire), packet(3))
        self.assertIsNone(self.stream.unprotect_rtcp(self.reference.rtcp(REPORT, 1)[:-1] + b"\0"))

    def test_replayed(self) -> None:
        """A packet is taken once, in any order within the window."""
        order = [10, 12, 11, 70, 20]
        self.assertEqual([self.takes(each) for each in order], [True] * 5)
        self.assertEqual([self.takes(each) for each in order], [False] * 5)
        report = self.reference.rtcp(REPORT, 4)
        self.assertEqual(self.stream.unprotect_rtcp(report), REPORT)
        self.assertIsNone(self.stream.unprotect_rtcp(report))

    def test_rollover(self) -> None:
        """The counter is right though packets around the wrap are lost and out of order."""
        steps = [
            (65530, 0),
            (65535, 0),
            (2, 1),
            (65534, 0),
            (1, 1),
            (30000, 1),
            (60000, 1),
            (20000, 2),
        ]
        self.assertEqual([self.takes(*step) for step in steps], [True] * 8)

    def test_sources(self) -> None:
        """Another SSRC has a counter of its own; the first one keeps its."""
        self.assertTrue(self.takes(65535) and self.takes(0, 1))
        self.assertTrue(self.takes(9, 0, ssrc=8))
        self.assertTrue(self.takes(1, 1))

    def test_bounded(self) -> None:
        """No more than so many SSRCs are remembered; the oldest may begin anew."""
        self.assertTrue(self.takes(1, 0, ssrc=1000))
        for ssrc in range(MAX_SSRCS):
            self.assertTrue(self.takes(1, 0, ssrc))
        self.assertTrue(self.takes(1, 0, ssrc=1000))
        self.assertFalse(self.takes(1, 0, ssrc=MAX_SSRCS - 1))

    def test_too_long(self) -> None:
        """What is longer than libsrtp takes is no packet, and cannot be sent."""
        self.assertIsNone(self.stream.unprotect(packet(1) + bytes(2000)))
        self.assertIsNone(self.stream.protect(packet(1) + bytes(2000)))

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=80))
    def test_anything(self, datagram: bytes) -> None:
        """Whatever comes is nothing, with an MKI or without."""
        for stream in (
            self.stream,
            srtp(key(CM_80, mki=b"\1" * 20)),
            srtp(key("AEAD_AES_128_GCM")),
        ):
            self.assertIsNone(stream.unprotect(datagram))
            self.assertIsNone(stream.unprotect_rtcp(datagram))


class KeyTests(SynchronousTestCase):
    """Several keys, and new ones."""

    def test_identifiers(self) -> None:
        """The MKI says which key it is; one that is not known is none."""
        first, second = key(CM_80, 1, mki=b"\0\1"), key(CM_80, 99, mki=b"\0\2")
        stream = srtp(first, second)
        self.assertEqual(stream.unprotect(Reference(second).rtp(packet(1))), packet(1))
        self.assertEqual(stream.unprotect(Reference(first).rtp(packet(2))), packet(2))
        stranger = replace(second, mki=b"\0\3")
        self.assertIsNone(stream.unprotect(Reference(stranger).rtp(packet(3))))
        for ssrc in range(MAX_SSRCS + 1):
            self.assertIsNotNone(stream.unprotect(Reference(first).rtp(packet(1, ssrc + 50))))

    def test_same_key(self) -> None:
        """After a re-INVITE with the same keys the counters and our index go on."""
        keys = SRTPKeys((key(CM_80),), key(CM_80, 100))
        stream, theirs, ours = SRTP(keys), Reference(keys.receive[0]), Reference(keys.send)
        self.assertIsNotNone(stream.unprotect(theirs.rtp(packet(65535))))
        self.assertIsNotNone(stream.unprotect(theirs.rtp(packet(0), 1)))
        stream.protect_rtcp(REPORT)
        stream.update(keys)
        self.assertEqual(stream.unprotect(theirs.rtp(packet(1), 1)), packet(1))
        self.assertEqual(stream.protect_rtcp(REPORT), ours.rtcp(REPORT, 2))

    def test_new_key(self) -> None:
        """A new key begins at zero; the old one is heard until the first packet by the new."""
        old, new = key(CM_80), key("AEAD_AES_256_GCM", 50)
        stream = srtp(old)
        self.assertIsNotNone(stream.unprotect(Reference(old).rtp(packet(1))))
        stream.update(SRTPKeys((new,), new))
        self.assertEqual(stream.unprotect(Reference(old).rtp(packet(2))), packet(2))
        self.assertEqual(stream.unprotect_rtcp(Reference(old).rtcp(REPORT, 1)), REPORT)
        self.assertEqual(stream.unprotect(Reference(new).rtp(packet(3))), packet(3))
        self.assertIsNone(stream.unprotect(Reference(old).rtp(packet(4))))
        self.assertEqual(stream.protect_rtcp(REPORT), Reference(new).rtcp(REPORT, 1))

    def test_secret(self) -> None:
        """No repr shows a key."""
        text = repr(SRTPKeys((key(CM_80),), key(CM_80)))
        self.assertIn(CM_80, text)
        for form in ("\\x01\\x02", "0102", "AQID", "octets"):
            self.assertNotIn(form, text)


class UnprotectionTests(SynchronousTestCase):
    """Many packets at once, where they lie."""

    def test_in_place(self) -> None:
        """All of a stream, by every suite: the same as one by one, and the lengths are told."""
        for suite, known in SUITES.items():
            keys = SRTPKeys((key(suite),), key(suite, 100))
            stream, sender = SRTP(keys), SRTP(SRTPKeys((keys.send,), keys.receive[0]))
            octets = np.zeros((6, 256), dtype=np.uint8)
            lengths = np.zeros(6, dtype=np.uint32)
            protected = [sender.protect(packet(65533 + number & 0xFFFF)) for number in range(5)]
            for row, one in enumerate(protected):
                assert one is not None
                octets[row, : len(one)] = np.frombuffer(one, dtype=np.uint8)
                lengths[row] = len(one)
            unprotection = stream.unprotection
            assert unprotection is not None
            self.assertEqual(unprotection.growth_octets, known.growth_octets)
            self.assertEqual(int(lengths[0]) - known.growth_octets, len(packet(0)))
            rows = PacketRows(octets, lengths)
            self.assertEqual(rows.unprotect(unprotection.session, 0, 5), 5, suite)
            for row in range(5):
                plain = packet(65533 + row & 0xFFFF)
                self.assertEqual(octets[row, : int(lengths[row])].tobytes(), plain, suite)
            # What came this way is known to the other one.
            self.assertIsNone(stream.unprotect(protected[4] or b""))

    def test_forged(self) -> None:
        """It stops at the first that is not genuine; that one and those after it are as before."""
        keys = SRTPKeys((key(CM_80),), key(CM_80, 100))
        stream, sender = SRTP(keys), SRTP(SRTPKeys((keys.send,), keys.receive[0]))
        protected = [sender.protect(packet(number)) or b"" for number in range(3)]
        protected[1] = protected[1][:-1] + bytes([protected[1][-1] ^ 1])
        octets = np.array([list(one) for one in protected], dtype=np.uint8)
        lengths = np.full(3, len(protected[0]), dtype=np.uint32)
        unprotection = stream.unprotection
        assert unprotection is not None
        self.assertEqual(PacketRows(octets, lengths).unprotect(unprotection.session, 0, 3), 1)
        self.assertEqual(octets[2].tobytes(), protected[2])
        self.assertEqual(lengths.tolist()[1:], [len(protected[0])] * 2)
        self.assertEqual(stream.unprotect(protected[2]), packet(2))

    def test_not_one_way(self) -> None:
        """With an MKI, or while an earlier key may be in use, each packet has a way of its own."""
        self.assertIsNone(srtp(key(CM_80, mki=b"\0\1")).unprotection)
        stream = srtp(key(CM_80))
        stream.update(SRTPKeys((key(CM_80, 50),), key(CM_80, 50)))
        self.assertIsNone(stream.unprotection)
        self.assertIsNotNone(stream.unprotect(Reference(key(CM_80, 50)).rtp(packet(1))))
        self.assertIsNotNone(stream.unprotection)
