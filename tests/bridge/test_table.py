"""The table of streams that are on course."""

from __future__ import annotations

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.course import Course
from twisted_siprec.bridge.forms import FORMS
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.bridge.stages import decoded
from twisted_siprec.bridge.stream import Stream
from twisted_siprec.bridge.table import LINE_OCTETS, NOBODY, StreamTable, line_octets
from twisted_siprec.bridge.timeline import UNITS_PER_MS as MS
from twisted_siprec.plan import Codec, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

CODECS = {
    Codec(0, "PCMU", 8000): (160, 160),
    Codec(8, "PCMA", 8000): (160, 160),
    Codec(9, "G722", 8000): (160, 160),
    Codec(96, "L16", 16000): (320, 640),
}
PCMU = Codec(0, "PCMU", 8000)
NAME = bytes(32)


def made(codec: Codec, ssrc: int = 7) -> Stream:
    """A stream of which 12 packets came from 30 ms on, and 100 ms are played."""
    ticks, octets = CODECS[codec]
    stream = Stream(StreamPlan(0, (codec,)), MediaSettings(), 0.0)
    for number in range(12):
        payload = bytes((number + 3 * at) & 0xFF for at in range(octets))
        packet = RTPPacket(codec.payload_type, False, number, ticks * number, ssrc, payload)
        arrived_at = 0.03 + 0.02 * number
        stream.receive([Datagram(bytes(packet), ("192.0.2.1", 4000), arrived_at)])
    stream.play(100 * MS)
    return stream


def course_of(stream: Stream) -> Course:
    """What to expect of a stream."""
    course = stream.course()
    assert course is not None
    return course


class StreamTableTests(SynchronousTestCase):
    """Streams come and go."""

    def setUp(self) -> None:
        self.table = StreamTable(4)

    def adopt(self, stream: Stream, room: int = LINE_OCTETS) -> int:
        course = course_of(stream)
        return self.table.adopt(stream, course, NAME, course.run.decoder.rate // 10, room)

    def test_there_and_back(self) -> None:
        """A stream that comes and goes at once is as it was, in the middle of a packet."""
        for codec in CODECS:
            stream, other = made(codec), made(codec)
            before = stream.statistics()
            self.table.release(self.adopt(stream), 100 * MS)
            self.assertEqual(stream.statistics(), before)
            for end in (150, 250):
                ours, theirs = stream.play(end * MS), other.play(end * MS)
                self.assertEqual(ours.missing, theirs.missing, codec)
                np.testing.assert_array_equal(ours.samples, theirs.samples, codec.name)

    def test_played_meanwhile(self) -> None:
        """What was played of it here, and what follows there, is what would have been."""
        for codec in CODECS:
            stream, other = made(codec), made(codec)
            row = self.adopt(stream)
            rate = course_of(other).run.decoder.rate
            here = decoded(self.table, np.array([row]), rate // 10)[0]
            np.testing.assert_array_equal(here, other.play(200 * MS).samples, codec.name)
            self.table.release(row, 200 * MS)
            ours, theirs = stream.play(300 * MS), other.play(300 * MS)
            np.testing.assert_array_equal(ours.samples, theirs.samples, codec.name)
            self.assertEqual(ours.missing, theirs.missing)

    def test_unplayed(self) -> None:
        """What was decoded and not played after all is played there, and only once."""
        for codec in CODECS:
            stream, other = made(codec), made(codec)
            row = self.adopt(stream)
            past = self.table.remembered(row)
            rate = course_of(other).run.decoder.rate
            here = decoded(self.table, np.array([row]), rate // 10)[0]
            self.table.unplay(row, here, past)
            self.table.release(row, 100 * MS)
            for end in (200, 300):
                ours, theirs = stream.play(end * MS), other.play(end * MS)
                np.testing.assert_array_equal(ours.samples, theirs.samples, codec.name)
                self.assertEqual(ours.missing, theirs.missing, codec)

    def test_growth(self) -> None:
        """The table grows, and those that were in it notice nothing."""
        streams = [made(PCMU, ssrc=100 + number) for number in range(23)]
        rows = [self.adopt(stream) for stream in streams]
        self.assertEqual(len(self.table), 23)
        self.assertEqual(len(set(rows)), 23)
        self.assertNotIn(NOBODY, rows)
        self.assertEqual(self.table.ssrc[rows].tolist(), [100 + n for n in range(23)])
        lines = decoded(self.table, np.array(rows), 800)
        for stream, row, samples in zip(streams, rows, lines, strict=True):
            np.testing.assert_array_equal(samples, made(PCMU).play(200 * MS).samples)
            self.table.release(row, 200 * MS)
            self.assertIsNotNone(stream.play(220 * MS).samples)
        self.assertEqual(len(self.table), 0)

    def test_rows_and_lines_are_used_again(self) -> None:
        """Calls that come and go need no more room than those that are there together."""
        wide = Codec(96, "L16", 16000)
        for _ in range(50):
            rows = [self.adopt(made(PCMU)), self.adopt(made(wide), line_octets(32000))]
            for row in rows:
                self.table.release(row, 100 * MS)
        self.assertEqual(len(self.table.streams), 4)
        self.assertLessEqual(len(self.table.store), 8 * LINE_OCTETS)

    def test_full_line(self) -> None:
        """A line that is full begins anew, with what waits and what is wanted of the past."""
        row = self.adopt(made(PCMU))
        waits = bytes(self.table.line(row, 0, int(self.table.fill[row])))
        self.table.lead[row] = 500
        self.table.fill[row] = len(waits)
        self.table.make_room(np.array([row]))
        lead, fill = int(self.table.lead[row]), int(self.table.fill[row])
        self.assertEqual(lead, 400)
        self.assertEqual(bytes(self.table.line(row, 0, fill)), waits[100:])


class FormTests(SynchronousTestCase):
    """Octets and samples of each form."""

    def test_lengths(self) -> None:
        """100 ms of each: an octet a sample, two, or half of one."""
        lengths = {form.name: form.octets_of(800) for form in FORMS}
        self.assertEqual(lengths, {"PCMU": 800, "PCMA": 800, "L16": 1600, "G722": 400})
        for form in FORMS:
            self.assertEqual(form.samples_of(form.octets_of(800)), 800)
            self.assertEqual(len(form.written(np.zeros(800, dtype=np.int16))), form.octets_of(800))
