from __future__ import annotations

from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import ANSWER, counting_token
from twisted_siprec.plan import Codec
from twisted_siprec.sdp.description import Direction
from twisted_siprec.simulator.offer import (
    AnsweredStream,
    AnswerError,
    SessionOffer,
    StreamOffer,
    answered_direction,
    multipart,
    parse_answer,
)
from twisted_siprec.simulator.offer_metadata import Party, metadata

PCMU = Codec(0, "PCMU", 8000)
NS = "{urn:ietf:params:xml:ns:recording:1}"


class SessionOfferTests(SynchronousTestCase):
    def test_octets(self) -> None:
        """The SDP has an m-line for each stream, sendonly and with its label."""
        offer = SessionOffer("192.0.2.1", 77, (StreamOffer("1", 20000, (PCMU,), 20, 20001),))
        self.assertEqual(
            bytes(offer),
            b"v=0\r\n"
            b"o=- 77 1 IN IP4 192.0.2.1\r\n"
            b"s=recorded call\r\n"
            b"c=IN IP4 192.0.2.1\r\n"
            b"t=0 0\r\n"
            b"m=audio 20000 RTP/AVP 0 101\r\n"
            b"a=rtpmap:0 PCMU/8000\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\n"
            b"a=fmtp:101 0-15\r\n"
            b"a=ptime:20\r\n"
            b"a=label:1\r\n"
            b"a=rtcp:20001\r\n"
            b"a=sendonly\r\n",
        )

    def test_formats(self) -> None:
        """Each format has its number, clock, channels and parameters, in the order given."""
        formats = (Codec(111, "OPUS", 48000, 2, "useinbandfec=1"), Codec(102, "L16", 48000))
        lines = StreamOffer("1", 20000, formats, 40).lines("sendonly")
        self.assertEqual(
            lines[:7],
            [
                "m=audio 20000 RTP/AVP 111 102 101",
                "a=rtpmap:111 OPUS/48000/2",
                "a=fmtp:111 useinbandfec=1",
                "a=rtpmap:102 L16/48000",
                "a=rtpmap:101 telephone-event/48000",
                "a=fmtp:101 0-15",
                "a=ptime:40",
            ],
        )

    def test_changed(self) -> None:
        """A change has the next version of the origin."""
        changed = SessionOffer("2001:db8::1", 77, (StreamOffer("1", 2, (PCMU,)),)).changed(
            "inactive"
        )
        self.assertIn(b"o=- 77 2 IN IP6 2001:db8::1\r\n", bytes(changed))
        self.assertIn(b"a=inactive\r\n", bytes(changed))


class AnswerTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """Address, port, formats, direction and label of each stream are read."""
        first, second = parse_answer(ANSWER, 2)
        self.assertEqual(
            first,
            AnsweredStream("192.0.2.9", 20000, ("0", "101"), Direction.RECVONLY, "1"),
        )
        self.assertTrue(second.wanted)

    def test_unwanted(self) -> None:
        """Port 0, inactive and sendonly all mean that nothing is to be sent."""
        for body in (
            ANSWER.replace(b"20000", b"0"),
            ANSWER.replace(b"recvonly", b"inactive"),
            ANSWER.replace(b"recvonly", b"sendonly"),
        ):
            self.assertFalse(parse_answer(body, 2)[0].wanted)

    def test_no_answer(self) -> None:
        """What is no answer to the offer is refused with the reason."""
        for body, reason in (
            (b"", "no body"),
            (b"hello", "no SDP"),
            (ANSWER, "3 m-lines were offered, 2 are answered"),
        ):
            self.assertIn(reason, str(self.assertRaises(AnswerError, parse_answer, body, 3)))

    def test_offer_of_srs(self) -> None:
        """We go on sending where the SRS wants to receive anything, and pause where not."""
        self.assertEqual(answered_direction(ANSWER), "sendonly")
        self.assertEqual(answered_direction(ANSWER.replace(b"recvonly", b"inactive")), "inactive")
        self.assertEqual(answered_direction(b"no SDP"), "sendonly")


class MultipartTests(SynchronousTestCase):
    def test_both(self) -> None:
        """SDP and metadata are two parts, with what RFC 7866 section 9.1 says of them."""
        body, content_type = multipart(b"sdp\r\n", b"<x/>", "b")
        self.assertEqual(content_type, 'multipart/mixed;boundary="b"')
        self.assertEqual(
            body,
            b"--b\r\nContent-Type: application/sdp\r\n"
            b"Content-Disposition: session;handling=required\r\n\r\nsdp\r\n\r\n"
            b"--b\r\nContent-Type: application/rs-metadata+xml\r\n"
            b"Content-Disposition: recording-session\r\n\r\n<x/>\r\n--b--\r\n",
        )

    def test_sdp_alone(self) -> None:
        """Without metadata the body is the SDP."""
        self.assertEqual(multipart(b"sdp", None, "b"), (b"sdp", "application/sdp"))


class MetadataTests(SynchronousTestCase):
    def document(self, parties: int, labels: tuple[str, ...]) -> Element:
        """The metadata of a call of so many."""
        who = tuple(Party(f"sip:{number}@example.com", "<A&B>") for number in range(parties))
        root: Element = fromstring(metadata(who, labels, counting_token(), 1_000_000_000.25))
        return root

    def test_order(self) -> None:
        """The elements come in the order of the schema of RFC 7865."""
        self.assertEqual(
            [element.tag.removeprefix(NS) for element in self.document(2, ("1", "2"))],
            ["datamode", "group", "session", "participant", "participant", "stream", "stream"]
            + ["sessionrecordingassoc"]
            + ["participantsessionassoc"] * 2
            + ["participantstreamassoc"] * 2,
        )

    def test_times_and_names(self) -> None:
        """Times are RFC 3339 in UTC, names are escaped."""
        root = self.document(1, ("1",))
        self.assertEqual(root.findtext(f"{NS}session/{NS}start-time"), "2001-09-09T01:46:40.250Z")
        self.assertEqual(root.findtext(f"{NS}participant/{NS}nameID/{NS}name"), "<A&B>")

    def directions(self, root: Element) -> list[tuple[list[str], list[str]]]:
        """The labels that each participant sends and receives."""
        labels = {
            stream.get("stream_id"): stream.findtext(f"{NS}label") or ""
            for stream in root.findall(f"{NS}stream")
        }
        return [
            (
                [labels[each.text] for each in association.findall(f"{NS}send")],
                [labels[each.text] for each in association.findall(f"{NS}recv")],
            )
            for association in root.findall(f"{NS}participantstreamassoc")
        ]

    def test_directions(self) -> None:
        """Everybody sends a stream and receives the others."""
        self.assertEqual(
            self.directions(self.document(3, ("1", "2", "3"))),
            [(["1"], ["2", "3"]), (["2"], ["1", "3"]), (["3"], ["1", "2"])],
        )

    def test_mixed(self) -> None:
        """One stream is everybody's."""
        self.assertEqual(
            self.directions(self.document(2, ("1",))), [(["1"], ["1"]), (["1"], ["1"])]
        )
