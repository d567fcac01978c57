"""
The spool's tables, and the jobs that are done on them in the database's thread.

``streams`` has a row for each stream of which something is on disk, ``entries``
what waits of it, numbered in order. A job is one transaction: what it did holds
whatever becomes of this process, or it did nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from ...bridge.entries import Entry, end_of
from ...bridge.journal import Ending, Keep, Kept, Order, PutBy, Recall, Release, Standing
from ...bridge.records import entry_from_octets, entry_to_octets
from ...dialects.base import StreamStart
from ...plan import EndReason
from ...wire import RecordError, from_octets, to_octets
from ..database import Cursor
from .spool_cipher import Cipher, SealError

T = TypeVar("T")

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS streams (
        id TEXT PRIMARY KEY, destination TEXT NOT NULL, stored_at REAL NOT NULL,
        token BLOB NOT NULL, start BLOB NOT NULL, standing BLOB NOT NULL, ending BLOB
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS entries (
        stream TEXT NOT NULL, ordinal INTEGER NOT NULL, position INTEGER NOT NULL,
        end INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (stream, ordinal)
    )
    """,
)
_NEEDED = "(end > ? OR position >= ?)"
"Of an entry, with the position that a stream stands at twice."
ENTRY_OCTETS = 100
"What an entry takes besides its body, about."
_OCTETS = f"total(length(body) + {ENTRY_OCTETS})"
MARGIN = 100_000
"What a process that was killed may have said and sent after its last words to the disk."


@dataclass(frozen=True, slots=True)
class Shelved:
    """An order for the disk, and whose it is."""

    start: StreamStart
    token: str
    order: Order


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stream that is on disk."""

    stream_id: str
    destination: str
    stored_at: float
    "POSIX seconds, of its beginning or of the call's end."


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that is needed to go on with a stream."""

    start: StreamStart
    token: str
    kept: Kept
    standing: Standing
    ending: Ending


class SpoolTable:
    """What is written, and how it is read again."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def create(self, cursor: Cursor) -> int:
        """Make the tables where they are missing; the octets that are in them."""
        for statement in _SCHEMA:
            cursor.execute(statement)
        cursor.execute(f"SELECT {_OCTETS} FROM entries")  # noqa: S608 - a constant
        return int(cursor.fetchall()[0][0])

    def write(self, cursor: Cursor, batch: list[Shelved], wallclock: float) -> int:
        """Carry orders out; by how many octets there is more now, or less."""
        return sum(self._carry_out(cursor, shelved, wallclock) for shelved in batch)

    def _carry_out(self, cursor: Cursor, shelved: Shelved, wallclock: float) -> int:
        stream_id = shelved.start.stream_id
        match shelved.order:
            case Keep(first, entries, standing):
                self._insert_stream(cursor, shelved, standing, wallclock)
                return self._insert(cursor, stream_id, first, entries)
            case Recall(_, _, _, standing):
                return -self._settle(cursor, stream_id, standing)
            case Release():
                return -self.delete(cursor, stream_id)
            case PutBy(first, entries, standing, ending):
                freed = self._forget(cursor, stream_id, "ordinal < ?", (first + len(entries),))
                self._insert_stream(cursor, shelved, standing, wallclock)
                written = self._insert(cursor, stream_id, first, entries)
                start = self._sealed(shelved.start, stream_id, "start")
                cursor.execute(
                    "UPDATE streams SET stored_at = ?, start = ?, ending = ? WHERE id = ?",
                    (wallclock, start, self._sealed(ending, stream_id, "ending"), stream_id),
                )
                return written - freed

    def _insert_stream(
        self, cursor: Cursor, shelved: Shelved, standing: Standing, wallclock: float
    ) -> None:
        stream_id = shelved.start.stream_id
        stands = self._sealed(standing, stream_id, "standing")
        cursor.execute("UPDATE streams SET standing = ? WHERE id = ?", (stands, stream_id))
        if cursor.rowcount:
            return
        cursor.execute(
            "INSERT INTO streams (id, destination, stored_at, token, start, standing)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                stream_id,
                shelved.start.destination.name,
                wallclock,
                self._cipher.seal(shelved.token.encode(), f"{stream_id} token"),
                self._sealed(shelved.start, stream_id, "start"),
                stands,
            ),
        )

    def _insert(
        self, cursor: Cursor, stream_id: str, first: int, entries: tuple[Entry, ...]
    ) -> int:
        octets = 0
        for ordinal, entry in enumerate(entries, first):
            body = self._cipher.seal(entry_to_octets(entry), f"{stream_id} {ordinal}")
            cursor.execute(
                "INSERT OR REPLACE INTO entries (stream, ordinal, position, end, body)"
                " VALUES (?, ?, ?, ?, ?)",
                (stream_id, ordinal, entry.position, end_of(entry), body),
            )
            octets += len(body) + ENTRY_OCTETS
        return octets

    def _settle(self, cursor: Cursor, stream_id: str, standing: Standing) -> int:
        """What is before the standing is not needed any more."""
        stands = self._sealed(standing, stream_id, "standing")
        cursor.execute("UPDATE streams SET standing = ? WHERE id = ?", (stands, stream_id))
        cursor.execute(
            f"SELECT ordinal FROM entries WHERE stream = ? AND {_NEEDED}"  # noqa: S608 - a constant
            " ORDER BY ordinal LIMIT 1",
            (stream_id, standing.position, standing.position),
        )
        rows = cursor.fetchall()
        if rows:
            return self._forget(cursor, stream_id, "ordinal < ?", (rows[0][0],))
        return self._forget(cursor, stream_id, "ordinal IS NOT NULL", ())

    def _forget(
        self, cursor: Cursor, stream_id: str, which: str, values: tuple[object, ...]
    ) -> int:
        cursor.execute(
            f"SELECT {_OCTETS} FROM entries WHERE stream = ? AND {which}",  # noqa: S608 - constants
            (stream_id, *values),
        )
        freed = int(cursor.fetchall()[0][0])
        cursor.execute(
            f"DELETE FROM entries WHERE stream = ? AND {which}",  # noqa: S608 - constants
            (stream_id, *values),
        )
        return freed

    def delete(self, cursor: Cursor, stream_id: str) -> int:
        """All of a stream; by how many octets there is less now."""
        freed = self._forget(cursor, stream_id, "ordinal IS NOT NULL", ())
        cursor.execute("DELETE FROM streams WHERE id = ?", (stream_id,))
        return freed

    def recall(
        self, cursor: Cursor, stream_id: str, order: Recall
    ) -> tuple[tuple[Entry, ...], int]:
        """What there is of what is asked for, and the number up to which that is all."""
        cursor.execute(
            "SELECT ordinal, position, body FROM entries"
            " WHERE stream = ? AND ordinal >= ? AND ordinal < ? ORDER BY ordinal LIMIT ?",
            (stream_id, order.first, order.until, order.most),
        )
        rows = cursor.fetchall()
        through = rows[-1][0] if len(rows) == order.most else order.until - 1
        entries = []
        for ordinal, position, body in rows:
            try:
                opened = self._cipher.open(body, f"{stream_id} {ordinal}")
                entries.append(entry_from_octets(position, opened))
            except (SealError, RecordError):
                # Nobody can hear it any more: it becomes a gap, which names it.
                continue
        return tuple(entries), through

    def waiting(self, cursor: Cursor) -> list[Waiting]:
        """Every stream that is on disk, the oldest first."""
        cursor.execute("SELECT id, destination, stored_at FROM streams ORDER BY stored_at")
        return [Waiting(*row) for row in cursor.fetchall()]

    def load(self, cursor: Cursor, stream_id: str, exact: bool) -> Loaded | None:
        """
        A stream whose call is over; None where it is not there.

        :param exact: this process wrote it at the call's end, so that nothing was
            said in its name since. :exc:`SealError` and :exc:`RecordError` where
            it cannot be read.
        """
        cursor.execute(
            "SELECT token, start, standing, ending FROM streams WHERE id = ?", (stream_id,)
        )
        rows = cursor.fetchall()
        if not rows:
            return None
        token, start_octets, standing_octets, ending_octets = rows[0]
        start = self._unsealed(StreamStart, start_octets, stream_id, "start")
        standing = self._unsealed(Standing, standing_octets, stream_id, "standing")
        if not exact:
            frames, texts = standing.frames + MARGIN, standing.texts + MARGIN
            connections = max(1, standing.connections)
            standing = replace(standing, frames=frames, texts=texts, connections=connections)
        cursor.execute(
            "SELECT min(ordinal), max(ordinal), max(end) FROM entries WHERE stream = ?",
            (stream_id,),
        )
        [(first, last, end)] = cursor.fetchall()
        kept = Kept(0, 0) if first is None else Kept(first, last + 1)
        if ending_octets is not None:
            ending = self._unsealed(Ending, ending_octets, stream_id, "ending")
        else:
            # The process was killed amid the call: what is on disk is all there is.
            final = max(standing.position, end or 0)
            duration_ms = final * 1000 // start.sample_rate
            ending = Ending(EndReason.ERROR, duration_ms, (), final)
        opened = self._cipher.open(token, f"{stream_id} token").decode()
        return Loaded(start, opened, kept, standing, ending)

    def _sealed(self, value: object, stream_id: str, what: str) -> bytes:
        return self._cipher.seal(to_octets(value), f"{stream_id} {what}")

    def _unsealed(self, kind: type[T], octets: bytes, stream_id: str, what: str) -> T:
        return from_octets(kind, self._cipher.open(octets, f"{stream_id} {what}"))
