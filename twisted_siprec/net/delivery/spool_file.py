"""
The spool of a configuration: its directory, its file, its key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail

from ...config.model import SpoolConfiguration
from ..credentials import read_secret
from ..database import Cursor, SQLiteDatabase
from .spool import Spool, SpoolLimits
from .spool_cipher import Cipher, Open, Sealed
from .spool_table import SpoolTable

T = TypeVar("T")

FILE = "spool.sqlite"


def spool_of(settings: SpoolConfiguration, reactor: Any) -> Spool | None:
    """The spool, which opens nothing yet; None where there is to be none."""
    if settings.directory is None:
        return None
    cipher: Cipher = Open() if settings.key is None else Sealed(read_secret(settings.key))
    return Spool(
        SpoolFile(settings.directory, reactor),
        SpoolTable(cipher),
        reactor,
        time.time,
        SpoolLimits(max_octets=settings.max_mb * 1024 * 1024, batch_s=settings.batch_ms / 1000),
    )


class SpoolFile:
    """A database in a directory that is made with the first job, for our user alone."""

    def __init__(self, directory: str, reactor: Any) -> None:
        self._directory = directory
        self._reactor = reactor
        self._database: SQLiteDatabase | None = None

    def run(self, job: Callable[[Cursor], T]) -> Deferred[T]:
        """See :meth:`~.database.Database.run`."""
        if self._database is None:
            try:
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
            except OSError as error:
                return fail(error)
            self._database = SQLiteDatabase(os.path.join(self._directory, FILE), self._reactor)
        return self._database.run(job)

    def close(self) -> None:
        """See :meth:`~.database.Database.close`."""
        database, self._database = self._database, None
        if database is not None:
            database.close()
