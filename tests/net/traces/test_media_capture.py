"""
The packets of a bridge on their way to a file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakePair
from tests.web_fakes import PLAN
from twisted_siprec.bridge.batch import PacketBuffer
from twisted_siprec.net.media.recvmmsg import source_name
from twisted_siprec.net.traces import media_file, pcapng
from twisted_siprec.net.traces.media_capture import (
    CallCapture,
    CaptureSettings,
    MediaCapture,
    media_capture,
)
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.simulator.capture_file import read_frames
from twisted_siprec.simulator.capture_packets import Packet, Passed, packets

SRC = ("127.0.0.1", 4000)
CAPTURED = replace(PLAN, captured=True)
RTP = bytes.fromhex("80000001000000a000000001") + b"payload."
REPORT = bytes.fromhex("80c9000100000001")


class MediaCaptureTests(SynchronousTestCase):
    """One call of a process; threads do their work when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(50.0)
        self.directory = Path(self.mktemp())
        self.work: list[tuple[Deferred[int], Callable[[], int]]] = []
        self.capture = self.new()

    def new(self, **settings: object) -> MediaCapture:
        made = CaptureSettings(str(self.directory), **settings)  # type: ignore[arg-type]
        return MediaCapture(
            self.clock,
            made,
            self.in_thread,
            self.clock.seconds,
            lambda: 1_000 + self.clock.rightNow,
        )

    def in_thread(self, work: Callable[[], int]) -> Deferred[int]:
        done: Deferred[int] = Deferred()
        self.work.append((done, work))
        return done

    def do(self) -> None:
        """What threads have to do now."""
        work, self.work = self.work, []
        for done, each in work:
            done.callback(each())

    def begin(self, **changes: object) -> CallCapture:
        call = self.capture.begin(replace(CAPTURED, **changes))  # type: ignore[arg-type]
        assert call is not None
        return call

    def end(self, call: CallCapture) -> None:
        call.end()
        while self.work:
            self.do()

    @property
    def path(self) -> Path:
        return self.directory / f"{PLAN.bridge}.rtp"

    def written(self) -> list[Packet]:
        """The packets in the file."""
        return list(packets(read_frames(self.path), Passed()))

    def missing(self) -> int:
        """What the file says is not in it."""
        *_, last = pcapng.blocks(self.path.read_bytes())
        return int.from_bytes(last.octets[24:32], "little")

    def test_unwanted(self) -> None:
        """Nothing is written of a bridge that nobody wants, and no timer runs."""
        self.assertIsNone(self.capture.begin(PLAN))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_none(self) -> None:
        """A process without settings has no capture; another is asked before it ends."""
        self.assertIsNone(media_capture(None, None))
        triggers: list[tuple[object, ...]] = []

        class Reactor:
            def addSystemEventTrigger(self, *trigger: object) -> None:
                triggers.append(trigger)

        made = media_capture(Reactor(), CaptureSettings("x"))
        assert made is not None
        self.assertEqual(triggers, [("before", "shutdown", made.stop)])

    def test_one_by_one(self) -> None:
        """What a pair drains, and RTCP both ways, with the times and ports that they had."""
        call = self.begin()
        pair = FakePair(6000)
        watched = call.watched(pair)
        taken: list[tuple[bytes, tuple[str, int]]] = []
        watched.take_rtcp(lambda octets, source: taken.append((octets, source)))
        pair.queue = [Datagram(RTP, SRC, 49.5), Datagram(b"", SRC, 49.6)]
        self.assertEqual(len(watched.drain(10)), 2)
        assert pair.taker is not None
        pair.taker(REPORT, ("127.0.0.1", 4001))
        watched.send_rtcp(REPORT, ("127.0.0.1", 4001), False)
        watched.send_rtcp(REPORT, SRC, True)
        self.assertEqual(taken, [(REPORT, ("127.0.0.1", 4001))])
        self.assertEqual(len(pair.sent), 2)
        self.end(call)
        self.assertEqual(
            self.written(),
            [
                Packet(1_049.5, SRC, ("127.0.0.1", 6000), RTP),
                Packet(1_050.0, ("127.0.0.1", 4001), ("127.0.0.1", 6001), REPORT),
                Packet(1_050.0, ("127.0.0.1", 6001), ("127.0.0.1", 4001), REPORT),
                Packet(1_050.0, ("127.0.0.1", 6000), SRC, REPORT),
            ],
        )
        self.assertEqual(self.missing(), 1)  # that of which nothing is known

    def test_rows(self) -> None:
        """What the kernel laid down: runs that are alike, and one that is not."""
        call = self.begin()
        buffer = PacketBuffer(8, 64)
        other = ("127.0.0.1", 4444)
        sent = [RTP, RTP + b"!", RTP + b"?", RTP]
        for number, octets in enumerate(sent):
            source = other if number == 3 else SRC
            buffer.append(Datagram(octets, source, 40.0 + number), source_name(source) or b"")
        call.rows(buffer, 0, [2, 2], [FakePair(6000), FakePair(6002)])
        buffer.octets[:] = 0  # the next round
        self.end(call)
        ports = (6000, 6000, 6002, 6002)
        self.assertEqual(
            self.written(),
            [
                Packet(
                    1_040.0 + number,
                    other if number == 3 else SRC,
                    ("127.0.0.1", ports[number]),
                    sent[number],
                )
                for number in range(4)
            ],
        )
        self.assertEqual(self.missing(), 0)

    def test_rows_of_version_6(self) -> None:
        """The same by IPv6, which wants checksums."""
        call = self.begin(local_address="::1")
        buffer = PacketBuffer(2, 64)
        buffer.append(Datagram(RTP, ("::1", 4000), 40.0), source_name(("::1", 4000)) or b"")
        call.rows(buffer, 0, [1], [FakePair(6000)])
        self.end(call)
        self.assertEqual(self.written(), [Packet(1_040.0, ("::1", 4000), ("::1", 6000), RTP)])

    def test_headers(self) -> None:
        """Of calls whose digits are hidden, and where it is so configured, headers alone."""
        for settings, changes in (({}, {"mask_dtmf": True}), ({"payloads": False}, {})):
            self.capture = self.new(**settings)
            call = self.begin(**changes)
            buffer = PacketBuffer(2, 64)
            buffer.append(Datagram(RTP, SRC, 40.0), source_name(SRC) or b"")
            pair = FakePair(6000)
            call.rows(buffer, 0, [1], [pair])
            pair.queue = [Datagram(RTP, SRC, 41.0)]
            call.watched(pair).drain(1)
            self.end(call)
            self.assertNotIn(b"payload", self.path.read_bytes())
            for frame in read_frames(self.path):
                self.assertEqual((len(frame.octets), frame.length), (40, 48))
                self.assertEqual(frame.octets[28:], RTP[:12])

    def test_paused(self) -> None:
        """While a call is paused nothing of it is written, by either way."""
        call = self.begin(paused=True)
        pair, buffer = FakePair(6000), PacketBuffer(2, 64)
        buffer.append(Datagram(RTP, SRC, 40.0), source_name(SRC) or b"")
        watched = call.watched(pair)
        for paused in (True, False, True):
            call.pause(paused)
            pair.queue = [Datagram(RTP, SRC, 41.0)]
            watched.drain(1)
            call.rows(buffer, 0, [1], [pair])
            watched.send_rtcp(REPORT, SRC, False)
        self.end(call)
        self.assertEqual(len(self.written()), 3)

    def test_shared_port(self) -> None:
        """RTCP on the port of RTP is written once, wherever it is sorted out."""

        class Shared(FakePair):
            def drain(self, limit: int) -> list[Datagram]:
                return self.sort(super().drain(limit))

            def sort(self, datagrams: list[Datagram]) -> list[Datagram]:
                assert self.taker is not None
                for datagram in datagrams:
                    if datagram.octets == REPORT:
                        self.taker(datagram.octets, datagram.source)
                return [each for each in datagrams if each.octets != REPORT]

        call, pair = self.begin(), Shared(6000)
        watched = call.watched(pair)
        watched.take_rtcp(lambda octets, source: None)
        pair.queue = [Datagram(REPORT, SRC, 40.0)]
        self.assertEqual(watched.drain(10), [])
        self.assertEqual(watched.sort([Datagram(REPORT, SRC, 40.0)]), [])
        self.end(call)
        self.assertEqual([each.destination[1] for each in self.written()], [6000])

    def test_no_rtcp(self) -> None:
        """What comes on the port of RTCP and is none is left out."""
        call, pair = self.begin(), FakePair(6000)
        watched = call.watched(pair)
        watched.take_rtcp(lambda octets, source: None)
        assert pair.taker is not None
        pair.taker(b"\x80\x00noise", SRC)
        self.end(call)
        self.assertEqual(self.written(), [])

    def test_call_limit(self) -> None:
        """Beyond what a call may have, its packets are counted only."""
        self.capture = self.new(max_call_octets=2 * (len(RTP) + 64))
        call, pair = self.begin(), FakePair(6000)
        pair.queue = [Datagram(RTP, SRC, 40.0)] * 5
        call.watched(pair).drain(9)
        self.end(call)
        self.assertEqual((len(self.written()), self.missing()), (2, 3))

    def test_memory_limit(self) -> None:
        """No more than so much waits for a disk that does not come on."""
        self.capture = self.new(max_waiting_octets=2 * (len(RTP) + 64))
        call, pair = self.begin(), FakePair(6000)
        watched = call.watched(pair)
        pair.queue = [Datagram(RTP, SRC, 40.0)] * 3
        watched.drain(9)
        self.clock.advance(1.0)
        pair.queue = [Datagram(RTP, SRC, 40.0)]
        watched.drain(9)  # the thread has not written yet
        self.do()
        pair.queue = [Datagram(RTP, SRC, 40.0)]
        watched.drain(9)
        self.end(call)
        self.assertEqual((len(self.written()), self.missing()), (3, 2))

    def test_flush(self) -> None:
        """It is written once a second, by one thread at a time, to a file for us alone."""
        call, pair = self.begin(), FakePair(6000)
        watched = call.watched(pair)
        pair.queue = [Datagram(RTP, SRC, 40.0)]
        watched.drain(9)
        self.clock.advance(0.9)
        self.assertEqual(self.work, [])
        self.clock.advance(0.1)
        self.assertEqual(len(self.work), 1)
        self.clock.advance(5.0)
        self.assertEqual(len(self.work), 1)
        self.do()
        part = self.directory / f"{PLAN.bridge}.rtp.part"
        self.assertEqual(stat.S_IMODE(part.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.directory.stat().st_mode), 0o700)
        self.assertEqual(len(list(read_frames(part))), 1)
        self.end(call)
        self.assertFalse(part.exists())
        self.assertEqual(len(self.written()), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """Before the process ends all that ended is written, also what ended meanwhile."""
        first, second = self.begin(), self.begin(bridge="second")
        first.end()
        second.end()
        second.end()
        stopped = self.capture.stop()
        self.assertNoResult(stopped)
        while self.work:
            self.do()
        self.successResultOf(stopped)
        self.assertTrue((self.directory / "second.rtp").exists())
        self.successResultOf(self.capture.stop())

    def test_full_disk(self) -> None:
        """A disk that takes a part, or nothing, leaves a file that can be read; it is counted."""
        full = [False]
        pwrite = os.pwrite

        def write(descriptor: int, octets: memoryview, at: int) -> int:
            if not full[0]:
                return pwrite(descriptor, octets, at)
            if len(octets) < 60:
                raise OSError(errno.ENOSPC, "full")
            return pwrite(descriptor, octets[:50], at)

        self.patch(media_file.os, "pwrite", write)
        call, pair = self.begin(), FakePair(6000)
        watched = call.watched(pair)
        for full[0] in (False, True, True, False):
            pair.queue = [Datagram(RTP, SRC, 40.0)]
            watched.drain(9)
            self.clock.advance(1.0)
            self.do()
        self.end(call)
        self.assertEqual((len(self.written()), self.missing()), (2, 2))

    def test_no_directory(self) -> None:
        """Where the directory cannot be, nothing fails."""
        self.directory.write_bytes(b"a file")
        call = self.begin()
        self.end(call)
        self.assertFalse(self.path.exists())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_nothing_came(self) -> None:
        """A call without a packet has a file all the same: somebody waits for it."""
        self.end(self.begin())
        self.assertEqual(self.written(), [])

    def test_no_rows(self) -> None:
        """A round in which nothing came costs nothing."""
        call = self.begin()
        call.rows(PacketBuffer(2, 64), 0, [0, 0], [FakePair(1), FakePair(3)])
        call.rows(PacketBuffer(2, 64), 0, [], [])
        self.assertEqual(call.waiting, [])

    def test_too_long(self) -> None:
        """Of a datagram that was longer than its row, what there is is written."""
        call, buffer = self.begin(), PacketBuffer(2, 64)
        buffer.append(Datagram(RTP * 10, SRC, 40.0), source_name(SRC) or b"")
        call.rows(buffer, 0, [1], [FakePair(6000)])
        self.end(call)
        [frame] = read_frames(self.path)
        self.assertEqual((len(frame.octets), frame.length), (28 + 64, 28 + 200))
        self.assertEqual(np.frombuffer(frame.octets[28:], np.uint8).tobytes(), (RTP * 10)[:64])

    def test_watched(self) -> None:
        """A watched pair is the pair in all else."""
        pair = FakePair(6000)
        watched = self.begin().watched(pair)
        self.assertEqual((watched.rtp, watched.rtcp, watched.fileno()), (6000, 6001, -1))
        self.successResultOf(watched.close())
        self.assertTrue(pair.closed)
