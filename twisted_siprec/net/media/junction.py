"""
The media plane with halves of calls joined: two dialogs, one bridge.

It stands between signalling and a plane or a pool of workers. A half opens a bridge
of two channels at once, and is answered as any other call; when the other half comes
it is an update of that bridge, and so in the same worker. Reports, ports and
statistics go to the dialog that they belong to, by its own indexes. What becomes of a
half is in :mod:`twisted_siprec.siprec.joint`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...plan import BridgePlan, BridgeUpdate, EndReason, Half, Redirection
from ...report import (
    BridgeClosed,
    BridgeFailed,
    BridgeOpened,
    ConsumerSaid,
    DeliveryStatistics,
    HandshakeFailed,
    LinkDown,
    LinkUp,
    Report,
    StreamHeard,
    StreamSilent,
    StreamStatistics,
)
from ...siprec.joint import Joint, Seat, is_half
from ...siprec.times import utc_text
from .media import Media
from .outlet import Tap

ACCOUNT_S = 1.5
"So long a half that ends waits for the end of the other: workers tell their figures each second."


@dataclass(slots=True)
class Leaving:
    """A half that ended, and waits for its account."""

    seat: Seat
    reason: EndReason
    duration_ms: int
    closed: Deferred[BridgeClosed] = field(default_factory=Deferred)
    timer: IDelayedCall | None = None

    def wait(self) -> None:
        """The bridge is being closed, and all the account of it will come."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()

    def account(
        self,
        streams: tuple[StreamStatistics, ...],
        deliveries: tuple[DeliveryStatistics, ...] = (),
        failed: bool = False,
    ) -> None:
        """Give it, of what came on the streams of the whole."""
        own = self.seat.statistics(streams)
        reason = EndReason.ERROR if failed else self.reason
        if reason is EndReason.CALL_ENDED and not any(each.packets for each in own):
            reason = EndReason.NO_MEDIA
        bridge = self.seat.bridge
        self.closed.callback(BridgeClosed(bridge, reason, self.duration_ms, own, deliveries))


class Junction:
    """
    A :class:`.media.Media` that joins what belongs together, where the plan asks for it.

    :param inner: receives and delivers.
    :param wall: the wall clock in POSIX seconds.
    """

    _log = Logger()

    def __init__(self, inner: Media, clock: IReactorTime, wall: Callable[[], float]) -> None:
        self._inner = inner
        self._clock = clock
        self._wall = wall
        self._joints: dict[str, Joint] = {}
        "By dialog, those of the dialogs that go on."
        self._bridges: dict[str, Joint] = {}
        "By what the inner media call them."
        self._by_key: dict[tuple[str, str], dict[str, Joint]] = {}
        "By scope and key, and by bridge."
        self._opened_at: dict[str, float] = {}
        self._links: dict[str, dict[str, LinkUp]] = {}
        "By bridge and destination, those that are up."
        self._leaving: dict[str, list[Leaving]] = {}
        "By bridge, the halves whose account is still to be given."
        self._listeners: list[Callable[[Report], None]] = []
        inner.listen(self._reported)

    # --- requests ---

    def open(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.open`. A second half adds its streams to the first's bridge."""
        if plan.half is None or not is_half(plan):
            return self._inner.open(replace(plan, half=None))
        joint = self._joint_for(plan, plan.half)
        return self._begin(plan) if joint is None else self._join(plan, joint)

    def _joint_for(self, plan: BridgePlan, half: Half) -> Joint | None:
        """The bridge of the other half."""
        known = (self._by_key.get((half.scope, key), {}) for key in half.keys)
        among = (joint for joints in known for joint in joints.values())
        return next((joint for joint in among if joint.admits(plan)), None)

    def _begin(self, plan: BridgePlan) -> Deferred[BridgeOpened]:
        joint = Joint(plan)
        self._bridges[joint.bridge] = joint
        self._take_in(plan, joint)
        (seat,) = joint.present
        opening = self._inner.open(joint.plan())
        return opening.addCallbacks(seat.ports, partial(self._not_begun, joint))

    def _not_begun(self, joint: Joint, failure: Failure) -> Failure:
        """Whoever has joined it meanwhile opens a bridge of his own when he hears of it."""
        self._forget(joint)
        return failure

    def _join(self, plan: BridgePlan, joint: Joint) -> Deferred[BridgeOpened]:
        self._log.info(
            "{call_id} is the other half of recording {bridge}",
            call_id=plan.call_id,
            bridge=joint.bridge,
        )
        seat, events = joint.seat(plan, utc_text(self._wall()))
        self._take_in(plan, joint)
        opening = self._inner.update(replace(joint.update(), events=events))
        return opening.addCallbacks(
            partial(self._joined, seat, joint), partial(self._not_joined, plan, joint)
        )

    def _joined(self, seat: Seat, joint: Joint, opened: BridgeOpened) -> BridgeOpened:
        """Whom the first half is connected to, the second is too."""
        for report in tuple(self._links.get(joint.bridge, {}).values()):
            self._report(replace(report, bridge=seat.bridge))
        return seat.ports(opened)

    def _not_joined(
        self, plan: BridgePlan, joint: Joint, failure: Failure
    ) -> Failure | Deferred[BridgeOpened]:
        if self._bridges.get(joint.bridge) is not joint:
            return self.open(plan)
        joint.undo(plan.bridge)
        self._let_go(plan.bridge)
        if joint.present:
            self._tell(joint.update())
        else:
            self._close(joint, EndReason.CALL_ENDED)
        return failure

    def update(self, update: BridgeUpdate) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.update`."""
        joint, seat = self._seat(update.bridge)
        if joint is None or seat is None:
            return self._inner.update(update)
        return self._inner.update(joint.renew(update)).addCallback(seat.ports)

    def redirect(self, redirection: Redirection) -> Deferred[BridgeOpened]:
        """See :meth:`.media.Media.redirect`; where a half goes the other one goes too."""
        joint, seat = self._seat(redirection.bridge)
        if joint is None or seat is None:
            return self._inner.redirect(redirection)
        whole = replace(redirection, bridge=joint.bridge)
        return self._inner.redirect(whole).addCallback(seat.ports)

    def close(self, bridge: str, reason: EndReason) -> Deferred[BridgeClosed]:
        """
        See :meth:`.media.Media.close`. The bridge of two halves is closed with the
        last of them, which has the account of what consumers got.
        """
        joint, seat = self._seat(bridge)
        if joint is None or seat is None:
            return self._inner.close(bridge, reason)
        duration_ms = round((self._clock.seconds() - self._opened_at[bridge]) * 1000)
        leaving = Leaving(seat, reason, duration_ms)
        if len(joint.present) > 1:
            return self._leave(joint, leaving)
        self._leaving.setdefault(joint.bridge, []).append(leaving)
        self._close(joint, reason)
        return leaving.closed

    def _close(self, joint: Joint, reason: EndReason) -> None:
        """The last half has ended."""
        self._forget(joint)
        for leaving in self._leaving.get(joint.bridge, []):
            leaving.wait()
        self._inner.close(joint.bridge, reason).addCallback(self._closed)

    def _leave(self, joint: Joint, leaving: Leaving) -> Deferred[BridgeClosed]:
        """One half ends: it has its account when the other one ends too, or a little later."""
        bridge = leaving.seat.bridge
        self._let_go(bridge)
        self._leaving.setdefault(joint.bridge, []).append(leaving)
        events = joint.leave(bridge, utc_text(self._wall()))
        if not joint.broken:
            self._tell(replace(joint.update(), events=events))
        leaving.timer = self._clock.callLater(ACCOUNT_S, self._left, joint.bridge, leaving)
        return leaving.closed

    def _left(self, whole: str, leaving: Leaving) -> None:
        """The other half goes on, so that its account is not waited for."""
        self._leaving[whole].remove(leaving)
        if not self._leaving[whole]:
            del self._leaving[whole]
        leaving.account(self._inner.statistics(whole))

    def _closed(self, closed: BridgeClosed) -> None:
        failed = closed.reason is EndReason.ERROR
        waiting = self._leaving.pop(closed.bridge, [])
        for leaving in waiting:
            last = leaving is waiting[-1]
            leaving.account(closed.streams, closed.deliveries if last else (), failed)

    def _tell(self, update: BridgeUpdate) -> None:
        """Something changed that nobody waits for."""
        self._inner.update(update).addErrback(
            lambda failure: self._log.failure(
                "{bridge}: a half that ended is not let go", failure, bridge=update.bridge
            )
        )

    # --- what is known ---

    def statistics(self, bridge: str) -> tuple[StreamStatistics, ...]:
        """See :meth:`.media.Media.statistics`."""
        joint, seat = self._seat(bridge)
        if joint is None or seat is None:
            return self._inner.statistics(bridge)
        return seat.statistics(self._inner.statistics(joint.bridge))

    def waiting(self) -> Mapping[str, float]:
        """See :meth:`.media.Media.waiting`."""
        return self._inner.waiting()

    def tap(self, bridge: str, tap: Tap) -> Callable[[], None]:
        """See :meth:`.media.Media.tap`; of a half it is the whole call that is shown."""
        joint = self._joints.get(bridge)
        return self._inner.tap(bridge if joint is None else joint.bridge, tap)

    def listen(self, listener: Callable[[Report], None]) -> None:
        """See :meth:`.media.Media.listen`."""
        self._listeners.append(listener)

    # --- reports ---

    def _reported(self, report: Report) -> None:
        joint = self._bridges.get(report.bridge)
        for own in (report,) if joint is None else self._own_reports(joint, report):
            self._report(own)

    def _report(self, report: Report) -> None:
        for listener in self._listeners:
            listener(report)

    def _own_reports(self, joint: Joint, report: Report) -> tuple[Report, ...]:
        """
        A report as the dialogs of a bridge are to have it: of a stream to its own
        dialog, what a consumer says to one of them, and the rest to each.
        """
        present = joint.present
        match report:
            case ConsumerSaid():
                return tuple(replace(report, bridge=seat.bridge) for seat in present[:1])
            case LinkUp(_, destination):
                self._links.setdefault(joint.bridge, {})[destination] = report
            case LinkDown(_, destination):
                self._links.get(joint.bridge, {}).pop(destination, None)
            case StreamHeard() | StreamSilent() | HandshakeFailed():
                seat = joint.at(report.index)
                if seat is None:
                    return ()
                return (replace(report, bridge=seat.bridge, index=report.index - seat.base),)
            case BridgeFailed():
                joint.broken = True
        return tuple(replace(report, bridge=seat.bridge) for seat in present)

    # --- the inside ---

    def _take_in(self, plan: BridgePlan, joint: Joint) -> None:
        self._joints[plan.bridge] = joint
        self._opened_at[plan.bridge] = self._clock.seconds()
        for key in joint.keys:
            self._by_key.setdefault(key, {})[joint.bridge] = joint

    def _let_go(self, bridge: str) -> None:
        self._joints.pop(bridge, None)
        self._opened_at.pop(bridge, None)

    def _forget(self, joint: Joint) -> None:
        self._bridges.pop(joint.bridge, None)
        self._links.pop(joint.bridge, None)
        for key in joint.keys:
            known = self._by_key.get(key, {})
            known.pop(joint.bridge, None)
            if not known:
                self._by_key.pop(key, None)
        for seat in joint.present:
            self._let_go(seat.bridge)

    def _seat(self, bridge: str) -> tuple[Joint | None, Seat | None]:
        joint = self._joints.get(bridge)
        return joint, joint.of(bridge) if joint is not None else None
