"""
One bridge in this process: its core, its ports, and the outlets that its blocks
go to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...bridge.bridge import Bridge, Phase, Surroundings
from ...bridge.consumers import Alike, Block
from ...bridge.settings import MediaSettings
from ...bridge.steady import SteadyBridge
from ...dialects.base import Audio, Event, StreamStart
from ...plan import BridgePlan, BridgeUpdate, Destination, EndReason, StreamPlan
from ...report import BridgeClosed, BridgeOpened, DeliveryStatistics, Report, StreamPorts
from ...rtp.datagram import Datagram
from .block_queue import BlockQueue
from .capture import Capture
from .handshakes import Handshakes
from .keyed_pair import KeyedPair
from .media import NoPorts
from .outlet import OpenOutlet, Outlet, Tap
from .ports import PortRange
from .rtcp_exchange import Reporting, RTCPExchange
from .rtp_port import OpenPair, PortPair

_ATTEMPTS = 100
"Ports that others have are passed over; so many in a row and something else is wrong."


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the bridges of a process share."""

    clock: IReactorTime
    settings: MediaSettings
    ports: PortRange
    open_pair: OpenPair
    open_outlet: OpenOutlet
    report: Callable[[Report], None]
    handshakes: Handshakes
    capture: Capture | None = None


@dataclass(slots=True)
class _Reception:
    """The shell of one stream."""

    pair: PortPair
    rtcp: RTCPExchange


class LiveBridge:
    """A bridge that receives and delivers."""

    _log = Logger()

    def __init__(
        self,
        plan: BridgePlan,
        place: Workplace,
        surroundings: Surroundings,
        reporting: Reporting,
        now: float,
    ) -> None:
        """:exc:`.media.NoPorts` where there are none for all its streams."""
        self.bridge = plan.bridge
        self.delay_s: float | None = None
        "By how much it is played after its deadlines, for an even load; None before it plays."
        self._address = plan.local_address
        self._place = place
        self._settings = place.settings
        self._reporting = reporting
        self.steady: SteadyBridge | None = None
        self.steady_pairs: Sequence[PortPair] = ()
        "In the order of its rows."
        self.steps_alone = 0
        "How often it stepped since it left the others, while it played."
        self._report_at = now
        pairs = self._bind(plan.streams, now)
        self.capture = place.capture.begin(plan) if place.capture is not None else None
        self.core = Bridge(plan, surroundings, now)
        self._receptions: dict[int, _Reception] = {}
        self._receive_on(pairs, now)
        self._queue = BlockQueue()
        self._outlets: dict[int, tuple[StreamStart, Outlet]] = {}
        self._begun_at: float | None = None
        "POSIX seconds of position 0."
        self._taps: list[Tap] = []
        self._stopped: list[Deferred[DeliveryStatistics]] = []
        self._fault: Failure | None = None
        self._delivered = Deferred.fromCoroutine(self._deliver()).addErrback(self._note_fault)

    # --- ports ---

    def _bind(self, plans: tuple[StreamPlan, ...], now: float) -> dict[int, PortPair]:
        """Ports for streams: for all of them or for none."""
        pairs: dict[int, PortPair] = {}
        try:
            for plan in plans[: self._settings.max_streams]:
                pairs[plan.index] = self._bind_one(now)
        except NoPorts:
            for pair in pairs.values():
                self._release(pair, now)
            raise
        return pairs

    def _bind_one(self, now: float) -> PortPair:
        for _ in range(_ATTEMPTS):
            number = self._place.ports.take(now)
            try:
                return self._place.open_pair(self._address, number)
            except CannotListenError as error:
                self._place.ports.release(number, now)
                self._log.debug(
                    "{bridge}: port passed over: {error}", bridge=self.bridge, error=error
                )
        raise NoPorts(f"none of {_ATTEMPTS} RTP ports can be bound on {self._address}")

    def _release(self, pair: PortPair, now: float) -> None:
        self._place.ports.release(pair.rtp, now)
        pair.close().addErrback(
            lambda failure: self._log.failure(
                "{bridge}: a port is not let go", failure, bridge=self.bridge
            )
        )

    def _receive_on(self, pairs: dict[int, PortPair], now: float) -> None:
        for index, bound in pairs.items():
            pair = self.capture.watched(bound) if self.capture is not None else bound
            pair = self._keyed(pair, self.core.streams[index].plan)
            rtcp = RTCPExchange(self.core.streams[index], pair, self._reporting, now)
            self._receptions[index] = _Reception(pair, rtcp)
        self._report_at = now

    def _keyed(self, pair: PortPair, plan: StreamPlan) -> PortPair:
        """The ports, with the handshakes that their stream needs."""
        if isinstance(pair, KeyedPair):
            pair.update(plan)
        elif plan.dtls is not None:
            return KeyedPair(
                pair,
                plan,
                self.bridge,
                self._place.handshakes,
                self._place.report,
                self.core.streams[plan.index].protect,
                self.core.leave_steady,
            )
        return pair

    def _rekey(self, now: float) -> None:
        """What the plans of the streams are now, their ports are told."""
        for index, reception in self._receptions.items():
            stream = self.core.streams[index]
            keyed = self._keyed(reception.pair, stream.plan)
            if keyed is not reception.pair:
                rtcp = RTCPExchange(stream, keyed, self._reporting, now)
                self._receptions[index] = _Reception(keyed, rtcp)

    def opened(self) -> BridgeOpened:
        """The ports of all streams."""
        ports = (
            StreamPorts(index, reception.pair.rtp, reception.pair.rtcp)
            for index, reception in sorted(self._receptions.items())
        )
        return BridgeOpened(self.bridge, tuple(ports))

    # --- the clock ---

    def step(self, now: float) -> None:
        """Read the sockets, and play what is due."""
        self._receive()
        self.core.expire(now)
        self.steps_alone += self.core.phase is Phase.RUNNING
        self.proceed(now)

    def step_with(self, datagrams: Mapping[int, list[Datagram]], now: float) -> None:
        """The same, with what was read of the sockets already."""
        for index, came in datagrams.items():
            self.core.receive(index, self._receptions[index].pair.sort(came))
        self.step(now)

    def proceed(self, now: float) -> None:
        """Hand over what was played, and report to the SRC where it is time to."""
        if now >= self._report_at:
            self.core.settle()
            for reception in self._receptions.values():
                reception.rtcp.look(now)
            self._report_at = min(
                (known.rtcp.next_at for known in self._receptions.values()), default=now
            )
        self._hand_over()

    # --- together with others ---

    @property
    def is_steady(self) -> bool:
        """Whether it steps together with others now."""
        return self.steady is not None and self.steady.steady

    def join(self, steady: SteadyBridge | None) -> None:
        """Step together with others from now on; None where it cannot be."""
        self.steady = steady
        if steady is not None:
            self.steps_alone = 0
            self.steady_pairs = [self._receptions[index].pair for index in steady.indexes]

    def _receive(self) -> None:
        self.core.leave_steady()
        for index, reception in self._receptions.items():
            datagrams = reception.pair.drain(self._settings.max_drain)
            if datagrams:
                self.core.receive(index, datagrams)

    def _hand_over(self) -> None:
        for block in self.core.outputs():
            if isinstance(block, Alike) and self._queue.idle:
                # The reader would do just this, once it were woken.
                self._carry_alike(block)
            else:
                self._queue.put(block)
        for report in self.core.reports():
            self._place.report(report)
        if self._fault is not None:
            self._fault.raiseException()

    def update(self, update: BridgeUpdate, now: float) -> None:
        """The bridge is this from now on; :exc:`.media.NoPorts` leaves it as it was."""
        fresh = tuple(plan for plan in update.streams if plan.index not in self._receptions)
        pairs = self._bind(fresh, now)
        self._receive()
        if self.capture is not None:
            self.capture.pause(update.paused)
        self.core.update(update, now)
        kept = self.core.streams
        for index in [index for index in self._receptions if index not in kept]:
            self._leave(self._receptions.pop(index), now)
        for index in [index for index in pairs if index not in kept]:
            self._release(pairs.pop(index), now)
        self._rekey(now)
        self._receive_on(pairs, now)
        self._hand_over()

    def redirect(self, destinations: tuple[Destination, ...], now: float) -> None:
        """It goes to these from now on."""
        self._receive()
        self.core.redirect(destinations, now)
        self._hand_over()

    def _leave(self, reception: _Reception, now: float) -> None:
        reception.rtcp.leave(now)
        self._release(reception.pair, now)

    # --- delivery ---

    async def _deliver(self) -> None:
        """Carry each block to the outlets, for as long as there are any."""
        while (block := await self._queue.next_block()) is not None:
            if isinstance(block, Alike):
                self._carry_alike(block)
            else:
                self._carry(block)

    def _note_fault(self, failure: Failure) -> None:
        """The delivery broke; the next step says so."""
        self._fault = failure

    def _carry_alike(self, alike: Alike) -> None:
        """The same for everyone; most of all chunks of a process come this way."""
        place, unit, samples, outlets, payload = alike
        for number, begin in outlets:
            start, outlet = self._outlets[number]
            position = (place - begin) // unit
            if self._taps:
                for tap in tuple(self._taps):
                    self._let_see(tap, start, (Audio(position, samples, payload),))
            outlet.carry_alike(position, samples, payload)

    def _carry(self, block: Block) -> None:
        for number, start in block.opened:
            if self._begun_at is None:
                self._begun_at = start.started_at
            self._outlets[number] = start, self._place.open_outlet(start, self._place.report)
        for number, items in block.parts:
            start, outlet = self._outlets[number]
            for tap in tuple(self._taps):
                self._let_see(tap, start, items)
            for item in items:
                if isinstance(item, Audio):
                    outlet.carry(item)
                else:
                    outlet.tell(item)
        for number in block.stopped:
            start, outlet = self._outlets.pop(number)
            self._stop(start, outlet, EndReason.CALL_ENDED)
        for number in block.withdrawn:
            start, outlet = self._outlets.pop(number)
            self._stop(start, outlet, EndReason.OPERATOR)

    def tap(self, tap: Tap) -> Callable[[], None]:
        """Show what the outlets get; call the result to show no more."""
        self._taps.append(tap)

        def leave() -> None:
            if tap in self._taps:
                self._taps.remove(tap)

        return leave

    def _let_see(self, tap: Tap, start: StreamStart, items: Sequence[Audio | Event]) -> None:
        try:
            for item in items:
                tap(start, item)
        except Exception:  # noqa: BLE001 - who only looks on must not harm the delivery
            self._log.failure("{bridge}: a tap failed", bridge=self.bridge)
            self._taps.remove(tap)

    def waiting(self) -> Iterator[tuple[str, float]]:
        """For each outlet its destination, and the seconds of audio not handed over yet."""
        for start, outlet in self._outlets.values():
            yield start.destination.name, outlet.waiting_s

    def _stop(self, start: StreamStart, outlet: Outlet, reason: EndReason) -> None:
        """Say stop to an outlet, and wait for its account no longer than is allowed."""
        streams = {index for channel in start.channels for index in channel.plan.streams}
        own = tuple(known for known in self.core.statistics() if known.index in streams)
        account: Deferred[DeliveryStatistics] = Deferred()

        def settle(result: DeliveryStatistics | Failure) -> None:
            if timer.active():
                timer.cancel()
            if isinstance(result, Failure):
                self._log.failure("{bridge}: an outlet failed", result, bridge=self.bridge)
                result = _given_up(start)
            if not account.called:
                account.callback(result)

        def give_up() -> None:
            self._log.warn("{bridge}: an outlet did not end in time", bridge=self.bridge)
            account.callback(_given_up(start))

        timer = self._place.clock.callLater(self._settings.close_timeout_s, give_up)
        # A consumer that came later is told of its own time.
        later_ms = round(1000 * (start.started_at - (self._begun_at or start.started_at)))
        duration_ms = max(0, self.core.duration_ms - later_ms)
        maybeDeferred(outlet.stop, reason, duration_ms, own).addBoth(settle)
        self._stopped.append(account)

    # --- the end ---

    async def close(self, reason: EndReason, now: float) -> BridgeClosed:
        """Play and deliver what is left, let the ports go, and give the account."""
        try:
            self._receive()
            self.core.finish(now)
            self._hand_over()
        except Exception:  # noqa: BLE001 - the consumers are to be told all the same
            self._log.failure("{bridge}: the last of it is lost", bridge=self.bridge)
            reason = EndReason.ERROR
        return await self._wind_up(reason, now)

    async def fail(self, now: float) -> BridgeClosed:
        """Something of ours broke: stop without playing what is left."""
        return await self._wind_up(EndReason.ERROR, now)

    def let_go(self, now: float) -> None:
        """Give the ports back. May be called again."""
        self.core.leave_steady()
        receptions, self._receptions = self._receptions, {}
        for reception in receptions.values():
            try:
                self._leave(reception, now)
            except Exception:  # noqa: BLE001 - the other ports, and the consumers, are to be let go too
                self._log.failure("{bridge}: a port is not let go", bridge=self.bridge)
        if self.capture is not None:
            self.capture.end()

    async def _wind_up(self, reason: EndReason, now: float) -> BridgeClosed:
        self.let_go(now)
        self._queue.end()
        await self._delivered
        if reason is EndReason.CALL_ENDED and not self.core.heard:
            reason = EndReason.NO_MEDIA
        outlets, self._outlets = self._outlets, {}
        for start, outlet in outlets.values():
            self._stop(start, outlet, reason)
        accounts = await gatherResults(self._stopped)
        return BridgeClosed(
            bridge=self.bridge,
            reason=reason,
            duration_ms=self.core.duration_ms,
            streams=self.core.statistics(),
            deliveries=tuple(accounts),
        )


def _given_up(start: StreamStart) -> DeliveryStatistics:
    """The account of an outlet that gave none."""
    return DeliveryStatistics(start.destination.name, start.stream_id, start.track, complete=False)
