"""
What the live page is told: once a second, what is different for each viewer.

A viewer gets rows of calls that changed, the ids of those that are gone, and the
whole of the one call that it follows. Everything is a state, not a history: a
viewer whose connection takes no more misses some of them and is right again with
the next, so nothing queues up.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from . import bodies
from .api import API
from .permission import EVERYTHING, Access
from .records import CallRecord, CallRecords

EVERY_S = 1.0
RECENT = 50
"Ended calls that a viewer is shown without asking."
SLICES = 10
"The rows are made in so many parts of a second: a thousand at once would hold up the loop."


class Screen(Protocol):
    """Where a viewer sees it."""

    ready: bool
    "It takes more."

    def show(self, body: bodies.Body) -> None:
        """A message to the page."""


class Viewer:
    """One open page: what it follows, and what it was shown last."""

    def __init__(self, screen: Screen, access: Access = EVERYTHING) -> None:
        self.screen = screen
        self.access = access
        self.follows: str | None = None
        self._told = False
        self._rows: dict[str, bodies.Body] = {}
        self._call: bodies.Body | None = None

    def follow(self, id: str | None) -> None:
        """Show all about this call from now on."""
        self.follows, self._call, self._told = id, None, False

    def show_rows(self, rows: dict[str, bodies.Body], status: bodies.Body, now: str | None) -> None:
        """The calls as they are now, as far as they are the viewer's."""
        if self.access.tenant is not None:
            mine = self.access.tenant
            rows = {id: row for id, row in rows.items() if row["tenant"] == mine}
        changed = [row for id, row in rows.items() if self._rows.get(id) != row]
        gone = [id for id in self._rows if id not in rows]
        self._rows = rows
        self.screen.show(
            {"type": "calls", "now": now, "changed": changed, "gone": gone, "status": status}
        )

    def show_call(self, call: bodies.Body | None) -> None:
        """The call that it follows as it is now; None where it is forgotten."""
        if call != self._call or not self._told:
            self._call, self._told = call, True
            self.screen.show({"type": "call", "id": self.follows, "call": call})


class Feed:
    """
    Shows the calls to all viewers, while there are any.

    :param wall: the wall clock in POSIX seconds.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        api: API,
        records: CallRecords,
        status: Callable[[Access], bodies.Body],
        every_s: float = EVERY_S,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._api = api
        self._records = records
        self._status = status
        self._every_s = every_s
        self._viewers: list[Viewer] = []
        self._timer: IDelayedCall | None = None
        self._records_now: list[CallRecord] = []
        "Those of this second, and how many of its slices are done."
        self._slice = 0
        self._rows: dict[str, bodies.Body] = {}

    def join(self, viewer: Viewer) -> None:
        """Somebody looks."""
        self._viewers.append(viewer)
        self._show([viewer], {record.id: self._row(record) for record in self._shown()})
        if self._timer is None:
            self._slice = 0
            self._arm()

    def leave(self, viewer: Viewer) -> None:
        """Somebody looks no more. Leaving twice is allowed."""
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self._viewers and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def follow(self, viewer: Viewer, id: str | None) -> None:
        """Somebody looks at one call."""
        viewer.follow(id)
        self._show_call(viewer)

    def _arm(self) -> None:
        self._timer = self._clock.callLater(self._every_s / SLICES, self._look)

    def _look(self) -> None:
        self._arm()
        try:
            self._go_on()
        except Exception:  # noqa: BLE001 - the page may be wrong for once, but not for good
            self._slice = 0
            self._log.failure("web: the live page cannot be shown")

    def _go_on(self) -> None:
        """Make a part of the rows; with the last of them, show them."""
        if self._slice == 0:
            self._records_now, self._rows = self._shown(), {}
        for record in self._records_now[self._slice :: SLICES]:
            self._rows[record.id] = self._row(record)
        self._slice = (self._slice + 1) % SLICES
        if self._slice == 0:
            order = (record.id for record in self._records_now)
            self._show(self._viewers, {id: self._rows[id] for id in order})

    def _shown(self) -> list[CallRecord]:
        return [*self._records.current, *islice(self._records.past(), RECENT)]

    def _show(self, viewers: list[Viewer], rows: dict[str, bodies.Body]) -> None:
        accesses = {viewer.access for viewer in viewers}
        status = {access: self._status(access) for access in accesses}
        now = bodies.timestamp(self._wall())
        for viewer in list(viewers):
            if viewer.screen.ready:
                viewer.show_rows(rows, status[viewer.access], now)
                self._show_call(viewer)

    def _row(self, record: CallRecord) -> bodies.Body:
        """A row without the seconds, which the page counts by itself."""
        row = bodies.summary(record, self._api.streams(record), self._wall())
        del row["seconds"]
        return row

    def _show_call(self, viewer: Viewer) -> None:
        if viewer.follows is None:
            return
        record = self._records.find(viewer.follows)
        if record is None or not viewer.access.sees(record.tenant):
            viewer.show_call(None)
            return
        call = bodies.call(record, self._api.streams(record), self._wall())
        del call["seconds"]
        viewer.show_call(call)
