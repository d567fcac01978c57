"""A database without threads, and servers of others that answer when the test says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from twisted_siprec.net.database import Cursor
from twisted_siprec.net.http_client import Headers, HTTPAnswer, HTTPFailure

T = TypeVar("T")


class FakeDatabase:
    """SQLite in memory, whose jobs are done at once, or fail."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.fault: Exception | None = None
        self.closed = False
        self.pending: Deferred[None] | None = None
        "Where there is one, the next job fails or is done when it fires."

    def run(self, job: Callable[[Cursor], T]) -> Deferred[T]:
        pending, self.pending = self.pending, None
        if pending is not None:
            return pending.addCallback(lambda _: self._transaction(job))
        if self.fault is not None:
            return fail(self.fault)
        return maybeDeferred(self._transaction, job)

    def _transaction(self, job: Callable[[Cursor], T]) -> T:
        with self.connection:
            return job(self.connection.cursor())

    def close(self) -> None:
        self.closed = True


class FakePoster:
    """Keeps what is posted; each answer is the test's to give."""

    def __init__(self) -> None:
        self.posted: list[tuple[bytes, dict[str, str]]] = []
        self.waiting: list[Deferred[HTTPAnswer]] = []
        self.closed = False

    def post(self, body: bytes, headers: Headers = ()) -> Deferred[HTTPAnswer]:
        self.posted.append((body, dict(headers)))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)

    def answer(self, status: int = 200, retry_after_s: float | None = None) -> None:
        """Answer the oldest request that waits."""
        self.waiting.pop(0).callback(HTTPAnswer(status, b"", retry_after_s))

    def fail(self, why: str = "connection refused") -> None:
        """Give it no answer."""
        self.waiting.pop(0).errback(HTTPFailure(why))
