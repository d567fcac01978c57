"""
The spool: what waits for consumers that are away, on disk, so that neither a
long outage nor the end of this process loses it.

Orders of all streams are gathered and carried out together, one transaction a
batch, in a thread. No call ever waits for the disk: where it is full, slow or
broken, what cannot be written is refused, and becomes a gap with its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...bridge.entries import Entry, Sound
from ...bridge.journal import Keep, Order, PutBy, Recall, Release
from ..database import Cursor, Database
from .spool_table import ENTRY_OCTETS, Loaded, Shelved, SpoolTable, Waiting

COMPLAIN_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """What the spool may take."""

    max_octets: int = 1024 * 1024 * 1024
    batch_s: float = 0.2
    "How long orders are gathered: what a process that is killed may lose."
    max_pending_octets: int = 64 * 1024 * 1024
    "Of orders that wait for a slow disk."
    recall_attempts: int = 3
    retry_s: float = 1.0


class Reader(Protocol):
    """Who gets the answers: a delivery, behind its driver."""

    def recalled(self, entries: tuple[Entry, ...], through: int) -> None:
        """This came back, and there is no more up to and with that number."""

    def written(self, kept: bool) -> None:
        """What was put by is on disk; or it is not, and will not be."""


class Spool:
    """
    Gathers orders and has them carried out.

    :param wallclock: POSIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        database: Database,
        table: SpoolTable,
        clock: IReactorTime,
        wallclock: Callable[[], float],
        limits: SpoolLimits,
    ) -> None:
        self._database = database
        self._table = table
        self._clock = clock
        self._wallclock = wallclock
        self._limits = limits
        self._batch: list[Shelved] = []
        self._timer: IDelayedCall | None = None
        self._pending_octets = 0
        self._complained_at: float | None = None
        self._live: set[str] = set()
        # Released, and on disk until that is written:
        self._leaving: Counter[str] = Counter()
        self._put_by: set[str] = set()
        self.octets = 0
        self.max_octets = limits.max_octets
        "What is on disk."
        self.refused = 0
        "Entries that became gaps, as they could not be written."

    def open(self) -> Deferred[None]:
        """Make the tables, and see what is in them."""
        return self._database.run(self._table.create).addCallback(self._opened)

    def _opened(self, octets: int) -> None:
        self.octets += octets

    def close(self) -> Deferred[None]:
        """Write what was gathered; then let go of the file."""
        return self._flush().addBoth(lambda _: self._database.close())

    # --- orders of deliveries -----------------------------------------------------

    def carry_out(self, shelved: Shelved, reader: Reader) -> None:
        """Do what a delivery wants; it is told where it asked."""
        stream_id = shelved.start.stream_id
        match shelved.order:
            case Keep():
                self._live.add(stream_id)
                self._gather(shelved)
            case Release():
                self._release(shelved)
                self._flush_soon()
            case Recall() as order:
                self._batch.append(shelved)
                self._flush()
                self._recall(stream_id, order, reader, self._limits.recall_attempts)
            case PutBy():
                self._put_down(shelved, reader)

    def _gather(self, shelved: Shelved) -> bool:
        octets = _octets(shelved.order)
        over = self.octets + self._pending_octets + octets > self._limits.max_octets
        slow = self._pending_octets + octets > self._limits.max_pending_octets
        if over or slow:
            count = len(getattr(shelved.order, "entries", ()))
            self._refuse(count, "it is full (spool.max_mb)" if over else "the disk is too slow")
            return False
        self._pending_octets += octets
        self._batch.append(shelved)
        self._flush_soon()
        return True

    def _refuse(self, count: int, why: str) -> None:
        self.refused += count
        now = self._clock.seconds()
        if self._complained_at is None or now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            self._log.error(
                "the spool takes no more: {why}; {refused} pieces of calls became gaps so far",
                why=why,
                refused=self.refused,
            )

    def _put_down(self, shelved: Shelved, reader: Reader) -> None:
        stream_id = shelved.start.stream_id
        self._live.add(stream_id)
        if not self._gather(shelved):
            self._release(Shelved(shelved.start, shelved.token, Release()))
            self._flush()
            reader.written(False)
            return

        def done(kept: bool) -> None:
            self._live.discard(stream_id)
            if kept:
                self._put_by.add(stream_id)
            reader.written(kept)

        self._flush().addCallback(done)

    def _release(self, shelved: Shelved) -> None:
        stream_id = shelved.start.stream_id
        self._live.discard(stream_id)
        self._leaving[stream_id] += 1
        self._batch.append(shelved)

    def _recall(self, stream_id: str, order: Recall, reader: Reader, attempts: int) -> None:
        def read(cursor: Cursor) -> tuple[tuple[Entry, ...], int]:
            return self._table.recall(cursor, stream_id, order)

        def failed(failure: Failure) -> None:
            if attempts > 1:
                again = partial(self._recall, stream_id, order, reader, attempts - 1)
                self._clock.callLater(self._limits.retry_s, again)
                return
            self._refuse(order.until - order.first, f"not readable: {failure.getErrorMessage()}")
            reader.recalled((), order.until - 1)

        reading = self._database.run(read)
        reading.addCallbacks(lambda found: reader.recalled(*found), failed)
        reading.addErrback(self._fault)

    # --- late deliveries -------------------------------------------------------------

    def waiting(self) -> Deferred[list[Waiting]]:
        """The streams on disk whose calls are over, the oldest first."""

        def without_live(found: list[Waiting]) -> list[Waiting]:
            ours = self._live | self._leaving.keys()
            return [each for each in found if each.stream_id not in ours]

        return self._database.run(self._table.waiting).addCallback(without_live)

    def load(self, stream_id: str) -> Deferred[Loaded | None]:
        """What is needed to go on with one; fails where it cannot be read."""
        exact = stream_id in self._put_by
        self._put_by.discard(stream_id)

        def read(cursor: Cursor) -> Loaded | None:
            return self._table.load(cursor, stream_id, exact)

        return self._database.run(read)

    def delete(self, stream_id: str) -> Deferred[None]:
        """All was delivered, or given up."""

        def deleted(octets: int) -> None:
            self.octets -= octets

        job = partial(self._table.delete, stream_id=stream_id)
        return self._database.run(job).addCallbacks(deleted, self._not_written)

    # --- batches ---------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(self._limits.batch_s, self._flush)

    def _flush(self) -> Deferred[bool]:
        """Write what was gathered; fires with whether it is on disk. Never fails."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        batch, self._batch = self._batch, []
        if not batch:
            return succeed(True)
        octets = sum(_octets(shelved.order) for shelved in batch)
        wallclock = self._wallclock()

        def write(cursor: Cursor) -> int:
            return self._table.write(cursor, batch, wallclock)

        def written(more: int) -> bool:
            self.octets += more
            return True

        def failed(failure: Failure) -> bool:
            count = sum(len(getattr(shelved.order, "entries", ())) for shelved in batch)
            self._refuse(count, failure.getErrorMessage())
            return False

        def settled(result: Any) -> Any:
            self._pending_octets -= octets
            for shelved in batch:
                if isinstance(shelved.order, Release):
                    self._left(shelved.start.stream_id)
            return result

        return self._database.run(write).addBoth(settled).addCallbacks(written, failed)

    def _left(self, stream_id: str) -> None:
        self._leaving[stream_id] -= 1
        if not self._leaving[stream_id]:
            del self._leaving[stream_id]

    def _not_written(self, failure: Failure) -> None:
        self._refuse(0, failure.getErrorMessage())

    def _fault(self, failure: Failure) -> None:
        self._log.failure("A fault in the spool", failure)


def _octets(order: Order) -> int:
    if not isinstance(order, (Keep, PutBy)):
        return 0
    return sum(
        ENTRY_OCTETS + (len(entry.audio.payload) if isinstance(entry, Sound) else 0)
        for entry in order.entries
    )
