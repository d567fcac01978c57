"""
Databases: SQLite in a file, or PostgreSQL for several nodes, in threads of their
own (:mod:`twisted.enterprise.adbapi`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred

T = TypeVar("T")

BUSY_S = 30.0
"How long a writer waits for another process that writes to the same file."


class Cursor(Protocol):
    """The part of a cursor (:pep:`249`) that is used."""

    rowcount: int
    description: Any
    "Of the columns of the last query: a name first, each."

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """All rows of the last statement."""


class Database(Protocol):
    """A database that runs jobs, each a transaction."""

    def run(self, job: Callable[[Cursor], T]) -> Deferred[T]:
        """Run it in a thread; what it did holds once the Deferred fires, or not at all."""

    def close(self) -> None:
        """Close all connections."""


class SQLiteDatabase:
    """
    A file. One thread uses it, so that jobs are run one after the other, in order.

    :param reactor: the reactor; its end closes the file too.
    """

    def __init__(self, path: str, reactor: Any) -> None:
        self._pool = ConnectionPool(
            "sqlite3",
            path,
            timeout=BUSY_S,
            check_same_thread=False,
            cp_min=1,
            cp_max=1,
            cp_noisy=False,
            cp_openfun=_prepare,
            cp_reactor=reactor,
        )

    def run(self, job: Callable[[Cursor], T]) -> Deferred[T]:
        """See :meth:`Database.run`."""
        running: Deferred[T] = self._pool.runInteraction(job)
        return running

    def close(self) -> None:
        """See :meth:`Database.close`."""
        self._pool.close()


class PostgreSQLDatabase:
    """
    A PostgreSQL server, by psycopg. A connection that broke is made anew for the
    next job; the job that found out fails.

    :param conninfo: ``postgresql://…``; a password is better in ``PGPASSFILE``.
    """

    def __init__(self, conninfo: str, reactor: Any, connections: int = 2) -> None:
        self._pool = ConnectionPool(
            "psycopg",
            conninfo,
            cp_min=1,
            cp_max=connections,
            cp_noisy=False,
            cp_reconnect=True,
            cp_good_sql="SELECT 1",
            cp_reactor=reactor,
        )

    def run(self, job: Callable[[Cursor], T]) -> Deferred[T]:
        """See :meth:`Database.run`."""
        running: Deferred[T] = self._pool.runInteraction(job)
        return running

    def close(self) -> None:
        """See :meth:`Database.close`."""
        self._pool.close()


def _prepare(connection: sqlite3.Connection) -> None:
    """Readers do not hold up the writer, and a crash of ours loses nothing that was committed."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
