"""
Call records in a database: written while calls go on, removed after their time.

Rows wait in memory until the database takes them; a call never waits for it. Of
a call that waits twice only the later row is written.
"""

from __future__ import annotations

import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...config.model import RecordsConfiguration, Tenant
from ...dialects.bodies import timestamp
from ..calls.events import CallEvent
from ..credentials import read_secret
from ..database import Database, PostgreSQLDatabase, SQLiteDatabase
from .record import CallRecord, CallRecords, Privacy
from .table import RecordTable

_AGAIN_AT_END_S = 0.2
_AGAIN_S = 5.0
_BATCH = 200
_REMOVE_EVERY_S = 3_600.0
_DAY_S = 86_400.0

TRANSIENT = frozenset({"OperationalError", "InterfaceError", "ConnectionLost"})
"What is no fault of a row: the database is away, locked or full."


class Records(Service):
    """
    Writes the record of each call.

    :param wall: the wall clock in POSIX seconds.
    :param keep_s: rows are removed after so long; 0 for never.
    :param keep_tenants_s: the same for rows of some tenants, by their names.
    :param max_waiting: rows that may wait for the database; the oldest is lost first.
    :param stop_s: at the end, how long the database may take for what waits.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        records: CallRecords,
        table: RecordTable,
        keep_s: float = 0.0,
        keep_tenants_s: Mapping[str, float] | None = None,
        max_waiting: int = 10_000,
        stop_s: float = 5.0,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._records = records
        self._table = table
        self._keep_s = keep_s
        self._keep_tenants_s = dict(keep_tenants_s or {})
        self._removes = bool(keep_s) or any(self._keep_tenants_s.values())
        self._max_waiting = max_waiting
        self._stop_s = stop_s
        self._waiting: OrderedDict[str, CallRecord] = OrderedDict()
        self._busy = False
        self._open = False
        self._away = False
        "The last job failed: the next one waits a while."
        self._batch = _BATCH
        self._timer: IDelayedCall | None = None
        self._remove_at = 0.0
        self._written: Deferred[None] | None = None
        self.counters: Counter[str] = Counter()

    # --- from the recording server -------------------------------------------------------

    def happened(self, event: CallEvent, wall: float) -> None:
        """See :data:`~.net.calls.events.CallListener`."""
        record = self._records.happened(event, wall)
        if record is None:
            return
        # A copy, as the record goes on with the call.
        self._waiting[record.id] = replace(record)
        self._waiting.move_to_end(record.id)
        while len(self._waiting) > self._max_waiting:
            self._waiting.popitem(last=False)
            self._lose("the database does not keep up")
        if not self._away:
            self._soon(0.0)

    @property
    def waiting(self) -> int:
        """Rows that wait for the database."""
        return len(self._waiting)

    def _lose(self, why: str) -> None:
        """Told for the first of a thousand, counted always."""
        if self.counters["lost"] % 1_000 == 0:
            self._log.error("a call record is lost: {why}", why=why)
        self.counters["lost"] += 1

    # --- life ----------------------------------------------------------------------------

    def startService(self) -> None:
        """Make the table, if it is missing, and write what comes."""
        super().startService()  # type: ignore[no-untyped-call]
        self._soon(0.0)

    def stopService(self) -> Deferred[None]:
        """Write what waits, if the database takes it in time."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._written = Deferred()
        if self._busy or self._waiting:
            if not self._busy:
                self._cancel_timer()
                self._work()
            self._written.addTimeout(self._stop_s, self._clock)
            self._written.addErrback(lambda _: None)
            await self._written
        self._cancel_timer()
        if self._waiting:
            self._log.error("{count} call records are lost", count=len(self._waiting))
        self._table.close()

    # --- one thing at a time ---------------------------------------------------------------

    def _soon(self, delay_s: float) -> None:
        if self.running and not self._busy:
            self._cancel_timer()
            self._timer = self._clock.callLater(delay_s, self._work)

    def _work(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        batch: list[CallRecord] = []
        job: Deferred[Any]
        if not self._open:
            job = self._table.open(timestamp(self._wall()))
        elif self._waiting:
            names = list(self._waiting)[: self._batch]
            batch = [self._waiting.pop(name) for name in names]
            job = self._table.write(batch)
        elif self._removes and now >= self._remove_at:
            self._remove_at = now + _REMOVE_EVERY_S
            job = self._table.remove(self._before(self._keep_s), self._tenants_before())
        else:
            self._rest()
            return
        self._busy = True
        job.addCallbacks(self._done, self._failed, callbackArgs=(batch,), errbackArgs=(batch,))
        job.addErrback(self._fault)

    def _before(self, keep_s: float) -> str | None:
        """Rows of calls that began earlier have had their time; None where none ever has."""
        return timestamp(self._wall() - keep_s) if keep_s else None

    def _tenants_before(self) -> dict[str, str | None]:
        return {name: self._before(keep_s) for name, keep_s in self._keep_tenants_s.items()}

    def _done(self, result: object, batch: list[CallRecord]) -> None:
        self._busy = self._away = False
        if not self._open:
            self._open = True
        elif batch:
            self.counters["written"] += len(batch)
            self._batch = min(_BATCH, 2 * self._batch)
        self._work()

    def _failed(self, failure: Failure, batch: list[CallRecord]) -> None:
        """Try again; where it may be a row's fault, one by one, without those that are to blame."""
        self._busy, self._away = False, True
        transient = any(kind.__name__ in TRANSIENT for kind in type(failure.value).__mro__)
        if len(batch) == 1 and not transient:
            self._lose(failure.getErrorMessage())
            batch = []
        self._log.error(
            "the call records: {error}; again in {delay_s:g} s",
            error=failure.getErrorMessage().strip(),
            delay_s=_AGAIN_S,
        )
        if not transient:
            self._batch = 1
        for record in reversed(batch):
            # What came meanwhile is the later row.
            self._waiting.setdefault(record.id, record)
            self._waiting.move_to_end(record.id, last=False)
        if self._written is None:
            self._soon(_AGAIN_S)
        elif transient and not self._written.called:
            # A connection that broke is made anew; there is time for that until the end.
            self._timer = self._clock.callLater(_AGAIN_AT_END_S, self._work)
        else:
            self._tell_written()

    def _rest(self) -> None:
        self._tell_written()
        if self._removes:
            self._soon(max(0.0, self._remove_at - self._clock.seconds()))

    def _tell_written(self) -> None:
        if self._written is not None and not self._written.called:
            self._written.callback(None)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _fault(self, failure: Failure) -> None:
        self._log.failure("the call records", failure=failure)


def make_records(
    configuration: RecordsConfiguration, reactor: Any, tenants: tuple[Tenant, ...] = ()
) -> Records:
    """The records of a configuration, which has a database."""
    where = configuration.database or ""
    database: Database
    if where.startswith("sqlite:"):
        database = SQLiteDatabase(where.removeprefix("sqlite:"), reactor)
    else:
        database = PostgreSQLDatabase(where, reactor)
    node = configuration.node or socket.gethostname()
    secret = configuration.hash_key
    privacy = Privacy(
        frozenset(configuration.hide),
        frozenset(configuration.hash),
        (lambda: read_secret(secret).encode()) if secret is not None else bytes,
    )
    return Records(
        reactor,
        time.time,
        CallRecords(node, privacy),
        RecordTable(database, node, postgresql=not where.startswith("sqlite:")),
        configuration.keep_days * _DAY_S,
        {each.name: each.keep_days * _DAY_S for each in tenants if each.keep_days is not None},
    )
