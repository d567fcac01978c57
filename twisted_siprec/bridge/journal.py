"""
What of a backlog is on disk.

A stream whose consumer keeps up writes nothing. Once too much waits, all that
waits is copied to the spool, and all that comes; once the ring is full, what
comes is on disk alone, and is recalled as the ring empties::

    RESTING ─too much waits─► COPYING ─ring is full─► OVERFLOWED
       ▲                       │   ▲                      │
       └──── all is sent ──────┘   └─── all is recalled ──┘

Entries are numbered in the order in which they came. Whatever of them does not
come back from the disk leaves a hole in the time line, which the backlog names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..plan import EndReason
from ..report import StreamStatistics
from .entries import Entry

RECALLED = 128
"Entries that are recalled at a time: some seconds of audio."


class Keeping(Enum):
    """Where what waits is."""

    RESTING = "in the ring"
    COPYING = "in the ring, and a copy of it on disk"
    OVERFLOWED = "the oldest in the ring, the rest on disk"


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a stream before a position: enough to go on from there."""

    position: int = 0
    "All before it was delivered or is missing; nothing of it is needed any more."
    missing: int = 0
    gaps: tuple[tuple[str, int], ...] = ()
    "(reason, samples), filled ones included."
    frames: int = 0
    texts: int = 0
    connections: int = 0
    replayed: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How the call ended, for a stop that is said later."""

    reason: EndReason
    duration_ms: int
    channels: tuple[StreamStatistics, ...]
    final_position: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Write these entries, numbered from ``first``; what is before the standing may go."""

    first: int
    entries: tuple[Entry, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Recall:
    """Read what was kept, from ``first`` to before ``until``, in order and not too much at once."""

    first: int
    until: int
    most: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Release:
    """Nothing that was kept is needed any more."""


@dataclass(frozen=True, slots=True)
class PutBy:
    """
    The call is over: keep these in place of all before ``first + len(entries)``,
    to be delivered later.
    """

    first: int
    entries: tuple[Entry, ...]
    standing: Standing
    ending: Ending


@dataclass(frozen=True, slots=True)
class Kept:
    """What the spool has of a stream: from which number to before which."""

    first: int
    until: int


Order = Keep | Recall | Release | PutBy
"What the spool is to do."


class Journal:
    """
    Numbers the entries of one stream and knows where they are.

    :param after_samples: with more than this waiting, it is copied to disk.
    :param kept: what is on disk from an earlier time.
    """

    def __init__(self, after_samples: int, kept: Kept | None = None) -> None:
        self.after_samples = after_samples
        self.state = Keeping.RESTING if kept is None else Keeping.OVERFLOWED
        self._first = 0 if kept is None else kept.first
        self._next = 0 if kept is None else kept.until
        self._recalling = False
        self._orders: list[Order] = []
        if kept is not None:
            self._drained()

    def orders(self) -> list[Order]:
        """What is to be done, in order; each is given once."""
        drained, self._orders = self._orders, []
        return drained

    @property
    def overflowed(self) -> bool:
        """Something is on disk and not in the ring."""
        return self.state is Keeping.OVERFLOWED

    def copy(self, entries: Iterable[Entry], standing: Standing) -> None:
        """These are in the ring, and are to be on disk too."""
        self.state = Keeping.COPYING
        self._keep(tuple(entries), standing)
        self._first = self._next

    def overflow(self, entry: Entry, standing: Standing) -> None:
        """The ring is full: this one is to be on disk alone."""
        self.state = Keeping.OVERFLOWED
        self._keep((entry,), standing)

    def _keep(self, entries: tuple[Entry, ...], standing: Standing) -> None:
        self._orders.append(Keep(self._next, entries, standing))
        self._next += len(entries)

    def recall(self, standing: Standing) -> None:
        """There is room in the ring."""
        if self.overflowed and not self._recalling:
            self._recalling = True
            self._orders.append(Recall(self._first, self._next, RECALLED, standing))

    def recalled(self, through: int) -> None:
        """All up to and with this number came back, or will not."""
        self._recalling = False
        self._first = max(self._first, min(through + 1, self._next))
        self._drained()

    def release(self) -> None:
        """Nothing waits any more, or nothing is wanted."""
        if self.state is not Keeping.RESTING:
            self.state = Keeping.RESTING
            self._first = self._next
            self._orders.append(Release())

    def put_by(self, entries: tuple[Entry, ...], standing: Standing, ending: Ending) -> None:
        """These are in the ring; they come before what is on disk alone."""
        self.state = Keeping.OVERFLOWED
        self._orders.append(PutBy(self._first - len(entries), entries, standing, ending))

    def _drained(self) -> None:
        if self.overflowed and self._first == self._next:
            self.state = Keeping.COPYING
