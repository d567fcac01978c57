"""RTCP."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.rtp.reception import Reception, interval_s
from twisted_siprec.rtp.rtcp import (
    CanonicalName,
    ExtendedReport,
    Goodbye,
    ReportBlock,
    SenderReport,
    SinceReference,
    description,
    goodbye,
    parse,
    receiver_report,
    reference_time,
)
from twisted_siprec.rtp.source import Source

SENDER_REPORT = bytes.fromhex("80c80006 00000011 e1e2e3e4f1f2f3f4 00000100 00000002 00000140")


class RTCPTests(SynchronousTestCase):
    """Compound packets, in and out."""

    def test_received(self) -> None:
        """Sender report, name and goodbye are read; a packet of another kind is stepped over."""
        feedback = bytes.fromhex("81cd0002 00000011 00000022")
        datagram = SENDER_REPORT + feedback + description(0x11, "name") + goodbye(0x11)
        self.assertEqual(
            parse(datagram),
            [
                SenderReport(0x11, 0xE1E2E3E4F1F2F3F4, 0x100, 2, 0x140),
                CanonicalName(0x11, "name"),
                Goodbye((0x11,)),
            ],
        )

    def test_written(self) -> None:
        """A receiver report with one block, as octets."""
        block = ReportBlock(0x11, 64, 5, 0x10002, 80, 0xE3E4F1F2, 0x18000)
        self.assertEqual(
            receiver_report(0x99, [block]).hex(),
            "81c900070000009900000011400000050001000200000050e3e4f1f200018000",
        )
        self.assertEqual(receiver_report(0x99, []).hex(), "80c9000100000099")
        self.assertEqual(goodbye(0x99).hex(), "81cb000100000099")

    def test_extended(self) -> None:
        """Of extended reports, what answers a reference time; other blocks are stepped over."""
        statistics = bytes.fromhex("06000002 0000000011111111")
        delays = bytes.fromhex("05000006 00000099 e3e4f1f2 00018000 0000009a 00000001 00000002")
        octets = bytes.fromhex("80cf000b 00000011") + statistics + delays
        self.assertEqual(
            parse(octets),
            [
                ExtendedReport(
                    0x11,
                    (SinceReference(0x99, 0xE3E4F1F2, 0x18000), SinceReference(0x9A, 1, 2)),
                )
            ],
        )
        cut = bytes.fromhex("80cf0003 00000011 05000006 00000099")
        self.assertEqual(parse(cut), [ExtendedReport(0x11, ())])
        self.assertEqual(
            reference_time(0x99, 0xE1E2E3E4F1F2F3F4).hex(),
            "80cf00040000009904000002e1e2e3e4f1f2f3f4",
        )

    def test_description(self) -> None:
        """At least one null octet ends the items, and the chunk has whole words."""
        self.assertEqual(description(1, "ab").hex(), "81ca0003000000010102616200000000")
        self.assertEqual(description(1, "a").hex(), "81ca00020000000101016100")

    def test_lost_is_clamped(self) -> None:
        """More than 24 bits can say is the largest number that they can."""
        block = ReportBlock(1, 0, 0x900000, 0, 0, 0, 0)
        self.assertEqual(bytes(block)[4:8].hex(), "007fffff")
        block = ReportBlock(1, 0, -1, 0, 0, 0, 0)
        self.assertEqual(bytes(block)[4:8].hex(), "00ffffff")

    def test_cut(self) -> None:
        """What is cut short is not read; what came before it is."""
        self.assertEqual(parse(SENDER_REPORT[:-1]), [])
        self.assertEqual(len(parse(SENDER_REPORT + b"\x81\xcb\x00\x09")), 1)
        self.assertEqual(parse(bytes.fromhex("80c80001 00000011")), [])
        self.assertEqual(parse(bytes.fromhex("85cb0001 00000011")), [Goodbye((0x11,))])
        self.assertEqual(parse(bytes.fromhex("82ca0001 00000011")), [])

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=80))
    def test_anything(self, octets: bytes) -> None:
        """Whatever comes, parsing returns."""
        parse(octets)
        parse(b"\x82\xca" + (len(octets) // 4).to_bytes(2, "big") + octets)


class ReceptionTests(SynchronousTestCase):
    """What we report."""

    def test_block(self) -> None:
        """Loss in all and since the last report, the newest number, and when the SR came."""
        source = Source(0x11, ("192.0.2.1", 4000), 65534, 0)
        reception = Reception(0x99, "name")
        for number in (65535, 1, 2):
            source.sequence.receive(number)
        reception.receive(SenderReport(0x11, 0xE1E2E3E4F1F2F3F4, 0, 0, 0), 10.0)
        first = reception.compound(source, 8000, 11.5)
        tail = "0001000200000000e3e4f1f2"
        self.assertEqual(first.hex()[16:64], "0000001133000001" + tail + "00018000")
        for number in (3, 4, 5, 6):
            source.sequence.receive(number)
        second = reception.compound(source, 8000, 12.0)
        self.assertEqual(second.hex()[24:32], "00000001")
        self.assertEqual(reception.sender_reports, 1)

    def test_compound(self) -> None:
        """RR and SDES always, BYE last where we leave."""
        reception = Reception(0x99, "name")
        compound = receiver_report(0x99, []) + description(0x99, "name")
        self.assertEqual(reception.compound(None, 8000, 1.0), compound)
        leaving = reception.compound(None, 8000, 1.0, leaving=True)
        self.assertEqual(leaving, compound + goodbye(0x99))

    def test_another_source(self) -> None:
        """The sender report of another source says nothing of this one; counts begin anew."""
        reception = Reception(0x99, "name")
        reception.receive(SenderReport(0x12, 1 << 40, 0, 0, 0), 10.0)
        for ssrc in (0x11, 0x13):
            source = Source(ssrc, ("192.0.2.1", 4000), 1, 0)
            source.sequence.receive(3)
            octets = reception.compound(source, 8000, 11.0)
            self.assertEqual(octets.hex()[24:32], "55000001")
            self.assertEqual(octets.hex()[48:64], "0" * 16)

    def test_interval(self) -> None:
        """Half to one and a half times the mean, compensated."""
        self.assertAlmostEqual(interval_s(5.0, lambda: 0.0), 2.052, 3)
        self.assertAlmostEqual(interval_s(5.0, lambda: 1.0), 6.156, 3)
