"""
Values as octets, and files of earlier versions that are still to be read.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.journal import Ending, Standing
from twisted_siprec.dialects.base import ChannelStart, StreamStart
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import ChannelPlan, Destination, Encoding, EndReason, Layout
from twisted_siprec.report import StreamStatistics
from twisted_siprec.wire import RecordError, dumps, from_octets, loads, to_octets

START = StreamStart(
    "s1",
    "b1",
    1.5,
    Encoding.PCMA,
    8_000,
    (ChannelStart(ChannelPlan(0, (0, 1), "p1")),),
    Destination("speech", "wss://x/", options=(("model", "a"),), layout=Layout.MONO),
    Description("b1", "c1", participants=(Participant("p1", name="Ann"),)),
)
OF_AN_EARLIER_SPOOL = (
    b'{"stream_id":"s1","bridge":"b1","started_at":1.5,"encoding":"PCMA","sample_rate":8000,'
    b'"channels":[{"plan":{"index":0,"streams":[0,1],"participant_id":"p1"}}],'
    b'"destination":{"name":"speech","url":"wss://x/","options":[["model","a"]],'
    b'"layout":"mono"},"description":{"recording_session_id":"b1","call_id":"c1",'
    b'"participants":[{"id":"p1","name":"Ann"}]}}'
)


class WireTests(SynchronousTestCase):
    """Both forms."""

    def test_forms(self) -> None:
        """A start is the same again in either form."""
        self.assertEqual(loads(dumps(START)), START)
        self.assertEqual(from_octets(StreamStart, to_octets(START)), START)

    def test_earlier_spool(self) -> None:
        """What an earlier version put into the spool is read; what it lacks has its default."""
        self.assertEqual(from_octets(StreamStart, OF_AN_EARLIER_SPOOL), START)
        ending = from_octets(
            Ending,
            b'{"reason":"call_ended","duration_ms":20,"channels":[{"index":0,"packets":1}],'
            b'"final_position":160}',
        )
        self.assertEqual(
            ending, Ending(EndReason.CALL_ENDED, 20, (StreamStatistics(0, packets=1),), 160)
        )

    def test_bare(self) -> None:
        """No class is named in the form of files, so that classes may be moved."""
        self.assertEqual(
            to_octets(Standing(5, gaps=(("late", 2),))),
            b'{"position":5,"missing":0,"gaps":[["late",2]],"frames":0,"texts":0,'
            b'"connections":0,"replayed":0}',
        )

    def test_not_written(self) -> None:
        """What JSON has no word for is refused, not guessed; octets are for the other form."""
        for value in (object(), {1}, b"x", {"a": 1}):
            self.assertRaises(TypeError, to_octets, value)
        self.assertEqual(loads(dumps((b"x", {"a": frozenset({1})}))), (b"x", {"a": frozenset({1})}))

    def test_damaged(self) -> None:
        """What is no such value is named as that."""
        for octets in (b"", b"[]", b'{"position":"5"}', b'{"gaps":[["a"]]}', b"[" * 100_000):
            self.assertRaises(RecordError, from_octets, Standing, octets)
