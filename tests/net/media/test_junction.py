"""Two dialogs, one bridge: the plane as signalling has it where halves of calls are joined."""

from __future__ import annotations

import struct
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.net.media.test_plane import PCMU, STREAMS, WS, PlaneTestCase, plan
from tests.vendor_replay import WatchedMedia
from twisted_siprec.dialects.base import Audio, Rearranged, Redescribed
from twisted_siprec.net.media.junction import Junction
from twisted_siprec.net.media.media import NoPorts
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import (
    BridgePlan,
    BridgeUpdate,
    ChannelPlan,
    EndReason,
    Half,
    ParticipantEvent,
    Redirection,
    StreamPlan,
)
from twisted_siprec.report import (
    BridgeClosed,
    BridgeFailed,
    BridgeOpened,
    ConsumerSaid,
    HandshakeFailed,
    LinkDown,
    LinkUp,
    Report,
    StreamHeard,
    StreamPorts,
    StreamSilent,
    StreamStatistics,
)
from twisted_siprec.siprec.joint import SPAN

WALL = 1_767_366_000.0


def half(bridge: str, end: str, key: str = "refci:1") -> BridgePlan:
    """A dialog with one stream."""
    party = Participant(f"{end}-end", f"{bridge}@example.com")
    return plan(
        bridge,
        call_id=f"{bridge}-call",
        streams=(StreamPlan(0, (PCMU,), ("192.0.2.1", 4000)),),
        channels=(ChannelPlan(0, (0,), party.id),),
        description=Description(bridge, f"{bridge}-call", participants=(party,)),
        half=Half((key,), end),
    )


NEAR, FAR = half("near", "near"), half("far", "far")


def update_of(plan: BridgePlan, **changes: object) -> BridgeUpdate:
    """What a dialog is by itself."""
    update = BridgeUpdate(plan.bridge, plan.streams, plan.channels, plan.description)
    return replace(update, **changes)  # type: ignore[arg-type]


def louds(audio: list[Audio]) -> tuple[int, int]:
    """How many samples of each of two channels are not silence."""
    payload = b"".join(each.payload for each in audio)
    pairs = list(struct.iter_unpack("<hh", payload))
    return sum(pair[0] != 0 for pair in pairs), sum(pair[1] != 0 for pair in pairs)


class JunctionTests(PlaneTestCase):
    """Around the plane of this process."""

    def make(self, **changes: object) -> None:
        """The plane, and a junction around it."""
        super().make(**changes)
        self.told: list[Report] = []
        self.junction = Junction(self.media, self.clock, lambda: WALL)
        self.junction.listen(self.told.append)

    def begin(self, asked: BridgePlan) -> BridgeOpened:
        """A dialog begins."""
        return self.successResultOf(self.junction.open(asked))

    def end(self, bridge: str) -> BridgeClosed:
        """A dialog ends."""
        return self.successResultOf(self.junction.close(bridge, EndReason.CALL_ENDED))

    def heard(self, outlet: int = 0) -> list[Audio]:
        """The audio that a consumer got."""
        return [each for each in self.outlets[outlet].items if isinstance(each, Audio)]

    def test_two_halves(self) -> None:
        """One consumer stream of two channels; each dialog has its ports and its account."""
        near = self.begin(NEAR)
        far = self.begin(FAR)
        self.assertEqual(near, BridgeOpened("near", (StreamPorts(0, 20000, 20001),)))
        self.assertEqual(far, BridgeOpened("far", (StreamPorts(0, 20002, 20003),)))
        self.assertEqual(self.media.open_bridges, 1)
        self.queue(0, range(20), self.clock.seconds())
        self.queue(1, range(10), self.clock.seconds())
        self.run_for(0.6)
        ending = self.junction.close("near", EndReason.CALL_ENDED)
        self.assertTrue(self.ports.pairs[0].closed)
        self.assertFalse(self.ports.pairs[1].closed)
        last = self.end("far")
        first = self.successResultOf(ending)
        self.assertEqual([stream.packets for stream in first.streams], [20])
        self.assertEqual((first.bridge, first.deliveries), ("near", ()))
        self.assertEqual(first.duration_ms, 600)
        self.assertEqual([stream.packets for stream in last.streams], [10])
        self.assertEqual((last.bridge, len(last.deliveries)), ("far", 1))
        self.assertEqual(len(self.outlets), 1)
        self.assertEqual([len(each.start.channels) for each in self.outlets], [2])
        self.assertEqual(louds(self.heard()), (3200, 1600))
        (_, _, channels) = self.outlets[0].stopped[0]
        self.assertEqual([stream.packets for stream in channels], [20, 10])
        self.assertEqual(self.media.open_bridges, 0)
        self.assertEqual(self.junction.statistics("near"), ())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_goes_on(self) -> None:
        """The account of a half that ended does not wait for long for the other one."""
        self.begin(NEAR)
        self.begin(FAR)
        self.queue(0, range(20), self.clock.seconds())
        self.run_for(0.6)
        ending = self.junction.close("near", EndReason.CALL_ENDED)
        self.run_for(1.0)
        self.assertNoResult(ending)
        self.begin(half("again", "near"))
        self.run_for(0.6)
        closed = self.successResultOf(ending)
        self.assertEqual([stream.packets for stream in closed.streams], [20])
        self.queue(2, range(5), self.clock.seconds())
        self.run_for(0.2)
        self.junction.close("far", EndReason.OPERATOR)
        again = self.end("again")
        self.assertEqual([stream.packets for stream in again.streams], [5])
        left = [each for each in self.outlets[0].items if isinstance(each, ParticipantEvent)]
        self.assertEqual(
            [(each.event, each.participant_id) for each in left],
            [
                ("joined", "far-end"),
                ("left", "near-end"),
                ("joined", "near-end"),
                ("left", "far-end"),
            ],
        )

    def test_alone(self) -> None:
        """A half whose other never comes is delivered, beside a channel of silence."""
        self.begin(FAR)
        self.queue(0, range(20), self.clock.seconds())
        self.run_for(0.6)
        closed = self.end("far")
        self.assertEqual(louds(self.heard()), (0, 3200))
        self.assertEqual([stream.packets for stream in closed.streams], [20])
        self.assertIn(("join", "waiting"), self.outlets[0].start.description.extensions)

    def test_in_the_middle(self) -> None:
        """A half that comes later changes nothing for the first, and consumers are told of it."""
        self.begin(FAR)
        self.queue(0, range(50), self.clock.seconds())
        self.run_for(0.5)
        self.begin(NEAR)
        self.queue(1, range(20), self.clock.seconds())
        self.run_for(0.5)
        items = self.outlets[0].items
        (rearranged,) = [each for each in items if isinstance(each, Rearranged)]
        self.assertEqual(
            [each.plan.participant_id for each in rearranged.channels], ["near-end", "far-end"]
        )
        (described,) = [each for each in items if isinstance(each, Redescribed)]
        self.assertIn(("join", "joined"), described.description.extensions)
        joined = ParticipantEvent("joined", "near-end", "2026-01-02T15:00:00.000Z")
        self.assertIn(joined, items)
        positions = [each.position for each in self.heard()]
        self.assertEqual(positions, list(range(0, 800 * len(positions), 800)))

    def test_reports(self) -> None:
        """What is heard on a stream its own dialog is told, by its own index."""
        self.begin(NEAR)
        self.begin(FAR)
        self.queue(1, range(3), self.clock.seconds())
        self.run_for(0.2)
        self.assertEqual(self.told, [StreamHeard("far", 0, ("192.0.2.1", 4002))])
        self.assertEqual([each.packets for each in self.junction.statistics("far")], [3])
        self.assertEqual([each.packets for each in self.junction.statistics("near")], [0])

    def test_no_media(self) -> None:
        """A half of which nothing came says so, whatever the other one had."""
        self.begin(NEAR)
        self.begin(FAR)
        self.queue(1, range(10), self.clock.seconds())
        self.run_for(0.3)
        near = self.junction.close("near", EndReason.CALL_ENDED)
        self.assertIs(self.end("far").reason, EndReason.CALL_ENDED)
        self.assertIs(self.successResultOf(near).reason, EndReason.NO_MEDIA)

    def test_no_ports_for_the_other_half(self) -> None:
        """The half that gets no ports is refused; the first goes on as it was."""
        self.make(first_port=20000, last_port=20001)
        self.begin(NEAR)
        self.failureResultOf(self.junction.open(FAR), NoPorts)
        self.queue(0, range(10), self.clock.seconds())
        self.run_for(0.3)
        self.assertEqual(self.junction.statistics("far"), ())
        self.assertEqual([each.packets for each in self.end("near").streams], [10])
        self.assertEqual(louds(self.heard())[0], 1600)

    def test_no_ports_at_all(self) -> None:
        """A first half that gets no ports leaves nothing that another could join."""
        self.make(first_port=20000, last_port=20001)
        self.begin(plan("whole", streams=STREAMS[:1]))
        self.failureResultOf(self.junction.open(NEAR), NoPorts)
        self.successResultOf(self.junction.close("whole", EndReason.CALL_ENDED))
        self.clock.advance(60)
        self.assertEqual(self.begin(FAR).ports, (StreamPorts(0, 20000, 20001),))

    def test_others(self) -> None:
        """A call that has one dialog goes through as it is, and so does another key."""
        self.assertEqual(len(self.begin(plan("whole")).ports), 2)
        self.begin(NEAR)
        self.begin(half("other", "far", "refci:2"))
        self.assertEqual(self.media.open_bridges, 3)
        whole = self.junction.update(update_of(plan("whole"), streams=STREAMS[:1]))
        self.assertEqual(len(self.successResultOf(whole).ports), 1)
        self.assertEqual(len(self.junction.statistics("whole")), 2)
        self.assertEqual(len(self.end("whole").streams), 2)

    def test_update(self) -> None:
        """A half changes: its other streams and those of the other one stay."""
        self.begin(NEAR)
        self.begin(FAR)
        more = update_of(FAR, streams=(*FAR.streams, StreamPlan(2, (PCMU,))))
        opened = self.successResultOf(self.junction.update(more))
        self.assertEqual(
            opened,
            BridgeOpened("far", (StreamPorts(0, 20002, 20003), StreamPorts(2, 20004, 20005))),
        )

    def test_tap(self) -> None:
        """Who listens to a half hears the call."""
        self.begin(NEAR)
        self.begin(FAR)
        seen: list[object] = []
        self.junction.tap("far", lambda _, item: seen.append(item))
        self.queue(0, range(20), self.clock.seconds())
        self.run_for(0.5)
        self.assertTrue(any(isinstance(each, Audio) for each in seen))

    def test_unknown(self) -> None:
        """A dialog that is gone is nobody's half any more."""
        self.begin(NEAR)
        self.end("near")
        closed = self.successResultOf(self.junction.close("near", EndReason.OPERATOR))
        self.assertEqual(closed.streams, ())
        self.failureResultOf(self.junction.update(update_of(NEAR)))


class SlowMedia(WatchedMedia):
    """A pool of workers that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[BridgePlan] = []
        self.updated: list[BridgeUpdate] = []
        self.redirected: list[Redirection] = []
        self.answers: list[Deferred[BridgeOpened]] = []
        self.closed: list[str] = []
        self.closing: Deferred[BridgeClosed] | None = None
        self.report = self.fail_to_report

    @staticmethod
    def fail_to_report(report: Report) -> None:
        """Until somebody listens."""
        raise AssertionError(report)

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """Keep it waiting."""
        self.opened.append(plan)
        return self._answer()

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """Keep it waiting."""
        self.updated.append(update)
        return self._answer()

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """Keep it waiting."""
        self.redirected.append(redirection)
        return self._answer()

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """The worker died, and took the account with it."""
        self.closed.append(bridge)
        if self.closing is not None:
            return self.closing
        closed: Deferred[BridgeClosed] = Deferred()
        closed.callback(BridgeClosed(bridge, EndReason.ERROR, 0, (), ()))
        return closed

    def waiting(self) -> dict[str, float]:
        """Of one consumer."""
        return {"one": 1.5}

    def listen(self, listener: object) -> None:
        """Reports come from the test."""
        self.report = listener  # type: ignore[assignment]

    def _answer(self) -> Deferred[BridgeOpened]:
        self.answers.append(Deferred())
        return self.answers[-1]


class SlowJunctionTests(SynchronousTestCase):
    """Around workers, whose answers take their time."""

    def setUp(self) -> None:
        """A pool, and a junction around it."""
        self.pool = SlowMedia()
        self.clock = Clock()
        self.junction = Junction(self.pool, self.clock, lambda: WALL)
        self.told: list[Report] = []
        self.junction.listen(self.told.append)
        self.first, self.second = self.junction.open(NEAR), self.junction.open(FAR)

    def test_at_once(self) -> None:
        """The second half does not wait for the first to be open: the order is kept."""
        self.assertEqual([each.bridge for each in self.pool.opened], ["near"])
        self.assertEqual([each.bridge for each in self.pool.updated], ["near"])
        ports = (StreamPorts(0, 1, 2), StreamPorts(SPAN, 3, 4))
        self.pool.answers[0].callback(BridgeOpened("near", ports[:1]))
        self.pool.answers[1].callback(BridgeOpened("near", ports))
        self.assertEqual(self.successResultOf(self.first).ports, (StreamPorts(0, 1, 2),))
        self.assertEqual(self.successResultOf(self.second).ports, (StreamPorts(0, 3, 4),))

    def test_first_fails(self) -> None:
        """Where there is no bridge after all, the second half has one of its own."""
        self.pool.answers[0].errback(NoPorts("none"))
        self.failureResultOf(self.first, NoPorts)
        self.pool.answers[1].errback(NoPorts("not open"))
        self.assertEqual([each.bridge for each in self.pool.opened], ["near", "far"])
        self.pool.answers[2].callback(BridgeOpened("far", (StreamPorts(0, 5, 6),)))
        self.assertEqual(
            self.successResultOf(self.second), BridgeOpened("far", (StreamPorts(0, 5, 6),))
        )

    def test_worker_dies(self) -> None:
        """Both halves are told, their ends are errors, and nobody joins what is broken."""
        self.pool.report(BridgeFailed("near", "died"))
        self.assertEqual(self.told, [BridgeFailed("near", "died"), BridgeFailed("far", "died")])
        self.junction.open(half("again", "near"))
        self.assertEqual([each.bridge for each in self.pool.opened], ["near", "again"])
        closing = self.junction.close("near", EndReason.CALL_ENDED)
        self.assertEqual(len(self.pool.updated), 1, "nobody is there to be told")
        closed = self.successResultOf(self.junction.close("far", EndReason.CALL_ENDED))
        self.assertEqual((closed.bridge, closed.reason), ("far", EndReason.ERROR))
        self.assertIs(self.successResultOf(closing).reason, EndReason.ERROR)

    def test_not_told(self) -> None:
        """A bridge that cannot be told of the end of a half is a fault of ours, and logged."""
        closing = self.junction.close("near", EndReason.CALL_ENDED)
        self.pool.answers[-1].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(1.5)
        self.assertIs(self.successResultOf(closing).reason, EndReason.NO_MEDIA)

    def test_first_ends_meanwhile(self) -> None:
        """A half that fails to join a call which ended meanwhile leaves nothing open."""
        closing = self.junction.close("near", EndReason.CALL_ENDED)
        self.pool.answers[1].errback(NoPorts("none"))
        self.failureResultOf(self.second, NoPorts)
        self.assertEqual(self.pool.closed, ["near"])
        self.assertEqual(self.successResultOf(closing).bridge, "near")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_first_ended_long_ago(self) -> None:
        """The same where the first half has its account already."""
        closing = self.junction.close("near", EndReason.CALL_ENDED)
        self.clock.advance(1.5)
        self.successResultOf(closing)
        self.pool.answers[1].errback(NoPorts("none"))
        self.failureResultOf(self.second, NoPorts)
        self.assertEqual(self.pool.closed, ["near"])

    def test_slow_end(self) -> None:
        """While the bridge takes its time to close, both halves wait for its account."""
        self.pool.closing = Deferred()
        first = self.junction.close("near", EndReason.CALL_ENDED)
        self.clock.advance(1.0)
        last = self.junction.close("far", EndReason.CALL_ENDED)
        self.clock.advance(10.0)
        self.assertNoResult(first)
        streams = (StreamStatistics(0, packets=5), StreamStatistics(SPAN, packets=7))
        self.pool.closing.callback(BridgeClosed("near", EndReason.CALL_ENDED, 1, streams, ()))
        ended = [self.successResultOf(each) for each in (first, last)]
        self.assertEqual([each.streams[0].packets for each in ended], [5, 7])

    def test_waiting(self) -> None:
        """What waits for consumers is known of all calls."""
        self.assertEqual(self.junction.waiting(), {"one": 1.5})

    def test_reports(self) -> None:
        """What a consumer says is told once, and nothing of streams that are gone."""
        self.pool.report(ConsumerSaid("near", "one", "verdict", "{}"))
        self.assertEqual(self.told, [ConsumerSaid("near", "one", "verdict", "{}")])
        self.junction.close("near", EndReason.CALL_ENDED)
        self.pool.report(StreamSilent("near", 0, 5000))
        self.pool.report(ConsumerSaid("near", "one", "verdict", "{}"))
        self.assertEqual(self.told[1:], [ConsumerSaid("far", "one", "verdict", "{}")])
        self.pool.report(StreamSilent("whole", 0, 5000))
        self.assertEqual(self.told[-1], StreamSilent("whole", 0, 5000))

    def test_links(self) -> None:
        """Each half knows whom the call is connected to, one that comes later too."""
        self.pool.report(LinkUp("near", "one", 1))
        self.assertEqual(self.told, [LinkUp("near", "one", 1), LinkUp("far", "one", 1)])
        self.junction.close("near", EndReason.CALL_ENDED)
        self.junction.open(half("again", "near"))
        self.told.clear()
        self.pool.answers[-1].callback(BridgeOpened("near", ()))
        self.assertEqual(self.told, [LinkUp("again", "one", 1)])
        self.pool.report(LinkDown("near", "one", "gone", 1.0))
        self.junction.close("again", EndReason.CALL_ENDED)
        self.junction.open(half("once more", "near"))
        self.told.clear()
        self.pool.answers[-1].callback(BridgeOpened("near", ()))
        self.assertEqual(self.told, [])

    def test_keys(self) -> None:
        """A handshake that fails is told of the dialog whose stream it is."""
        self.pool.report(HandshakeFailed("near", SPAN, "why"))
        self.assertEqual(self.told, [HandshakeFailed("far", 0, "why")])

    def test_redirect(self) -> None:
        """Where one half is sent, the call is."""
        self.junction.redirect(Redirection("far", (WS,)))
        self.junction.redirect(Redirection("whole", (WS,)))
        self.assertEqual(
            self.pool.redirected, [Redirection("near", (WS,)), Redirection("whole", (WS,))]
        )
