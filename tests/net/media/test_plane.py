"""The media plane with a clock and ports of the test's own."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.media_fakes import FakeOutlet, FakePorts
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio, Redescribed, StreamStart
from twisted_siprec.errors import LocalError
from twisted_siprec.net.media.live_bridge import LiveBridge
from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.net.media.plane import LocalMedia
from twisted_siprec.participants import Description
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    Codec,
    Destination,
    EndReason,
    Layout,
    Redirection,
    StreamPlan,
)
from twisted_siprec.report import (
    BridgeClosed,
    BridgeFailed,
    BridgeOpened,
    Report,
    StreamHeard,
    StreamPorts,
)
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket

PCMU = Codec(0, "PCMU", 8000)
STREAMS = (StreamPlan(0, (PCMU,)), StreamPlan(1, (PCMU,)))
CHANNELS = (ChannelPlan(0, (0,)), ChannelPlan(1, (1,)))
WS = Destination("one", "ws://consumer.example.com/")


def plan(bridge: str = "b1", **changes: object) -> BridgePlan:
    """A call of two parties."""
    asked: dict[str, object] = {
        "call_id": "c1",
        "local_address": "192.0.2.9",
        "streams": STREAMS,
        "channels": CHANNELS,
        "destinations": (WS,),
        "description": Description(bridge, "c1"),
        "started_at": 0.0,
    }
    return BridgePlan(bridge, **{**asked, **changes})  # type: ignore[arg-type]


class PlaneTestCase(SynchronousTestCase):
    """A plane of ports 20000 to 20019, ten pairs."""

    def setUp(self) -> None:
        self.make()

    def make(self, **changes: object) -> None:
        asked: dict[str, object] = {"first_port": 20000, "last_port": 20019}
        settings = MediaSettings(**{**asked, **changes})  # type: ignore[arg-type]
        self.clock, self.ports = Clock(), FakePorts()
        self.clock.advance(100.0)
        self.outlets: list[FakeOutlet] = []
        self.reports: list[Report] = []
        identifiers = iter(range(10_000))
        self.media = LocalMedia(
            self.clock,  # type: ignore[arg-type] # it listens to nothing here
            settings,
            self.open_outlet,
            monotonic=self.clock.seconds,
            wallclock=lambda: self.clock.seconds() + 5000.0,
            open_pair=self.ports.open,
            new_id=lambda: f"id{next(identifiers)}",
            token=lambda octets: bytes(octets),
            chance=lambda: 0.5,
        )
        self.media.listen(self.reports.append)

    def open_outlet(self, start: StreamStart, report: object) -> FakeOutlet:
        self.outlets.append(FakeOutlet(start))
        return self.outlets[-1]

    def open(self, bridge: str = "b1", **changes: object) -> BridgeOpened:
        return self.successResultOf(self.media.open(plan(bridge, **changes)))

    def close(self, bridge: str = "b1", reason: EndReason = EndReason.CALL_ENDED) -> BridgeClosed:
        return self.successResultOf(self.media.close(bridge, reason))

    def queue(self, pair: int, numbers: range, at: float) -> None:
        """Packets in the socket of a pair, 20 ms apart from ``at`` on."""
        for number in numbers:
            packet = RTPPacket(0, False, number, 160 * number, 70 + pair, b"\x80" * 160)
            source = ("192.0.2.1", 4000 + 2 * pair)
            arrived = at + 0.02 * (number - numbers.start)
            self.ports.pairs[pair].queue.append(Datagram(bytes(packet), source, arrived))

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.005] * round(seconds / 0.005))

    def positions(self, outlet: int = 0) -> list[int]:
        return [item.position for item in self.outlets[outlet].items if isinstance(item, Audio)]


class LocalMediaTests(PlaneTestCase):
    """Requests, slots, and ends."""

    def test_open(self) -> None:
        """Opening binds even ports and answers with them; nothing is connected yet."""
        opened = self.open()
        ports = (StreamPorts(0, 20000, 20001), StreamPorts(1, 20002, 20003))
        self.assertEqual(opened, BridgeOpened("b1", ports))
        self.assertEqual(self.outlets, [])
        self.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_redirect(self) -> None:
        """A further consumer gets what is played from now on; one that is taken off, its stop."""
        self.open()
        self.queue(0, range(40), 100.0)
        self.run_for(0.3)
        further = Destination("two", "ws://two.example.com/", chunk_ms=20)
        redirected = self.media.redirect(Redirection("b1", (WS, further)))
        self.assertEqual(self.successResultOf(redirected).bridge, "b1")
        self.run_for(0.2)
        self.assertEqual(self.outlets[1].start.started_at, 5100.2)
        self.assertEqual(self.positions(1)[:3], [0, 160, 320])
        self.assertEqual(self.positions(0), [0, 800, 1600, 2400][: len(self.positions(0))])
        self.media.redirect(Redirection("b1", (further,)))
        self.assertIs(self.outlets[0].stopped[0][0], EndReason.OPERATOR)
        closed = self.close()
        self.assertEqual(self.outlets[1].stopped[0][1], closed.duration_ms - 200)
        self.assertEqual(
            [each.account for each in self.outlets], list(closed.deliveries), "in both accounts"
        )
        self.assertIs(self.outlets[1].stopped[0][0], EndReason.CALL_ENDED)

    def test_redirect_nothing(self) -> None:
        """What is not open goes nowhere."""
        self.failureResultOf(self.media.redirect(Redirection("b9", (WS,))), LocalError)

    def test_call(self) -> None:
        """Audio flows from the first packet to the end, and the account is given."""
        self.open()
        self.queue(0, range(12), 100.0)
        self.run_for(0.03)
        self.assertEqual(self.reports, [StreamHeard("b1", 0, ("192.0.2.1", 4000))])
        start = self.outlets[0].start
        self.assertEqual((start.stream_id, start.started_at), ("id0", 5100.0))
        self.run_for(0.22)
        self.assertEqual(self.positions(), [0])
        closed = self.close()
        self.assertEqual(self.positions(), [0, 800, 1600])
        self.assertIs(closed.reason, EndReason.CALL_ENDED)
        self.assertEqual(closed.duration_ms, 250)
        self.assertEqual([stream.packets for stream in closed.streams], [12, 0])
        self.assertEqual(closed.deliveries, (self.outlets[0].account,))
        stopped = (EndReason.CALL_ENDED, 250, closed.streams)
        self.assertEqual(self.outlets[0].stopped, [stopped])
        self.assertTrue(all(pair.closed for pair in self.ports.pairs))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_latency(self) -> None:
        """A chunk goes out between its deadline and some slots later, on every round."""
        self.open()
        self.queue(0, range(200), 100.0)
        seen: dict[int, float] = {}
        for _ in range(400):
            self.run_for(0.005)
            for position in self.positions() if self.outlets else []:
                seen.setdefault(position, self.clock.seconds())
        for position, at in seen.items():
            deadline = 100.0 + position / 8000 + 0.160
            self.assertTrue(-1e-6 <= at - deadline <= 0.036, (position, at - deadline))
        self.assertGreater(len(seen), 15)
        self.close()

    def test_stall(self) -> None:
        """After a stall of a second all chunks of it go out, and the bridges keep their slots."""
        for bridge in ("b1", "b2"):
            self.open(bridge)
        self.queue(0, range(100), 100.0)
        self.queue(2, range(100), 100.0)
        self.run_for(0.2)
        self.clock.advance(1.0)
        self.assertEqual(self.positions(0), [800 * n for n in range(11)])
        self.assertEqual(self.positions(1), [800 * n for n in range(11)])
        self.run_for(0.1)
        self.assertEqual(len(self.positions(0)), 12)
        self.close("b1")
        self.close("b2")

    def test_even_load(self) -> None:
        """Bridges that begin in one moment are played in different slots, once they are many."""
        self.make(first_port=20000, last_port=20199, slot_bridges=2)
        for number in range(6):
            self.open(f"b{number}")
            self.queue(2 * number, range(20), 100.0)
        times: dict[int, int] = {}
        for _ in range(60):
            self.run_for(0.005)
            for number in range(len(self.outlets)):
                if self.positions(number):
                    times.setdefault(number, int((self.clock.seconds() - 100.159) * 100))
        self.assertEqual(sorted(times.values()), [0, 0, 1, 1, 2, 2])
        self.successResultOf(self.media.stop())

    def test_no_media(self) -> None:
        """A call that ends without a packet ends for want of media, and says so to all."""
        self.open()
        self.run_for(0.5)
        closed = self.close()
        self.assertIs(closed.reason, EndReason.NO_MEDIA)
        self.assertIs(self.outlets[0].stopped[0][0], EndReason.NO_MEDIA)
        self.open("b2")
        self.assertIs(self.close("b2", EndReason.SRC_LOST).reason, EndReason.SRC_LOST)

    # --- ports ---

    def test_no_ports(self) -> None:
        """With no ports for all streams none are taken; when they have rested, they are."""
        for number in range(5):
            self.open(f"b{number}")
        self.failureResultOf(self.media.open(plan("b5")), NoPorts)
        self.close("b0")
        self.failureResultOf(self.media.open(plan("b5")), NoPorts)
        self.run_for(30.1)
        self.open("b5")
        self.assertEqual(self.media.ports.used, 10)
        self.successResultOf(self.media.stop())

    def test_foreign_ports(self) -> None:
        """A port that somebody else has is passed over."""
        self.ports.foreign = {20000, 20004}
        opened = self.open()
        self.assertEqual([ports.rtp for ports in opened.ports], [20002, 20006])
        self.close()

    def test_all_foreign(self) -> None:
        """Where every port is somebody else's, there are no ports, and nothing stays bound."""
        self.ports.foreign = set(range(20002, 20020))
        self.failureResultOf(self.media.open(plan()), NoPorts)
        self.assertEqual([pair.closed for pair in self.ports.pairs], [True])
        self.assertEqual((self.media.open_bridges, self.media.ports.used), (0, 0))

    def test_limits(self) -> None:
        """A bridge too many is refused, and so is the same one twice."""
        self.make(max_bridges=1)
        self.open()
        self.failureResultOf(self.media.open(plan("b1")), LocalError)
        self.failureResultOf(self.media.open(plan("b2")), NoPorts)
        self.close()

    # --- updates ---

    def test_update(self) -> None:
        """New streams get ports, streams that are gone give theirs back."""
        self.open()
        self.queue(0, range(5), 100.0)
        self.run_for(0.2)
        description = Description("b1", "c1", revision=1)
        update = BridgeUpdate(
            "b1", (STREAMS[0], StreamPlan(2, (PCMU,))), CHANNELS, description, described=True
        )
        opened = self.successResultOf(self.media.update(update))
        ports = (StreamPorts(0, 20000, 20001), StreamPorts(2, 20004, 20005))
        self.assertEqual(opened.ports, ports)
        self.assertEqual([pair.closed for pair in self.ports.pairs], [False, True, False])
        self.assertIn(Redescribed(description), self.outlets[0].items)
        self.queue(2, range(5), 100.2)
        self.run_for(0.2)
        closed = self.close()
        self.assertEqual([(s.index, s.packets) for s in closed.streams], [(0, 5), (1, 0), (2, 5)])

    def test_channel_that_goes(self) -> None:
        """A consumer stream of its own that ends with its channel has its account at the end."""
        self.open(destinations=(Destination("two", "ws://b/", layout=Layout.SEPARATE),))
        self.run_for(2.1)
        update = BridgeUpdate("b1", STREAMS[:1], CHANNELS[:1], Description("b1", "c1"))
        self.successResultOf(self.media.update(update))
        stopped = [len(outlet.stopped) for outlet in self.outlets]
        self.assertEqual(stopped, [0, 1])
        self.assertEqual([s.index for s in self.outlets[1].stopped[0][2]], [1])
        self.assertEqual(len(self.close().deliveries), 2)

    def test_too_many_streams(self) -> None:
        """Streams past the limit are not received, and take no ports."""
        self.make(max_streams=2)
        many = (*STREAMS, StreamPlan(2, (PCMU,)), StreamPlan(3, (PCMU,)))
        self.assertEqual([ports.index for ports in self.open(streams=many).ports], [0, 1])
        update = BridgeUpdate("b1", many[1:], CHANNELS, Description("b1", "c1"))
        opened = self.successResultOf(self.media.update(update))
        self.assertEqual([ports.index for ports in opened.ports], [1, 2])
        self.assertEqual(self.media.ports.used, 2)
        self.close()

    def test_pause_takes_what_came(self) -> None:
        """What lies in the socket when the pause is asked for is from before it."""
        self.open()
        self.queue(0, range(3), 100.0)
        self.run_for(0.03)
        self.queue(0, range(3, 6), 100.06)
        self.clock.advance(0.09)
        update = BridgeUpdate("b1", STREAMS, CHANNELS, Description("b1", "c1"), paused=True)
        self.successResultOf(self.media.update(update))
        loud = [item.payload for item in self.outlets[0].items if isinstance(item, Audio)]
        self.assertEqual(b"".join(loud).count((32124).to_bytes(2, "little")), 960)
        self.close()

    def test_update_without_ports(self) -> None:
        """An update that cannot have its ports changes nothing."""
        for number in range(5):
            self.open(f"b{number}")
        update = BridgeUpdate("b0", (StreamPlan(7, (PCMU,)),), CHANNELS, Description("b0", "c1"))
        self.failureResultOf(self.media.update(update), NoPorts)
        closed = self.close("b0")
        self.assertEqual([stream.index for stream in closed.streams], [0, 1])
        self.successResultOf(self.media.stop())

    def test_unknown(self) -> None:
        """A bridge that is not open cannot be updated; closing it does no harm."""
        update = BridgeUpdate("b9", STREAMS, CHANNELS, Description("b9", "c1"))
        self.failureResultOf(self.media.update(update), LocalError)
        self.assertEqual(self.close("b9"), BridgeClosed("b9", EndReason.CALL_ENDED, 0, (), ()))

    # --- ends ---

    def test_slow_outlet(self) -> None:
        """The account waits for the outlet; asking again gives the same; the ports are free."""
        self.open()
        self.run_for(2.1)
        self.outlets[0].result = Deferred()
        first = self.media.close("b1", EndReason.OPERATOR)
        second = self.media.close("b1", EndReason.CALL_ENDED)
        self.assertNoResult(first)
        self.assertEqual(self.media.ports.used, 0)
        self.failureResultOf(self.media.open(plan()), LocalError)
        self.outlets[0].result.callback(self.outlets[0].account)
        closed = self.successResultOf(first)
        self.assertIs(self.successResultOf(second), closed)
        self.assertEqual(len(self.outlets[0].stopped), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_outlet_that_never_ends(self) -> None:
        """An outlet has 30 seconds; then its account says that it is not complete."""
        self.open()
        self.run_for(2.1)
        self.outlets[0].result = Deferred()
        closing = self.media.close("b1", EndReason.OPERATOR)
        self.clock.advance(29.9)
        self.assertNoResult(closing)
        self.clock.advance(0.2)
        (account,) = self.successResultOf(closing).deliveries
        self.assertEqual((account.destination, account.complete), ("one", False))
        self.outlets[0].result.callback(self.outlets[0].account)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_separate_accounts(self) -> None:
        """Each consumer stream is told of its own channel's streams, and gives its account."""
        separate = Destination("two", "ws://b/", layout=Layout.SEPARATE)
        self.open(destinations=(WS, separate))
        self.run_for(2.1)
        closed = self.close()
        self.assertEqual([d.destination for d in closed.deliveries], ["one", "two", "two"])
        told = [[s.index for s in outlet.stopped[0][2]] for outlet in self.outlets]
        self.assertEqual(told, [[0, 1], [0], [1]])

    # --- faults ---

    def test_fault_of_one(self) -> None:
        """A bridge that fails is closed and reported; the other goes on without a hitch."""
        self.open("b1")
        self.open("b2")
        self.queue(2, range(60), 100.0)
        self.run_for(0.2)
        self.ports.pairs[0].fault = ZeroDivisionError("a mistake")
        self.run_for(1.0)
        (failure,) = self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(failure.getErrorMessage(), "a mistake")
        self.assertIn(BridgeFailed("b1", "a mistake"), self.reports)
        self.assertEqual(self.positions(0), [800 * n for n in range(11)])
        self.assertIs(self.close("b1").reason, EndReason.ERROR)
        self.assertTrue(all(pair.closed for pair in self.ports.pairs[:2]))
        self.assertEqual(self.close("b1").duration_ms, 0)
        self.close("b2")

    def test_fault_of_an_outlet(self) -> None:
        """An outlet that raises ends its bridge; the others of the bridge are told."""
        self.open(destinations=(WS, Destination("two", "ws://b/")))
        self.run_for(2.05)
        self.outlets[0].fault = ZeroDivisionError("a mistake")
        self.run_for(0.5)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIs(self.outlets[1].stopped[0][0], EndReason.ERROR)
        self.assertEqual(len(self.close("b1").deliveries), 2)

    def test_fault_at_the_end(self) -> None:
        """Whatever breaks at the end, closing gives an account, and the ports are free."""
        self.open()
        self.run_for(2.1)
        self.ports.pairs[0].fault = ZeroDivisionError("a mistake")
        closed = self.close()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIs(closed.reason, EndReason.ERROR)
        self.assertEqual(self.outlets[0].stopped[0][0], EndReason.ERROR)
        self.assertEqual(self.media.ports.used, 0)

    def test_fault_of_a_port(self) -> None:
        """A port that cannot be closed costs no consumer its end."""
        self.open()
        self.run_for(2.1)
        self.ports.pairs[0].close_fault = ZeroDivisionError("a mistake")
        self.assertIs(self.close(reason=EndReason.OPERATOR).reason, EndReason.OPERATOR)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.outlets[0].stopped), 1)
        self.assertTrue(self.ports.pairs[1].closed)

    def test_fault_of_the_end(self) -> None:
        """Even where nothing works any more, closing gives an account."""
        self.open()
        self.patch(LiveBridge, "let_go", lambda live, now: 1 // 0)
        self.assertIs(self.close().reason, EndReason.ERROR)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_closed_by_a_listener(self) -> None:
        """A bridge that is closed in the slot in which it is due is not played any more."""
        self.open("b1")
        self.open("b2")
        self.queue(0, range(3), 100.0)

        def listener(report: Report) -> None:
            if isinstance(report, StreamHeard):
                self.media.close("b2", EndReason.OPERATOR)

        self.media.listen(listener)
        self.run_for(0.1)
        self.assertEqual(self.media.open_bridges, 1)
        self.close("b1")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_fault_of_an_account(self) -> None:
        """An outlet whose account fails counts as incomplete."""
        self.open()
        self.run_for(2.1)
        self.outlets[0].result = Deferred()
        self.outlets[0].result.errback(ZeroDivisionError("a mistake"))
        (account,) = self.close().deliveries
        self.assertFalse(account.complete)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_fault_in_an_update(self) -> None:
        """An update that breaks loses the bridge, and says so."""
        self.open()
        self.ports.pairs[0].fault = ZeroDivisionError("a mistake")
        update = BridgeUpdate("b1", STREAMS, CHANNELS, Description("b1", "c1"))
        self.failureResultOf(self.media.update(update), ZeroDivisionError)
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn(BridgeFailed("b1", "a mistake"), self.reports)
        self.assertEqual(self.media.open_bridges, 0)

    def test_fault_of_a_listener(self) -> None:
        """A listener that raises costs nobody else the report."""

        def listener(report: Report) -> None:
            raise ZeroDivisionError("a mistake")

        self.media.listen(listener)
        later: list[Report] = []
        self.media.listen(later.append)
        self.open()
        self.queue(0, range(3), 100.0)
        self.run_for(0.1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(later, self.reports)
        self.close()

    def test_reports_to_the_src(self) -> None:
        """Receiver reports go out while the call is up, and BYE at its end."""
        self.open()
        self.queue(0, range(3), 100.0)
        self.run_for(4.3)
        self.assertEqual(len(self.ports.pairs[0].sent), 1)
        self.assertEqual(self.ports.pairs[1].sent, [])
        self.close()
        octets, destination, _ = self.ports.pairs[0].sent[1]
        self.assertEqual(destination, ("192.0.2.1", 4001))
        self.assertEqual(octets[-8:-4].hex(), "81cb0001")
