"""
Offer and answer, by m-line.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.report import StreamPorts
from twisted_siprec.sdp.answer import answer, versioned
from twisted_siprec.sdp.description import Direction, Origin, SessionDescription
from twisted_siprec.sdp.formats import offerable
from twisted_siprec.sdp.negotiation import Negotiation, Refusal, negotiate
from twisted_siprec.sdp.offer import accept_answer, first_offer, intended

SUPPORTED = frozenset({"PCMU", "PCMA", "G722", "TELEPHONE-EVENT", "CN"})
ORIGIN = Origin("7", "1", "198.51.100.1")


def parsed(*lines: str) -> SessionDescription:
    """A description with these lines after the usual ones."""
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0")
    return SessionDescription.parse("\r\n".join((*head, *lines)).encode())


def ports(*indexes: int) -> list[StreamPorts]:
    """Even ports from 30000 on."""
    return [StreamPorts(index, 30000 + 2 * index, 30001 + 2 * index) for index in indexes]


def answered(negotiation: Negotiation) -> list[str]:
    """The answer's lines from the t= line on."""
    accepted = [stream.index for stream in negotiation.accepted]
    text = bytes(answer(negotiation, ports(*accepted), "198.51.100.1", ORIGIN)).decode()
    return text.split("\r\n")[4:-1]


class DirectionTests(SynchronousTestCase):
    """What a listener answers to each direction."""

    def test_each(self) -> None:
        """Whoever sends is listened to; recvonly and inactive are inactive; none is sendrecv."""
        for lines, direction in (
            (["a=sendonly"], Direction.RECVONLY),
            (["a=sendrecv"], Direction.RECVONLY),
            ([], Direction.RECVONLY),
            (["a=recvonly"], Direction.INACTIVE),
            (["a=inactive"], Direction.INACTIVE),
            (["c=IN IP4 0.0.0.0"], Direction.INACTIVE),
            (["c=IN IP6 ::", "a=sendonly"], Direction.INACTIVE),
        ):
            negotiation = negotiate(parsed("m=audio 4000 RTP/AVP 0", *lines), SUPPORTED)
            self.assertEqual(negotiation.streams[0].direction, direction, lines)
            self.assertIn(f"a={direction.value}", answered(negotiation))

    def test_session_level(self) -> None:
        """The session's direction is that of m-lines without one."""
        offer = parsed(
            "a=inactive", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0", "a=sendonly"
        )
        self.assertEqual(
            [each.direction for each in negotiate(offer, SUPPORTED).streams],
            [Direction.INACTIVE, Direction.RECVONLY],
        )

    def test_origin_is_no_hold(self) -> None:
        """Zeros in o= mean nothing."""
        offer = SessionDescription.parse(
            b"v=0\no=- 1 1 IN IP4 0.0.0.0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n"
        )
        self.assertFalse(negotiate(offer, SUPPORTED).paused)

    def test_paused(self) -> None:
        """A call is paused when all its streams are."""
        both = parsed("m=audio 1 RTP/AVP 0", "a=inactive", "m=audio 2 RTP/AVP 0", "a=inactive")
        one = parsed("m=audio 1 RTP/AVP 0", "a=inactive", "m=audio 2 RTP/AVP 0", "a=sendonly")
        self.assertTrue(negotiate(both, SUPPORTED).paused)
        self.assertFalse(negotiate(one, SUPPORTED).paused)
        self.assertFalse(negotiate(parsed(), SUPPORTED).paused)


class AnswerTests(SynchronousTestCase):
    """The answer as it is written."""

    def test_whole(self) -> None:
        """Every m-line in order, formats in the offer's order, labels, nothing that is not ours."""
        offer = parsed(
            "a=group:BUNDLE 0 1",
            "a=ice-lite",
            "m=audio 4000 RTP/AVP 8 101 0 13 3",
            "a=rtpmap:101 telephone-event/8000",
            "a=mid:0",
            "a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
            "a=record:on",
            "a=ptime:30",
            "a=label:A",
            "a=sendonly",
            "m=video 4010 RTP/AVP 97",
            "a=label:V",
            "m=audio 4020 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 4030 RTP/AVP 96",
            "a=rtpmap:96 iLBC/8000",
            "m=audio 4040 rtp/avpf 0",
        )
        self.assertEqual(
            answered(negotiate(offer, SUPPORTED)),
            [
                "t=0 0",
                "m=audio 30000 RTP/AVP 8 101 0 13",
                "a=rtpmap:8 PCMA/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:13 CN/8000",
                "a=ptime:30",
                "a=label:A",
                "a=recvonly",
                "m=video 0 RTP/AVP 97",
                "a=label:V",
                "m=audio 0 RTP/SAVP 0",
                "m=audio 0 RTP/AVP 0",
                "m=audio 0 RTP/AVP 96",
                "m=audio 30010 rtp/avpf 0",
                "a=rtpmap:0 PCMU/8000",
                "a=recvonly",
            ],
        )
        self.assertEqual(
            [each.refusal for each in negotiate(offer, SUPPORTED).streams],
            [
                None,
                Refusal.MEDIA,
                Refusal.PROFILE,
                Refusal.DISABLED,
                Refusal.FORMATS,
                None,
            ],
        )

    def test_times_echoed(self) -> None:
        """The t= line is the offer's."""
        offer = SessionDescription.parse(b"v=0\nt=5 9\nm=audio 4000 RTP/AVP 0\n")
        self.assertEqual(answered(negotiate(offer, SUPPORTED))[0], "t=5 9")

    def test_ipv6(self) -> None:
        """Our address of version 6 says so."""
        negotiation = negotiate(parsed("m=audio 4000 RTP/AVP 0"), SUPPORTED)
        self.assertIn(
            b"c=IN IP6 2001:db8::1\r\n", bytes(answer(negotiation, ports(0), "2001:db8::1", ORIGIN))
        )

    def test_rtcp(self) -> None:
        """rtcp-mux only where it is offered; else a=rtcp where the port is not the next one."""
        apart = [StreamPorts(0, 30000, 30005)]
        plain = negotiate(parsed("m=audio 4000 RTP/AVP 0"), SUPPORTED)
        muxed = negotiate(parsed("m=audio 4000 RTP/AVP 0", "a=rtcp-mux"), SUPPORTED)
        self.assertIn(b"a=rtcp:30005\r\n", bytes(answer(plain, apart, "192.0.2.9", ORIGIN)))
        octets = bytes(answer(muxed, apart, "192.0.2.9", ORIGIN))
        self.assertIn(b"a=rtcp-mux\r\n", octets)
        self.assertNotIn(b"a=rtcp:", octets)
        self.assertNotIn(b"rtcp", bytes(answer(plain, ports(0), "192.0.2.9", ORIGIN)))

    @given(
        st.lists(
            st.sampled_from(
                [
                    "audio 1 RTP/AVP 0",
                    "audio 0 RTP/AVP 0",
                    "video 5 RTP/AVP 9",
                    "audio 7 RTP/AVP 77",
                    "audio 9 RTP/FOO 0",
                ]
            ),
            max_size=12,
        )
    )
    @settings(max_examples=100, deadline=None)
    def test_as_many_lines(self, lines: list[str]) -> None:
        """The answer has the offer's m-lines, kinds and profiles in their order, or is a 488."""
        offer = parsed(*(f"m={line}" for line in lines))
        try:
            negotiation = negotiate(offer, SUPPORTED)
        except RemoteError as error:
            self.assertEqual(error.status, 488)
            return
        accepted = [stream.index for stream in negotiation.accepted]
        ours = answer(negotiation, ports(*accepted), "198.51.100.1", ORIGIN)
        self.assertEqual(
            [(each.kind, each.protocol) for each in ours.media],
            [(each.kind, each.protocol) for each in offer.media],
        )
        self.assertLessEqual(len(accepted), 8)


class PlanTests(SynchronousTestCase):
    """The stream as the media plane is asked for it."""

    def plan(self, *lines: str) -> StreamPlan:
        """The first stream's."""
        return negotiate(parsed(*lines), SUPPORTED).streams[0].plan

    def test_whole(self) -> None:
        """Source, RTCP, label, packet duration and every codec."""
        self.assertEqual(
            self.plan(
                "m=audio 4000 RTP/AVP 0 101",
                "a=rtpmap:101 telephone-event/8000",
                "a=rtcp:4005 IN IP4 192.0.2.7",
                "a=ptime:40",
                "a=label:x",
            ),
            StreamPlan(
                index=0,
                codecs=(Codec(0, "PCMU", 8000), Codec(101, "TELEPHONE-EVENT", 8000)),
                source=("192.0.2.1", 4000),
                label="x",
                active=True,
                packet_ms=40,
                rtcp=("192.0.2.7", 4005),
                rtcp_mux=False,
            ),
        )

    def test_rtcp(self) -> None:
        """RTCP goes to the next port, to a=rtcp, to the RTP port if muxed, or nowhere."""
        line = "m=audio 4000 RTP/AVP 0"
        self.assertEqual(self.plan(line).rtcp, ("192.0.2.1", 4001))
        self.assertEqual(self.plan(line, "a=rtcp:5000").rtcp, ("192.0.2.1", 5000))
        self.assertEqual(self.plan(line, "a=rtcp:0").rtcp, ("192.0.2.1", 4001))
        self.assertEqual(self.plan(line, "a=rtcp:70 IN IP4 name").rtcp, ("192.0.2.1", 70))
        self.assertEqual(self.plan(line, "a=rtcp-mux").rtcp, ("192.0.2.1", 4000))
        self.assertEqual(self.plan(line, "b=RR:0").rtcp, None)
        self.assertEqual(self.plan("m=audio 65535 RTP/AVP 0").rtcp, None)

    def test_no_source(self) -> None:
        """A host name, a hold and a missing c= give no address."""
        line = "m=audio 4000 RTP/AVP 0"
        self.assertEqual(self.plan(line, "c=IN IP4 media.example.com").source, None)
        self.assertEqual(self.plan(line, "c=IN IP4 0.0.0.0").source, None)
        bare = SessionDescription.parse(b"v=0\nm=audio 4000 RTP/AVP 0\n")
        negotiation = negotiate(bare, SUPPORTED)
        self.assertEqual(negotiation.streams[0].plan.source, None)
        self.assertEqual(negotiation.remarks, (("sdp-no-connection", "0"),))

    def test_ipv6_source(self) -> None:
        """An address of version 6 is in its short form."""
        plan = self.plan("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:DB8:0::1")
        self.assertEqual(plan.source, ("2001:db8::1", 4000))

    def test_odd_ptime(self) -> None:
        """A duration that is none is 20 ms."""
        for value in ("0", "x", "", "5000"):
            self.assertEqual(self.plan("m=audio 4000 RTP/AVP 0", f"a=ptime:{value}").packet_ms, 20)


class RefusalTests(SynchronousTestCase):
    """What cannot be taken."""

    def refused(self, offer: SessionDescription, previous: Negotiation | None = None) -> str:
        """The Warning of the 488."""
        with self.assertRaises(RemoteError) as caught:
            negotiate(offer, SUPPORTED, previous)
        self.assertEqual(caught.exception.status, 488)
        return caught.exception.headers[0][1]

    def test_nothing_in_common(self) -> None:
        """The Warning names the reason of the audio line."""
        self.assertEqual(
            self.refused(parsed("m=video 4 RTP/AVP 97", "m=audio 2 RTP/AVP 18")),
            '305 srs "Incompatible media format"',
        )
        self.assertEqual(
            self.refused(parsed("m=audio 2 RTP/AVP 13")), '305 srs "Incompatible media format"'
        )
        self.assertEqual(
            self.refused(parsed("m=audio 2 RTP/SAVP 0")),
            '302 srs "Incompatible transport protocol"',
        )
        self.assertEqual(
            self.refused(parsed("m=video 2 RTP/AVP 97")), '304 srs "Media type not available"'
        )

    def test_all_disabled(self) -> None:
        """An offer of nothing but closed streams is answered."""
        negotiation = negotiate(parsed("m=audio 0 RTP/AVP 0"), SUPPORTED)
        self.assertEqual(negotiation.accepted, ())

    def test_fewer_lines(self) -> None:
        """An m-line may be closed, never left out."""
        first = negotiate(parsed("m=audio 2 RTP/AVP 0", "m=audio 4 RTP/AVP 0"), SUPPORTED)
        self.assertEqual(
            self.refused(parsed("m=audio 2 RTP/AVP 0"), first),
            '399 srs "fewer m-lines than before"',
        )

    def test_audio_closed_beside_video(self) -> None:
        """A re-offer may close the audio though it has video that is not taken."""
        first = negotiate(parsed("m=audio 2 RTP/AVP 0", "m=video 4 RTP/AVP 97"), SUPPORTED)
        second = parsed("m=audio 0 RTP/AVP 0", "m=video 4 RTP/AVP 97")
        self.assertEqual(negotiate(second, SUPPORTED, first).accepted, ())

    def test_too_many(self) -> None:
        """Streams past the limit are refused, with a remark."""
        offer = parsed(*["m=audio 2 RTP/AVP 0"] * 3)
        negotiation = negotiate(offer, SUPPORTED, max_streams=2)
        self.assertEqual([each.accepted for each in negotiation.streams], [True, True, False])
        self.assertEqual(negotiation.remarks, (("sdp-too-many-streams", "2"),))

    def test_other_profiles(self) -> None:
        """Whoever can do keys passes the profiles that need them."""
        offer = parsed("m=audio 2 RTP/SAVP 0")
        profiles = frozenset({"RTP/SAVP"})
        self.assertRaises(RemoteError, negotiate, offer, SUPPORTED)
        self.assertRaises(RemoteError, negotiate, offer, SUPPORTED, profiles=profiles)
        key = "a=crypto:1 AEAD_AES_128_GCM inline:" + "A" * 38
        offer = parsed("m=audio 2 RTP/SAVP 0", key)
        negotiation = negotiate(offer, SUPPORTED, profiles=profiles, new_key=bytes)
        self.assertTrue(negotiation.accepted)


class RemarkTests(SynchronousTestCase):
    """What is odd but taken."""

    def test_labels_twice(self) -> None:
        """Two m-lines with one label are both taken."""
        offer = parsed("m=audio 2 RTP/AVP 0", "a=label:1", "m=audio 4 RTP/AVP 0", "a=label:1")
        negotiation = negotiate(offer, SUPPORTED)
        self.assertEqual(len(negotiation.accepted), 2)
        self.assertEqual(negotiation.remarks, (("sdp-label-twice", "1"),))

    def test_remapped(self) -> None:
        """A payload type with a new meaning is told; a new one is not."""
        first = negotiate(parsed("m=audio 2 RTP/AVP 96", "a=rtpmap:96 PCMU/8000"), SUPPORTED)
        second = parsed("m=audio 2 RTP/AVP 96 8", "a=rtpmap:96 G722/8000")
        self.assertEqual(
            negotiate(second, SUPPORTED, first).remarks, (("sdp-payload-type-remapped", "96"),)
        )


class OwnOfferTests(SynchronousTestCase):
    """Our offers, and the answers to them."""

    def test_first(self) -> None:
        """One recvonly m-line for each label, with every codec."""
        offer = first_offer(offerable(frozenset({"PCMU", "TELEPHONE-EVENT"})), ("1", "2"))
        wanted = intended(offer, paused=False, dropped=())
        text = bytes(answer(wanted, ports(0, 1), "198.51.100.1", ORIGIN)).decode()
        self.assertEqual(
            text.split("\r\n")[5:-1],
            [
                "m=audio 30000 RTP/AVP 0 101",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=label:1",
                "a=recvonly",
                "m=audio 30002 RTP/AVP 0 101",
                "a=rtpmap:0 PCMU/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=label:2",
                "a=recvonly",
            ],
        )

    def test_again(self) -> None:
        """Within a dialog a paused stream is offered anew, a closed one stays closed."""
        first = negotiate(
            parsed("m=audio 2 RTP/AVP 0", "a=inactive", "m=audio 0 RTP/AVP 0"), SUPPORTED
        )
        wanted = intended(first, paused=False, dropped=())
        ours = answer(wanted, ports(0), "198.51.100.1", ORIGIN)
        self.assertEqual([each.port for each in ours.media], [30000, 0])
        self.assertEqual(ours.media[0].direction, Direction.RECVONLY)

    def test_answer(self) -> None:
        """Formats without rtpmap mean what we offered; our labels stay; lines may be closed."""
        offer = first_offer(offerable(SUPPORTED), ("1", "2"))
        result = accept_answer(
            offer,
            parsed("m=audio 4000 RTP/AVP 8 101", "a=sendonly", "m=audio 0 RTP/AVP 8"),
            SUPPORTED,
        )
        (stream,) = result.accepted
        self.assertEqual(
            stream.plan,
            StreamPlan(
                0,
                (Codec(8, "PCMA", 8000), Codec(101, "TELEPHONE-EVENT", 8000)),
                ("192.0.2.1", 4000),
                "1",
                rtcp=("192.0.2.1", 4001),
            ),
        )

    def test_short_answer(self) -> None:
        """An m-line that is left out of the answer is refused."""
        offer = first_offer(offerable(SUPPORTED), ("1", "2"))
        result = accept_answer(offer, parsed("m=audio 4000 RTP/AVP 8"), SUPPORTED)
        self.assertEqual([each.accepted for each in result.streams], [True, False])

    def test_long_answer(self) -> None:
        """More m-lines than offered are not taken."""
        offer = first_offer(offerable(SUPPORTED), ("1",))
        result = accept_answer(offer, parsed(*["m=audio 4000 RTP/AVP 8"] * 3), SUPPORTED)
        self.assertEqual(len(result.streams), 1)

    def test_everything_refused(self) -> None:
        """An answer that closes every stream is a 488."""
        offer = first_offer(offerable(SUPPORTED), ("1",))
        with self.assertRaises(RemoteError):
            accept_answer(offer, parsed("m=audio 0 RTP/AVP 0"), SUPPORTED)


class VersionTests(SynchronousTestCase):
    """The version of our o= line."""

    def test_versions(self) -> None:
        """It stays while nothing changes and grows by one where anything does."""
        negotiation = negotiate(parsed("m=audio 2 RTP/AVP 0"), SUPPORTED)
        first = versioned(answer(negotiation, ports(0), "192.0.2.9", ORIGIN), None)
        again = versioned(answer(negotiation, ports(0), "192.0.2.9", ORIGIN), first)
        moved = versioned(answer(negotiation, ports(0), "192.0.2.8", ORIGIN), again)
        after = versioned(answer(negotiation, ports(0), "192.0.2.8", ORIGIN), moved)
        self.assertEqual(
            [each.origin.version for each in (first, again, moved, after) if each.origin],
            ["1", "1", "2", "2"],
        )
