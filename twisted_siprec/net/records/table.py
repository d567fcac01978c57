"""
The table of call records, in SQLite or PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred

from ..database import Cursor, Database
from .record import COLUMNS, CallRecord

TABLE = "siprec_calls"

_TYPES = {
    "began_at": "{time} NOT NULL",
    "answered_at": "{time}",
    "ended_at": "{time}",
    "status": "BIGINT",
    "duration_ms": "BIGINT",
    "packets": "BIGINT",
    "lost": "BIGINT",
    "concealed_ms": "BIGINT",
    "missing_ms": "BIGINT",
    "warnings": "BIGINT NOT NULL",
    "max_jitter_ms": "DOUBLE PRECISION",
    "complete": "BOOLEAN",
    "participants": "{json}",
    "identifiers": "{json}",
    "destinations": "{json}",
    "streams": "{json}",
    "deliveries": "{json}",
    "id": "TEXT PRIMARY KEY",
}
"Of the columns that are no plain texts."


class RecordTable:
    """
    The rows of all nodes; this one writes its own. Every method is one transaction.

    :param node: what this server is called.
    """

    def __init__(self, database: Database, node: str, postgresql: bool = False) -> None:
        self._database = database
        self._node = node
        self._mark = "%s" if postgresql else "?"
        words = (
            {"time": "TIMESTAMPTZ", "json": "JSONB"}
            if postgresql
            else {"time": "TEXT", "json": "TEXT"}
        )
        self._declared = {name: _TYPES.get(name, "TEXT").format(**words) for name in COLUMNS}
        self._columns = ", ".join(f"{name} {kind}" for name, kind in self._declared.items())

    def open(self, now: str) -> Deferred[None]:
        """
        Make the table where it is missing. Calls of this node that have no end are
        lost: the server that recorded them is no more.
        """
        mark = self._mark

        def job(cursor: Cursor) -> None:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({self._columns})")
            self._add_columns(cursor)
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {TABLE}_began_at ON {TABLE} (began_at)")
            cursor.execute(
                f"UPDATE {TABLE} SET state = 'lost', ended_at = {mark} "  # noqa: S608
                f"WHERE node = {mark} AND ended_at IS NULL",
                (now, self._node),
            )

        return self._database.run(job)

    def _add_columns(self, cursor: Cursor) -> None:
        """A table that an earlier version made lacks some."""
        cursor.execute(f"SELECT * FROM {TABLE} LIMIT 0")  # noqa: S608 - a constant of ours
        there = {column[0] for column in cursor.description}
        for name, declaration in self._declared.items():
            if name not in there:
                cursor.execute(f"ALTER TABLE {TABLE} ADD COLUMN {name} {declaration}")

    def write(self, records: Sequence[CallRecord]) -> Deferred[None]:
        """Add rows, or put them in the place of those that are there."""
        marks = ", ".join([self._mark] * len(COLUMNS))
        changes = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "id")
        statement = (
            f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT (id) DO UPDATE SET {changes}"
        )

        def job(cursor: Cursor) -> None:
            for record in records:
                cursor.execute(statement, record.values)

        return self._database.run(job)

    def remove(
        self, before: str | None, tenants: Mapping[str, str | None] | None = None
    ) -> Deferred[int]:
        """
        Remove the rows of calls that began before; how many they were. None for none.

        :param tenants: other times, for the rows of some tenants.
        """
        own = tenants or {}
        mark = self._mark

        def job(cursor: Cursor) -> int:
            count = 0
            if before is not None:
                others = "".join(f" AND tenant <> {mark}" for _ in own)
                cursor.execute(
                    f"DELETE FROM {TABLE} WHERE began_at < {mark} "  # noqa: S608
                    f"AND (tenant IS NULL OR (TRUE{others}))",
                    (before, *own),
                )
                count += cursor.rowcount
            for tenant, until in own.items():
                if until is not None:
                    cursor.execute(
                        f"DELETE FROM {TABLE} WHERE began_at < {mark} AND tenant = {mark}",  # noqa: S608
                        (until, tenant),
                    )
                    count += cursor.rowcount
            return count

        return self._database.run(job)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
