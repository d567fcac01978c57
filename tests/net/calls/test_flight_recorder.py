"""
The flight recorder: which calls it keeps, and what of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.web_fakes import ACCOUNT, BEGINNING
from twisted_siprec.config.tracing import FlightRecorder as Settings
from twisted_siprec.config.tracing import Payloads
from twisted_siprec.net.calls.events import (
    CallClosed,
    CallEvent,
    CallForgotten,
    CallOffered,
    CallRefused,
    Discarded,
)
from twisted_siprec.net.calls.flight_recorder import LINGER_S, MAX_WAITING, FlightRecorder
from twisted_siprec.plan import EndReason
from twisted_siprec.routing.patterns import AddressPattern
from twisted_siprec.simulator.capture_file import read_frames
from twisted_siprec.simulator.capture_packets import Packet, Passed, packets
from twisted_siprec.sip.events import Flow, Traced, Transport

US, SRC = ("192.0.2.1", 5060), ("198.51.100.7", 5062)
OCTETS = b"INVITE x\r\n\r\na=crypto:1 X inline:SECRET\r\n"
GOOD = replace(ACCOUNT, deliveries=())


def traced(
    octets: bytes = OCTETS, call_id: str | None = "c1@sbc", transport: Transport = Transport.UDP
) -> Traced:
    """A message of the SRC."""
    return Traced(False, Flow(transport, "f", US, SRC, US), SRC, octets, call_id, "INVITE x")


class FlightRecorderTests(SynchronousTestCase):
    """Calls from their INVITE to their file."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.directory = Path(self.mktemp())
        self.work: list[tuple[Deferred[Any], Callable[[], Any]]] = []
        self.flights = self.new()

    def new(self, **settings: Any) -> FlightRecorder:
        made = Settings(**{"directory": str(self.directory), "rtp": Payloads.NONE, **settings})
        flights = FlightRecorder(
            made, self.clock, lambda: 1_000 + self.clock.rightNow, self.in_thread
        )
        flights.startService()
        self.do()
        return flights

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.work.append((done, work))
        return done

    def do(self) -> None:
        """What the thread has to do."""
        while self.work:
            done, work = self.work.pop(0)
            try:
                result = work()
            except OSError:
                done.errback()
            else:
                done.callback(result)

    def happen(self, *events: CallEvent) -> None:
        for event in events:
            self.flights.happened(event, 1_000.0)

    def whole(self, *events: CallEvent) -> list[Path]:
        """A call with these events at its end; the files that there are then."""
        self.flights.traced(traced())
        self.happen(*BEGINNING, *events, CallForgotten("3f2a"))
        self.clock.advance(LINGER_S)
        self.do()
        return sorted(self.directory.iterdir())

    def test_call(self) -> None:
        """The messages of a call, from before it was one to just after it, without keys."""
        self.flights.traced(traced())
        self.flights.traced(traced(b"OPTIONS", None))
        self.flights.traced(traced(b"OPTIONS", "other"))
        self.happen(*BEGINNING, Discarded("x"))
        self.clock.advance(2.0)
        self.flights.traced(traced(b"BYE x\r\n\r\n"))
        self.happen(CallClosed("3f2a", "sbc", GOOD), CallForgotten("3f2a"))
        self.clock.advance(0.5)
        self.flights.traced(traced(b"late"))
        self.assertEqual(self.flights.files(), [])
        self.clock.advance(0.5)
        self.do()
        [path] = self.directory.iterdir()
        self.assertEqual(path.name, "19700101T001640Z-3f2a.pcapng")
        hidden = OCTETS.replace(b"SECRET", b"******")
        self.assertEqual(
            list(packets(read_frames(path), Passed())),
            [
                Packet(1_000.0, SRC, US, hidden),
                Packet(1_002.0, SRC, US, b"BYE x\r\n\r\n"),
                Packet(1_002.5, SRC, US, b"late"),
            ],
        )
        self.assertEqual(self.flights.path("3f2a"), str(path))
        self.assertIsNone(self.flights.path("other"))
        self.assertEqual([each.id for each in self.flights.files()], ["3f2a"])
        self.assertEqual(self.flights.statistics()["calls in files"], 1)
        self.assertIn(b"c1@sbc of sbc, recording session 3f2a", path.read_bytes())

    def test_stream(self) -> None:
        """What came by TCP or TLS is segments of a connection."""
        for octets in (b"one", b"two"):
            self.flights.traced(traced(octets, transport=Transport.TLS))
        [path] = self.whole(CallClosed("3f2a", "sbc", GOOD))
        found = list(packets(read_frames(path), Passed()))
        self.assertEqual(
            [(each.payload, each.sequence) for each in found[:2]], [(b"one", 1), (b"two", 4)]
        )

    def test_failed(self) -> None:
        """Of failures only: refused, lost, silent or incomplete, and no others."""
        self.flights = self.new(failed_only=True)
        self.assertEqual(self.whole(CallClosed("3f2a", "sbc", GOOD)), [])
        for reason in (EndReason.NO_MEDIA, EndReason.SRC_LOST, EndReason.ERROR):
            [path] = self.whole(CallClosed("3f2a", "sbc", replace(GOOD, reason=reason)))
            path.unlink()
        [path] = self.whole(CallClosed("3f2a", "sbc", ACCOUNT))
        path.unlink()
        refused = CallRefused("c1@sbc", "INVITE", "sbc", "x", 488, "x", True, "3f2a")
        [path] = self.whole(refused)
        path.unlink()
        self.assertEqual(self.whole(replace(refused, initial=False)), [])

    def test_sources(self) -> None:
        """Only of the sources that are named."""
        self.flights = self.new(sources=("other",))
        self.assertEqual(self.whole(CallClosed("3f2a", "sbc", GOOD)), [])
        self.flights = self.new(sources=("other", "sbc"))
        self.assertEqual(len(self.whole(CallClosed("3f2a", "sbc", GOOD))), 1)

    def test_numbers(self) -> None:
        """Only from or to these numbers; a call that never said any has none."""
        for pattern, count in (("2001", 1), ("+1555*", 1), ("2002", 0)):
            self.flights = self.new(numbers=(AddressPattern.parse(pattern),))
            found = self.whole(CallClosed("3f2a", "sbc", GOOD))
            self.assertEqual(len(found), count, pattern)
            for path in found:
                path.unlink()
        self.flights.traced(traced())
        self.happen(CallOffered("3f2a", "c1@sbc", "sbc"), CallForgotten("3f2a"))
        self.clock.advance(LINGER_S)
        self.do()
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_captured(self) -> None:
        """The media plane is told which calls, as many at once as there is room for."""
        self.flights = self.new(rtp=Payloads.ALL, max_mb=3, max_mb_per_call=1, sources=("sbc",))
        self.happen(*BEGINNING)
        self.assertFalse(self.flights.captured("nobody"))
        self.assertTrue(self.flights.captured("3f2a"))
        for number in range(2):
            self.happen(CallOffered(f"c{number}", f"c{number}", "sbc"))
            self.assertTrue(self.flights.captured(f"c{number}"))
        self.happen(CallOffered("x", "x", "other"), CallOffered("y", "y", "sbc"))
        self.assertFalse(self.flights.captured("x"))
        self.assertFalse(self.flights.captured("y"))
        self.assertEqual(self.flights.statistics()["calls not in files"], 1)

    def test_settings(self) -> None:
        """What the media plane writes: nothing, or to the same directory by its whole name."""
        self.assertIsNone(self.flights.capture_settings)
        self.assertFalse(self.flights.captured("3f2a"))
        made = self.new(rtp=Payloads.HEADERS, max_mb_per_call=7).capture_settings
        assert made is not None
        self.assertEqual((made.payloads, made.max_call_octets), (False, 7_000_000))
        self.assertEqual(made.directory, str(self.directory.absolute()))

    def test_limits(self) -> None:
        """A call that talks too much, and too many that are none, lose what is beyond."""
        for number in range(300):
            self.flights.traced(traced(bytes(1_000), f"stray{number}"))
        for _ in range(600):
            self.flights.traced(traced(bytes(1_000)))
        self.happen(*BEGINNING)
        for _ in range(600):
            self.flights.traced(traced(bytes(1_000)))
        self.happen(CallForgotten("3f2a"))
        self.clock.advance(LINGER_S)
        self.do()
        [path] = self.directory.iterdir()
        self.assertLess(path.stat().st_size, 600_000)
        self.assertGreater(self.flights.statistics()["packets not in files"], 600)
        self.assertLessEqual(len(self.flights._stray), 256)

    def test_slow_disk(self) -> None:
        """While a disk does not come on, so many calls wait for it and no more."""
        for number in range(MAX_WAITING + 5):
            self.happen(CallOffered(f"c{number}", f"c{number}", "sbc"), CallForgotten(f"c{number}"))
        self.clock.advance(LINGER_S)
        self.assertEqual(len(self.work), 1)
        self.assertEqual(self.flights.statistics()["calls not in files"], 5)

    def test_full_disk(self) -> None:
        """A call whose file cannot be written is counted, and the next one is tried."""
        self.directory.rename(self.mktemp())
        self.directory.write_bytes(b"a file")
        self.flights.traced(traced())
        self.happen(*BEGINNING, CallForgotten("3f2a"))
        self.clock.advance(LINGER_S)
        self.do()
        self.assertEqual(self.flights.statistics()["calls not in files"], 1)
        self.directory.unlink()
        self.directory.mkdir()
        self.assertEqual(len(self.whole(CallClosed("3f2a", "sbc", GOOD))), 1)

    def test_fault(self) -> None:
        """A mistake of ours is in the log, and ends nothing."""
        self.happen(*BEGINNING, CallForgotten("3f2a"))
        self.clock.advance(LINGER_S)
        done, _ = self.work.pop()
        done.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.whole(CallClosed("3f2a", "sbc", GOOD))), 1)

    def test_stop(self) -> None:
        """At the end the last calls are written before it is over."""
        self.flights.traced(traced())
        self.happen(*BEGINNING, CallForgotten("3f2a"))
        stopped = self.flights.stopService()
        self.assertNoResult(stopped)
        self.do()
        self.successResultOf(stopped)
        self.assertEqual(len(list(self.directory.iterdir())), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_same_call_id(self) -> None:
        """A Call-ID that comes again is of the newer call."""
        self.flights.traced(traced(b"first"))
        self.happen(CallOffered("a", "c1@sbc", "sbc"), CallForgotten("a"))
        self.happen(CallOffered("b", "c1@sbc", "sbc"))
        self.clock.advance(LINGER_S)
        self.flights.traced(traced(b"second"))
        self.happen(CallForgotten("b"))
        self.clock.advance(LINGER_S)
        self.do()
        found = {each.id: Path(each.path).read_bytes() for each in self.flights.files()}
        self.assertEqual([b"first" in found["a"], b"second" in found["a"]], [True, False])
        self.assertEqual([b"first" in found["b"], b"second" in found["b"]], [False, True])
