"""
The events that webhooks still have to get, in a file that outlives the server.

The events of a call go to a webhook in the order in which they happened: only the
first one of each call is ever handed out, until it is gone or dead. A dead letter
is one that was given up; some of them are kept for the operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from ..database import Cursor, Database

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS webhook_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        webhook TEXT NOT NULL,
        call TEXT NOT NULL,
        event TEXT NOT NULL,
        name TEXT NOT NULL,
        body BLOB NOT NULL,
        queued_at REAL NOT NULL,
        due_at REAL NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        dead TEXT
    )
    """,
    """
    CREATE INDEX IF NOT EXISTS webhook_events_waiting
        ON webhook_events (webhook, call, id) WHERE dead IS NULL
    """,
)

_COLUMNS = "id, webhook, call, event, name, body, queued_at, attempts, dead"

_HEADS = f"""
    SELECT {_COLUMNS}, due_at
    FROM webhook_events AS one
    WHERE webhook = ? AND dead IS NULL AND NOT EXISTS (
        SELECT 1 FROM webhook_events AS earlier
        WHERE earlier.webhook = one.webhook AND earlier.call = one.call
            AND earlier.dead IS NULL AND earlier.id < one.id
    )
    ORDER BY due_at, id LIMIT ?
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way to a webhook."""

    webhook: str
    call: str
    event: str
    "The id of the event, the same at each attempt and for each webhook."
    name: str
    body: bytes
    queued_at: float
    id: int = 0
    attempts: int = 0
    dead: str | None = None
    "Why it was given up."


@dataclass(frozen=True, slots=True)
class Due:
    """What can be sent now, and when there will be more."""

    letters: tuple[Letter, ...]
    next_at: float | None = None


class WebhookQueue:
    """
    The queue of all webhooks. Every method is one transaction.

    :param max_waiting: letters for one webhook; more push the oldest out, among
        the dead.
    :param max_dead: dead letters that are kept, of all webhooks; more push the
        oldest out for good.
    """

    def __init__(
        self, database: Database, max_waiting: int = 100_000, max_dead: int = 1_000
    ) -> None:
        self._database = database
        self._max_waiting = max_waiting
        self._max_dead = max_dead

    def open(self) -> Deferred[None]:
        """Make the tables where they are missing; what waits is due at once."""

        def job(cursor: Cursor) -> None:
            for statement in _SCHEMA:
                cursor.execute(statement)
            cursor.execute("UPDATE webhook_events SET due_at = 0 WHERE dead IS NULL")

        return self._database.run(job)

    def add(self, letters: Sequence[Letter]) -> Deferred[int]:
        """Append letters; how many old ones had to go for them."""

        def job(cursor: Cursor) -> int:
            for letter in letters:
                cursor.execute(
                    "INSERT INTO webhook_events "
                    "(webhook, call, event, name, body, queued_at, due_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        letter.webhook,
                        letter.call,
                        letter.event,
                        letter.name,
                        letter.body,
                        letter.queued_at,
                        letter.queued_at,
                    ),
                )
            return sum(self._trim(cursor, name) for name in {each.webhook for each in letters})

        return self._database.run(job)

    def due(
        self, webhook: str, now: float, horizon_s: float, held: frozenset[int], count: int
    ) -> Deferred[Due]:
        """
        The first letters of some calls, the longest due first.

        :param horizon_s: nothing is put off for longer, so what seems to be is
            due: the clock was set back.
        :param held: letters that are being sent.
        """

        def job(cursor: Cursor) -> Due:
            cursor.execute(_HEADS, (webhook, count + len(held) + 1))
            heads = [
                (_letter(row), float(row[9])) for row in cursor.fetchall() if row[0] not in held
            ]
            letters = [
                letter for letter, due_at in heads if due_at <= now or due_at > now + horizon_s
            ]
            later = [due_at for letter, due_at in heads if letter not in letters]
            return Due(tuple(letters[:count]), min(later, default=None))

        return self._database.run(job)

    def delivered(self, letter: Letter) -> Deferred[None]:
        """The webhook has it."""
        return self._execute("DELETE FROM webhook_events WHERE id = ?", letter.id)

    def put_off(self, letter: Letter, due_at: float) -> Deferred[None]:
        """An attempt failed; the next one is not to be before then."""
        statement = "UPDATE webhook_events SET due_at = ?, attempts = attempts + 1 WHERE id = ?"
        return self._execute(statement, due_at, letter.id)

    def bury(self, letter: Letter, why: str) -> Deferred[None]:
        """It is given up."""

        def job(cursor: Cursor) -> None:
            cursor.execute("UPDATE webhook_events SET dead = ? WHERE id = ?", (why, letter.id))
            self._trim_dead(cursor)

        return self._database.run(job)

    def dead(self, count: int = 100) -> Deferred[tuple[Letter, ...]]:
        """The latest dead letters."""

        def job(cursor: Cursor) -> tuple[Letter, ...]:
            cursor.execute(
                f"SELECT {_COLUMNS} FROM webhook_events "  # noqa: S608 - a constant of ours
                "WHERE dead IS NOT NULL ORDER BY id DESC LIMIT ?",
                (count,),
            )
            return tuple(_letter(row) for row in cursor.fetchall())

        return self._database.run(job)

    def revive(self, webhook: str, now: float) -> Deferred[int]:
        """Try the dead letters of a webhook again, as if they were new; how many there are."""

        def job(cursor: Cursor) -> int:
            cursor.execute(
                "UPDATE webhook_events SET dead = NULL, queued_at = ?, due_at = ?, attempts = 0 "
                "WHERE webhook = ? AND dead IS NOT NULL",
                (now, now, webhook),
            )
            return cursor.rowcount

        return self._database.run(job)

    def waiting(self) -> Deferred[dict[str, int]]:
        """How many letters wait for each webhook."""

        def job(cursor: Cursor) -> dict[str, int]:
            cursor.execute(
                "SELECT webhook, count(*) FROM webhook_events WHERE dead IS NULL GROUP BY webhook"
            )
            return {str(row[0]): int(row[1]) for row in cursor.fetchall()}

        return self._database.run(job)

    def depths(self) -> Deferred[dict[str, tuple[int, int]]]:
        """For each webhook, how many letters wait and how many dead ones are kept."""

        def job(cursor: Cursor) -> dict[str, tuple[int, int]]:
            cursor.execute(
                "SELECT webhook, count(*) - count(dead), count(dead) FROM webhook_events "
                "GROUP BY webhook"
            )
            return {str(row[0]): (int(row[1]), int(row[2])) for row in cursor.fetchall()}

        return self._database.run(job)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _execute(self, statement: str, *parameters: object) -> Deferred[None]:
        def job(cursor: Cursor) -> None:
            cursor.execute(statement, parameters)

        return self._database.run(job)

    def _trim(self, cursor: Cursor, webhook: str) -> int:
        """Where too many wait for a webhook, the oldest are given up."""
        cursor.execute(
            "SELECT count(*) FROM webhook_events WHERE webhook = ? AND dead IS NULL", (webhook,)
        )
        surplus = int(cursor.fetchall()[0][0]) - self._max_waiting
        if surplus <= 0:
            return 0
        cursor.execute(
            "UPDATE webhook_events SET dead = 'the queue was full' WHERE id IN ("
            "SELECT id FROM webhook_events WHERE webhook = ? AND dead IS NULL "
            "ORDER BY id LIMIT ?)",
            (webhook, surplus),
        )
        self._trim_dead(cursor)
        return surplus

    def _trim_dead(self, cursor: Cursor) -> None:
        cursor.execute(
            "DELETE FROM webhook_events WHERE dead IS NOT NULL AND id NOT IN ("
            "SELECT id FROM webhook_events WHERE dead IS NOT NULL ORDER BY id DESC LIMIT ?)",
            (self._max_dead,),
        )


def _letter(row: Sequence[Any]) -> Letter:
    """A row of :data:`_COLUMNS`."""
    id, webhook, call, event, name, body, queued_at, attempts, dead, *_ = row
    return Letter(webhook, call, event, name, bytes(body), queued_at, id, attempts, dead)
