"""
Messages out of streams, however the octets arrive.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.sip.events import Limits
from twisted_siprec.sip.framing import PING, StreamFraming

FIRST = b"INVITE sip:x SIP/2.0\r\nTo: a\r\nContent-Length: 6\r\n\r\nv=0\r\n\n"
SECOND = b"BYE sip:x SIP/2.0\nl:0\n\n"
THIRD = b"SIP/2.0 200 OK\r\nContent-Length : 2\r\n\r\n\r\n"


class StreamFramingTests(SynchronousTestCase):
    """Framing by Content-Length."""

    def test_one_segment(self) -> None:
        """Several messages in one segment."""
        framing = StreamFraming()
        self.assertEqual(framing.receive(FIRST + SECOND + THIRD), [FIRST, SECOND, THIRD])
        self.assertFalse(framing.incomplete)

    def test_octet_by_octet(self) -> None:
        """The same one octet at a time; a body of line ends is a body."""
        framing = StreamFraming()
        octets = b"\r\n" + FIRST + b"\r\n" + SECOND + THIRD + PING
        got = [message for octet in octets for message in framing.receive(bytes([octet]))]
        self.assertEqual(got, [FIRST, SECOND, THIRD, PING])

    def test_pings(self) -> None:
        """A double CRLF is a ping, many at once are one, a single one is nothing."""
        framing = StreamFraming()
        self.assertEqual(framing.receive(b"\r\n"), [])
        self.assertEqual(framing.receive(b"\r\n"), [PING])
        self.assertEqual(framing.receive(b"\r\n\r\n\r\n\r\n\r\n"), [PING])
        self.assertEqual(framing.receive(SECOND), [SECOND])
        self.assertEqual(framing.receive(b"\n\r\r\n" + SECOND), [SECOND])

    def test_incomplete(self) -> None:
        """A message that has begun is known to be incomplete; line ends are none."""
        framing = StreamFraming()
        framing.receive(b"\r\n")
        self.assertFalse(framing.incomplete)
        framing.receive(FIRST[:30])
        self.assertTrue(framing.incomplete)
        framing.receive(FIRST[30:])
        self.assertFalse(framing.incomplete)

    def test_no_content_length(self) -> None:
        """Without a length the head is given, and then nothing more."""
        framing = StreamFraming()
        head = b"INVITE sip:x SIP/2.0\r\nTo: a\r\n\r\n"
        self.assertEqual(framing.receive(SECOND + head + b"body" + SECOND), [SECOND, head])
        self.assertTrue(framing.broken)
        self.assertFalse(framing.incomplete)
        self.assertEqual(framing.receive(SECOND), [])

    def test_bad_content_length(self) -> None:
        """A length that is none ends the framing like a missing one."""
        framing = StreamFraming()
        head = b"INVITE sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n"
        self.assertEqual(framing.receive(head + b"body"), [head])
        self.assertTrue(framing.broken)

    def test_body_too_large(self) -> None:
        """A body above the limit is not waited for."""
        framing = StreamFraming(Limits(body_octets=10))
        head = b"INVITE sip:x SIP/2.0\r\nContent-Length: 11\r\n\r\n"
        self.assertEqual(framing.receive(head), [head])
        self.assertTrue(framing.broken)

    def test_head_too_large(self) -> None:
        """A head above the limit is not waited for either, whole or not."""
        framing = StreamFraming(Limits(header_octets=40))
        begun = b"INVITE sip:x SIP/2.0\r\nTo: " + b"a" * 20
        self.assertEqual(framing.receive(begun), [begun])
        self.assertTrue(framing.broken)
        framing = StreamFraming(Limits(header_octets=40))
        whole = begun + b"\r\nContent-Length: 0\r\n\r\n"
        self.assertEqual(framing.receive(whole), [whole])
        self.assertTrue(framing.broken)

    def test_garbage(self) -> None:
        """A first line that is none of SIP ends it at once."""
        framing = StreamFraming()
        octets = b"GET / HTTP/1.1\r\n"
        self.assertEqual(framing.receive(octets), [octets])
        self.assertTrue(framing.broken)

    @given(st.lists(st.sampled_from([FIRST, SECOND, THIRD, b"\r\n\r\n"]), max_size=6), st.data())
    @settings(max_examples=100, deadline=None)
    def test_any_segments(self, messages: list[bytes], data: st.DataObject) -> None:
        """However the stream is cut, the messages are the same."""
        octets = b"".join(messages)
        framing = StreamFraming()
        got: list[bytes] = []
        at = 0
        while at < len(octets):
            size = data.draw(st.integers(1, 30))
            got += framing.receive(octets[at : at + size])
            at += size
        self.assertEqual(
            [message for message in got if message != PING],
            [message for message in messages if message != PING],
        )

    @given(st.binary(max_size=300))
    @settings(max_examples=100, deadline=None)
    def test_any_octets(self, octets: bytes) -> None:
        """No octets make it raise, and it never holds more than the limits."""
        framing = StreamFraming(Limits(header_octets=100, body_octets=100))
        for at in range(0, len(octets), 7):
            framing.receive(octets[at : at + 7])
