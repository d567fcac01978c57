"""
Session descriptions, read and written.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.errors import RemoteError
from twisted_siprec.sdp.description import (
    Attribute,
    Connection,
    Direction,
    Limits,
    Media,
    Origin,
    SessionDescription,
)

WHOLE = (
    b"v=0\r\n"
    b"o=- 5 6 IN IP4 192.0.2.1\r\n"
    b"s=call\r\n"
    b"c=IN IP4 192.0.2.1\r\n"
    b"b=AS:128\r\n"
    b"t=0 0\r\n"
    b"a=sendonly\r\n"
    b"m=audio 4000 RTP/AVP 0 101\r\n"
    b"b=RR:0\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\n"
    b"a=rtcp-mux\r\n"
    b"m=video 0 RTP/AVP 97\r\n"
    b"c=IN IP6 2001:db8::1\r\n"
)


class ParseTests(SynchronousTestCase):
    """What is read."""

    def test_whole(self) -> None:
        """Everything that an answer needs is there, by m-line."""
        self.assertEqual(
            SessionDescription.parse(WHOLE),
            SessionDescription(
                media=(
                    Media(
                        "audio",
                        4000,
                        "RTP/AVP",
                        ("0", "101"),
                        bandwidths=("RR:0",),
                        attributes=(
                            Attribute("rtpmap", "101 telephone-event/8000"),
                            Attribute("rtcp-mux"),
                        ),
                    ),
                    Media(
                        "video",
                        0,
                        "RTP/AVP",
                        ("97",),
                        connection=Connection("2001:db8::1", "IN", "IP6"),
                    ),
                ),
                origin=Origin("5", "6", "192.0.2.1"),
                name="call",
                connection=Connection("192.0.2.1"),
                bandwidths=("AS:128",),
                times=("0 0",),
                attributes=(Attribute("sendonly"),),
            ),
        )

    def test_line_ends(self) -> None:
        """LF, CR and CRLF are all line ends."""
        for end in (b"\n", b"\r", b"\r\n\r\n"):
            self.assertEqual(
                SessionDescription.parse(WHOLE.replace(b"\r\n", end)),
                SessionDescription.parse(WHOLE),
            )

    def test_lenient(self) -> None:
        """Unknown and malformed lines are passed over and counted; t, s, c may be missing."""
        description = SessionDescription.parse(
            b"nonsense\nv=0\no=bad\nx=1\nc=IN IP4\na=\na=:x\nm=audio 4000/2 RTP/AVP 0\nc=bad\n"
            b"c=IN IP4 192.0.2.9/127\nc=IN IP4 192.0.2.10\ni=title\na = spaced \n"
        )
        self.assertEqual(description.unread, 7)
        self.assertEqual(description.origin, None)
        (media,) = description.media
        self.assertEqual(media.port_count, 2)
        self.assertEqual(media.connection, Connection("192.0.2.9"))

    def test_session_lines_after_media(self) -> None:
        """A line of the session that comes late is not one of the m-line's."""
        description = SessionDescription.parse(b"v=0\nm=audio 1 RTP/AVP 0\nt=1 2\ns=late\n")
        self.assertEqual(description.name, "-")
        self.assertEqual(description.times, ())

    def test_no_media(self) -> None:
        """A description without m-lines is one (a recording session without a call)."""
        self.assertEqual(SessionDescription.parse(b"v=0\r\n").media, ())

    def test_not_utf8(self) -> None:
        """Octets that are no UTF-8 are ISO 8859-1, and NUL is nothing."""
        description = SessionDescription.parse(b"v=0\ns=Jos\xe9\0\n")
        self.assertEqual(description.name, "José")

    def test_refused(self) -> None:
        """What is no SDP, or cannot be answered line by line, is a 488 with a Warning."""
        for octets, reason in (
            (b"", "the body is no SDP"),
            (b"<xml/>", "the body is no SDP"),
            (b"v=0\nm=audio\n", "an m-line of the SDP cannot be understood"),
            (b"v=0\nm=audio 99999 RTP/AVP 0\n", "an m-line of the SDP cannot be understood"),
            (b"v=0\nm=audio x RTP/AVP 0\n", "an m-line of the SDP cannot be understood"),
            (b"v=0\n" + b"m=audio 1 RTP/AVP 0\n" * 4, "too many m-lines in the SDP"),
            (b"v=0\n" * 10, "too many lines in the SDP"),
        ):
            with self.assertRaises(RemoteError) as caught:
                SessionDescription.parse(octets, Limits(lines=9, media=3))
            self.assertEqual(
                (caught.exception.status, caught.exception.reason, caught.exception.headers),
                (488, reason, (("Warning", f'399 srs "{reason}"'),)),
            )

    def test_formats_are_bounded(self) -> None:
        """An m-line with too many formats is read as far as the limit goes."""
        description = SessionDescription.parse(b"m=audio 1 RTP/AVP 1 2 3\n", Limits(formats=2))
        self.assertEqual(description.media[0].formats, ("1", "2"))


class DirectionTests(SynchronousTestCase):
    """Where direction and address come from."""

    def test_levels(self) -> None:
        """The m-line's own wins, then the session's, then sendrecv."""
        description = SessionDescription.parse(
            b"v=0\na=inactive\nm=audio 1 RTP/AVP 0\na=sendonly\nm=audio 2 RTP/AVP 0\n"
        )
        self.assertEqual(
            [description.direction_of(media) for media in description.media],
            [Direction.SENDONLY, Direction.INACTIVE],
        )
        bare = SessionDescription.parse(b"m=audio 1 RTP/AVP 0\n")
        self.assertEqual(bare.direction_of(bare.media[0]), Direction.SENDRECV)

    def test_value_is_no_direction(self) -> None:
        """``a=direction:both`` and ``a=sendonly:x`` say nothing."""
        media = SessionDescription.parse(
            b"m=audio 1 RTP/AVP 0\na=direction:both\na=sendonly:x\n"
        ).media[0]
        self.assertEqual(media.direction, None)

    def test_hold(self) -> None:
        """The unspecified address of either version is a hold."""
        self.assertEqual(
            [
                Connection(host).holds
                for host in ("0.0.0.0", "::", "0:0:0:0:0:0:0:0", "10.0.0.0", "", "::1")
            ],
            [True, True, True, False, False, False],
        )


class PrintTests(SynchronousTestCase):
    """What is written."""

    def test_order(self) -> None:
        """Lines have the order of the standard, and CRLF."""
        self.assertEqual(bytes(SessionDescription.parse(WHOLE)), WHOLE)

    def test_defaults(self) -> None:
        """No line that has to be there is missing or empty."""
        self.assertEqual(
            bytes(SessionDescription(name="", times=(), media=(Media("audio", 0, "X", ()),))),
            b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 X 0\r\n",
        )

    def test_no_line_is_smuggled_in(self) -> None:
        """A value with a line end stays one line."""
        self.assertEqual(bytes(SessionDescription(name="a\r\nm=audio 1 X 0")).count(b"\r\n"), 4)

    def test_port_count(self) -> None:
        """A number of ports is written back."""
        self.assertIn(
            b"m=audio 4000/2 RTP/AVP 0\r\n",
            bytes(SessionDescription(media=(Media("audio", 4000, "RTP/AVP", ("0",), 2),))),
        )


_word = st.text("abcXYZ019.-+", min_size=1, max_size=8)
_attributes = st.lists(
    st.builds(
        Attribute,
        _word,
        st.none() | st.lists(_word, max_size=3).map(" ".join),
    ),
    max_size=4,
).map(tuple)
_connections = st.none() | st.sampled_from(
    [Connection("192.0.2.1"), Connection.to("2001:db8::5"), Connection("host.example.com")]
)
_descriptions = st.builds(
    SessionDescription,
    media=st.lists(
        st.builds(
            Media,
            st.sampled_from(["audio", "video", "text"]),
            st.integers(0, 65535),
            st.sampled_from(["RTP/AVP", "RTP/SAVPF", "udptl"]),
            st.lists(_word, min_size=1, max_size=5).map(tuple),
            st.sampled_from([1, 2]),
            _connections,
            st.lists(_word, max_size=2).map(tuple),
            _attributes,
        ),
        max_size=4,
    ).map(tuple),
    origin=st.none() | st.builds(Origin, _word, _word, _word),
    name=_word,
    connection=_connections,
    bandwidths=st.lists(_word, max_size=2).map(tuple),
    times=st.just(("0 0",)),
    attributes=_attributes,
)


class PropertyTests(SynchronousTestCase):
    """What holds for every description."""

    @given(_descriptions)
    @settings(max_examples=150, deadline=None)
    def test_round_trip(self, description: SessionDescription) -> None:
        """What is written is read as it was, but that an o= line is always there."""
        again = SessionDescription.parse(bytes(description))
        self.assertEqual(again.media, description.media)
        self.assertEqual(again.attributes, description.attributes)
        self.assertEqual(again.connection, description.connection)
        self.assertEqual(bytes(again), bytes(description))

    @given(st.binary(max_size=300) | st.text("vmact=0\r\n /:R", max_size=80).map(str.encode))
    @settings(max_examples=300, deadline=None)
    def test_anything(self, octets: bytes) -> None:
        """Any octets are a description or a 488."""
        try:
            description = SessionDescription.parse(octets)
        except RemoteError as error:
            self.assertEqual(error.status, 488)
        else:
            self.assertTrue(bytes(description).startswith(b"v=0\r\n"))
