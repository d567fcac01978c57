"""
What is told of calls to whoever watches: events, SIP messages, packets, audio.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakeOutlet
from tests.net.calls.test_recording_server import CALL, TAKEN, WALL, Recorder
from tests.net.media.test_plane import PlaneTestCase
from twisted_siprec.dialects.base import Audio, Event, StreamStart
from twisted_siprec.errors import RemoteError
from twisted_siprec.net.calls.events import (
    CallAnswered,
    CallBegan,
    CallClosed,
    CallDescribed,
    CallEnded,
    CallEvent,
    CallForgotten,
    CallMoved,
    CallOffered,
    CallRefused,
    CallReported,
    CallWarned,
    Discarded,
    Faulted,
)
from twisted_siprec.report import LinkUp
from twisted_siprec.sip.events import Traced


class WatchingTests(SynchronousTestCase):
    """The events of the recording server."""

    def setUp(self) -> None:
        self.recorder = Recorder()
        self.server = self.recorder.server
        self.events: list[CallEvent] = []
        self.times: set[float] = set()
        self.server.watch(self.note)

    def note(self, event: CallEvent, at: float) -> None:
        if not isinstance(event, Discarded):
            self.events.append(event)
            self.times.add(at)

    def kinds(self) -> list[str]:
        """The events since the last time, by their names."""
        kinds = [type(event).__name__ for event in self.events]
        self.events.clear()
        return kinds

    def test_call(self) -> None:
        """A call from its INVITE to its end, in order, by the wall clock."""
        self.recorder.replay(TAKEN)
        events = list(self.events)
        self.assertEqual(
            self.kinds(),
            [
                *("CallOffered", "CallWarned", "CallDescribed"),
                *("CallBegan", "CallAnswered", "CallMoved"),
            ],
        )
        self.assertEqual(events[0], CallOffered("rec-1", events[0].call_id, "all"))
        self.assertEqual(
            events[1], CallWarned("rec-1", "metadata-missing", "there is no recording metadata")
        )
        self.assertIsInstance(events[2], CallDescribed)
        assert isinstance(events[3], CallBegan)
        self.assertEqual((events[3].destinations, events[3].plan.bridge), (("consumer",), "rec-1"))
        self.assertEqual(events[4:], [CallAnswered("rec-1", 0.0), CallMoved("rec-1", "recording")])
        self.server.hang_up("rec-1")
        events = list(self.events)
        self.assertEqual(events[-1], CallForgotten("rec-1"))
        [closed] = [event for event in events if isinstance(event, CallClosed)]
        self.assertEqual((closed.source, closed.closed.reason.value), ("all", "operator"))
        self.assertEqual(self.times, {WALL})

    def test_bye(self) -> None:
        """Why the dialog ended is told before the account."""
        self.recorder.replay(TAKEN + "> BYE\n< 200\n")
        kinds = self.kinds()
        self.assertLess(kinds.index("CallEnded"), kinds.index("CallClosed"))
        self.assertEqual(kinds[-1], "CallForgotten")

    def test_paused(self) -> None:
        """Pausing and resuming are told when they have happened, each once."""
        self.recorder.replay(TAKEN)
        self.events.clear()
        self.server.pause("rec-1")
        self.server.pause("rec-1")
        self.server.resume("rec-1")
        self.assertEqual(
            self.events, [CallMoved("rec-1", "paused"), CallMoved("rec-1", "recording")]
        )

    def test_refused(self) -> None:
        """A refused call is told with its source and status, and is then forgotten."""
        self.recorder.nowhere = RemoteError(480, "No destination")
        self.recorder.replay(CALL + "< 480\nack\n")
        [refused] = [event for event in self.events if isinstance(event, CallRefused)]
        self.assertEqual(
            (refused.id, refused.source, refused.status, refused.initial),
            ("rec-1", "all", 480, True),
        )
        self.assertEqual(self.events[-1], CallForgotten("rec-1"))

    def test_who_may_not(self) -> None:
        """A call of a source that may not is refused, and never offered."""
        self.recorder.refusal = RemoteError(403, "Forbidden")
        self.recorder.replay(CALL + "< 403\nack\n")
        [refused] = self.events
        assert isinstance(refused, CallRefused)
        self.assertEqual((refused.source, refused.status, refused.initial), (None, 403, True))

    def test_refused_by_core(self) -> None:
        """What the SIP core refuses by itself is told too, and is no call."""
        self.recorder.replay("> SUBSCRIBE\n< 405\n")
        [refused] = [event for event in self.events if isinstance(event, CallRefused)]
        self.assertEqual(
            (refused.status, refused.method, refused.initial), (405, "SUBSCRIBE", False)
        )

    def test_reports(self) -> None:
        """What the media plane tells of a call is told on; of no call, it is not."""
        self.recorder.replay(TAKEN)
        self.events.clear()
        self.server.reported(LinkUp("rec-1", "consumer", 1))
        self.server.reported(LinkUp("rec-9", "consumer", 1))
        self.assertEqual(self.events, [CallReported("rec-1", LinkUp("rec-1", "consumer", 1))])

    def test_discarded(self) -> None:
        """Octets that get no answer are told with the reason."""
        told: list[CallEvent] = []
        self.server.watch(lambda event, at: told.append(event))
        self.recorder.reactor.udp[0][0].datagramReceived(b"\r\n\r\n", ("192.0.2.10", 5060))
        self.assertEqual(told, [Discarded("keep-alive")])

    def test_fault(self) -> None:
        """A fault of the media plane is told, and the call refused."""
        self.recorder.media.failure = ZeroDivisionError("inside")
        self.recorder.replay(CALL + "< 500\nack\n")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(sum(isinstance(each, Faulted) for each in self.events), 1)
        self.assertEqual(self.events[-1], CallForgotten("rec-1"))

    def test_faulty_listener(self) -> None:
        """A listener that fails harms neither the call nor the other listeners."""
        self.events.clear()

        def fail(event: CallEvent, at: float) -> None:
            if isinstance(event, CallBegan | CallEnded):
                raise ZeroDivisionError

        recorder = self.recorder = Recorder()
        recorder.server.watch(fail)
        recorder.server.watch(self.note)
        recorder.replay(TAKEN + "> BYE\n< 200\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual(self.kinds()[-1], "CallForgotten")

    def test_trace(self) -> None:
        """Every SIP message is given on, and still is when an operator's trace ends."""
        traced: list[Traced] = []
        self.server.trace_all(traced.append)
        stop = self.server.trace("nothing", self.fail)
        stop()
        self.recorder.replay(TAKEN)
        self.assertEqual(
            [(each.outgoing, each.summary.split()[0]) for each in traced],
            [(False, "INVITE"), (True, "SIP/2.0"), (False, "ACK")],
        )


class WaitingOutlet(FakeOutlet):
    """An outlet whose consumer takes nothing."""

    waiting_s = 1.5


class MediaWatchingTests(PlaneTestCase):
    """What can be seen of a bridge from outside."""

    def open_outlet(self, start: StreamStart, report: object) -> FakeOutlet:
        self.outlets.append(WaitingOutlet(start))
        return self.outlets[-1]

    def test_statistics(self) -> None:
        """What came so far; of a bridge that is not open, nothing."""
        self.open()
        self.queue(0, range(12), 100.0)
        self.run_for(0.25)
        self.assertEqual([stream.packets for stream in self.media.statistics("b1")], [12, 0])
        self.close()
        self.assertEqual(self.media.statistics("b1"), ())

    def test_waiting(self) -> None:
        """What is not handed over yet is summed by destination."""
        for bridge in ("b1", "b2"):
            self.open(bridge)
        self.run_for(2.5)
        self.assertEqual(self.media.waiting(), {"one": 3.0})
        self.close("b1")
        self.close("b2")
        self.assertEqual(self.media.waiting(), {})

    def test_tap(self) -> None:
        """A tap sees what the outlet gets, from then on, until it is taken out."""
        seen: list[tuple[str, Audio | Event]] = []
        self.open()
        self.queue(0, range(60), 100.0)
        self.run_for(0.3)
        leave = self.media.tap("b1", lambda start, item: seen.append((start.stream_id, item)))
        before = len(self.outlets[0].items)
        self.run_for(0.3)
        leave()
        leave()
        among = self.outlets[0].items[before:]
        self.assertEqual(seen, [("id0", item) for item in among])
        self.assertGreater(len(seen), 2)
        self.run_for(0.3)
        self.assertGreater(len(self.outlets[0].items), before + len(seen))
        self.close()
        leave()

    def test_tap_of_nothing(self) -> None:
        """A bridge that is not open has nothing to see."""
        self.media.tap("nope", lambda start, item: self.fail("seen"))()

    def test_faulty_tap(self) -> None:
        """A tap that fails is taken out, and the delivery and other taps go on."""
        seen: list[Audio | Event] = []

        def broken(start: StreamStart, item: Audio | Event) -> None:
            raise ZeroDivisionError

        self.open()
        self.queue(0, range(60), 100.0)
        self.media.tap("b1", broken)
        self.media.tap("b1", lambda start, item: seen.append(item))
        self.run_for(0.8)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(seen, self.outlets[0].items)
        self.close()
