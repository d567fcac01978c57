"""
Payload types and what they mean.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Codec
from twisted_siprec.sdp.description import Attribute, Media
from twisted_siprec.sdp.formats import Format, offerable, read, takes


def media(formats: str, *lines: str) -> Media:
    """An audio m-line with these formats and attribute lines."""
    attributes = [Attribute.parse(line) for line in lines]
    return Media(
        "audio",
        4000,
        "RTP/AVP",
        tuple(formats.split()),
        attributes=tuple(each for each in attributes if each),
    )


class ReadTests(SynchronousTestCase):
    """The formats of an m-line."""

    def test_static(self) -> None:
        """Static types need no rtpmap, those of old gateways included."""
        formats, remarks = read(media("0 2 8 9 13 15 18 19"))
        self.assertEqual(
            [(each.codec.name, each.codec.clock_rate, each.rtpmap) for each in formats],
            [
                ("PCMU", 8000, None),
                ("G726-32", 8000, None),
                ("PCMA", 8000, None),
                ("G722", 8000, None),
                ("CN", 8000, None),
                ("G728", 8000, None),
                ("G729", 8000, None),
                ("CN", 8000, None),
            ],
        )
        self.assertEqual(remarks, ())

    def test_mapped(self) -> None:
        """Names are in upper case, channels and parameters are kept; order is the m-line's."""
        formats, remarks = read(
            media(
                "111 101 10",
                "rtpmap:101 Telephone-Event/16000",
                "fmtp:101 0-16",
                "rtpmap:111 opus/48000/2",
                "fmtp:111 stereo=1",
            )
        )
        self.assertEqual(
            [each.codec for each in formats],
            [
                Codec(111, "OPUS", 48000, 2, "stereo=1"),
                Codec(101, "TELEPHONE-EVENT", 16000, 1, "0-16"),
                Codec(10, "L16", 44100, 2),
            ],
        )
        self.assertEqual(remarks, ())

    def test_clock_rates(self) -> None:
        """The clock of G722 is 8000, and that of a static type the table's, as offered or not."""
        formats, remarks = read(
            media("9 0 112", "rtpmap:9 G722/16000", "rtpmap:0 PCMU/16000", "rtpmap:112 g722/16000")
        )
        self.assertEqual([each.codec.clock_rate for each in formats], [8000, 8000, 8000])
        self.assertEqual(
            [each.rtpmap for each in formats], ["G722/16000", "PCMU/16000", "g722/16000"]
        )
        self.assertEqual(
            remarks,
            (
                ("sdp-clock-rate", "G722/16000"),
                ("sdp-clock-rate", "PCMU/16000"),
                ("sdp-clock-rate", "g722/16000"),
            ),
        )

    def test_another_meaning(self) -> None:
        """A static type that is mapped to something else is that."""
        formats, _ = read(media("8", "rtpmap:8 L16/16000"))
        self.assertEqual(formats[0].codec, Codec(8, "L16", 16000))

    def test_unusable(self) -> None:
        """Types without meaning, out of range, repeated or with a clock of 0 are left out."""
        formats, remarks = read(
            media("96 0 0 200 x 97 98", "rtpmap:97 L16/0", "rtpmap:98 bad", "fmtp:96", "rtpmap:")
        )
        self.assertEqual([each.codec.payload_type for each in formats], [0])
        self.assertEqual(
            remarks,
            (
                ("sdp-format-unmapped", "96"),
                ("sdp-format-unmapped", "97"),
                ("sdp-format-unmapped", "98"),
            ),
        )


class AnswerLineTests(SynchronousTestCase):
    """The lines of a format in an answer."""

    def lines(self, codec: Codec, rtpmap: str | None = None) -> list[str]:
        """The attributes as written."""
        return [str(each) for each in Format(codec, rtpmap).attributes]

    def test_generated(self) -> None:
        """A format without rtpmap gets one; events get their range."""
        self.assertEqual(self.lines(Codec(0, "PCMU", 8000)), ["rtpmap:0 PCMU/8000"])
        self.assertEqual(
            self.lines(Codec(101, "TELEPHONE-EVENT", 8000)),
            ["rtpmap:101 telephone-event/8000", "fmtp:101 0-15"],
        )

    def test_echoed(self) -> None:
        """Words and parameters of the offer come back."""
        self.assertEqual(
            self.lines(Codec(18, "G729", 8000, 1, "annexb=no"), "G729/8000"),
            ["rtpmap:18 G729/8000", "fmtp:18 annexb=no"],
        )

    def test_opus(self) -> None:
        """Of Opus only what a receiver may say is answered."""
        self.assertEqual(
            self.lines(Codec(111, "OPUS", 48000, 2, "sprop-stereo=1; useinbandfec=1;x=y")),
            ["rtpmap:111 opus/48000/2", "fmtp:111 useinbandfec=1"],
        )
        self.assertEqual(
            self.lines(Codec(111, "OPUS", 48000, 2, "x=y")), ["rtpmap:111 opus/48000/2"]
        )


class PolicyTests(SynchronousTestCase):
    """What we take and offer."""

    def test_takes(self) -> None:
        """A codec that is configured, of at most two channels."""
        supported = frozenset({"L16"})
        self.assertTrue(takes(supported, Codec(11, "L16", 44100, 2)))
        self.assertFalse(takes(supported, Codec(97, "L16", 8000, 3)))
        self.assertFalse(takes(supported, Codec(0, "PCMU", 8000)))

    def test_offerable(self) -> None:
        """Our offer has what can be decoded, codecs first."""
        self.assertEqual(
            [each.name for each in offerable(frozenset({"CN", "PCMA", "TELEPHONE-EVENT"}))],
            ["PCMA", "TELEPHONE-EVENT", "CN"],
        )
