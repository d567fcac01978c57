"""
Late deliveries: streams whose calls are over and whose consumers were away, of
this process and of those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...bridge.delivery import Earlier
from ...dialects.base import StreamStart
from ...plan import Destination
from ...report import DeliveryStatistics
from ...wire import RecordError
from .spool import Spool
from .spool_cipher import SealError
from .spool_table import Loaded, Waiting

OpenLate = Callable[[StreamStart, str, Earlier], Deferred[DeliveryStatistics]]
"Makes the outlet of a stream that is on disk; fires with its account."


@dataclass(frozen=True, slots=True)
class LateSettings:
    """How late deliveries are made."""

    max_age_s: float = 86_400.0
    "What is older is given up."
    at_once: int = 4
    "Streams of one destination, beside those of its calls."
    look_every_s: float = 1.0


class LateDeliveries(Service):
    """
    Looks what is on disk and delivers it, the oldest first.

    :param destinations: what is configured, by name.
    :param wallclock: POSIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        spool: Spool,
        clock: Any,
        wallclock: Callable[[], float],
        destinations: Callable[[], Mapping[str, Destination]],
        open_late: OpenLate,
        settings: LateSettings | None = None,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._wallclock = wallclock
        self._destinations = destinations
        self._open_late = open_late
        self._settings = settings or LateSettings()
        self._under_way: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] = succeed(None)
        self.accounts: Counter[str] = Counter()
        self.waiting = 0
        "Streams that were on disk when it looked last, those under way among them."

    def startService(self) -> None:
        """Begin to look."""
        super().startService()  # type: ignore[no-untyped-call]
        self._spool.open().addErrback(self._not_open)
        self._look()

    def stopService(self) -> Deferred[None]:
        """Leave what is not delivered on disk."""
        super().stopService()  # type: ignore[no-untyped-call]
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        return self._looking.addCallback(lambda _: self._spool.close())

    def _look(self) -> None:
        self._timer = None
        self._looking = self._spool.waiting().addCallback(self._begin)
        self._looking.addErrback(self._fault).addBoth(self._look_again)

    def _look_again(self, result: object) -> None:
        if self.running:
            self._timer = self._clock.callLater(self._settings.look_every_s, self._look)

    def _begin(self, waiting: list[Waiting]) -> None:
        self.waiting = len(waiting)
        busy = Counter(self._under_way.values())
        named = self._destinations()
        for each in waiting:
            if not self.running or each.stream_id in self._under_way:
                continue
            if each.stream_id in self._unreadable:
                self._expire(each)
                continue
            destination = named.get(each.destination)
            if destination is None or not destination.spool:
                self._expire(each)
            elif busy[each.destination] < self._settings.at_once:
                busy[each.destination] += 1
                self._under_way[each.stream_id] = each.destination
                self._deliver(each, destination)

    def _expire(self, waiting: Waiting) -> None:
        """Nobody is there to have it: it goes when its time has come."""
        if self._remaining_s(waiting) <= 0:
            self._log.warn(
                "{stream_id} of {destination} is given up: it was on disk for too long",
                stream_id=waiting.stream_id,
                destination=waiting.destination,
            )
            self._unreadable.discard(waiting.stream_id)
            self._spool.delete(waiting.stream_id)

    def _remaining_s(self, waiting: Waiting) -> float:
        return waiting.stored_at + self._settings.max_age_s - self._wallclock()

    def _deliver(self, waiting: Waiting, destination: Destination) -> None:
        delivering = Deferred.fromCoroutine(self._go_on(waiting, destination))
        delivering.addErrback(self._fault)
        delivering.addBoth(lambda _: self._under_way.pop(waiting.stream_id, None))

    async def _go_on(self, waiting: Waiting, destination: Destination) -> None:
        try:
            loaded = await self._spool.load(waiting.stream_id)
        except (SealError, RecordError) as error:
            self._not_readable(waiting, error)
            return
        if loaded is not None:
            until = float(self._clock.seconds()) + max(0.0, self._remaining_s(waiting))
            earlier = Earlier(loaded.kept, loaded.standing, loaded.ending, until)
            start = late_start(loaded, destination)
            account = await self._open_late(start, loaded.token, earlier)
            self._settle(account, waiting)
            await self._spool.delete(waiting.stream_id)

    def _settle(self, account: DeliveryStatistics, waiting: Waiting) -> None:
        self.accounts["streams"] += 1
        self.accounts["delivered"] += account.delivered
        self.accounts["missing"] += account.missing
        self._log.info(
            "{stream_id}: {destination} got {delivered} of {final} samples, the last of them late; "
            "{missing} are in gaps",
            stream_id=waiting.stream_id,
            destination=account.destination,
            delivered=account.delivered,
            final=account.final_position,
            missing=account.missing,
        )

    def _not_readable(self, waiting: Waiting, error: Exception) -> None:
        """Written with another key, most often: it stays until its time has come."""
        self._unreadable.add(waiting.stream_id)
        self._log.error(
            "{stream_id} of {destination} is on disk but cannot be read: {reason} (spool.key)",
            stream_id=waiting.stream_id,
            destination=waiting.destination,
            reason=str(error),
        )

    def _not_open(self, failure: Failure) -> None:
        self._log.error(
            "the spool cannot be used, what cannot be delivered becomes gaps: {reason}",
            reason=failure.getErrorMessage(),
        )

    def _fault(self, failure: Failure) -> None:
        if self.running:
            self._log.failure("A fault in late deliveries", failure)


def late_start(loaded: Loaded, destination: Destination) -> StreamStart:
    """The start of a late stream: where to, by what is configured now; what, as it was made."""
    made = loaded.start.destination
    now = replace(
        destination,
        protocol=made.protocol,
        options=made.options,
        framing=made.framing,
        layout=made.layout,
        encoding=made.encoding,
        sample_rate=made.sample_rate,
        chunk_ms=made.chunk_ms,
        max_chunk_ms=made.max_chunk_ms,
    )
    return replace(loaded.start, destination=now, late=True, texts_before=loaded.standing.texts)
